/** Packets as a script writes them: `S. 0:0(0) ack 1 win 65535 <mss 1460>`, `icmp unreachable frag_needed mtu 1200`. */
import { MAXIMUM_SACK_BLOCKS, TcpFlag } from '../wire/index.ts';
import { ScriptSyntaxError } from './errors.ts';
import { parseIcmp } from './parse-icmp.ts';
import { FLAGS, parseQuoted, parseSequence } from './parse-sequence.ts';
import type { Scanner } from './scanner.ts';
import type { IpAnnotation, PacketSpec, QuotedSegment, TcpOptionSpec, TcpPacketSpec } from './script.ts';

const PORTS = /(\d+)\s*>\s*(\d+)(?=\s)/y;
const HEX = /(?:0x)?[0-9a-fA-F]+(?=[\s,>])/y;

const FLAG_BITS: Readonly<Record<string, number>> = {
  F: TcpFlag.FIN,
  S: TcpFlag.SYN,
  R: TcpFlag.RST,
  P: TcpFlag.PSH,
  '.': TcpFlag.ACK,
  U: TcpFlag.URG,
  E: TcpFlag.ECE,
  W: TcpFlag.CWR,
};

/** One packet, after its direction. @throws ScriptSyntaxError */
export function parsePacket(scanner: Scanner): PacketSpec {
  // Older scripts have the segment that an ICMP error quotes in front of it.
  const quoted = scanner.looksLike(/\[\s*[\d.FSRPEWAU]+[\s:]/y) ? parseQuoted(scanner) : null;
  const ip = parseAnnotation(scanner);
  const { line } = scanner;
  if (scanner.acceptWord('icmp')) return { ...parseIcmp(scanner, quoted), ip };
  if (scanner.acceptWord('icmpv6')) return { ...parseIcmp(scanner, quoted), ip, ipv4: null };
  if (quoted !== null) scanner.fail('only an ICMP message quotes a segment; next');
  for (const protocol of ['udp', 'ipv4', 'ipv6', 'gre', 'GREv0', 'mpls', 'sctp', 'udplite', 'raw']) {
    if (scanner.acceptWord(protocol)) {
      throw new ScriptSyntaxError(line, `${protocol} packets are not supported: only TCP and ICMP are`);
    }
  }
  return parseTcpPacket(scanner, ip);
}

const NO_ANNOTATION: IpAnnotation = { ecn: null, typeOfService: null, timeToLive: null, flowLabel: null };

const ECN_NAMES: Readonly<Record<string, IpAnnotation['ecn']>> = { noecn: 0, ect0: 2, ect1: 1, ce: 3, ect01: 'ect' };

function parseAnnotation(scanner: Scanner): IpAnnotation {
  const close = scanner.accept('[') ? ']' : scanner.accept('(') ? ')' : null;
  if (close === null) return NO_ANNOTATION;
  let { ecn, typeOfService, timeToLive, flowLabel } = NO_ANNOTATION;
  do {
    const name = scanner.name('noecn, ect0, ect1, ect01, ce, tos, ttl or flowlabel');
    if (name in ECN_NAMES) ecn = ECN_NAMES[name];
    else if (name === 'tos' || name === 'tclass') typeOfService = scanner.integer('the type of service');
    else if (name === 'ttl' || name === 'hlim') timeToLive = scanner.integer('the time to live');
    else if (name === 'flowlabel') flowLabel = scanner.integer('the flow label');
    else scanner.fail(`"${name}" is no field of the IP header that a packet can name`);
  } while (scanner.accept(','));
  scanner.expect(close);
  return { ecn, typeOfService, timeToLive, flowLabel };
}

function parseTcpPacket(scanner: Scanner, ip: IpAnnotation): TcpPacketSpec {
  const ports = parsePorts(scanner);
  const letters = scanner.take(FLAGS) || scanner.fail('expected the flags of a TCP segment, letters of "FSRPUEWA."');
  let flags = 0;
  let ace: number | null = null;
  for (const letter of letters) {
    if (letter in FLAG_BITS) flags |= FLAG_BITS[letter];
    else if (/\d/.test(letter)) ace = Number(letter);
  }
  if (ace !== null) flags |= (ace & 2 ? TcpFlag.CWR : 0) | (ace & 1 ? TcpFlag.ECE : 0);
  const accurateEcn = letters.includes('A') || (ace !== null && (ace & 4) !== 0);
  const { sequence, length, numbering } = parseNumbers(scanner);
  let acknowledgment: number | null = null;
  let window: number | null = null;
  let urgentPointer: number | null = null;
  for (;;) {
    if (scanner.acceptWord('ack')) acknowledgment = scanner.integer('the acknowledgment number');
    else if (scanner.acceptWord('win')) window = scanner.integer('the window');
    else if (scanner.acceptWord('urg')) urgentPointer = scanner.integer('the urgent pointer');
    else break;
  }
  if (window !== null && window > 0xffff) scanner.fail(`a window is 0…65535, ${window} is not; next`);
  if (urgentPointer !== null && urgentPointer > 0xffff) scanner.fail('an urgent pointer is 0…65535; next');
  const options = scanner.sees('<') ? parseOptions(scanner) : [];
  if (scanner.sees('{')) scanner.fail('mutated packets are not supported; next');
  if (scanner.looksLike(/\/\s*udp\b/y)) scanner.fail('segments inside of UDP are not supported; next');
  const numbers = { numbering, sequence, length, acknowledgment, window, urgentPointer };
  return { kind: 'tcp', flags, ace, accurateEcn, ports, ...numbers, options, ip };
}

function parsePorts(scanner: Scanner): TcpPacketSpec['ports'] {
  const text = scanner.take(PORTS);
  if (text === null) return null;
  const [source, destination] = text.split('>').map(Number);
  if (source > 0xffff || destination > 0xffff) scanner.fail('a port is 0…65535; next');
  return { source, destination };
}

/** Numbers of a segment: `1:11(10)`, `1:11(10)!` as they are on the wire, or `...(10)` whatever they are. */
function parseNumbers(scanner: Scanner): QuotedSegment & { readonly numbering: TcpPacketSpec['numbering'] } {
  if (scanner.accept('...')) {
    scanner.expect('(');
    const length = scanner.integer('the payload length');
    scanner.expect(')');
    return { sequence: 0, length, numbering: 'any' };
  }
  return { ...parseSequence(scanner), numbering: scanner.accept('!') ? 'absolute' : 'relative' };
}

function parseOptions(scanner: Scanner): TcpOptionSpec[] | 'any' {
  scanner.expect('<');
  if (scanner.accept('...')) {
    scanner.expect('>');
    return 'any';
  }
  const options: TcpOptionSpec[] = [];
  if (scanner.accept('>')) return options;
  do options.push(parseOption(scanner));
  while (scanner.accept(','));
  scanner.expect('>');
  return options;
}

function parseOption(scanner: Scanner): TcpOptionSpec {
  const name = scanner.name('a TCP option');
  switch (name) {
    case 'nop':
    case 'NOP':
      return { kind: 'nop' };
    case 'eol':
    case 'EOL':
      return { kind: 'eol' };
    case 'mss':
      return { kind: 'mss', value: scanner.integer('the segment size') };
    case 'wscale':
    case 'ws':
      return { kind: 'wscale', value: scanner.integer('the shift') };
    case 'sackOK':
      return { kind: 'sackOK' };
    case 'sack':
      return { kind: 'sack', blocks: parseBlocks(scanner) };
    case 'TS': {
      if (!scanner.acceptWord('val')) scanner.fail('expected "val"');
      const value = scanner.accept('...') ? null : scanner.integer('the timestamp');
      if (!scanner.acceptWord('ecr')) scanner.fail('expected "ecr"');
      const echo = scanner.integer('the timestamp echo');
      return scanner.accept('!') ? { kind: 'TS', value, echo, echoAsIs: true } : { kind: 'TS', value, echo };
    }
    case 'FO':
    case 'FOEXP':
      return { kind: name, cookie: parseHex(scanner) };
    case 'md5':
      return { kind: 'other', number: 19, data: parseHex(scanner) };
    default:
      return scanner.fail(`the TCP option ${name} is not known; next`);
  }
}

function parseBlocks(scanner: Scanner): [number, number][] {
  const blocks: [number, number][] = [];
  while (scanner.looksLike(/\d+\s*:/y)) {
    const left = scanner.integer('the left edge');
    scanner.expect(':');
    blocks.push([left, scanner.integer('the right edge')]);
  }
  if (blocks.length === 0 || blocks.length > MAXIMUM_SACK_BLOCKS) {
    scanner.fail(`a SACK option has 1 to ${MAXIMUM_SACK_BLOCKS} blocks, written left:right; next`);
  }
  return blocks;
}

function parseHex(scanner: Scanner): Uint8Array {
  const digits = (scanner.take(HEX) ?? '').replace(/^0x/, '');
  if (digits.length % 2 !== 0) scanner.fail(`${digits} is no whole number of bytes; next`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Packets as a script writes them: `S. 0:0(0) ack 1 win 65535 <mss 1460>`, `icmp unreachable frag_needed mtu 1200`. */
import {
  Icmpv4Type,
  Icmpv6Type,
  Icmpv6UnreachableCode,
  MAXIMUM_SACK_BLOCKS,
  TcpFlag,
  UnreachableCode,
} from '../wire/index.ts';
import { ScriptSyntaxError } from './errors.ts';
import type { Scanner } from './scanner.ts';
import type {
  IcmpPacketSpec,
  IpAnnotation,
  PacketSpec,
  QuotedSegment,
  TcpOptionSpec,
  TcpPacketSpec,
} from './script.ts';

const FLAGS = /(?:[FSRPEWAU.]+|-)(?=[\s\d])/y;
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

const UNREACHABLE_CODES: Readonly<Record<string, number>> = {
  net_unreachable: UnreachableCode.NETWORK,
  host_unreachable: UnreachableCode.HOST,
  protocol_unreachable: UnreachableCode.PROTOCOL,
  port_unreachable: UnreachableCode.PORT,
  frag_needed: UnreachableCode.FRAGMENTATION_NEEDED,
  source_route_failed: UnreachableCode.SOURCE_ROUTE_FAILED,
  net_unknown: 6,
  host_unknown: 7,
  source_host_isolated: 8,
  net_prohibited: 9,
  host_prohibited: 10,
  net_unreachable_for_tos: 11,
  host_unreachable_for_tos: 12,
  packet_filtered: UnreachableCode.ADMINISTRATIVELY_PROHIBITED,
  precedence_violation: 14,
  precedence_cutoff: 15,
};

const ICMP_TYPES: Readonly<Record<string, number>> = {
  unreachable: Icmpv4Type.DESTINATION_UNREACHABLE,
  source_quench: Icmpv4Type.SOURCE_QUENCH,
  redirect: Icmpv4Type.REDIRECT,
  time_exceeded: Icmpv4Type.TIME_EXCEEDED,
  parameter_problem: Icmpv4Type.PARAMETER_PROBLEM,
};

const ICMPV6_UNREACHABLE_CODES: Readonly<Record<string, number>> = {
  no_route: Icmpv6UnreachableCode.NO_ROUTE,
  admin_prohibited: Icmpv6UnreachableCode.ADMINISTRATIVELY_PROHIBITED,
  beyond_scope: Icmpv6UnreachableCode.BEYOND_SCOPE,
  not_neighbour: Icmpv6UnreachableCode.BEYOND_SCOPE,
  addr_unreachable: Icmpv6UnreachableCode.ADDRESS,
  address_unreachable: Icmpv6UnreachableCode.ADDRESS,
  port_unreachable: Icmpv6UnreachableCode.PORT,
};

const ICMPV6_TYPES: Readonly<Record<string, number>> = {
  unreachable: Icmpv6Type.DESTINATION_UNREACHABLE,
  packet_too_big: Icmpv6Type.PACKET_TOO_BIG,
  time_exceeded: Icmpv6Type.TIME_EXCEEDED,
  parameter_problem: Icmpv6Type.PARAMETER_PROBLEM,
};

/** One packet, after its direction. @throws ScriptSyntaxError */
export function parsePacket(scanner: Scanner): PacketSpec {
  const ip = parseAnnotation(scanner);
  if (scanner.acceptWord('icmp')) return parseIcmp(scanner, ip, 4);
  if (scanner.acceptWord('icmpv6')) return parseIcmp(scanner, ip, 6);
  const { line } = scanner;
  for (const protocol of ['udp', 'ipv4', 'ipv6', 'gre', 'mpls', 'sctp', 'udplite']) {
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
  const letters = scanner.take(FLAGS) ?? scanner.fail('expected the flags of a TCP segment, letters of "FSRPUEW."');
  let flags = 0;
  if (letters !== '-') {
    for (const letter of letters) {
      if (!(letter in FLAG_BITS)) scanner.fail(`the flag ${letter} is not supported`);
      flags |= FLAG_BITS[letter];
    }
  }
  const { sequence, length } = parseSequence(scanner);
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
  const options = scanner.sees('<') ? parseOptions(scanner) : [];
  return { kind: 'tcp', flags, sequence, length, acknowledgment, window, urgentPointer, options, ip };
}

function parseSequence(scanner: Scanner): QuotedSegment {
  const { line } = scanner;
  const sequence = scanner.integer('the sequence number');
  scanner.expect(':');
  const end = scanner.integer('the end of the sequence numbers');
  scanner.expect('(');
  const length = scanner.integer('the payload length');
  scanner.expect(')');
  if ((sequence + length) % 0x1_0000_0000 !== end % 0x1_0000_0000) {
    throw new ScriptSyntaxError(
      line,
      `${sequence}:${end}(${length}) does not add up: ${sequence} + ${length} is not ${end}`,
    );
  }
  if (length > 0xffff) throw new ScriptSyntaxError(line, `a segment of ${length} bytes is beyond 65535`);
  return { sequence, length };
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
      const value = scanner.integer('the timestamp');
      if (!scanner.acceptWord('ecr')) scanner.fail('expected "ecr"');
      return { kind: 'TS', value, echo: scanner.integer('the timestamp echo') };
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

function parseIcmp(scanner: Scanner, ip: IpAnnotation, family: 4 | 6): IcmpPacketSpec {
  const types = family === 4 ? ICMP_TYPES : ICMPV6_TYPES;
  const name = scanner.name('the type of the ICMP message');
  if (!(name in types)) scanner.fail(`the ICMP type ${name} is not supported; next`);
  const type = types[name];
  let code = 0;
  if (scanner.looksLike(/\d/y)) code = scanner.integer('the code');
  else if (name === 'unreachable') {
    const codes = family === 4 ? UNREACHABLE_CODES : ICMPV6_UNREACHABLE_CODES;
    const codeName = scanner.name('the code of the ICMP message');
    if (!(codeName in codes)) scanner.fail(`the code ${codeName} is not known; next`);
    code = codes[codeName];
  }
  const mtu = scanner.acceptWord('mtu') ? scanner.integer('the MTU') : 0;
  let quoted: QuotedSegment | null = null;
  if (scanner.accept('[')) {
    scanner.take(FLAGS);
    quoted = parseSequence(scanner);
    scanner.until(']', 'the quoted segment');
  }
  return { kind: 'icmp', family, type, code, mtu, quoted, ip };
}

/** Frames that the script injects, built byte by byte: a script may ask for what no stack would send. */
import {
  EtherType,
  finishTcpChecksum,
  ICMPV4_HEADER_LENGTH,
  IPV4_HEADER_LENGTH,
  type IpAddress,
  IpProtocol,
  Ipv4Header,
  type MacAddress,
  pseudoHeaderSumIpv4,
  TCP_MINIMUM_HEADER_LENGTH,
  TcpFlag,
  TcpOption,
  writeEthernet,
  writeIcmpv4Error,
  writeInt32,
  writeIpv4,
  writeUint16,
} from '../wire/index.ts';
import type { Flow } from './flow.ts';
import type { IcmpPacketSpec, IpAnnotation, TcpOptionSpec, TcpPacketSpec } from './script.ts';

const LINK_LENGTH = 14;
const TIME_TO_LIVE = 255;

/** Where injected frames come from and go to. */
export interface Addressing {
  readonly localAddress: IpAddress;
  readonly localMac: MacAddress;
  readonly remoteAddress: IpAddress;
  readonly remoteMac: MacAddress;
}

/** Bytes of an option in the header. */
export function optionLength(option: TcpOptionSpec): number {
  switch (option.kind) {
    case 'nop':
    case 'eol':
      return 1;
    case 'mss':
      return 4;
    case 'wscale':
      return 3;
    case 'sackOK':
      return 2;
    case 'sack':
      return 2 + 8 * option.blocks.length;
    case 'TS':
      return 10;
    case 'FO':
      return 2 + option.cookie.length;
    case 'FOEXP':
      return 4 + option.cookie.length;
    case 'other':
      return 2 + option.data.length;
  }
}

/** Bytes of all options with the padding at the end. */
export function optionsLength(options: readonly TcpOptionSpec[]): number {
  const bytes = options.reduce((sum, option) => sum + optionLength(option), 0);
  return (bytes + 3) & ~3;
}

/** The option numbers of RFC 7413 and of its experimental predecessor (RFC 6994). */
const FAST_OPEN = 34;
const EXPERIMENTAL = 254;
const FAST_OPEN_EXPERIMENT = 0xf989;

function writeOption(option: TcpOptionSpec, buffer: Uint8Array, at: number, flow: Flow): void {
  const length = optionLength(option);
  const begin = (kind: number): void => {
    buffer[at] = kind;
    buffer[at + 1] = length;
  };
  switch (option.kind) {
    case 'nop':
      buffer[at] = TcpOption.NO_OPERATION;
      return;
    case 'eol':
      buffer[at] = TcpOption.END;
      return;
    case 'mss':
      begin(TcpOption.MAXIMUM_SEGMENT_SIZE);
      writeUint16(buffer, at + 2, option.value);
      return;
    case 'wscale':
      begin(TcpOption.WINDOW_SCALE);
      buffer[at + 2] = option.value;
      return;
    case 'sackOK':
      begin(TcpOption.SACK_PERMITTED);
      return;
    case 'sack':
      begin(TcpOption.SACK);
      option.blocks.forEach(([left, right], index) => {
        writeInt32(buffer, at + 2 + 8 * index, flow.sequence.toWire(left));
        writeInt32(buffer, at + 6 + 8 * index, flow.sequence.toWire(right));
      });
      return;
    case 'TS':
      begin(TcpOption.TIMESTAMPS);
      writeInt32(buffer, at + 2, option.value);
      writeInt32(buffer, at + 6, option.echo === 0 ? 0 : flow.timestamp.toWire(option.echo));
      return;
    case 'FO':
      begin(FAST_OPEN);
      buffer.set(option.cookie, at + 2);
      return;
    case 'FOEXP':
      begin(EXPERIMENTAL);
      writeUint16(buffer, at + 2, FAST_OPEN_EXPERIMENT);
      buffer.set(option.cookie, at + 4);
      return;
    case 'other':
      begin(option.number);
      buffer.set(option.data, at + 2);
  }
}

function writeHeaders(
  frame: Uint8Array,
  to: Addressing,
  protocol: number,
  annotation: IpAnnotation,
  source: IpAddress,
): void {
  writeEthernet(frame, 0, to.localMac.bytes, to.remoteMac.bytes, EtherType.IPV4, 0, 0);
  const ip = new Ipv4Header();
  ip.source = source.word0;
  ip.destination = to.localAddress.word0;
  const ecn = annotation.ecn === 'ect' ? 2 : (annotation.ecn ?? 0);
  ip.typeOfService = annotation.typeOfService ?? ecn;
  ip.ttl = annotation.timeToLive ?? TIME_TO_LIVE;
  ip.protocol = protocol;
  ip.totalLength = frame.length - LINK_LENGTH;
  writeIpv4(ip, frame, LINK_LENGTH);
}

/** The frame of an injected segment. Its payload is zeros. */
export function buildSegment(packet: TcpPacketSpec, flow: Flow, to: Addressing): Uint8Array {
  const options = packet.options === 'any' ? [] : packet.options;
  const headerLength = TCP_MINIMUM_HEADER_LENGTH + optionsLength(options);
  const segmentLength = headerLength + packet.length;
  const frame = new Uint8Array(LINK_LENGTH + IPV4_HEADER_LENGTH + segmentLength);
  writeHeaders(frame, to, IpProtocol.TCP, packet.ip, to.remoteAddress);
  const at = LINK_LENGTH + IPV4_HEADER_LENGTH;
  writeUint16(frame, at, flow.remotePort);
  writeUint16(frame, at + 2, flow.localPort);
  writeInt32(frame, at + 4, packet.sequence);
  writeInt32(frame, at + 8, packet.acknowledgment === null ? 0 : flow.sequence.toWire(packet.acknowledgment));
  frame[at + 12] = (headerLength >>> 2) << 4;
  frame[at + 13] = packet.flags;
  writeUint16(frame, at + 14, packet.window ?? 0);
  writeUint16(frame, at + 18, packet.urgentPointer ?? 0);
  let optionAt = at + TCP_MINIMUM_HEADER_LENGTH;
  for (const option of options) {
    writeOption(option, frame, optionAt, flow);
    optionAt += optionLength(option);
  }
  const { localAddress, remoteAddress } = to;
  const pseudo = pseudoHeaderSumIpv4(remoteAddress.word0, localAddress.word0, IpProtocol.TCP, segmentLength);
  finishTcpChecksum(frame, at, segmentLength, pseudo);
  return frame;
}

/** The frame of an injected ICMP error, quoting the IPv4 and TCP headers of a segment that the stack has sent. */
export function buildIcmpError(packet: IcmpPacketSpec, flow: Flow, to: Addressing): Uint8Array {
  const sequence = packet.quoted === null ? flow.lastSequence : flow.sequence.toWire(packet.quoted.sequence);
  const length = packet.quoted === null ? flow.lastLength : packet.quoted.length;
  const quoted = new Uint8Array(IPV4_HEADER_LENGTH + TCP_MINIMUM_HEADER_LENGTH);
  const ip = new Ipv4Header();
  ip.source = to.localAddress.word0;
  ip.destination = to.remoteAddress.word0;
  ip.protocol = IpProtocol.TCP;
  ip.dontFragment = true;
  ip.totalLength = quoted.length + length;
  writeIpv4(ip, quoted, 0);
  writeUint16(quoted, IPV4_HEADER_LENGTH, flow.localPort);
  writeUint16(quoted, IPV4_HEADER_LENGTH + 2, flow.remotePort);
  writeInt32(quoted, IPV4_HEADER_LENGTH + 4, sequence);
  quoted[IPV4_HEADER_LENGTH + 12] = 0x50;
  quoted[IPV4_HEADER_LENGTH + 13] = TcpFlag.ACK;
  const frame = new Uint8Array(LINK_LENGTH + IPV4_HEADER_LENGTH + ICMPV4_HEADER_LENGTH + quoted.length);
  writeIcmpv4Error(frame, LINK_LENGTH + IPV4_HEADER_LENGTH, packet.type, packet.code, packet.mtu, quoted);
  writeHeaders(frame, to, IpProtocol.ICMPV4, packet.ip, to.remoteAddress);
  return frame;
}

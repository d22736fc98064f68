/** Frames that the script injects, built byte by byte: a script may ask for what no stack would send. */
import {
  finishTcpChecksum,
  type IpAddress,
  IpProtocol,
  type MacAddress,
  pseudoHeaderSum,
  TCP_MINIMUM_HEADER_LENGTH,
  TcpFlag,
  TcpOption,
  writeEthernet,
  writeIcmpv4Error,
  writeIcmpv6Error,
  writeInt32,
  writeUint16,
} from '../wire/index.ts';
import type { Flow } from './flow.ts';
import { etherTypeOf, ipHeaderLength, writeIpHeader } from './ip-layer.ts';
import type { IcmpMessage, IcmpPacketSpec, IpAnnotation, TcpOptionSpec, TcpPacketSpec } from './script.ts';

const LINK_LENGTH = 14;
/** Bytes in front of what an ICMP error quotes, in both families. */
const ICMP_HEADER_LENGTH = 8;

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
      writeInt32(buffer, at + 2, option.value ?? 0);
      writeInt32(buffer, at + 6, option.echoAsIs ? option.echo : flow.timestampToWire(option.echo));
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

/** The bit AE (RFC 9768), formerly NS, in the byte of the data offset. */
const ACCURATE_ECN = 0x01;

/** The frame of an injected segment. Its payload is zeros. */
export function buildSegment(packet: TcpPacketSpec, flow: Flow, to: Addressing): Uint8Array {
  const { localAddress, remoteAddress } = to;
  const options = packet.options === 'any' ? [] : packet.options;
  const headerLength = TCP_MINIMUM_HEADER_LENGTH + optionsLength(options);
  const segmentLength = headerLength + packet.length;
  const at = LINK_LENGTH + ipHeaderLength(localAddress);
  const frame = new Uint8Array(at + segmentLength);
  writeEthernet(frame, 0, to.localMac.bytes, to.remoteMac.bytes, etherTypeOf(localAddress), 0, 0);
  writeIpHeader(frame, LINK_LENGTH, remoteAddress, localAddress, IpProtocol.TCP, segmentLength, packet.ip);
  writeUint16(frame, at, flow.remotePort);
  writeUint16(frame, at + 2, flow.localPort);
  const acknowledgment = packet.acknowledgment ?? 0;
  const isAcknowledging = packet.acknowledgment !== null || (packet.flags & TcpFlag.ACK) !== 0;
  writeInt32(frame, at + 4, packet.sequence);
  writeInt32(frame, at + 8, isAcknowledging ? flow.sequence.toWire(acknowledgment) : 0);
  frame[at + 12] = ((headerLength >>> 2) << 4) | (packet.accurateEcn ? ACCURATE_ECN : 0);
  frame[at + 13] = packet.flags;
  writeUint16(frame, at + 14, packet.window ?? 0);
  writeUint16(frame, at + 18, packet.urgentPointer ?? 0);
  let optionAt = at + TCP_MINIMUM_HEADER_LENGTH;
  for (const option of options) {
    writeOption(option, frame, optionAt, flow);
    optionAt += optionLength(option);
  }
  const pseudo = pseudoHeaderSum(remoteAddress, localAddress, IpProtocol.TCP, segmentLength);
  finishTcpChecksum(frame, at, segmentLength, pseudo);
  return frame;
}

const NO_ANNOTATION: IpAnnotation = { ecn: null, typeOfService: null, timeToLive: null, flowLabel: null };

/** Headers of a segment that the stack has sent, as a router quotes them. */
function quotation(packet: IcmpPacketSpec, flow: Flow, { localAddress, remoteAddress }: Addressing): Uint8Array {
  const sequence = flow.sequence.toWire(packet.quoted?.sequence ?? 0);
  const length = packet.quoted?.length ?? 0;
  const at = ipHeaderLength(localAddress);
  const quoted = new Uint8Array(at + TCP_MINIMUM_HEADER_LENGTH);
  const payloadLength = TCP_MINIMUM_HEADER_LENGTH + length;
  writeIpHeader(quoted, 0, localAddress, remoteAddress, IpProtocol.TCP, payloadLength, NO_ANNOTATION);
  writeUint16(quoted, at, flow.localPort);
  writeUint16(quoted, at + 2, flow.remotePort);
  writeInt32(quoted, at + 4, sequence);
  quoted[at + 12] = 0x50;
  quoted[at + 13] = TcpFlag.ACK;
  return quoted;
}

/** The frame of an injected ICMP error, quoting the IP and TCP headers of a segment that the stack has sent. */
export function buildIcmpError(packet: IcmpPacketSpec, message: IcmpMessage, flow: Flow, to: Addressing): Uint8Array {
  const { localAddress, remoteAddress } = to;
  const quoted = quotation(packet, flow, to);
  const at = LINK_LENGTH + ipHeaderLength(localAddress);
  const length = ICMP_HEADER_LENGTH + quoted.length;
  const frame = new Uint8Array(at + length);
  writeEthernet(frame, 0, to.localMac.bytes, to.remoteMac.bytes, etherTypeOf(localAddress), 0, 0);
  const { type, code } = message;
  const { mtu } = packet;
  const protocol = localAddress.family === 4 ? IpProtocol.ICMPV4 : IpProtocol.ICMPV6;
  writeIpHeader(frame, LINK_LENGTH, remoteAddress, localAddress, protocol, length, packet.ip);
  if (localAddress.family === 4) writeIcmpv4Error(frame, at, type, code, mtu, quoted);
  else writeIcmpv6Error(frame, at, remoteAddress, localAddress, type, code, mtu, quoted);
  return frame;
}

/** What others on the way do to frames, and say about them: rewritten copies of untagged Ethernet frames with TCP. */
import {
  addressOfIpv6,
  DropReason,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  finishTcpChecksum,
  ICMPV4_HEADER_LENGTH,
  ICMPV6_HEADER_LENGTH,
  ICMPV6_MAXIMUM_QUOTATION,
  Icmpv4Type,
  Icmpv6Type,
  IPV4_HEADER_LENGTH,
  IPV6_FRAGMENT_HEADER_LENGTH,
  IPV6_HEADER_LENGTH,
  type IpAddress,
  IpPacket,
  IpProtocol,
  Ipv4Header,
  Ipv6Extension,
  Ipv6Header,
  internetChecksum,
  parseIp,
  parseTcp,
  readInt32,
  readUint16,
  setIpv6Addresses,
  TcpFlag,
  TcpHeader,
  UnreachableCode,
  verifyTcpChecksum,
  writeIcmpv4Error,
  writeIcmpv6Error,
  writeInt32,
  writeIpv4,
  writeIpv6,
  writeUint16,
} from '../wire/index.ts';

const IP = ETHERNET_HEADER_LENGTH;
/** Offsets within the TCP header. */
const SEQUENCE = 4;
const FLAGS = 13;
const CHECKSUM = 16;
const URGENT_POINTER = 18;

/** No operation, three times, and the end of the options (RFC 791 section 3.1). */
const OPTIONS = [1, 1, 1, 0];
/** A destination options header behind its first byte: 8 bytes of padding (RFC 8200 section 4.2). */
const DESTINATION_OPTIONS = [0, 1, 4, 0, 0, 0, 0];

/** Bytes that `withIpOptions` adds at most. */
export const OPTIONS_LENGTH = 8;

const packet = new IpPacket();
const tcp = new TcpHeader();

function isIpv6(frame: Uint8Array): boolean {
  return readUint16(frame, 12) === EtherType.IPV6;
}

/** Where the TCP header of a plain segment starts. */
function tcpOffset(frame: Uint8Array): number {
  return IP + (isIpv6(frame) ? IPV6_HEADER_LENGTH : IPV4_HEADER_LENGTH);
}

/** Whether a frame is a whole, undamaged TCP segment in a datagram without options: the functions below want one. */
export function isPlainSegment(frame: Uint8Array): boolean {
  if (frame.length < IP + IPV4_HEADER_LENGTH) return false;
  if (parseIp(frame, IP, frame.length - IP, readUint16(frame, 12), packet) !== DropReason.NONE) return false;
  if (packet.protocol !== IpProtocol.TCP || packet.hasOptions || packet.isFragment) return false;
  const { payloadOffset, payloadLength } = packet;
  if (parseTcp(frame, payloadOffset, payloadLength, tcp) !== DropReason.NONE) return false;
  return verifyTcpChecksum(frame, payloadOffset, payloadLength, packet.pseudoHeaderSum(IpProtocol.TCP, payloadLength));
}

/** Bytes of the IP datagram in a plain segment. */
export function datagramLength(frame: Uint8Array): number {
  return isIpv6(frame) ? IPV6_HEADER_LENGTH + readUint16(frame, IP + 4) : readUint16(frame, IP + 2);
}

/** The control bits of a plain segment. */
export function flagsOf(frame: Uint8Array): number {
  return frame[tcpOffset(frame) + FLAGS];
}

/** The same segment in a datagram with IPv4 options or an extension header (NSP-02). */
export function withIpOptions(frame: Uint8Array): Uint8Array {
  const at = tcpOffset(frame);
  if (isIpv6(frame)) {
    const longer = new Uint8Array(frame.length + OPTIONS_LENGTH);
    longer.set(frame.subarray(0, at));
    longer[at] = frame[IP + 6];
    longer.set(DESTINATION_OPTIONS, at + 1);
    longer.set(frame.subarray(at), at + OPTIONS_LENGTH);
    longer[IP + 6] = Ipv6Extension.DESTINATION;
    writeUint16(longer, IP + 4, readUint16(frame, IP + 4) + OPTIONS_LENGTH);
    return longer;
  }
  const longer = new Uint8Array(frame.length + OPTIONS.length);
  longer.set(frame.subarray(0, at));
  longer.set(OPTIONS, at);
  longer.set(frame.subarray(at), at + OPTIONS.length);
  const headerLength = IPV4_HEADER_LENGTH + OPTIONS.length;
  longer[IP] = 0x40 | (headerLength >>> 2);
  writeUint16(longer, IP + 2, datagramLength(frame) + OPTIONS.length);
  writeUint16(longer, IP + 10, 0);
  writeUint16(longer, IP + 10, internetChecksum(longer, IP, headerLength));
  return longer;
}

/**
 * The same segment in two fragments, the first with `payload` bytes behind the IP header, rounded down to a multiple of 8;
 * the frame itself when it is too short for two.
 */
export function fragmentsOf(frame: Uint8Array, payload: number, identification: number): Uint8Array[] {
  const at = tcpOffset(frame);
  const end = IP + datagramLength(frame);
  const split = at + Math.max(24, payload & ~7);
  if (split >= end) return [frame];
  return [fragment(frame, at, at, split, end, identification), fragment(frame, at, split, end, end, identification)];
}

function fragment(
  frame: Uint8Array,
  at: number,
  from: number,
  to: number,
  end: number,
  identification: number,
): Uint8Array {
  const field = (from - at) | 0;
  if (isIpv6(frame)) {
    const part = new Uint8Array(at + IPV6_FRAGMENT_HEADER_LENGTH + to - from);
    part.set(frame.subarray(0, at));
    part[IP + 6] = Ipv6Extension.FRAGMENT;
    writeUint16(part, IP + 4, IPV6_FRAGMENT_HEADER_LENGTH + to - from);
    part[at] = frame[IP + 6];
    writeUint16(part, at + 2, field | (to < end ? 1 : 0));
    writeInt32(part, at + 4, identification);
    part.set(frame.subarray(from, to), at + IPV6_FRAGMENT_HEADER_LENGTH);
    return part;
  }
  const part = new Uint8Array(at + to - from);
  part.set(frame.subarray(0, at));
  part.set(frame.subarray(from, to), at);
  writeUint16(part, IP + 2, at - IP + to - from);
  writeUint16(part, IP + 4, identification);
  writeUint16(part, IP + 6, (field >>> 3) | (to < end ? 0x2000 : 0));
  writeUint16(part, IP + 10, 0);
  writeUint16(part, IP + 10, internetChecksum(part, IP, at - IP));
  return part;
}

/** The same segment with URG and an urgent pointer to its first byte. */
export function withUrgentPointer(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  const at = tcpOffset(frame);
  copy[at + FLAGS] |= TcpFlag.URG;
  writeUint16(copy, at + URGENT_POINTER, 1);
  return rechecked(copy);
}

/** What an attacker sends who guesses into the window: a SYN in its place (RFC 5961 section 4). */
export function forgedSyn(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy[tcpOffset(frame) + FLAGS] = TcpFlag.SYN;
  return rechecked(copy);
}

/** A reset from before the window, or one that an attacker guessed wrong: `distance` bytes before the segment. */
export function staleReset(frame: Uint8Array, distance: number): Uint8Array {
  const copy = frame.slice();
  const at = tcpOffset(frame);
  copy[at + FLAGS] = TcpFlag.RST;
  writeInt32(copy, at + SEQUENCE, (readInt32(copy, at + SEQUENCE) - distance) | 0);
  return rechecked(copy);
}

/**
 * A router's answer to a segment that does not fit its next hop (RFC 1191 section 4, RFC 4443 section 3.2), as a frame to
 * its sender. `router` is of the segment's family.
 */
export function packetTooBig(frame: Uint8Array, nextHopMtu: number, router: IpAddress): Uint8Array {
  return isIpv6(frame)
    ? icmpv6PacketTooBig(frame, nextHopMtu, router)
    : fragmentationNeeded(frame, nextHopMtu, router.word0);
}

function fragmentationNeeded(frame: Uint8Array, nextHopMtu: number, router: number): Uint8Array {
  const quoted = frame.subarray(IP, IP + IPV4_HEADER_LENGTH + 8);
  const header = new Ipv4Header();
  header.source = router;
  header.destination = readInt32(frame, IP + 12);
  header.protocol = IpProtocol.ICMPV4;
  header.totalLength = IPV4_HEADER_LENGTH + ICMPV4_HEADER_LENGTH + quoted.length;
  const answer = answerTo(frame, header.totalLength);
  writeIpv4(header, answer, IP);
  const { DESTINATION_UNREACHABLE } = Icmpv4Type;
  const at = IP + IPV4_HEADER_LENGTH;
  writeIcmpv4Error(answer, at, DESTINATION_UNREACHABLE, UnreachableCode.FRAGMENTATION_NEEDED, nextHopMtu, quoted);
  return answer;
}

function icmpv6PacketTooBig(frame: Uint8Array, nextHopMtu: number, router: IpAddress): Uint8Array {
  parseIp(frame, IP, frame.length - IP, EtherType.IPV6, packet);
  const sender = addressOfIpv6(packet.ipv6, 'source');
  const quoted = frame.subarray(IP, IP + Math.min(packet.totalLength, ICMPV6_MAXIMUM_QUOTATION));
  const header = new Ipv6Header();
  setIpv6Addresses(header, router, sender);
  header.protocol = IpProtocol.ICMPV6;
  header.bodyLength = ICMPV6_HEADER_LENGTH + quoted.length;
  const answer = answerTo(frame, IPV6_HEADER_LENGTH + header.bodyLength);
  writeIpv6(header, answer, IP);
  const at = IP + IPV6_HEADER_LENGTH;
  writeIcmpv6Error(answer, at, router, sender, Icmpv6Type.PACKET_TOO_BIG, 0, nextHopMtu, quoted);
  return answer;
}

/** An empty frame back to the sender of another one, for a datagram of `length` bytes. */
function answerTo(frame: Uint8Array, length: number): Uint8Array {
  const answer = new Uint8Array(IP + length);
  answer.set(frame.subarray(6, 12), 0);
  answer.set(frame.subarray(0, 6), 6);
  answer.set(frame.subarray(12, 14), 12);
  return answer;
}

/** Puts the TCP checksum right. */
function rechecked(frame: Uint8Array): Uint8Array {
  const at = tcpOffset(frame);
  const length = IP + datagramLength(frame) - at;
  parseIp(frame, IP, frame.length - IP, readUint16(frame, 12), packet);
  writeUint16(frame, at + CHECKSUM, 0);
  finishTcpChecksum(frame, at, length, packet.pseudoHeaderSum(IpProtocol.TCP, length));
  return frame;
}

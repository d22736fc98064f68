/** What others on the way do to frames, and say about them: rewritten copies of untagged Ethernet frames with TCP over IPv4. */
import {
  DropReason,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  finishTcpChecksum,
  ICMPV4_HEADER_LENGTH,
  Icmpv4Type,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  Ipv4Header,
  internetChecksum,
  parseIpv4,
  parseTcp,
  pseudoHeaderSumIpv4,
  readInt32,
  readUint16,
  TcpFlag,
  TcpHeader,
  UnreachableCode,
  verifyTcpChecksum,
  writeIcmpv4Error,
  writeInt32,
  writeIpv4,
  writeUint16,
} from '../wire/index.ts';

const IP = ETHERNET_HEADER_LENGTH;
const TCP = IP + IPV4_HEADER_LENGTH;
/** Offsets within the TCP header. */
const SEQUENCE = TCP + 4;
const FLAGS = TCP + 13;
const CHECKSUM = TCP + 16;
const URGENT_POINTER = TCP + 18;

/** No operation, three times, and the end of the options (RFC 791 section 3.1). */
const OPTIONS = [1, 1, 1, 0];

const ip = new Ipv4Header();
const tcp = new TcpHeader();

/** Whether a frame is a whole, undamaged TCP segment in an IPv4 datagram without options: the functions below want one. */
export function isPlainSegment(frame: Uint8Array): boolean {
  if (frame.length < TCP || readUint16(frame, 12) !== EtherType.IPV4) return false;
  if (parseIpv4(frame, IP, frame.length - IP, ip) !== DropReason.NONE) return false;
  if (ip.protocol !== IpProtocol.TCP || ip.hasOptions || ip.isFragment) return false;
  const sum = pseudoHeaderSumIpv4(ip.source, ip.destination, IpProtocol.TCP, ip.payloadLength);
  if (parseTcp(frame, TCP, ip.payloadLength, tcp) !== DropReason.NONE) return false;
  return verifyTcpChecksum(frame, TCP, ip.payloadLength, sum);
}

/** Bytes of the IPv4 datagram in a plain segment. */
export function datagramLength(frame: Uint8Array): number {
  return readUint16(frame, IP + 2);
}

/** The control bits of a plain segment. */
export function flagsOf(frame: Uint8Array): number {
  return frame[FLAGS];
}

/** The same segment in a datagram with options, four bytes longer (NSP-02). */
export function withIpOptions(frame: Uint8Array): Uint8Array {
  const longer = new Uint8Array(frame.length + OPTIONS.length);
  longer.set(frame.subarray(0, TCP));
  longer.set(OPTIONS, TCP);
  longer.set(frame.subarray(TCP), TCP + OPTIONS.length);
  const headerLength = IPV4_HEADER_LENGTH + OPTIONS.length;
  longer[IP] = 0x40 | (headerLength >>> 2);
  writeUint16(longer, IP + 2, datagramLength(frame) + OPTIONS.length);
  writeUint16(longer, IP + 10, 0);
  writeUint16(longer, IP + 10, internetChecksum(longer, IP, headerLength));
  return longer;
}

/** The same segment with URG and an urgent pointer to its first byte. */
export function withUrgentPointer(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy[FLAGS] |= TcpFlag.URG;
  writeUint16(copy, URGENT_POINTER, 1);
  return rechecked(copy);
}

/** What an attacker sends who guesses into the window: a SYN in its place (RFC 5961 section 4). */
export function forgedSyn(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy[FLAGS] = TcpFlag.SYN;
  return rechecked(copy);
}

/** A reset from before the window, or one that an attacker guessed wrong: `distance` bytes before the segment. */
export function staleReset(frame: Uint8Array, distance: number): Uint8Array {
  const copy = frame.slice();
  copy[FLAGS] = TcpFlag.RST;
  writeInt32(copy, SEQUENCE, (readInt32(copy, SEQUENCE) - distance) | 0);
  return rechecked(copy);
}

/** A router's answer to a segment that does not fit its next hop (RFC 1191 section 4), as a frame to its sender. */
export function fragmentationNeeded(frame: Uint8Array, nextHopMtu: number, router: number): Uint8Array {
  const quoted = frame.subarray(IP, IP + IPV4_HEADER_LENGTH + 8);
  const header = new Ipv4Header();
  header.source = router;
  header.destination = readInt32(frame, IP + 12);
  header.protocol = IpProtocol.ICMPV4;
  header.totalLength = IPV4_HEADER_LENGTH + ICMPV4_HEADER_LENGTH + quoted.length;
  const answer = new Uint8Array(IP + header.totalLength);
  answer.set(frame.subarray(6, 12), 0);
  answer.set(frame.subarray(0, 6), 6);
  writeUint16(answer, 12, EtherType.IPV4);
  writeIpv4(header, answer, IP);
  const { DESTINATION_UNREACHABLE } = Icmpv4Type;
  writeIcmpv4Error(answer, TCP, DESTINATION_UNREACHABLE, UnreachableCode.FRAGMENTATION_NEEDED, nextHopMtu, quoted);
  return answer;
}

/** Puts the TCP checksum right. */
function rechecked(frame: Uint8Array): Uint8Array {
  const length = datagramLength(frame) - IPV4_HEADER_LENGTH;
  const sum = pseudoHeaderSumIpv4(readInt32(frame, IP + 12), readInt32(frame, IP + 16), IpProtocol.TCP, length);
  writeUint16(frame, CHECKSUM, 0);
  finishTcpChecksum(frame, TCP, length, sum);
  return frame;
}

/**
 * Joins TCP segments that follow each other into one large segment, as receive offloads of NICs and kernels do: the stack
 * above works per segment, and acknowledges once for all of them.
 *
 * Only what could be cut apart again without a difference is joined: whole packets without IP options, of one connection,
 * with the same header fields and options but for length, identification and checksums, text without a gap, all of one size
 * but the last. Their checksums are verified first. Nothing waits: the owner ends a segment when nothing more is there.
 */
import {
  addSums,
  EtherType,
  IpProtocol,
  internetChecksum,
  readInt32,
  readUint16,
  sumBytes,
  TcpFlag,
  verifyTcpChecksum,
  writeUint16,
} from '../wire/index.ts';

const IP = 14;
const IPV4_HEADER_LENGTH = 20;
const IPV6_HEADER_LENGTH = 40;
const LARGEST_FRAME = IP + 65_535;

/** Fields of the TCP header. */
const SEQUENCE = 4;
const DATA_OFFSET = 12;
const FLAGS = 13;
const MINIMUM_HEADER_LENGTH = 20;

/** Version 4 with a header of five words. */
const VERSION_4 = 0x45;
const VERSION_6 = 6;
/** Fragment offset and "more fragments". */
const FRAGMENT_BITS = 0x3fff;

/** What `Coalescer.offer` says of a frame. */
export const Coalescing = {
  /** It has nothing to do with what is joined, and does not begin anything: it goes up by itself. */
  APART: 0,
  /** It begins a segment that others may continue. */
  BEGINS: 1,
  /** It continues the segment: its text belongs behind that of the segment. */
  CONTINUES: 2,
  /** As CONTINUES, and is the last one. */
  ENDS: 3,
} as const;
export type Coalescing = (typeof Coalescing)[keyof typeof Coalescing];

/** The segment that is being joined. The bytes are its owner's; this keeps the book. */
export class Coalescer {
  /** Where the text of a segment begins in a frame; valid after BEGINS. */
  textOffset = 0;
  /** Where the TCP header begins. */
  private segmentOffset = 0;
  private first: Uint8Array | null = null;
  private textLength = 0;
  private joined = 1;
  private length = 0;
  private nextSequence = 0;
  private pushed = false;

  /** Whether a segment has begun. */
  get isOpen(): boolean {
    return this.first !== null;
  }

  /**
   * Looks at the next frame, `buffer[0 … length)`. After BEGINS, `start` must be called with the frame's final memory. An
   * open segment that the frame does not continue has to be finished before the frame goes anywhere.
   */
  offer(buffer: Uint8Array, length: number): Coalescing {
    const offset = plainSegmentOffset(buffer, length);
    if (offset === 0) return Coalescing.APART;
    const { first } = this;
    const flags = buffer[offset + FLAGS];
    if (first !== null && offset === this.segmentOffset && this.continues(buffer, length, first)) {
      const text = length - this.textOffset;
      this.joined += 1;
      this.length += text;
      this.nextSequence = (this.nextSequence + text) | 0;
      if ((flags & TcpFlag.PSH) !== 0) this.pushed = true;
      const isLast = this.pushed || text < this.textLength || this.length + this.textLength > LARGEST_FRAME;
      return isLast ? Coalescing.ENDS : Coalescing.CONTINUES;
    }
    // Nothing can follow a pushed segment.
    return flags === TcpFlag.ACK ? Coalescing.BEGINS : Coalescing.APART;
  }

  /** Opens a segment with the frame that BEGINS was said of; `frame` stays where it is until `finish`. */
  start(frame: Uint8Array): void {
    const offset = IP + (frame[IP] === VERSION_4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH);
    this.first = frame;
    this.segmentOffset = offset;
    this.textOffset = offset + ((frame[offset + DATA_OFFSET] >>> 4) << 2);
    this.textLength = frame.length - this.textOffset;
    this.length = frame.length;
    this.joined = 1;
    this.pushed = false;
    this.nextSequence = (readInt32(frame, offset + SEQUENCE) + this.textLength) | 0;
  }

  /**
   * Closes the segment. `frame` is the first frame with all the text behind it; its headers are brought up to date. The TCP
   * checksums of all its parts were right; its own is not computed.
   */
  finish(frame: Uint8Array): void {
    this.first = null;
    if (this.joined === 1) return;
    if (frame[IP] === VERSION_4) {
      writeUint16(frame, IP + 2, frame.length - IP);
      writeUint16(frame, IP + 10, 0);
      writeUint16(frame, IP + 10, internetChecksum(frame, IP, IPV4_HEADER_LENGTH));
    } else {
      writeUint16(frame, IP + 4, frame.length - IP - IPV6_HEADER_LENGTH);
    }
    if (this.pushed) frame[this.segmentOffset + FLAGS] |= TcpFlag.PSH;
  }

  private continues(buffer: Uint8Array, length: number, first: Uint8Array): boolean {
    const tcp = this.segmentOffset;
    const text = length - this.textOffset;
    if (text < 1 || text > this.textLength || this.length + text > LARGEST_FRAME) return false;
    if (readInt32(buffer, tcp + SEQUENCE) !== this.nextSequence) return false;
    return (
      ((buffer[tcp + FLAGS] ^ first[tcp + FLAGS]) & ~TcpFlag.PSH) === 0 &&
      // Ports; acknowledgment and header length; window; urgent pointer and options.
      readInt32(buffer, tcp) === readInt32(first, tcp) &&
      isSame(buffer, first, tcp + 8, tcp + FLAGS) &&
      readUint16(buffer, tcp + 14) === readUint16(first, tcp + 14) &&
      isSame(buffer, first, tcp + 18, this.textOffset) &&
      isSame(buffer, first, 0, IP) &&
      (first[IP] === VERSION_4 ? isSameIpv4(buffer, first) : isSameIpv6(buffer, first))
    );
  }
}

function isSame(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (a[at] !== b[at]) return false;
  return true;
}

/** All but length, identification and checksum. */
function isSameIpv4(a: Uint8Array, b: Uint8Array): boolean {
  return isSame(a, b, IP, IP + 2) && isSame(a, b, IP + 6, IP + 10) && isSame(a, b, IP + 12, IP + IPV4_HEADER_LENGTH);
}

/** All but the length. */
function isSameIpv6(a: Uint8Array, b: Uint8Array): boolean {
  return isSame(a, b, IP, IP + 4) && isSame(a, b, IP + 6, IP + IPV6_HEADER_LENGTH);
}

/**
 * Where the TCP header begins in a frame with a whole packet without IP options, extension headers or padding, with text,
 * ACK and perhaps PSH, and right checksums; 0 for any other frame.
 */
function plainSegmentOffset(buffer: Uint8Array, length: number): number {
  if (length < IP + IPV4_HEADER_LENGTH + MINIMUM_HEADER_LENGTH || length > LARGEST_FRAME) return 0;
  const etherType = readUint16(buffer, 12);
  let tcp = 0;
  if (etherType === EtherType.IPV4 && isPlainIpv4(buffer, length)) tcp = IP + IPV4_HEADER_LENGTH;
  else if (etherType === EtherType.IPV6 && isPlainIpv6(buffer, length)) tcp = IP + IPV6_HEADER_LENGTH;
  if (tcp === 0 || tcp + MINIMUM_HEADER_LENGTH > length) return 0;
  if ((buffer[tcp + FLAGS] & ~TcpFlag.PSH) !== TcpFlag.ACK) return 0;
  const headerLength = (buffer[tcp + DATA_OFFSET] >>> 4) << 2;
  if (headerLength < MINIMUM_HEADER_LENGTH || tcp + headerLength >= length) return 0;
  // Both families have their addresses at the end of the header.
  const addresses = etherType === EtherType.IPV4 ? 8 : 32;
  const segmentLength = length - tcp;
  const pseudoHeader = addSums(addSums(sumBytes(buffer, tcp - addresses, addresses), segmentLength), IpProtocol.TCP);
  return verifyTcpChecksum(buffer, tcp, segmentLength, pseudoHeader) ? tcp : 0;
}

function isPlainIpv4(buffer: Uint8Array, length: number): boolean {
  if (buffer[IP] !== VERSION_4 || buffer[IP + 9] !== IpProtocol.TCP) return false;
  if ((readUint16(buffer, IP + 6) & FRAGMENT_BITS) !== 0 || readUint16(buffer, IP + 2) !== length - IP) return false;
  return internetChecksum(buffer, IP, IPV4_HEADER_LENGTH) === 0;
}

function isPlainIpv6(buffer: Uint8Array, length: number): boolean {
  if (buffer[IP] >>> 4 !== VERSION_6 || buffer[IP + 6] !== IpProtocol.TCP) return false;
  return readUint16(buffer, IP + 4) === length - IP - IPV6_HEADER_LENGTH;
}

/**
 * Joins TCP segments that follow each other into one large segment, as receive offloads of NICs and kernels do: the stack
 * above works per segment, and acknowledges once for all of them.
 *
 * Only what could be cut apart again without a difference is joined: whole IPv4 datagrams without options, of one connection,
 * with the same header fields and options but for length, identification and checksums, text without a gap, all of one size
 * but the last. Their checksums are verified first. Nothing waits: the owner ends a segment when nothing more is there.
 */
import {
  EtherType,
  IpProtocol,
  internetChecksum,
  pseudoHeaderSumIpv4,
  readInt32,
  readUint16,
  TcpFlag,
  verifyTcpChecksum,
  writeUint16,
} from '../wire/index.ts';

const IP = 14;
const IPV4_HEADER_LENGTH = 20;
const TCP = IP + IPV4_HEADER_LENGTH;
const TCP_FLAGS = TCP + 13;
const LARGEST_FRAME = IP + 65_535;

/** Version 4 with a header of five words. */
const VERSION_AND_LENGTH = 0x45;
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
    if (!isPlainSegment(buffer, length)) return Coalescing.APART;
    const { first } = this;
    if (first !== null && this.continues(buffer, length, first)) {
      const text = length - this.textOffset;
      const flags = buffer[TCP_FLAGS];
      this.joined += 1;
      this.length += text;
      this.nextSequence = (this.nextSequence + text) | 0;
      if ((flags & TcpFlag.PSH) !== 0) this.pushed = true;
      const isLast = this.pushed || text < this.textLength || this.length + this.textLength > LARGEST_FRAME;
      return isLast ? Coalescing.ENDS : Coalescing.CONTINUES;
    }
    // Nothing can follow a pushed segment.
    return buffer[TCP_FLAGS] === TcpFlag.ACK ? Coalescing.BEGINS : Coalescing.APART;
  }

  /** Opens a segment with the frame that BEGINS was said of; `frame` stays where it is until `finish`. */
  start(frame: Uint8Array): void {
    this.first = frame;
    this.textOffset = TCP + ((frame[TCP + 12] >>> 4) << 2);
    this.textLength = frame.length - this.textOffset;
    this.length = frame.length;
    this.joined = 1;
    this.pushed = false;
    this.nextSequence = (readInt32(frame, TCP + 4) + this.textLength) | 0;
  }

  /**
   * Closes the segment. `frame` is the first frame with all the text behind it; its headers are brought up to date. The TCP
   * checksums of all its parts were right; its own is not computed.
   */
  finish(frame: Uint8Array): void {
    this.first = null;
    if (this.joined === 1) return;
    writeUint16(frame, IP + 2, frame.length - IP);
    writeUint16(frame, IP + 10, 0);
    writeUint16(frame, IP + 10, internetChecksum(frame, IP, IPV4_HEADER_LENGTH));
    if (this.pushed) frame[TCP_FLAGS] |= TcpFlag.PSH;
  }

  private continues(buffer: Uint8Array, length: number, first: Uint8Array): boolean {
    const text = length - this.textOffset;
    if (text < 1 || text > this.textLength || this.length + text > LARGEST_FRAME) return false;
    if (readInt32(buffer, TCP + 4) !== this.nextSequence) return false;
    // Type of service and the fragment field; TTL and protocol; both addresses; ports; acknowledgment.
    return (
      buffer[IP + 1] === first[IP + 1] &&
      readUint16(buffer, IP + 6) === readUint16(first, IP + 6) &&
      readUint16(buffer, IP + 8) === readUint16(first, IP + 8) &&
      readInt32(buffer, IP + 12) === readInt32(first, IP + 12) &&
      readInt32(buffer, IP + 16) === readInt32(first, IP + 16) &&
      readInt32(buffer, TCP) === readInt32(first, TCP) &&
      readInt32(buffer, TCP + 8) === readInt32(first, TCP + 8) &&
      // Header length, window, urgent pointer, options; flags but PSH.
      buffer[TCP + 12] === first[TCP + 12] &&
      ((buffer[TCP_FLAGS] ^ first[TCP_FLAGS]) & ~TcpFlag.PSH) === 0 &&
      readUint16(buffer, TCP + 14) === readUint16(first, TCP + 14) &&
      isSame(buffer, first, TCP + 18, this.textOffset) &&
      isSame(buffer, first, 0, 12)
    );
  }
}

function isSame(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (a[at] !== b[at]) return false;
  return true;
}

/** A whole IPv4 datagram without options or padding, with text, ACK and perhaps PSH, and right checksums. */
function isPlainSegment(buffer: Uint8Array, length: number): boolean {
  if (length < TCP + 20 || length > LARGEST_FRAME) return false;
  if (readUint16(buffer, 12) !== EtherType.IPV4 || buffer[IP] !== VERSION_AND_LENGTH) return false;
  if (buffer[IP + 9] !== IpProtocol.TCP || (readUint16(buffer, IP + 6) & FRAGMENT_BITS) !== 0) return false;
  if (readUint16(buffer, IP + 2) !== length - IP) return false;
  if ((buffer[TCP_FLAGS] & ~TcpFlag.PSH) !== TcpFlag.ACK) return false;
  const headerLength = (buffer[TCP + 12] >>> 4) << 2;
  if (headerLength < 20 || TCP + headerLength >= length) return false;
  if (internetChecksum(buffer, IP, IPV4_HEADER_LENGTH) !== 0) return false;
  const segmentLength = length - TCP;
  const sum = pseudoHeaderSumIpv4(
    readInt32(buffer, IP + 12),
    readInt32(buffer, IP + 16),
    IpProtocol.TCP,
    segmentLength,
  );
  return verifyTcpChecksum(buffer, TCP, segmentLength, sum);
}

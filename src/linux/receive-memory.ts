/** Memory that frames are read into, and that their receivers may keep. */

/** Slabs hold at least so many of the largest frames. */
const FRAMES_PER_SLAB = 8;
const SMALLEST_SLAB = 256 * 1024;

/** Frames up to this length are copied out: a slab must not live on for the sake of one small frame that somebody keeps. */
const SMALL_FRAME = 256;
const SMALL_SLAB = 16 * 1024;

const EMPTY = new Uint8Array(0);

/**
 * Frames are read straight into slabs whose memory is never used twice. They start so that what follows a 14-byte Ethernet
 * header is aligned to 4 bytes, as checksums and copies like it.
 */
export class ReceiveMemory {
  private readonly room: number;
  /** Bytes before each frame. */
  private readonly offset: number;
  /** Where reads begin, modulo 8. */
  private readonly phase: number;
  private slab: Uint8Array = EMPTY;
  private at = 0;
  private view: Uint8Array = EMPTY;
  private small: Uint8Array = EMPTY;
  private smallAt = 0;

  /**
   * @param room bytes that the largest read may need
   * @param offset bytes that precede a frame in what is read, even
   */
  constructor(room: number, offset: number) {
    this.room = room;
    this.offset = offset;
    this.phase = (2 - offset) & 7;
  }

  /** Where the next frame may be read to: at least as long as the largest read. The same until `take` is called. */
  next(): Uint8Array {
    if (this.view.length < this.room) {
      if (this.at + this.room > this.slab.length) {
        this.slab = new Uint8Array(Math.max(SMALLEST_SLAB, FRAMES_PER_SLAB * this.room + 8));
        this.at = this.phase;
      }
      this.view = this.slab.subarray(this.at);
    }
    return this.view;
  }

  /** The frame of `length` bytes that was read last; it belongs to the caller. */
  take(length: number): Uint8Array {
    const start = this.at + this.offset;
    if (length <= SMALL_FRAME) return this.copy(start, length);
    const frame = this.slab.subarray(start, start + length);
    this.at = ((start + length + 7) & ~7) + this.phase;
    this.view = EMPTY;
    return frame;
  }

  /** Whether more can be put behind `frame`, the one that was taken last: it lies where the next one is read to. */
  canAppend(frame: Uint8Array): boolean {
    return frame.buffer === this.slab.buffer && this.at + this.room <= this.slab.length;
  }

  /**
   * Moves `length` bytes, from `offset` of the frame that was read last, behind `frame`, the one that was taken before it;
   * returns the longer frame. `canAppend` must have been true.
   */
  append(frame: Uint8Array, offset: number, length: number): Uint8Array {
    const { slab } = this;
    const end = frame.byteOffset + frame.length;
    const from = this.at + this.offset + offset;
    slab.copyWithin(end, from, from + length);
    this.at = ((end + length + 7) & ~7) + this.phase;
    this.view = EMPTY;
    return slab.subarray(frame.byteOffset, end + length);
  }

  private copy(start: number, length: number): Uint8Array {
    if (this.smallAt + length > this.small.length) {
      this.small = new Uint8Array(SMALL_SLAB);
      this.smallAt = 2;
    }
    const frame = this.small.subarray(this.smallAt, this.smallAt + length);
    frame.set(this.slab.subarray(start, start + length));
    this.smallAt = ((this.smallAt + length + 7) & ~7) + 2;
    return frame;
  }
}

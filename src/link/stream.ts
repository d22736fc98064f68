/**
 * Frames over a byte stream, as `qemu -netdev stream` and passt speak it: each frame is preceded by its length in 4 bytes,
 * big-endian.
 */

/** Bytes before each frame. */
export const STREAM_HEADER_LENGTH = 4;

/** The largest frame: the largest IP packet with an Ethernet header and a tag. */
export const LARGEST_STREAM_FRAME = 65_535 + 18;

/** The smallest: an Ethernet header. */
const SMALLEST_STREAM_FRAME = 14;

/** Frames up to this length are copied, so that one that is kept does not keep the chunk that it came in. */
const SMALL_FRAME = 256;

/** Writes the header of a frame of `length` bytes to the first 4 bytes of `target`. */
export function writeStreamHeader(target: Uint8Array, length: number): void {
  target[0] = length >>> 24;
  target[1] = (length >>> 16) & 0xff;
  target[2] = (length >>> 8) & 0xff;
  target[3] = length & 0xff;
}

/**
 * Finds the frames in a byte stream. Holds at most one frame that is not complete. A length that no frame can have means
 * that the two ends do not speak the same framing: there is no way back into step.
 */
export class FrameStreamDecoder {
  /** Why decoding has ended; null while it goes on. */
  error: string | null = null;
  private readonly onFrame: (frame: Uint8Array) => void;
  private readonly header = new Uint8Array(STREAM_HEADER_LENGTH);
  private headerBytes = 0;
  /** The frame that is being put together; null between frames. */
  private partial: Uint8Array | null = null;
  private partialBytes = 0;

  /** @param onFrame gets each frame, which belongs to it */
  constructor(onFrame: (frame: Uint8Array) => void) {
    this.onFrame = onFrame;
  }

  /** Whether the stream may end here: no frame has begun. */
  get isBetweenFrames(): boolean {
    return this.headerBytes === 0 && this.partial === null;
  }

  /** Takes the next bytes of the stream, which belong to the decoder. Returns whether decoding goes on: see `error`. */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length && this.error === null) {
      at = this.partial === null ? this.begin(chunk, at) : this.resume(chunk, at, this.partial);
    }
    return this.error === null;
  }

  /** Reads a header, and the frame when all of it is there. Returns where to go on. */
  private begin(chunk: Uint8Array, from: number): number {
    let at = from;
    while (this.headerBytes < STREAM_HEADER_LENGTH && at < chunk.length) this.header[this.headerBytes++] = chunk[at++];
    if (this.headerBytes < STREAM_HEADER_LENGTH) return at;
    this.headerBytes = 0;
    const [a, b, c, d] = this.header;
    const length = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    if (length < SMALLEST_STREAM_FRAME || length > LARGEST_STREAM_FRAME) {
      this.error = `a frame of ${length} bytes was announced: the other end does not speak this framing`;
      return chunk.length;
    }
    if (chunk.length - at < length) {
      this.partial = new Uint8Array(length);
      this.partialBytes = 0;
      return at;
    }
    const end = at + length;
    this.onFrame(length <= SMALL_FRAME ? chunk.slice(at, end) : chunk.subarray(at, end));
    return end;
  }

  private resume(chunk: Uint8Array, from: number, partial: Uint8Array): number {
    const end = Math.min(chunk.length, from + partial.length - this.partialBytes);
    partial.set(chunk.subarray(from, end), this.partialBytes);
    this.partialBytes += end - from;
    if (this.partialBytes === partial.length) {
      this.partial = null;
      this.onFrame(partial);
    }
    return end;
  }
}

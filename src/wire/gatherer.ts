/**
 * Keeps small pieces of a byte stream together. A view of a few bytes keeps a whole frame alive, and costs more than the
 * bytes themselves: a peer that sends its stream byte by byte to somebody who does not read would make each byte of the
 * window cost hundreds. Pieces that have to wait are therefore copied, one behind the other, when they are small.
 */

/** Pieces of at least so many bytes are worth a view of their own. */
const LARGE_PIECE = 512;
const BUFFER_BYTES = 4096;

export class Gatherer {
  private buffer: Uint8Array | null = null;
  private used = 0;

  /**
   * Copies a small piece behind everything that was gathered before. Returns a view of the copy; one that continues
   * `previous`, and begins with it, when `previous` is what was gathered last; or null for a large piece, which is not
   * copied. Views that were returned before stay valid and do not change.
   */
  add(previous: Uint8Array, piece: Uint8Array): Uint8Array | null {
    const { length } = piece;
    if (length >= LARGE_PIECE) return null;
    if (this.buffer === null || this.used + length > BUFFER_BYTES) {
      this.buffer = new Uint8Array(BUFFER_BYTES);
      this.used = 0;
    }
    const { buffer, used } = this;
    const continues = previous.buffer === buffer.buffer && previous.byteOffset + previous.length === used;
    buffer.set(piece, used);
    this.used = used + length;
    return buffer.subarray(continues ? previous.byteOffset : used, this.used);
  }

  /** Forgets the buffer: nothing that was gathered is needed any more. */
  clear(): void {
    this.buffer = null;
    this.used = 0;
  }
}

/**
 * Segments held back because nobody owns their connection at the moment (FWD-04, FWD-05), in the order in which they
 * arrived. Bounded: what does not fit is dropped like a frame on a full wire, and the peer sends it again.
 */
import { PIECE_OVERHEAD } from './memory.ts';

export class SegmentQueue {
  private readonly limitBytes: number;
  private segments: Uint8Array[] = [];
  private bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get length(): number {
    return this.segments.length;
  }

  /** Bytes in use, with what it costs to keep the segments. */
  get memory(): number {
    return this.bytes;
  }

  /** Keeps a segment, from the first byte of its TCP header on; false when it does not fit. */
  push(segment: Uint8Array): boolean {
    const bytes = this.bytes + segment.length + PIECE_OVERHEAD;
    if (bytes > this.limitBytes) return false;
    this.segments.push(segment);
    this.bytes = bytes;
    return true;
  }

  /** Takes all segments, oldest first. */
  takeAll(): Uint8Array[] {
    const all = this.segments;
    this.segments = [];
    this.bytes = 0;
    return all;
  }
}

/**
 * Segments held back because nobody owns their connection at the moment (FWD-04, FWD-05), in the order in which they
 * arrived. Bounded: what does not fit is dropped like a frame on a full wire, and the peer sends it again.
 */
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

  /** Keeps a segment, from the first byte of its TCP header on; false when it does not fit. */
  push(segment: Uint8Array): boolean {
    if (this.bytes + segment.length > this.limitBytes) return false;
    this.segments.push(segment);
    this.bytes += segment.length;
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

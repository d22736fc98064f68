/**
 * Bytes received ahead of RCV.NXT (RFC 9293 section 3.10.7.4: "Segments with higher beginning sequence numbers SHOULD be
 * held for later processing", SHLD-31; RFC-08), and the SACK blocks that report them (RFC 2018 section 4).
 */
import { MAXIMUM_SACK_BLOCKS, type TcpHeader } from '../wire/tcp-header.ts';
import type { OutOfOrderSegment } from './variables.ts';

/**
 * Bytes are kept by reference only when they are at least this fraction of the memory that the reference keeps alive;
 * anything smaller is copied. Frames are carved from large slabs, so that one held segment of a few bytes would pin a
 * slab of hundreds of kilobytes: with the copy, the queue keeps alive at most four times the bytes that it holds.
 * Segments out of order are the exception, and copying one costs about as much as allocating the memory for it.
 */
const REFERENCE_FRACTION = 4;

/** Copies that follow one another are gathered into pieces until one is this long, so that tiny segments share one. */
const GATHER_LIMIT = 16_384;

const INITIAL_RUNS = 8;

/** Consecutive bytes in one buffer. */
class Piece {
  buffer: Uint8Array;
  offset: number;
  length: number;
  /** The buffer is the queue's alone, from 0 on: more bytes may be written behind `length`. */
  readonly owned: boolean;
  next: Piece | null = null;
  previous: Piece | null;

  constructor(buffer: Uint8Array, offset: number, length: number, owned: boolean, previous: Piece | null) {
    this.buffer = buffer;
    this.offset = offset;
    this.length = length;
    this.owned = owned;
    this.previous = previous;
  }
}

/** A maximal contiguous range of held bytes: what one SACK block reports. Has a piece at all times. */
class Run {
  readonly left: number;
  right: number;
  first: Piece | null = null;
  last: Piece | null = null;
  /** Neighbors in the order of the last arrival. */
  newer: Run | null = null;
  older: Run | null = null;

  constructor(left: number) {
    this.left = left;
    this.right = left;
  }
}

/**
 * Runs sorted by sequence number, disjoint and never adjacent, each a list of pieces. A new segment fills the gaps
 * between runs and fuses the runs that it touches, so that pieces are only ever added at the end of a run. Bytes already
 * held win over those of a later segment: what was reported by SACK does not change any more.
 *
 * At most `limitSegments` pieces are held. Beyond that the highest bytes go first, whether held or new: they are needed
 * last, and the peer still has them (RFC 2018 section 8). Finding a place is a binary search; making one moves at most
 * half of the runs, whose number the limit bounds.
 *
 * All sequence numbers in the queue and given to it lie within 2^31 of one another: the caller has trimmed segments to
 * the receive window.
 */
export class ReassemblyQueue {
  /** Bytes held. Read only for everyone else. */
  bytes = 0;
  private pieces = 0;
  private readonly limit: number;
  /** Ring of runs in ascending order; a power of two long. */
  private runs: (Run | null)[] = new Array<Run | null>(INITIAL_RUNS).fill(null);
  private head = 0;
  private count = 0;
  /** The run that holds the segment received last. */
  private newest: Run | null = null;

  /** `limitSegments`: most pieces kept, at least 1. Small segments that follow one another share a piece. */
  constructor(limitSegments: number) {
    this.limit = Math.max(1, limitSegments);
  }

  /** Pieces in which they are held. */
  get pieceCount(): number {
    return this.pieces;
  }

  /** Nothing is held. */
  get isEmpty(): boolean {
    return this.count === 0;
  }

  /**
   * Holds the bytes of a segment that are not held yet; `sequence` is that of the byte at `offset`. The buffer may be
   * kept by reference: it must not change afterwards. Answers the bytes newly stored: 0 for a duplicate, or when the queue
   * is full of lower bytes.
   */
  insert(sequence: number, buffer: Uint8Array, offset: number, length: number): number {
    if (length <= 0) return 0;
    const end = (sequence + length) | 0;
    const small = isSmall(length, buffer);
    const index = this.firstEndingAtOrAfter(sequence);
    let run = index < this.count ? this.at(index) : null;
    if (run !== null && ((run.left - sequence) | 0) > 0) run = null;
    let position = run === null ? sequence | 0 : run.right;
    let stored = 0;
    while (((end - position) | 0) > 0) {
      const above: number = run === null ? index : index + 1;
      if (!(small && run !== null && canGather(run)) && !this.makeRoom(above)) break;
      const next: Run | null = above < this.count ? this.at(above) : null;
      const gapEnd: number = next !== null && ((next.left - end) | 0) < 0 ? next.left : end;
      const size = (gapEnd - position) | 0;
      if (size <= 0) break;
      run ??= this.open(index, position);
      this.store(run, buffer, offset + ((position - sequence) | 0), size);
      stored += size;
      if (next !== null && next.left === gapEnd) this.fuse(run, next, index + 1);
      position = run.right;
    }
    if (run !== null) this.makeNewest(run);
    return stored;
  }

  /**
   * Removes the bytes that are contiguous from `rcvNxt`, and all before it, and hands out the former in order. Answers
   * how many were handed out. `deliver` may keep the buffers; it must not call this queue.
   */
  takeContiguous(rcvNxt: number, deliver: (buffer: Uint8Array, offset: number, length: number) => void): number {
    let position = rcvNxt | 0;
    while (this.count > 0 && ((this.at(0).left - position) | 0) <= 0) {
      const run = this.at(0);
      this.remove(0);
      let left = run.left;
      for (let piece = run.first; piece !== null; piece = piece.next) {
        this.pieces -= 1;
        this.bytes -= piece.length;
        const skip = Math.max(0, (position - left) | 0);
        left = (left + piece.length) | 0;
        if (skip >= piece.length) continue;
        position = left;
        deliver(piece.buffer, piece.offset + skip, piece.length - skip);
      }
    }
    return (position - rcvNxt) | 0;
  }

  /** Whether every byte from `left` up to `right` is held. */
  holds(left: number, right: number): boolean {
    const index = this.firstEndingAtOrAfter(right);
    return index < this.count && ((this.at(index).left - left) | 0) <= 0;
  }

  /**
   * Appends SACK blocks behind those that the header already has (a D-SACK block, RFC 2883 section 4), up to
   * `maximumBlocks` in all: the run that holds the segment received last first, then the others by how recently they
   * were reported first (RFC 2018 section 4). A segment dropped for lack of room is not reported.
   */
  fillSackBlocks(header: TcpHeader, maximumBlocks: number): void {
    const limit = Math.min(maximumBlocks, MAXIMUM_SACK_BLOCKS);
    for (let run = this.newest; run !== null && header.sackCount < limit; run = run.older) {
      header.sackLeft[header.sackCount] = run.left;
      header.sackRight[header.sackCount] = run.right;
      header.sackCount += 1;
    }
  }

  /** What is held, ascending and disjoint, as views: for a hand-over. */
  segments(): OutOfOrderSegment[] {
    const result: OutOfOrderSegment[] = [];
    for (let index = 0; index < this.count; index += 1) {
      const run = this.at(index);
      let sequence = run.left;
      for (let piece = run.first; piece !== null; piece = piece.next) {
        result.push({ sequence, bytes: piece.buffer.subarray(piece.offset, piece.offset + piece.length) });
        sequence = (sequence + piece.length) | 0;
      }
    }
    return result;
  }

  /** Replaces the content by what `segments` of another queue answered, under the limit of this one. */
  restore(segments: readonly OutOfOrderSegment[]): void {
    this.clear();
    for (const segment of segments) this.insert(segment.sequence, segment.bytes, 0, segment.bytes.length);
  }

  /** Drops everything. */
  clear(): void {
    this.runs = new Array<Run | null>(INITIAL_RUNS).fill(null);
    this.head = 0;
    this.count = 0;
    this.bytes = 0;
    this.pieces = 0;
    this.newest = null;
  }

  /** Adds `size` bytes at the right edge of a run. */
  private store(run: Run, buffer: Uint8Array, offset: number, size: number): void {
    run.right = (run.right + size) | 0;
    this.bytes += size;
    const small = isSmall(size, buffer);
    if (small && canGather(run)) {
      gather(run.last as Piece, buffer, offset, size);
      return;
    }
    const piece = small
      ? new Piece(buffer.slice(offset, offset + size), 0, size, true, run.last)
      : new Piece(buffer, offset, size, false, run.last);
    if (run.last === null) run.first = piece;
    else run.last.next = piece;
    run.last = piece;
    this.pieces += 1;
  }

  /** Appends the next run, which begins where `run` ends, to it. */
  private fuse(run: Run, next: Run, indexOfNext: number): void {
    const last = run.last as Piece;
    const first = next.first as Piece;
    last.next = first;
    first.previous = last;
    run.last = next.last;
    run.right = next.right;
    this.remove(indexOfNext);
  }

  /** Makes room for one more piece at the cost of the highest one in the runs from `above` on; false if there is none. */
  private makeRoom(above: number): boolean {
    if (this.pieces < this.limit) return true;
    if (above >= this.count) return false;
    const run = this.at(this.count - 1);
    const dropped = run.last as Piece;
    run.right = (run.right - dropped.length) | 0;
    run.last = dropped.previous;
    if (run.last === null) this.remove(this.count - 1);
    else run.last.next = null;
    this.pieces -= 1;
    this.bytes -= dropped.length;
    return true;
  }

  /** A new, still empty run before the one at `index`. */
  private open(index: number, left: number): Run {
    const run = new Run(left);
    this.insertAt(index, run);
    run.older = this.newest;
    if (this.newest !== null) this.newest.newer = run;
    this.newest = run;
    return run;
  }

  /** Takes a run out of both orders. */
  private remove(index: number): void {
    this.unlink(this.at(index));
    this.removeAt(index);
  }

  private unlink(run: Run): void {
    if (run.newer === null) this.newest = run.older;
    else run.newer.older = run.older;
    if (run.older !== null) run.older.newer = run.newer;
    run.newer = null;
    run.older = null;
  }

  private makeNewest(run: Run): void {
    if (this.newest === run) return;
    this.unlink(run);
    run.older = this.newest;
    if (this.newest !== null) this.newest.newer = run;
    this.newest = run;
  }

  private at(index: number): Run {
    return this.runs[(this.head + index) & (this.runs.length - 1)] as Run;
  }

  /** Index of the first run whose right edge is at or after `sequence`; `count` when there is none. */
  private firstEndingAtOrAfter(sequence: number): number {
    // In most cases the segment follows the one before it.
    if (this.count > 0 && ((this.at(this.count - 1).left - sequence) | 0) <= 0) {
      return ((this.at(this.count - 1).right - sequence) | 0) >= 0 ? this.count - 1 : this.count;
    }
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (((this.at(middle).right - sequence) | 0) >= 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Inserts into the ring, moving the shorter side. */
  private insertAt(index: number, run: Run): void {
    if (this.count === this.runs.length) this.grow();
    const { runs, count } = this;
    const mask = runs.length - 1;
    if (index * 2 < count) {
      this.head = (this.head - 1) & mask;
      for (let i = 0; i < index; i += 1) runs[(this.head + i) & mask] = runs[(this.head + i + 1) & mask];
    } else {
      for (let i = count; i > index; i -= 1) runs[(this.head + i) & mask] = runs[(this.head + i - 1) & mask];
    }
    runs[(this.head + index) & mask] = run;
    this.count += 1;
  }

  /** Removes from the ring, moving the shorter side. */
  private removeAt(index: number): void {
    const { runs, count } = this;
    const mask = runs.length - 1;
    if (index * 2 < count) {
      for (let i = index; i > 0; i -= 1) runs[(this.head + i) & mask] = runs[(this.head + i - 1) & mask];
      runs[this.head] = null;
      this.head = (this.head + 1) & mask;
    } else {
      for (let i = index; i < count - 1; i += 1) runs[(this.head + i) & mask] = runs[(this.head + i + 1) & mask];
      runs[(this.head + count - 1) & mask] = null;
    }
    this.count -= 1;
  }

  private grow(): void {
    const { runs, count } = this;
    const larger = new Array<Run | null>(runs.length * 2).fill(null);
    for (let index = 0; index < count; index += 1) larger[index] = this.at(index);
    this.runs = larger;
    this.head = 0;
  }
}

/** Whether `size` bytes of a buffer are too few to keep it alive for them. */
function isSmall(size: number, buffer: Uint8Array): boolean {
  return size * REFERENCE_FRACTION < buffer.buffer.byteLength;
}

/** Whether bytes may be written behind the last piece of a run. */
function canGather(run: Run): boolean {
  const { last } = run;
  return last?.owned === true && last.length < GATHER_LIMIT;
}

/** Writes bytes behind an owned piece; its buffer doubles when it is full, so that each byte moves O(1) times. */
function gather(piece: Piece, buffer: Uint8Array, offset: number, size: number): void {
  const length = piece.length + size;
  if (length > piece.buffer.length) {
    const larger = new Uint8Array(Math.max(length, piece.length * 2));
    larger.set(piece.buffer.subarray(0, piece.length));
    piece.buffer = larger;
  }
  piece.buffer.set(buffer.subarray(offset, offset + size), piece.length);
  piece.length = length;
}

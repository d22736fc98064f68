/**
 * The SACK scoreboard of a sender (RFC 2018 section 5, RFC 6675 section 4, RFC6675-3-1): which ranges above SND.UNA the peer holds.
 *
 * Ranges are disjoint, ascending and not adjacent. The number kept is bounded; a peer that reports more holes than that
 * merely causes a needless retransmission.
 */
import { after, atOrAfter, atOrBefore, before } from './sequence.ts';

const INITIAL_RANGES = 8;
const MAXIMUM_RANGES = 256;

export class SackScoreboard {
  /** left, right, left, right … int32. */
  private edges = new Int32Array(INITIAL_RANGES * 2);
  private count = 0;
  /** Bytes in all ranges. */
  sackedBytes = 0;

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Highest sequence number SACKed, plus one. Call only when not empty. */
  get highest(): number {
    return this.edges[this.count * 2 - 1];
  }

  /** Lowest sequence number SACKed. Call only when not empty. */
  get lowest(): number {
    return this.edges[0];
  }

  clear(): void {
    this.count = 0;
    this.sackedBytes = 0;
  }

  /** Records that the peer holds [left, right). Returns how many of these bytes were not known to be held. */
  add(left: number, right: number): number {
    if (!before(left, right)) return 0;
    const edges = this.edges;
    let first = 0;
    while (first < this.count && before(edges[first * 2 + 1], left)) first++;
    let last = first;
    let mergedLeft = left;
    let mergedRight = right;
    let known = 0;
    while (last < this.count && atOrBefore(edges[last * 2], right)) {
      if (before(edges[last * 2], mergedLeft)) mergedLeft = edges[last * 2];
      if (after(edges[last * 2 + 1], mergedRight)) mergedRight = edges[last * 2 + 1];
      known += (edges[last * 2 + 1] - edges[last * 2]) | 0;
      last++;
    }
    const gained = ((mergedRight - mergedLeft) | 0) - known;
    if (gained === 0) return 0;
    if (!this.replace(first, last, mergedLeft, mergedRight)) return 0;
    this.sackedBytes += gained;
    return gained;
  }

  /** Forgets everything below the new SND.UNA. */
  advance(sndUna: number): void {
    let gone = 0;
    while (gone < this.count && atOrBefore(this.edges[gone * 2 + 1], sndUna)) {
      this.sackedBytes -= (this.edges[gone * 2 + 1] - this.edges[gone * 2]) | 0;
      gone++;
    }
    if (gone > 0) {
      this.edges.copyWithin(0, gone * 2, this.count * 2);
      this.count -= gone;
    }
    if (this.count > 0 && before(this.edges[0], sndUna)) {
      this.sackedBytes -= (sndUna - this.edges[0]) | 0;
      this.edges[0] = sndUna;
    }
  }

  /** The first sequence number at or after `sequence` that is not SACKed. */
  nextUnsacked(sequence: number): number {
    for (let i = 0; i < this.count; i++) {
      if (before(sequence, this.edges[i * 2])) return sequence;
      if (before(sequence, this.edges[i * 2 + 1])) return this.edges[i * 2 + 1];
    }
    return sequence;
  }

  /** The left edge of the first range at or after `sequence`, or `limit` when there is none before it. */
  nextSacked(sequence: number, limit: number): number {
    for (let i = 0; i < this.count; i++) {
      if (atOrAfter(this.edges[i * 2], sequence)) {
        return before(this.edges[i * 2], limit) ? this.edges[i * 2] : limit;
      }
    }
    return limit;
  }

  /** SACKed bytes below `sequence`. */
  sackedBelow(sequence: number): number {
    let bytes = 0;
    for (let i = 0; i < this.count; i++) {
      const left = this.edges[i * 2];
      if (!before(left, sequence)) break;
      const right = this.edges[i * 2 + 1];
      bytes += ((before(right, sequence) ? right : sequence) - left) | 0;
    }
    return bytes;
  }

  /**
   * The IsLost boundary of RFC 6675 section 4: every unSACKed sequence number below the result is lost, because
   * `duplicateThreshold` discontiguous ranges, or more than (duplicateThreshold - 1) * smss bytes, above it are SACKed.
   * Returns `sndUna` when nothing is lost.
   */
  lostBelow(sndUna: number, duplicateThreshold: number, smss: number): number {
    let bytes = 0;
    let ranges = 0;
    for (let i = this.count - 1; i >= 0; i--) {
      bytes += (this.edges[i * 2 + 1] - this.edges[i * 2]) | 0;
      ranges++;
      if (ranges >= duplicateThreshold || bytes > (duplicateThreshold - 1) * smss) return this.edges[i * 2];
    }
    return sndUna;
  }

  /** left, right, left, right … for hand-over. */
  toArray(): number[] {
    return Array.from(this.edges.subarray(0, this.count * 2));
  }

  private replace(first: number, last: number, left: number, right: number): boolean {
    const growth = 1 - (last - first);
    if (growth > 0 && this.count === MAXIMUM_RANGES) return false;
    if ((this.count + growth) * 2 > this.edges.length) {
      const larger = new Int32Array(Math.min(this.edges.length * 2, MAXIMUM_RANGES * 2));
      larger.set(this.edges);
      this.edges = larger;
    }
    this.edges.copyWithin((first + 1) * 2, last * 2, this.count * 2);
    this.edges[first * 2] = left;
    this.edges[first * 2 + 1] = right;
    this.count += growth;
    return true;
  }
}

/**
 * When each byte that is outstanding was sent last, and what became of it: the per-segment variables of RFC 8985 section
 * 5.2 (xmit_ts in microseconds, end_seq, lost, retransmitted; RFC8985-4-2) and whether the peer has SACKed it.
 *
 * Kept per range, not per segment: neighbours that left at the same time with the same fate share an entry, and an entry
 * is split where a SACK block or a retransmission cuts it. The ranges are contiguous, from SND.UNA to SND.MAX, in typed
 * arrays: sending and acknowledging allocate nothing.
 */
import { after, atOrAfter, before } from './sequence.ts';

/** The fate of a range. Without any it was sent once, and nothing is known of it. */
export const RangeMark = {
  /** The peer has reported it by SACK (RFC 2018). */
  SACKED: 1,
  /** Deemed lost and not sent again since. */
  LOST: 2,
  /** Sent more than once. */
  RETRANSMITTED: 4,
} as const;

const INITIAL_CAPACITY = 8;
/** Larger arrays are given up when a record becomes empty. */
const KEPT_CAPACITY = 128;
/** So many ranges are told apart at most; what is sent beyond joins the last one. */
const MAXIMUM_RANGES = 1 << 16;

/**
 * A retransmission counts as so many microseconds younger than what left before it at the same time: the order of sequence
 * numbers, which decides between equal times, is not the order in which they left.
 */
const RETRANSMISSION_STEP = 2 ** -8;

/** Whether a segment that left at `time1` and ends at `end1` was sent after the other one (RFC 8985 section 6.2 step 2). */
export function sentAfter(time1: number, end1: number, time2: number, end2: number): boolean {
  return time1 > time2 || (time1 === time2 && after(end1, end2));
}

export class TransmissionRecord {
  /** Bytes in ranges that are SACKED. */
  sackedBytes = 0;
  /** Bytes in ranges that are LOST. */
  lostBytes = 0;
  /** Sequence number behind the last byte that was ever sent again; below SND.UNA when there is none outstanding. */
  highRetransmitted = 0;

  // ---- what the ACK being processed has delivered: newly acknowledged or SACKed ranges ----
  /** Transmission time (microseconds) and end of the one sent last, -Infinity when there is none to rely on. */
  deliveredTime = Number.NEGATIVE_INFINITY;
  deliveredEnd = 0;
  deliveredRetransmitted = false;
  /** Lowest sequence number among those that were sent only once; meaningful when `deliveredOriginal`. */
  lowestOriginal = 0;
  deliveredOriginal = false;

  private starts = new Int32Array(INITIAL_CAPACITY);
  private times = new Float64Array(INITIAL_CAPACITY);
  private marks = new Uint8Array(INITIAL_CAPACITY);
  /** Slots of the first range and behind the last one. */
  private head = 0;
  private tail = 0;
  /** SND.MAX as far as the record knows. */
  private end = 0;
  /** The last range may grow: a segment shorter than SMSS ends it, so that ranges begin where segments do. */
  private open = false;
  /** Transmission time of what was sent last, microseconds. */
  private lastTime = Number.NEGATIVE_INFINITY;
  /** No range below this one is LOST. */
  private lostFrom = 0;
  /** Transmissions at or after this time (microseconds) cannot be what the ACK being processed echoes. */
  private echoLimit = 0;
  /** As `echoLimit`: a retransmission is not answered sooner than the smallest round trip. */
  private answerLimit = 0;

  /** Ranges outstanding. */
  get count(): number {
    return this.tail - this.head;
  }

  /** Begins a record at SND.UNA with nothing outstanding. */
  begin(sequence: number): void {
    if (this.starts.length > KEPT_CAPACITY) this.allocate(INITIAL_CAPACITY);
    this.head = 0;
    this.tail = 0;
    this.end = sequence;
    this.open = false;
    this.lastTime = Number.NEGATIVE_INFINITY;
    this.sackedBytes = 0;
    this.lostBytes = 0;
    this.highRetransmitted = sequence;
    this.lostFrom = sequence;
    this.deliveredTime = Number.NEGATIVE_INFINITY;
    this.deliveredOriginal = false;
  }

  /** [sequence, end) leaves now (microseconds); `full`: with a full-sized segment (RFC 8985 section 6.1). */
  sent(sequence: number, end: number, now: number, full: boolean): void {
    if (sequence !== this.end) {
      if (before(sequence, this.end)) this.sentAgain(sequence, after(end, this.end) ? this.end : end, now);
      if (!after(end, this.end)) return;
    }
    const last = this.tail - 1;
    const time = now > this.lastTime ? now : this.lastTime;
    this.lastTime = time;
    const joins = this.open && this.marks[last] === 0 && this.times[last] === time;
    if (!joins || last < this.head) this.append(this.end, time, 0);
    this.end = end;
    this.open = full;
  }

  /**
   * To be called before the SACK blocks and the cumulative ACK of a segment are recorded. A range that was sent again is
   * not believed to be what is acknowledged when it left at or after `echoLimit`, or after `answerLimit`
   * (microseconds): the ACK is for an earlier transmission (RFC 8985 section 6.2 step 2).
   */
  beginDelivery(echoLimit: number, answerLimit: number): void {
    this.deliveredTime = Number.NEGATIVE_INFINITY;
    this.deliveredOriginal = false;
    this.echoLimit = echoLimit;
    this.answerLimit = answerLimit;
  }

  /** Everything that is outstanding above `sndUna` was sent once, and nothing of it is SACKED or LOST. */
  isUndisturbed(sndUna: number): boolean {
    return this.sackedBytes === 0 && this.lostBytes === 0 && ((this.highRetransmitted - sndUna) | 0) <= 0;
  }

  /**
   * SND.UNA moves to `ack` in a record that is undisturbed. Answers when the newest of what it delivers was sent
   * (microseconds): all that bulk transfer asks of the record.
   */
  acknowledgeUndisturbed(ack: number): number {
    const last = this.tail - 1;
    let i = this.head;
    while (i < last && ((this.starts[i + 1] - ack) | 0) < 0) i++;
    const time = this.times[i];
    if (i < last && this.starts[i + 1] === ack) {
      this.head = i + 1;
    } else if (ack === this.end) {
      this.head = 0;
      this.tail = 0;
    } else {
      this.head = i;
      this.starts[i] = ack;
    }
    this.highRetransmitted = ack;
    return time;
  }

  /** SND.UNA moves to `ack`. */
  acknowledge(ack: number): void {
    let i = this.head;
    while (i < this.tail) {
      const start = this.starts[i];
      const end = this.endOf(i);
      if (after(end, ack)) {
        if (before(start, ack)) {
          this.deliver(i, start, ack);
          this.uncount(this.marks[i], (ack - start) | 0);
          this.starts[i] = ack;
        }
        break;
      }
      this.deliver(i, start, end);
      this.uncount(this.marks[i], (end - start) | 0);
      i++;
    }
    this.head = i;
    if (i === this.tail) {
      this.head = 0;
      this.tail = 0;
    }
    if (before(this.highRetransmitted, ack)) this.highRetransmitted = ack;
  }

  /** The peer holds [left, right), which lies within what is outstanding. */
  sack(left: number, right: number): void {
    this.reserve(2);
    let i = this.split(left);
    const first = i;
    let known = true;
    while (i < this.tail && before(this.starts[i], right)) {
      if (after(this.endOf(i), right)) this.split(right);
      const mark = this.marks[i];
      if (!(mark & RangeMark.SACKED)) {
        const length = (this.endOf(i) - this.starts[i]) | 0;
        this.deliver(i, this.starts[i], this.endOf(i));
        this.uncount(mark, length);
        this.sackedBytes += length;
        this.marks[i] = (mark & RangeMark.RETRANSMITTED) | RangeMark.SACKED;
        known = false;
      }
      i++;
    }
    if (known) return;
    // What is held needs no transmission time any more: runs of it become one range.
    let from = first;
    if (from > this.head && this.marks[from - 1] & RangeMark.SACKED) from--;
    let to = i;
    if (to < this.tail && this.marks[to] & RangeMark.SACKED) to++;
    this.join(from, to, RangeMark.SACKED | RangeMark.RETRANSMITTED, this.times[from]);
  }

  /** The first range that is LOST: its sequence number, with its end in `foundEnd`. Call only when `lostBytes` > 0. */
  firstLost(): number {
    let i = this.find(this.lostFrom);
    while (i < this.tail - 1 && !(this.marks[i] & RangeMark.LOST)) i++;
    this.lostFrom = this.starts[i];
    this.foundEnd = this.endOf(i);
    return this.lostFrom;
  }
  foundEnd = 0;

  /**
   * The first range below `limit` that is neither SACKED nor was sent again: becomes LOST, and true is answered
   * (RFC 6675 section 4, NextSeg rule 3).
   */
  loseFirstHole(limit: number): boolean {
    this.reserve(1);
    for (let i = this.head; i < this.tail && before(this.starts[i], limit); i++) {
      if (this.marks[i] !== 0) continue;
      if (after(this.endOf(i), limit)) this.split(limit);
      this.lose(i);
      return true;
    }
    return false;
  }

  /** Whatever lies below `limit` and is neither SACKED nor was sent again is lost (RFC 6675 section 4, IsLost). */
  loseBelow(limit: number): void {
    this.reserve(1);
    for (let i = this.head; i < this.tail && before(this.starts[i], limit); i++) {
      if (this.marks[i] !== 0) continue;
      if (after(this.endOf(i), limit)) this.split(limit);
      this.lose(i);
    }
  }

  /** The first range is lost up to `limit`, unless it is SACKED. */
  loseHead(limit: number): void {
    if (this.tail === this.head || this.marks[this.head] & (RangeMark.SACKED | RangeMark.LOST)) return;
    this.reserve(1);
    this.split(limit);
    this.lose(this.head);
  }

  /** Everything from `sequence` on that is not SACKED is lost. */
  loseFrom(sequence: number): void {
    this.reserve(1);
    for (let i = this.split(sequence); i < this.tail; i++) {
      if (!(this.marks[i] & (RangeMark.SACKED | RangeMark.LOST))) this.lose(i);
    }
  }

  /** What is not SACKED and left at or before `time` is lost (RFC 8985 section 6.3). */
  loseOlder(time: number): void {
    for (let i = this.head; i < this.tail; i++) {
      if (this.times[i] <= time && !(this.marks[i] & (RangeMark.SACKED | RangeMark.LOST))) this.lose(i);
    }
  }

  /**
   * RFC 8985 section 6.2 step 5: what was sent before the segment that left at `rackTime` and ends at `rackEnd`, and more
   * than `allowance` microseconds ago, is lost. Returns for how long, in microseconds, the youngest of the others may
   * still be under way; 0 when there is none.
   */
  detectLosses(rackTime: number, rackEnd: number, allowance: number, now: number): number {
    let timeout = 0;
    for (let i = this.head; i < this.tail; i++) {
      const mark = this.marks[i];
      if (mark & (RangeMark.SACKED | RangeMark.LOST)) continue;
      const time = this.times[i];
      if (!sentAfter(rackTime, rackEnd, time, this.endOf(i))) {
        // First transmissions leave in the order of their sequence numbers: all that follow are younger.
        if (mark === 0 && atOrAfter(this.starts[i], this.highRetransmitted)) break;
        continue;
      }
      const remaining = time + allowance - now;
      if (remaining <= 0) this.lose(i);
      else if (remaining > timeout) timeout = remaining;
    }
    return timeout;
  }

  /** Nothing is lost after all. */
  clearLost(): void {
    for (let i = this.head; i < this.tail; i++) this.marks[i] &= ~RangeMark.LOST;
    this.lostBytes = 0;
  }

  /** The peer has thrown away what it had SACKed (RFC 2018 section 8). */
  clearSacked(): void {
    for (let i = this.head; i < this.tail; i++) {
      if (this.marks[i] & RangeMark.SACKED) this.marks[i] = RangeMark.RETRANSMITTED;
    }
    this.sackedBytes = 0;
    // A joined range was marked as sent again as a whole.
    if (this.tail > this.head) this.highRetransmitted = this.end;
  }

  /**
   * Where the last segment begins, when segments hold `smss` bytes and text ends at `textEnd`, which may lie before a FIN.
   * Call only when something is outstanding.
   */
  lastSegment(smss: number, textEnd: number): number {
    const start = this.starts[this.tail - 1];
    const length = ((after(this.end, textEnd) ? textEnd : this.end) - start) | 0;
    return length <= 0 ? start : (start + length - 1 - ((length - 1) % smss)) | 0;
  }

  /** Bytes sent again that are neither SACKED nor lost once more: presumably under way. */
  retransmittedBytes(): number {
    let bytes = 0;
    for (let i = this.head; i < this.tail; i++) {
      if (this.marks[i] === RangeMark.RETRANSMITTED) bytes += (this.endOf(i) - this.starts[i]) | 0;
    }
    return bytes;
  }

  /** start, age in microseconds (a hair below 0 for what has just left), marks of each range in turn, for a hand-over. */
  save(now: number): number[] {
    const ranges: number[] = [];
    for (let i = this.head; i < this.tail; i++) {
      ranges.push(this.starts[i], now - this.times[i], this.marks[i]);
    }
    return ranges;
  }

  /**
   * Continues from what `save` answered, for what is outstanding from `sndUna` to `sndMax`. False, with nothing recorded,
   * when the ranges do not fit that.
   */
  restore(ranges: readonly number[], sndUna: number, sndMax: number, now: number): boolean {
    this.begin(sndUna);
    let previous = sndUna;
    for (let i = 0; i + 2 < ranges.length; i += 3) {
      const start = ranges[i] | 0;
      const ordered = i === 0 ? start === sndUna : after(start, previous);
      if (!ordered || !before(start, sndMax) || !(ranges[i + 1] > -1 && ranges[i + 1] < Number.POSITIVE_INFINITY)) {
        this.begin(sndUna);
        return false;
      }
      const time = now - ranges[i + 1];
      if (time > this.lastTime) this.lastTime = time;
      this.append(start, time, ranges[i + 2] & 7);
      previous = start;
    }
    if (this.tail === 0) return false;
    this.end = sndMax;
    for (let i = 0; i < this.tail; i++) {
      const length = (this.endOf(i) - this.starts[i]) | 0;
      if (this.marks[i] & RangeMark.SACKED) {
        this.marks[i] &= ~RangeMark.LOST;
        this.sackedBytes += length;
      } else if (this.marks[i] & RangeMark.LOST) {
        this.lostBytes += length;
      }
      if (this.marks[i] & RangeMark.RETRANSMITTED) this.highRetransmitted = this.endOf(i);
    }
    return true;
  }

  /** [sequence, end), sent before, leaves again. What was SACKED stays so. */
  private sentAgain(sequence: number, end: number, now: number): void {
    this.reserve(2);
    const time = now > this.lastTime ? now : this.lastTime + RETRANSMISSION_STEP;
    this.lastTime = time;
    let i = this.split(sequence);
    while (i < this.tail && before(this.starts[i], end)) {
      if (after(this.endOf(i), end)) this.split(end);
      const mark = this.marks[i];
      if (!(mark & RangeMark.SACKED)) {
        this.uncount(mark, (this.endOf(i) - this.starts[i]) | 0);
        this.marks[i] = RangeMark.RETRANSMITTED;
        this.times[i] = time;
      }
      i++;
    }
    if (after(end, this.highRetransmitted)) this.highRetransmitted = end;
  }

  private deliver(i: number, start: number, end: number): void {
    const mark = this.marks[i];
    if (mark & RangeMark.SACKED) return; // delivered before
    const time = this.times[i];
    if (mark & RangeMark.RETRANSMITTED) {
      if (time >= this.echoLimit || time > this.answerLimit) return;
    } else if (!this.deliveredOriginal || before(start, this.lowestOriginal)) {
      this.deliveredOriginal = true;
      this.lowestOriginal = start;
    }
    if (!sentAfter(time, end, this.deliveredTime, this.deliveredEnd)) return;
    this.deliveredTime = time;
    this.deliveredEnd = end;
    this.deliveredRetransmitted = (mark & RangeMark.RETRANSMITTED) !== 0;
  }

  /** `length` bytes with this mark are no longer what they were. */
  private uncount(mark: number, length: number): void {
    if (mark & RangeMark.SACKED) this.sackedBytes -= length;
    else if (mark & RangeMark.LOST) this.lostBytes -= length;
  }

  private lose(i: number): void {
    const start = this.starts[i];
    this.marks[i] |= RangeMark.LOST;
    if (this.lostBytes === 0 || before(start, this.lostFrom)) this.lostFrom = start;
    this.lostBytes += (this.endOf(i) - start) | 0;
  }

  private endOf(i: number): number {
    return i + 1 < this.tail ? this.starts[i + 1] : this.end;
  }

  /** The range that holds `sequence`: the first one when it lies below all. */
  private find(sequence: number): number {
    let low = this.head;
    let high = this.tail - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (after(this.starts[middle], sequence)) high = middle - 1;
      else low = middle;
    }
    return low;
  }

  /**
   * Makes a range begin at `sequence`, and answers its slot; behind the last byte it is the slot behind the last range.
   * The caller has reserved a slot: reserving moves all others.
   */
  private split(sequence: number): number {
    if (this.tail === this.head || atOrAfter(sequence, this.end)) return this.tail;
    const i = this.find(sequence);
    if (!after(sequence, this.starts[i])) return i;
    const slot = i + 1;
    this.starts.copyWithin(slot + 1, slot, this.tail);
    this.times.copyWithin(slot + 1, slot, this.tail);
    this.marks.copyWithin(slot + 1, slot, this.tail);
    this.tail++;
    this.starts[slot] = sequence;
    this.times[slot] = this.times[i];
    this.marks[slot] = this.marks[i];
    return slot;
  }

  private append(start: number, time: number, mark: number): void {
    if (this.count >= MAXIMUM_RANGES && this.marks[this.tail - 1] === 0) {
      this.times[this.tail - 1] = time; // younger than it is: it is lost a little later
      return;
    }
    this.reserve(1);
    this.starts[this.tail] = start;
    this.times[this.tail] = time;
    this.marks[this.tail] = mark;
    this.tail++;
  }

  /** Ranges `from` to `to` (not included) become one. */
  private join(from: number, to: number, mark: number, time: number): void {
    this.marks[from] = mark;
    this.times[from] = time;
    const gone = to - from - 1;
    if (gone <= 0) return;
    this.starts.copyWithin(from + 1, to, this.tail);
    this.times.copyWithin(from + 1, to, this.tail);
    this.marks.copyWithin(from + 1, to, this.tail);
    this.tail -= gone;
  }

  /** Room for `slots` more ranges behind the last: by moving all to the front, or into arrays twice as long. */
  private reserve(slots: number): void {
    if (this.tail + slots <= this.starts.length) return;
    if (this.head > this.starts.length >> 1) {
      this.starts.copyWithin(0, this.head, this.tail);
      this.times.copyWithin(0, this.head, this.tail);
      this.marks.copyWithin(0, this.head, this.tail);
    } else {
      const { starts, times, marks } = this;
      this.allocate(starts.length * 2);
      this.starts.set(starts.subarray(this.head, this.tail));
      this.times.set(times.subarray(this.head, this.tail));
      this.marks.set(marks.subarray(this.head, this.tail));
    }
    this.tail -= this.head;
    this.head = 0;
  }

  private allocate(capacity: number): void {
    this.starts = new Int32Array(capacity);
    this.times = new Float64Array(capacity);
    this.marks = new Uint8Array(capacity);
  }
}

/** Received bytes in order, as views of the frames that brought them, with the PSH mark of each. */
import { Gatherer } from '../../wire/index.ts';

const EMPTY = new Uint8Array(0);
const NO_CHUNKS: Uint8Array[] = [];
const NO_MARKS: boolean[] = [];

export class ReceiveQueue {
  /** Bytes in the queue. */
  length = 0;
  /** Shared by all queues while they are empty, and never changed. */
  private chunks = NO_CHUNKS;
  private pushed = NO_MARKS;
  private head = 0;
  /** Made for the first chunk that must wait behind another. */
  private gatherer: Gatherer | null = null;

  /**
   * Queues a view; the memory behind it must not change any more. Empty views are ignored. Small ones that wait behind
   * others share a chunk, which has the mark of its last byte: no other one is ever asked for.
   */
  append(bytes: Uint8Array, push: boolean): void {
    if (bytes.length === 0) return;
    if (this.length === 0) {
      this.chunks = [bytes];
      this.pushed = [push];
      this.length = bytes.length;
      return;
    }
    this.gatherer ??= new Gatherer();
    const newest = this.chunks.length - 1;
    const gathered = this.gatherer.add(this.chunks[newest], bytes);
    this.length += bytes.length;
    if (gathered !== null && gathered.length > bytes.length) {
      this.chunks[newest] = gathered;
      this.pushed[newest] = push;
      return;
    }
    this.chunks.push(gathered ?? bytes);
    this.pushed.push(push);
  }

  /** Sets the PSH mark of the newest bytes; nothing happens when the queue is empty. */
  markLast(push: boolean): void {
    if (this.length > 0) this.pushed[this.pushed.length - 1] = push;
  }

  /** Moves the oldest chunk of `from` to the end of this queue. `from` must not be empty. */
  moveOne(from: ReceiveQueue): void {
    const bytes = from.chunks[from.head];
    this.append(bytes, from.pushed[from.head]);
    from.drop(bytes.length);
  }

  /** Moves everything of `from` to the end of this queue. */
  moveAll(from: ReceiveQueue): void {
    while (from.length > 0) this.moveOne(from);
  }

  /** Views of the first `count` bytes (at most all); they stay in the queue. */
  peek(count: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let missing = Math.min(count, this.length);
    for (let index = this.head; missing > 0; index += 1) {
      const chunk = this.chunks[index];
      views.push(chunk.length <= missing ? chunk : chunk.subarray(0, missing));
      missing -= Math.min(missing, chunk.length);
    }
    return views;
  }

  /**
   * Moves the first bytes, at most `count` and at most one chunk, to the end of `into`. Returns how many; whether the
   * last of them ends a segment with PSH is in `takenPush`.
   */
  take(count: number, into: Uint8Array[]): number {
    const chunk = this.chunks[this.head];
    const whole = chunk.length <= count;
    const taken = whole ? chunk : chunk.subarray(0, count);
    this.takenPush = whole && this.pushed[this.head];
    into.push(taken);
    this.drop(taken.length);
    return taken.length;
  }

  /** PSH mark of the last byte that `take` moved. */
  takenPush = false;

  /** Drops the first `count` bytes (at most all). */
  drop(count: number): void {
    let missing = Math.min(count, this.length);
    this.length -= missing;
    while (missing > 0) {
      const chunk = this.chunks[this.head];
      if (chunk.length > missing) {
        this.chunks[this.head] = chunk.subarray(missing);
        return;
      }
      missing -= chunk.length;
      this.chunks[this.head] = EMPTY;
      this.head += 1;
    }
    this.compact();
  }

  /** Drops everything. */
  clear(): void {
    this.chunks = NO_CHUNKS;
    this.pushed = NO_MARKS;
    this.head = 0;
    this.length = 0;
    this.gatherer = null;
  }

  private compact(): void {
    if (this.length === 0) {
      this.clear();
    } else if (this.head > 64 && this.head * 2 > this.chunks.length) {
      this.chunks.splice(0, this.head);
      this.pushed.splice(0, this.head);
      this.head = 0;
    }
  }
}

/** Frames on their way, by the time at which they arrive. */

const NO_FRAME: Uint8Array = new Uint8Array(0);

/** A frame that others may overtake. */
class LateFrame {
  time = 0;
  order = 0;
  frame: Uint8Array = NO_FRAME;
}

/**
 * A queue by arrival time, then by order of entry. Frames that arrive in the order in which they were sent — nearly all — lie in
 * a ring; the others lie in a heap of pooled entries. Nothing is allocated per frame once the ring has grown.
 */
export class DelayQueue {
  /** How many frames were ever pushed: the `order` of the next one. */
  pushed = 0;

  #frames: Uint8Array[] = new Array<Uint8Array>(16).fill(NO_FRAME);
  #times = new Float64Array(16);
  #orders = new Float64Array(16);
  #head = 0;
  #count = 0;
  /** Arrival time of the newest frame in the ring. */
  #tailTime = Number.NEGATIVE_INFINITY;
  readonly #late: LateFrame[] = [];
  readonly #pool: LateFrame[] = [];

  /** Frames in the queue. */
  get length(): number {
    return this.#count + this.#late.length;
  }

  /** Adds a frame that arrives at `time`; `isLate` keeps later frames with earlier times cheap. */
  push(time: number, frame: Uint8Array, isLate: boolean): void {
    const order = this.pushed;
    this.pushed = order + 1;
    if (isLate || (this.#count > 0 && time < this.#tailTime)) {
      this.#pushLate(time, order, frame);
      return;
    }
    if (this.#count === this.#frames.length) this.#grow();
    const slot = (this.#head + this.#count) & (this.#frames.length - 1);
    this.#frames[slot] = frame;
    this.#times[slot] = time;
    this.#orders[slot] = order;
    this.#count += 1;
    this.#tailTime = time;
  }

  /** When the first frame arrives; `Infinity` when the queue is empty. */
  firstTime(): number {
    if (this.length === 0) return Number.POSITIVE_INFINITY;
    return this.#lateIsFirst() ? this.#late[0].time : this.#times[this.#head];
  }

  /** The entry number (see `pushed`) of the first frame; `Infinity` when the queue is empty. */
  firstOrder(): number {
    if (this.length === 0) return Number.POSITIVE_INFINITY;
    return this.#lateIsFirst() ? this.#late[0].order : this.#orders[this.#head];
  }

  /** Takes the first frame out. The queue must not be empty. */
  shift(): Uint8Array {
    if (this.#lateIsFirst()) return this.#shiftLate();
    const head = this.#head;
    const frame = this.#frames[head];
    this.#frames[head] = NO_FRAME;
    this.#head = (head + 1) & (this.#frames.length - 1);
    this.#count -= 1;
    return frame;
  }

  #lateIsFirst(): boolean {
    if (this.#late.length === 0) return false;
    if (this.#count === 0) return true;
    const late = this.#late[0];
    const time = this.#times[this.#head];
    return late.time < time || (late.time === time && late.order < this.#orders[this.#head]);
  }

  #grow(): void {
    const size = this.#frames.length;
    const frames = new Array<Uint8Array>(size * 2).fill(NO_FRAME);
    const times = new Float64Array(size * 2);
    const orders = new Float64Array(size * 2);
    for (let index = 0; index < this.#count; index += 1) {
      const slot = (this.#head + index) & (size - 1);
      frames[index] = this.#frames[slot];
      times[index] = this.#times[slot];
      orders[index] = this.#orders[slot];
    }
    this.#frames = frames;
    this.#times = times;
    this.#orders = orders;
    this.#head = 0;
  }

  #pushLate(time: number, order: number, frame: Uint8Array): void {
    const entry = this.#pool.pop() ?? new LateFrame();
    entry.time = time;
    entry.order = order;
    entry.frame = frame;
    const heap = this.#late;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
  }

  #shiftLate(): Uint8Array {
    const heap = this.#late;
    const first = heap[0];
    const last = heap[heap.length - 1];
    heap.length -= 1;
    if (heap.length > 0) siftDown(heap, last);
    const frame = first.frame;
    first.frame = NO_FRAME;
    this.#pool.push(first);
    return frame;
  }
}

function isBefore(a: LateFrame, b: LateFrame): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** Puts `entry` where it belongs when the root of `heap` is free. */
function siftDown(heap: LateFrame[], entry: LateFrame): void {
  const size = heap.length;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= size) break;
    if (child + 1 < size && isBefore(heap[child + 1], heap[child])) child += 1;
    if (!isBefore(heap[child], entry)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = entry;
}

/** Things to do at points of the simulation's true time. */

interface Entry {
  readonly time: number;
  readonly order: number;
  readonly action: () => void;
}

/** A queue of actions by time, then by the order in which they were added. */
export class Agenda {
  private readonly heap: Entry[] = [];
  private added = 0;

  get length(): number {
    return this.heap.length;
  }

  /** Time of the first action, microseconds; Infinity when there is none. */
  next(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.heap[0].time;
  }

  add(time: number, action: () => void): void {
    const { heap } = this;
    const entry: Entry = { time, order: this.added, action };
    this.added += 1;
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

  /** Runs the first action if it is due at `now`; false when none is. */
  runDue(now: number): boolean {
    const { heap } = this;
    if (heap.length === 0 || heap[0].time > now) return false;
    const first = heap[0];
    const last = heap[heap.length - 1];
    heap.length -= 1;
    if (heap.length > 0) sink(heap, last);
    first.action();
    return true;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** Puts `entry` where it belongs when the root is free. */
function sink(heap: Entry[], entry: Entry): void {
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
    if (!isBefore(heap[child], entry)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = entry;
}

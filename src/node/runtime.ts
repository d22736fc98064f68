/**
 * What drives the pure rooms in Node: the monotonic clock, one platform timer for all of them, and turns of the event
 * loop for work that is queued.
 */
import { performance } from 'node:perf_hooks';

/** What the runtime drives: a stack, an adapter, a wire. Times are microseconds of `NodeRuntime.now`. */
export interface RuntimePart {
  /** Does everything that is due. */
  advance(nowMicroseconds: number): void;
  /** When `advance` is needed next; a past time means at once, Infinity never. */
  nextDeadline(): number;
  /** Set by the runtime; the part calls it when work was queued from outside of `advance`. */
  onWork?: (() => void) | null;
}

/** Rounds over all parts in one turn of the event loop, before sockets and timers of the process get theirs. */
const ROUNDS_PER_TURN = 64;

/** Deadlines nearer than this are awaited by turns of the event loop: a platform timer would come a millisecond late. */
const SPIN_MICROSECONDS = 1_000;

/**
 * How late a turn may come before the clock stops to count. A process that was suspended or starved for longer would
 * otherwise find every retransmission timer expired before it could look at the acknowledgments that wait.
 */
const LATENESS_MICROSECONDS = 10_000;

/** Longest platform timer that Node takes, milliseconds. */
const LONGEST_TIMEOUT = 0x7fffffff;

/**
 * Drives its parts until it is closed. It keeps the process alive only while somebody holds a reference (`ref`): open
 * sockets, listening servers and gateways do.
 */
export class NodeRuntime {
  private readonly parts = new Set<RuntimePart>();
  private readonly origin = performance.now();
  /** Time that does not count, and the latest time that anybody was told; microseconds. */
  private lost = 0;
  private latest = 1;
  /** When the next turn should come, or the last round came. */
  private expectedAt = 0;
  private immediate: NodeJS.Immediate | null = null;
  private timeout: NodeJS.Timeout | null = null;
  private timeoutAt = Number.POSITIVE_INFINITY;
  private references = 0;
  private closed = false;
  private running = false;
  private readonly wake = (): void => this.schedule();
  private readonly turn = (): void => this.run();

  /** Microseconds since the runtime was made, at least 1; monotonic. Stands still while the process is held up. */
  now(): number {
    const now = Math.floor((performance.now() - this.origin) * 1_000) + 1 - this.lost;
    if (now > this.latest) this.latest = now;
    return this.latest;
  }

  /** Starts to drive `part`. */
  add(part: RuntimePart): void {
    this.parts.add(part);
    if ('onWork' in part) part.onWork = this.wake;
    this.schedule();
  }

  /** Stops driving `part`. */
  remove(part: RuntimePart): void {
    this.parts.delete(part);
    if ('onWork' in part) part.onWork = null;
  }

  /** Keeps the process alive until `unref` is called as often. */
  ref(): void {
    this.references++;
    if (this.references === 1) this.reschedule();
  }

  /** Gives up one reference. */
  unref(): void {
    if (this.references === 0) return;
    this.references--;
    if (this.references === 0) this.reschedule();
  }

  /** Has every part looked at in the next turn of the event loop. */
  schedule(): void {
    if (this.running || this.closed || this.immediate !== null) return;
    this.expectedAt = this.now();
    // The event loop may sleep over an immediate that does not keep it alive, but never over a timer.
    if (this.references === 0) this.setTimer(0, 0);
    else this.immediate = setImmediate(this.turn);
  }

  /** Stops driving anything, for good. */
  close(): void {
    this.closed = true;
    for (const part of [...this.parts]) this.remove(part);
    this.cancel();
  }

  /** The first reference has come, or the last one has gone: what waits must wait in the other way. */
  private reschedule(): void {
    if (this.running) return;
    this.cancel();
    this.schedule();
  }

  private cancel(): void {
    if (this.immediate !== null) clearImmediate(this.immediate);
    if (this.timeout !== null) clearTimeout(this.timeout);
    this.immediate = null;
    this.timeout = null;
  }

  private run(): void {
    this.immediate = null;
    if (this.closed) return;
    this.running = true;
    try {
      for (let round = 0; round < ROUNDS_PER_TURN && this.step(); round++);
    } finally {
      this.running = false;
      this.arm();
    }
  }

  /** One round: whether anything was due. */
  private step(): boolean {
    const now = this.roundTime();
    let worked = false;
    for (const part of this.parts) {
      if (part.nextDeadline() > now) continue;
      part.advance(now);
      worked = true;
    }
    return worked;
  }

  /** The time of a round; what it comes too late does not count. */
  private roundTime(): number {
    const elapsed = Math.floor((performance.now() - this.origin) * 1_000) + 1 - this.lost;
    const late = elapsed - this.expectedAt - LATENESS_MICROSECONDS;
    if (late > 0) this.lost += late;
    this.expectedAt = this.now();
    return this.expectedAt;
  }

  private arm(): void {
    if (this.closed) return;
    let earliest = Number.POSITIVE_INFINITY;
    for (const part of this.parts) earliest = Math.min(earliest, part.nextDeadline());
    const wait = earliest - this.now();
    if (wait < SPIN_MICROSECONDS) this.schedule();
    else if (earliest === Number.POSITIVE_INFINITY && this.references === 0) this.cancel();
    // With nothing due at all, a timer still keeps the process alive for those who hold a reference.
    else this.setTimer(earliest, wait / 1_000);
  }

  /** Wakes up at `deadline`, microseconds, 0 for now, `milliseconds` away. A timer for the same deadline stays. */
  private setTimer(deadline: number, milliseconds: number): void {
    if (deadline > 0) this.expectedAt = deadline;
    if (this.timeout !== null) {
      if (deadline === this.timeoutAt) {
        if (this.references === 0) this.timeout.unref();
        else this.timeout.ref();
        return;
      }
      clearTimeout(this.timeout);
    }
    this.timeoutAt = deadline;
    this.timeout = setTimeout(
      () => {
        this.timeout = null;
        this.run();
      },
      Math.min(LONGEST_TIMEOUT, Math.floor(milliseconds)),
    );
    if (this.references === 0) this.timeout.unref();
  }
}

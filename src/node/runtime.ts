/**
 * What drives the pure rooms in Node: the monotonic clock, one platform timer for all of them, and turns of the event
 * loop for work that is queued.
 */

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

/** Longest platform timer that Node takes, milliseconds. */
const LONGEST_TIMEOUT = 0x7fffffff;

/**
 * Drives its parts until it is closed. It keeps the process alive only while somebody holds a reference (`ref`): open
 * sockets and listening servers do.
 */
export class NodeRuntime {
  private readonly parts = new Set<RuntimePart>();
  private readonly origin = process.hrtime.bigint();
  private immediate: NodeJS.Immediate | null = null;
  private timeout: NodeJS.Timeout | null = null;
  private timeoutAt = Number.POSITIVE_INFINITY;
  private references = 0;
  private closed = false;
  private running = false;
  private readonly wake = (): void => this.schedule();
  private readonly turn = (): void => this.run();

  /** Microseconds since the runtime was made; monotonic. */
  now(): number {
    return Number((process.hrtime.bigint() - this.origin) / 1_000n) + 1;
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
    if (this.references === 1) {
      this.immediate?.ref();
      this.timeout?.ref();
    }
  }

  /** Gives up one reference. */
  unref(): void {
    this.references = Math.max(0, this.references - 1);
    if (this.references === 0) {
      this.immediate?.unref();
      this.timeout?.unref();
    }
  }

  /** Has every part looked at in the next turn of the event loop. */
  schedule(): void {
    if (this.running || this.closed || this.immediate !== null) return;
    this.immediate = setImmediate(this.turn);
    if (this.references === 0) this.immediate.unref();
  }

  /** Stops driving anything, for good. */
  close(): void {
    this.closed = true;
    for (const part of [...this.parts]) this.remove(part);
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
    }
    this.arm();
  }

  /** One round: whether anything was due. */
  private step(): boolean {
    const now = this.now();
    let worked = false;
    for (const part of this.parts) {
      if (part.nextDeadline() > now) continue;
      part.advance(now);
      worked = true;
    }
    return worked;
  }

  private arm(): void {
    if (this.closed) return;
    let earliest = Number.POSITIVE_INFINITY;
    for (const part of this.parts) earliest = Math.min(earliest, part.nextDeadline());
    const wait = earliest - this.now();
    if (wait < SPIN_MICROSECONDS) {
      this.schedule();
      return;
    }
    if (earliest === this.timeoutAt && this.timeout !== null) return;
    if (this.timeout !== null) clearTimeout(this.timeout);
    this.timeout = null;
    this.timeoutAt = earliest;
    if (earliest === Number.POSITIVE_INFINITY) return;
    this.timeout = setTimeout(
      () => {
        this.timeout = null;
        this.timeoutAt = Number.POSITIVE_INFINITY;
        this.schedule();
      },
      Math.min(LONGEST_TIMEOUT, Math.floor(wait / 1_000)),
    );
    if (this.references === 0) this.timeout.unref();
  }
}

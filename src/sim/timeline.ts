/** True time, and the parts that it drives. */
import type { Random, Stepped } from '../link/index.ts';
import { Agenda } from './agenda.ts';
import type { DriftingClock } from './clock.ts';

interface Part {
  readonly stepped: Stepped;
  readonly clock: DriftingClock;
}

/**
 * Drives stepped parts, each by its own clock, and an agenda of actions by true time. Which of several parts that are due
 * goes first is drawn anew in each step. Times are microseconds.
 */
export class Timeline {
  /** True time. */
  now = 0;
  /** Steps so far: advances of one part or action. */
  steps = 0;
  private readonly parts: Part[] = [];
  private readonly agenda = new Agenda();
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  add(stepped: Stepped, clock: DriftingClock): void {
    this.parts.push({ stepped, clock });
  }

  /** Has `action` run so many microseconds from now. */
  after(microseconds: number, action: () => void): void {
    this.agenda.add(this.now + Math.max(0, Math.ceil(microseconds)), action);
  }

  /** When something is due next; Infinity when everything rests. */
  next(): number {
    let next = this.agenda.next();
    for (const { stepped, clock } of this.parts) next = Math.min(next, clock.when(stepped.nextDeadline()));
    return Math.max(next, this.now);
  }

  /**
   * Goes on until `done` answers true, nothing is due by `until`, or `stepLimit` is reached. Returns whether `done` did.
   * Time is left at the last thing done.
   */
  run(until: number, stepLimit: number, done: () => boolean): boolean {
    for (;;) {
      if (done()) return true;
      if (this.steps >= stepLimit) return false;
      const next = this.next();
      if (next > until || next === Number.POSITIVE_INFINITY) return false;
      this.now = next;
      this.step();
    }
  }

  /** Everything that is due now, once. */
  private step(): void {
    while (this.agenda.runDue(this.now)) this.steps += 1;
    const { length } = this.parts;
    const first = this.random.below(length);
    for (let index = 0; index < length; index += 1) {
      const { stepped, clock } = this.parts[(first + index) % length];
      if (clock.when(stepped.nextDeadline()) > this.now) continue;
      stepped.advance(clock.at(this.now));
      this.steps += 1;
    }
  }
}

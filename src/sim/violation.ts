/** A simulation that went wrong. */

/** An invariant did not hold, or code under test threw. The message carries the seed and the end of the trace. */
export class SimulationFailure extends Error {
  readonly seed: number;
  /** What went wrong, without the trace. */
  readonly reason: string;
  /** The last lines of the trace, oldest first. */
  readonly trace: readonly string[];

  constructor(seed: number, reason: string, trace: readonly string[], cause?: unknown) {
    super(`seed ${seed}: ${reason}\nThe end of the trace:\n${trace.slice(-60).join('\n')}`, { cause });
    this.name = 'SimulationFailure';
    this.seed = seed;
    this.reason = reason;
    this.trace = trace;
  }
}

/** Thrown by an invariant; the simulation adds seed and trace. */
export class InvariantViolation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantViolation';
  }
}

/** @throws InvariantViolation unless `condition` holds */
export function invariant(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new InvariantViolation(message());
}

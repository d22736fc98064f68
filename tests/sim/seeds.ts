/** Runs simulations of many seeds and sums up what they covered. */
import { runSimulation } from '../../src/sim/index.ts';

/** Sums over many runs. */
export class Totals {
  runs = 0;
  bytes = 0;
  movesDown = 0;
  movesUp = 0;
  movesRefused = 0;
  retransmissions = 0;
  /** Runs in which both directions carried bytes. */
  bothWays = 0;
  readonly coverage = new Map<string, number>();

  /** How often something was counted whose name begins with `prefix`. */
  count(prefix: string): number {
    let sum = 0;
    for (const [name, times] of this.coverage) if (name.startsWith(prefix)) sum += times;
    return sum;
  }
}

/** Runs the seeds `first`…`last`; the first one that fails ends it with its `SimulationFailure`. */
export function runSeeds(first: number, last: number): Totals {
  const totals = new Totals();
  for (let seed = first; seed <= last; seed++) {
    const report = runSimulation(seed);
    totals.runs++;
    totals.bytes += report.bytesAToB + report.bytesBToA;
    totals.movesDown += report.movesDown;
    totals.movesUp += report.movesUp;
    totals.movesRefused += report.movesRefused;
    totals.retransmissions += report.retransmissions;
    if (report.bytesAToB > 0 && report.bytesBToA > 0) totals.bothWays++;
    for (const [name, times] of Object.entries(report.coverage)) {
      totals.coverage.set(name, (totals.coverage.get(name) ?? 0) + times);
    }
  }
  return totals;
}

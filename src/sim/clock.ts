/** Clocks that disagree: every machine of a simulation has its own idea of the time. */

/** A clock with an offset and a drift against the simulation's true time. All times are microseconds. */
export class DriftingClock {
  private readonly offset: number;
  private readonly rate: number;

  /**
   * @param offsetMicroseconds what the clock shows at true time 0, an integer of at least 0
   * @param driftPartsPerMillion how much faster it runs than true time
   */
  constructor(offsetMicroseconds: number, driftPartsPerMillion: number) {
    this.offset = offsetMicroseconds;
    this.rate = 1 + driftPartsPerMillion / 1e6;
  }

  /** What the clock shows at a true time: an integer that never decreases. */
  at(trueTime: number): number {
    return this.offset + Math.floor(trueTime * this.rate);
  }

  /** The first true time, an integer, at which the clock shows `localTime` or more; infinite times stay what they are. */
  when(localTime: number): number {
    if (!Number.isFinite(localTime)) return localTime;
    let time = Math.max(0, Math.ceil((localTime - this.offset) / this.rate));
    while (this.at(time) < localTime) time += 1;
    while (time > 0 && this.at(time - 1) >= localTime) time -= 1;
    return time;
  }
}

/** What happened, and how often: so that a thousand runs can prove that they tested what they claim. */

/** Counters by name. Adding the counters of many runs tells what they covered together. */
export class Coverage {
  private readonly counters = new Map<string, number>();

  count(name: string, times = 1): void {
    if (times > 0) this.counters.set(name, (this.counters.get(name) ?? 0) + times);
  }

  /** The counters by name, sorted. */
  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.counters].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/**
 * A token bucket: bounds answers that anybody can provoke (resets, echo replies, ARP probes). Time is passed in, in
 * microseconds.
 */
export class RateLimit {
  private readonly perSecond: number;
  private readonly burst: number;
  private tokens: number;
  private filledAt = 0;

  /** @param burst how many may pass at once after a quiet time; by default one second's worth. */
  constructor(perSecond: number, burst: number = perSecond) {
    this.perSecond = perSecond;
    this.burst = burst;
    this.tokens = burst;
  }

  /** Whether one more may pass now; takes its token. */
  take(nowMicroseconds: number): boolean {
    const elapsed = nowMicroseconds - this.filledAt;
    if (elapsed > 0) {
      this.tokens = Math.min(this.burst, this.tokens + (elapsed * this.perSecond) / 1_000_000);
      this.filledAt = nowMicroseconds;
    }
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}

/**
 * HyStart++ (RFC 9406): the first slow start ends when round trips grow, before it overruns the queue. A growth that was
 * not congestion is found out in a phase of slower growth, Conservative Slow Start (CSS), and slow start goes on.
 */
import type { TcpDelegatedState } from '../variables.ts';
import { savedNumber } from './congestion-control.ts';

/** Constants of section 4.3; times in microseconds. */
const MINIMUM_THRESHOLD = 4_000;
const MAXIMUM_THRESHOLD = 16_000;
const THRESHOLD_DIVISOR = 8;
const ROUND_SAMPLES = 8;
const GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;

/** Saved in place of a minimum that is not known. */
const UNKNOWN = 0;

/** One connection in its first slow start. Made with its first round-trip sample, dropped when ssThresh is known. */
export class HyStart {
  /** SND.NXT when the round began, int32: acknowledging it ends the round. */
  private windowEnd: number;
  /** Smallest round trips of the last round and of this one, microseconds; Infinity without any. */
  private lastMinimum = Number.POSITIVE_INFINITY;
  private currentMinimum = Number.POSITIVE_INFINITY;
  /** Samples of this round. */
  private samples = 0;
  /** In CSS: the round trip that led there; Infinity outside of it. */
  private baseline = Number.POSITIVE_INFINITY;
  /** Rounds in CSS that are over, the one that it began in included. */
  private cssRounds = 0;

  /** @param windowEnd SND.NXT, int32 */
  constructor(windowEnd: number) {
    this.windowEnd = windowEnd;
  }

  /** By what the growth of slow start is divided now: 1, or in CSS 4. */
  get divisor(): number {
    return this.baseline === Number.POSITIVE_INFINITY ? 1 : GROWTH_DIVISOR;
  }

  /**
   * An ACK of new data with one sample, microseconds; 0 without. `v.sndUna` is past what it acknowledged. True: slow start
   * is over, and ssThresh is what cWnd is (section 4.2).
   */
  acknowledged(v: TcpDelegatedState, roundTrip: number): boolean {
    if (roundTrip > 0) {
      this.currentMinimum = Math.min(this.currentMinimum, roundTrip);
      this.samples++;
    }
    if (this.samples >= ROUND_SAMPLES) this.judge();
    if (((v.sndUna - this.windowEnd) | 0) < 0) return false;
    this.lastMinimum = this.currentMinimum;
    this.currentMinimum = Number.POSITIVE_INFINITY;
    this.samples = 0;
    this.windowEnd = v.sndMax;
    if (this.baseline === Number.POSITIVE_INFINITY) return false;
    this.cssRounds++;
    return this.cssRounds >= CSS_ROUNDS;
  }

  /** Section 4.2: enough samples of the round to compare it with the last one, or with what led into CSS. */
  private judge(): void {
    if (this.baseline !== Number.POSITIVE_INFINITY) {
      if (this.currentMinimum < this.baseline) this.baseline = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.lastMinimum === Number.POSITIVE_INFINITY) return;
    const share = this.lastMinimum / THRESHOLD_DIVISOR;
    const threshold = Math.max(MINIMUM_THRESHOLD, Math.min(share, MAXIMUM_THRESHOLD));
    if (this.currentMinimum < this.lastMinimum + threshold) return;
    this.baseline = this.currentMinimum;
    this.cssRounds = 0;
  }

  /** Adds the state to what a hand-over carries. */
  save(into: Record<string, number>): void {
    into['hystartEnd'] = this.windowEnd;
    into['hystartLast'] = finite(this.lastMinimum);
    into['hystartCurrent'] = finite(this.currentMinimum);
    into['hystartSamples'] = this.samples;
    into['hystartBaseline'] = finite(this.baseline);
    into['hystartRounds'] = this.cssRounds;
  }

  /** Continues from what `save` wrote; null when it wrote nothing. */
  static restore(state: Record<string, number>): HyStart | null {
    if (!Number.isInteger(state['hystartEnd'])) return null;
    const restored = new HyStart(state['hystartEnd'] | 0);
    restored.lastMinimum = minimumOf(state, 'hystartLast');
    restored.currentMinimum = minimumOf(state, 'hystartCurrent');
    restored.samples = savedNumber(state, 'hystartSamples', 0, 0);
    restored.baseline = minimumOf(state, 'hystartBaseline');
    restored.cssRounds = savedNumber(state, 'hystartRounds', 0, 0);
    return restored;
  }
}

function finite(minimum: number): number {
  return minimum === Number.POSITIVE_INFINITY ? UNKNOWN : minimum;
}

function minimumOf(state: Record<string, number>, key: string): number {
  const value = savedNumber(state, key, 0, UNKNOWN);
  return value === UNKNOWN ? Number.POSITIVE_INFINITY : value;
}

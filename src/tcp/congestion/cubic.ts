/** CUBIC (RFC 9438; RFC 9293 MAY-18): cWnd as a cubic function of the time since the last congestion event. */
import type { TcpDelegatedState } from '../variables.ts';
import { type CongestionControl, MAXIMUM_WINDOW, savedNumber } from './congestion-control.ts';
import { SlowStart } from './slow-start.ts';

/** C, segments per second cubed (RFC 9438 section 5). */
const C = 0.4;
/** Multiplicative decrease factor beta_cubic (section 4.6). */
const BETA = 0.7;
/** Additive increase factor that makes AIMD(alpha, beta_cubic) as fast as Reno on average (section 4.3). */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);

/**
 * Most bytes by which one ACK opens the window in slow start. RFC 3465 and RFC 9406 count this in segments to keep
 * bursts small; with segmentation offload the unit that is sent, and acknowledged, at once is up to 64 KiB, and a limit
 * of a few segments for such an ACK would turn slow start into linear growth.
 */
const SLOW_START_LIMIT = 65_535;

/** Saved in place of an age when no congestion avoidance stage is under way. */
const NO_EPOCH = -1;

/**
 * Windows are bytes here and segments in the RFC: the formulas differ by factors of SMSS. The first slow start
 * ends by HyStart++ (section 4.10, RFC 9406); undoing spurious events (section 4.9) is the caller's, by `save` and `restore`.
 */
export class Cubic implements CongestionControl {
  readonly name = 'cubic';
  private readonly slowStart = new SlowStart();
  /** W_max, bytes: cWnd just before the last reduction, or less by fast convergence; 0 when there is none to return to. */
  private wMax = 0;
  /** cwnd_prior, bytes: cWnd when ssThresh was set last, or when the first slow start ended. */
  private cwndPrior = 0;
  /** W_est, bytes: the window that Reno would have. A double. */
  private wEst = 0;
  /** K, seconds: how long cWnd takes to return to W_max. */
  private k = 0;
  /** A congestion avoidance stage is under way. */
  private inEpoch = false;
  /** t_epoch: when the stage began, put off by the time for which it was suspended. */
  private epoch = 0;
  /** Growth earned and less than a byte. */
  private fraction = 0;

  onAcknowledged(
    v: TcpDelegatedState,
    bytes: number,
    smss: number,
    srttMicroseconds: number,
    nowMicroseconds: number,
    roundTrip = 0,
  ): void {
    let left = bytes;
    if (this.slowStart.isActive(v)) {
      this.inEpoch = false;
      left = this.slowStart.increase(v, bytes, smss, SLOW_START_LIMIT, roundTrip);
      if (left === 0) return;
    }
    if (!this.inEpoch) this.beginEpoch(v.cWnd, smss, nowMicroseconds);
    this.avoidCongestion(v, Math.min(left, v.cWnd), smss, srttMicroseconds, nowMicroseconds);
  }

  onLoss(v: TcpDelegatedState, flightSize: number, smss: number): void {
    // Section 4.7, fast convergence: a flow whose maximum shrinks releases more, to make room for new flows.
    this.wMax = v.cWnd < this.wMax ? (v.cWnd * (1 + BETA)) / 2 : v.cWnd;
    this.reduce(v, flightSize, smss);
  }

  onTimeout(v: TcpDelegatedState, flightSize: number, smss: number): void {
    // Section 4.8: the first congestion avoidance after a timeout starts with K = 0 and W_max = cWnd of its beginning.
    this.wMax = 0;
    this.reduce(v, flightSize, smss);
    this.slowStart.onTimeout(v);
  }

  /** Sections 4.2 and 5.8: time in which cWnd could not grow for want of data is no time of the cubic function. */
  onIdle(sinceMicroseconds: number, nowMicroseconds: number): void {
    if (!this.inEpoch) return;
    const suspended = nowMicroseconds - Math.max(sinceMicroseconds, this.epoch);
    if (suspended > 0) this.epoch += suspended;
  }

  save(nowMicroseconds: number): Record<string, number> {
    const state: Record<string, number> = {
      wMax: this.wMax,
      cwndPrior: this.cwndPrior,
      wEst: this.wEst,
      kMicroseconds: this.k * 1e6,
      epochAge: this.inEpoch ? Math.max(0, nowMicroseconds - this.epoch) : NO_EPOCH,
    };
    this.slowStart.save(state);
    return state;
  }

  restore(state: Record<string, number>, nowMicroseconds: number): void {
    this.wMax = Math.min(savedNumber(state, 'wMax', 0, 0), MAXIMUM_WINDOW);
    this.cwndPrior = Math.min(savedNumber(state, 'cwndPrior', 0, 0), MAXIMUM_WINDOW);
    this.wEst = Math.min(savedNumber(state, 'wEst', 0, 0), MAXIMUM_WINDOW);
    this.k = savedNumber(state, 'kMicroseconds', 0, 0) / 1e6;
    const age = savedNumber(state, 'epochAge', 0, NO_EPOCH);
    this.inEpoch = age !== NO_EPOCH;
    // Negative when the stage began before this owner's clock did.
    this.epoch = this.inEpoch ? nowMicroseconds - age : 0;
    this.fraction = 0;
    this.slowStart.restore(state);
  }

  /** Section 4.6: ssthresh from what is in flight, so that an application-limited cWnd does not count. */
  private reduce(v: TcpDelegatedState, flightSize: number, smss: number): void {
    this.cwndPrior = v.cWnd;
    v.ssThresh = Math.max(Math.floor(flightSize * BETA), 2 * smss);
    this.inEpoch = false;
    this.fraction = 0;
  }

  /** Section 4.2: a congestion avoidance stage begins with `cWnd` as cwnd_epoch. */
  private beginEpoch(cWnd: number, smss: number, nowMicroseconds: number): void {
    this.inEpoch = true;
    this.epoch = nowMicroseconds;
    this.wEst = cWnd;
    this.fraction = 0;
    if (this.cwndPrior === 0) this.cwndPrior = cWnd;
    if (this.wMax > cWnd) {
      this.k = Math.cbrt((this.wMax - cWnd) / smss / C);
    } else {
      // Nothing to return to: the convex region starts here (sections 4.8 and 4.10).
      this.wMax = cWnd;
      this.k = 0;
    }
  }

  private avoidCongestion(
    v: TcpDelegatedState,
    bytes: number,
    smss: number,
    srttMicroseconds: number,
    nowMicroseconds: number,
  ): void {
    const t = Math.max(0, nowMicroseconds - this.epoch) / 1e6;
    // Section 4.3, figure 4, in bytes. As fast as Reno once the window of the last reduction is reached again.
    const alpha = this.wEst >= this.cwndPrior ? 1 : ALPHA;
    this.wEst = Math.min(this.wEst + (alpha * smss * bytes) / v.cWnd, MAXIMUM_WINDOW);
    const cubicNow = this.windowAt(t, smss);
    let window = v.cWnd + this.fraction;
    if (cubicNow < this.wEst) {
      window = Math.max(window, this.wEst);
    } else {
      // Sections 4.4 and 4.5: towards where the function is one round trip from now, bounded by section 4.2.
      const ahead = this.windowAt(t + srttMicroseconds / 1e6, smss);
      const target = Math.min(Math.max(ahead, v.cWnd), 1.5 * v.cWnd);
      window += ((target - v.cWnd) * bytes) / v.cWnd;
    }
    window = Math.min(window, MAXIMUM_WINDOW);
    v.cWnd = Math.floor(window);
    this.fraction = window - v.cWnd;
  }

  /** W_cubic(t) = C (t - K)^3 + W_max, in bytes (section 4.2, figure 1). */
  private windowAt(seconds: number, smss: number): number {
    const x = seconds - this.k;
    return C * x * x * x * smss + this.wMax;
  }
}

/** Slow start with appropriate byte counting (RFC 9293 MUST-19, RFC 5681 section 3.1, RFC 3465 section 2.2): both algorithms begin with it. */
import type { TcpDelegatedState } from '../variables.ts';
import { MAXIMUM_WINDOW, savedNumber } from './congestion-control.ts';
import { HyStart } from './hystart.ts';

/** ssThresh before anything has set it. */
const UNKNOWN_THRESHOLD = 0x7fffffff;

/**
 * Slow start of one connection. After a retransmission timeout, until what was outstanding then is acknowledged, one ACK
 * may cover much that had arrived before: there cWnd grows by at most one SMSS for an ACK (RFC 3465 section 2.3).
 */
export class SlowStart {
  private afterTimeout = false;
  /** SND.MAX at the timeout, int32. */
  private timeoutEnd = 0;
  /** In the first slow start, once a round trip was measured. */
  private hystart: HyStart | null = null;

  /** Whether `v` is in slow start. */
  isActive(v: TcpDelegatedState): boolean {
    return v.cWnd < v.ssThresh;
  }

  /**
   * Raises `v.cWnd` by the bytes acknowledged, but by no more than `limit` (RFC 3465's L, bytes) and not beyond ssThresh.
   * Answers the acknowledged bytes that are left for congestion avoidance: 0 while slow start goes on.
   *
   * @param roundTrip sample of this ACK for HyStart++ (RFC 9406), microseconds; 0 without one
   */
  increase(v: TcpDelegatedState, bytes: number, smss: number, limit: number, roundTrip = 0): number {
    if (this.afterTimeout && ((v.sndUna - this.timeoutEnd) | 0) > 0) this.afterTimeout = false;
    let allowed = Math.min(bytes, this.afterTimeout ? smss : limit);
    // Later slow starts know where to end (RFC 9406 section 4.2).
    if (v.ssThresh !== UNKNOWN_THRESHOLD) this.hystart = null;
    else if (this.hystart !== null || roundTrip > 0) allowed = this.slowedDown(v, allowed, roundTrip);
    const threshold = Math.min(v.ssThresh, MAXIMUM_WINDOW);
    if (v.cWnd + allowed < threshold) {
      v.cWnd += allowed;
      return 0;
    }
    const used = Math.max(0, threshold - v.cWnd);
    v.cWnd += used;
    return bytes - used;
  }

  /** RFC 9406 section 4.2: what is left of the growth, and perhaps the end of slow start. */
  private slowedDown(v: TcpDelegatedState, allowed: number, roundTrip: number): number {
    this.hystart ??= new HyStart(v.sndMax);
    const growth = Math.floor(allowed / this.hystart.divisor);
    if (this.hystart.acknowledged(v, roundTrip)) v.ssThresh = Math.min(v.cWnd + growth, MAXIMUM_WINDOW);
    return growth;
  }

  /** The retransmission timer expired. */
  onTimeout(v: TcpDelegatedState): void {
    this.afterTimeout = true;
    this.timeoutEnd = v.sndMax;
  }

  /** Adds the state to what a hand-over carries. */
  save(into: Record<string, number>): void {
    into['afterTimeout'] = this.afterTimeout ? 1 : 0;
    into['timeoutEnd'] = this.timeoutEnd;
    this.hystart?.save(into);
  }

  /** Continues from what `save` wrote. */
  restore(state: Record<string, number>): void {
    this.afterTimeout = savedNumber(state, 'afterTimeout', 0, 0) === 1;
    this.timeoutEnd = savedNumber(state, 'timeoutEnd', -(2 ** 31), 0) | 0;
    this.hystart = HyStart.restore(state);
  }
}

/** Slow start with appropriate byte counting (RFC 5681 section 3.1, RFC 3465 section 2.2): both algorithms begin with it. */
import type { TcpDelegatedState } from '../variables.ts';
import { MAXIMUM_WINDOW, savedNumber } from './congestion-control.ts';

/**
 * Slow start of one connection. After a retransmission timeout, until what was outstanding then is acknowledged, one ACK
 * may cover much that had arrived before: there cWnd grows by at most one SMSS for an ACK (RFC 3465 section 2.3).
 */
export class SlowStart {
  private afterTimeout = false;
  /** SND.MAX at the timeout, int32. */
  private timeoutEnd = 0;

  /** Whether `v` is in slow start. */
  isActive(v: TcpDelegatedState): boolean {
    return v.cWnd < v.ssThresh;
  }

  /**
   * Raises `v.cWnd` by the bytes acknowledged, but by no more than `limit` (RFC 3465's L, bytes) and not beyond ssThresh.
   * Answers the acknowledged bytes that are left for congestion avoidance: 0 while slow start goes on.
   */
  increase(v: TcpDelegatedState, bytes: number, smss: number, limit: number): number {
    if (this.afterTimeout && ((v.sndUna - this.timeoutEnd) | 0) > 0) this.afterTimeout = false;
    const allowed = Math.min(bytes, this.afterTimeout ? smss : limit);
    const threshold = Math.min(v.ssThresh, MAXIMUM_WINDOW);
    if (v.cWnd + allowed < threshold) {
      v.cWnd += allowed;
      return 0;
    }
    const used = Math.max(0, threshold - v.cWnd);
    v.cWnd += used;
    return bytes - used;
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
  }

  /** Continues from what `save` wrote. */
  restore(state: Record<string, number>): void {
    this.afterTimeout = savedNumber(state, 'afterTimeout', 0, 0) === 1;
    this.timeoutEnd = savedNumber(state, 'timeoutEnd', -(2 ** 31), 0) | 0;
  }
}

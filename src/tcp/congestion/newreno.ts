/**
 * The standard algorithm (RFC 9293 MUST-19, RFC5681-3.1-1): slow start and congestion avoidance of RFC 5681 with appropriate byte counting (RFC 3465),
 * used under the recovery of RFC 6582 or RFC 6675 (RFC-06).
 */
import type { TcpDelegatedState } from '../variables.ts';
import { type CongestionControl, MAXIMUM_WINDOW, savedNumber } from './congestion-control.ts';
import { SlowStart } from './slow-start.ts';

/** L of RFC 3465 section 2.3: most full-sized segments by which one ACK opens the window in slow start. */
const SLOW_START_LIMIT_SEGMENTS = 2;

export class NewReno implements CongestionControl {
  readonly name = 'newreno';
  private readonly slowStart = new SlowStart();
  /** Bytes acknowledged since cWnd grew last in congestion avoidance (RFC 3465 section 2.1 "bytes_acked"). */
  private bytesAcked = 0;

  onAcknowledged(v: TcpDelegatedState, bytes: number, smss: number): void {
    let left = bytes;
    if (this.slowStart.isActive(v)) {
      left = this.slowStart.increase(v, bytes, smss, SLOW_START_LIMIT_SEGMENTS * smss);
      this.bytesAcked = 0;
    }
    // RFC 5681 section 3.1 (RFC5681-3.1-6): one SMSS a round trip, which is one SMSS for cWnd bytes acknowledged.
    this.bytesAcked += left;
    if (this.bytesAcked < v.cWnd) return;
    this.bytesAcked = Math.min(this.bytesAcked - v.cWnd, v.cWnd);
    v.cWnd = Math.min(v.cWnd + smss, MAXIMUM_WINDOW);
  }

  onLoss(v: TcpDelegatedState, flightSize: number, smss: number): void {
    v.ssThresh = halfOf(flightSize, smss);
    this.bytesAcked = 0;
  }

  onTimeout(v: TcpDelegatedState, flightSize: number, smss: number): void {
    v.ssThresh = halfOf(flightSize, smss);
    this.bytesAcked = 0;
    this.slowStart.onTimeout(v);
  }

  /** Growth counts acknowledged bytes, not time: nothing to do. The caller applies RFC 5681 section 4.1. */
  onIdle(): void {}

  save(): Record<string, number> {
    const state: Record<string, number> = { bytesAcked: this.bytesAcked };
    this.slowStart.save(state);
    return state;
  }

  restore(state: Record<string, number>): void {
    this.bytesAcked = Math.min(savedNumber(state, 'bytesAcked', 0, 0), MAXIMUM_WINDOW);
    this.slowStart.restore(state);
  }
}

/** ssthresh = max(FlightSize / 2, 2 SMSS) (RFC 5681 equation 4; RFC5681-3.1-5, RFC5681-3.1-7). */
function halfOf(flightSize: number, smss: number): number {
  return Math.max(flightSize >> 1, 2 * smss);
}

/** What the engine asks of a congestion control algorithm (RFC 5681, RFC 9438). */
import type { TcpDelegatedState } from '../variables.ts';

/** The algorithms that there are. */
export type CongestionControlName = 'cubic' | 'newreno';

/**
 * One small instance per connection. The windows themselves, cWnd and ssThresh, are variables of the contract and live in
 * `v`; an instance has only what the contract does not know (spec/decisions.md 23). Without it, an algorithm resumes from
 * `v` alone. Sizes are bytes, times microseconds of the owner's monotonic clock.
 */
export interface CongestionControl {
  readonly name: CongestionControlName;
  /**
   * `bytes` of new data were acknowledged outside of loss recovery while the sender was limited by cWnd: raises `v.cWnd`.
   * `v.sndUna` is past them already. `srttMicroseconds` is 0 when there is no sample; `roundTrip` is
   * what this very ACK measured, microseconds, 0 when it measured nothing or nobody is to react to it (RFC 9406).
   */
  onAcknowledged(
    v: TcpDelegatedState,
    bytes: number,
    smss: number,
    srttMicroseconds: number,
    nowMicroseconds: number,
    roundTrip?: number,
  ): void;
  /** A loss was found by duplicate ACKs or SACK: sets `v.ssThresh`. The caller sets `v.cWnd` afterwards. */
  onLoss(v: TcpDelegatedState, flightSize: number, smss: number, nowMicroseconds: number): void;
  /**
   * The retransmission timer expired for the first time for a segment: sets `v.ssThresh`. The caller sets `v.cWnd` to one
   * SMSS afterwards (RFC 5681 section 3.1, the loss window).
   */
  onTimeout(v: TcpDelegatedState, flightSize: number, smss: number, nowMicroseconds: number): void;
  /** The sender had nothing to send, or less than cWnd allowed, since `sinceMicroseconds` and until now. */
  onIdle(sinceMicroseconds: number, nowMicroseconds: number): void;
  /**
   * The instance's own state for a hand-over: plain numbers, bytes and microseconds. Instants are given as ages, since the
   * clocks of two owners differ.
   */
  save(nowMicroseconds: number): Record<string, number>;
  /** Continues from what `save` of the same algorithm answered; members that are missing or no numbers are ignored. */
  restore(state: Record<string, number>, nowMicroseconds: number): void;
}

/** Largest window that TCP can use, bytes (RFC 7323 section 2.3): cWnd never grows beyond it. */
export const MAXIMUM_WINDOW = 2 ** 30;

/** A saved member that is a number not below `minimum`, or `fallback`. */
export function savedNumber(state: Record<string, number>, key: string, minimum: number, fallback: number): number {
  const value = state[key];
  return Number.isFinite(value) && value >= minimum ? value : fallback;
}

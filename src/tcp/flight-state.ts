/**
 * What the sender of a connection with SACK keeps while something is outstanding: the transmission record, and the
 * variables of RACK-TLP (RFC 8985 section 5.3), PRR (RFC 6937 section 3) and F-RTO (RFC 5682) that mean something only
 * then. A connection borrows one from its engine with the first byte in flight and gives it back with the last.
 */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { TransmissionRecord } from './transmission-record.ts';
import { TcpConstantFlag, TIMER_NOT_RUNNING } from './variables.ts';

/** Idle ones that an engine keeps for the next connection. */
const KEPT_FLIGHTS = 1024;

/** Where F-RTO stands (RFC 5682 section 3.1). */
export const FrtoStep = {
  /** Not in F-RTO. */
  NONE: 0,
  /** The timer has expired, and its retransmission awaits the first ACK (step 2). */
  FIRST_ACK: 1,
  /** New data went out instead of retransmissions; the second ACK decides (step 3). */
  SECOND_ACK: 2,
} as const;
export type FrtoStep = (typeof FrtoStep)[keyof typeof FrtoStep];

export class Flight {
  readonly record = new TransmissionRecord();

  // ---- RACK ----
  /** RACK.xmit_ts (microseconds) and RACK.end_seq: the segment sent last among those delivered; -Infinity without any. */
  rackTime = Number.NEGATIVE_INFINITY;
  rackEnd = 0;
  /** RACK.rtt, microseconds. */
  rackRtt = 0;
  /** RACK.fack: highest sequence number that was SACKed or acknowledged. */
  fack = 0;

  // ---- TLP ----
  /** TLP.end_seq: SND.NXT after the loss probe; meaningful when `probing`. */
  probeEnd = 0;
  probing = false;
  /** TLP.is_retrans. */
  probeIsRetransmission = false;
  /** New data has left, or was acknowledged: the probe timer counts anew (RFC 8985 section 7.2). */
  reschedulesProbe = false;
  /** Tick from which it counts. While it runs it is only put off when it expires. */
  probeFrom = 0;
  /** The probe timer was set for a lone segment, whose PTO is longer. */
  probeIsForLone = false;

  // ---- PRR ----
  /** prr_delivered, prr_out and RecoverFS, bytes. */
  prrDelivered = 0;
  prrOut = 0;
  recoverFlightSize = 0;

  frto: FrtoStep = FrtoStep.NONE;

  begin(sequence: number): void {
    this.record.begin(sequence);
    this.rackTime = Number.NEGATIVE_INFINITY;
    this.rackEnd = sequence;
    this.rackRtt = 0;
    this.fack = sequence;
    this.probing = false;
    this.reschedulesProbe = false;
    this.prrDelivered = 0;
    this.prrOut = 0;
    this.recoverFlightSize = 0;
    this.frto = FrtoStep.NONE;
  }
}

/** Idle flights of one engine. */
export class FlightPool {
  private readonly idle: Flight[] = [];

  take(): Flight {
    return this.idle.pop() ?? new Flight();
  }

  give(flight: Flight): void {
    if (this.idle.length < KEPT_FLIGHTS) this.idle.push(flight);
  }
}

/** The flight of a connection with SACK, which RACK-TLP needs (RFC8985-4-1), begun at `sequence` when nothing is outstanding yet; null without SACK. */
export function flightOf(tcp: TcpContext, cb: ControlBlock, sequence: number): Flight | null {
  if (cb.flight !== null) return cb.flight;
  if (!(cb.constant.flags & TcpConstantFlag.SACK_ENABLED)) return null;
  const flight = tcp.flights.take();
  flight.begin(sequence);
  cb.flight = flight;
  return flight;
}

/** Nothing is outstanding any more, or the connection ends: its flight goes back, and the timer that hangs on it stops. */
export function endFlight(tcp: TcpContext, cb: ControlBlock): void {
  cb.lossDeadline = TIMER_NOT_RUNNING;
  if (cb.flight === null) return;
  tcp.flights.give(cb.flight);
  cb.flight = null;
}

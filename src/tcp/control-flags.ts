/** What is either so or not of a connection, in the bits of one integer: as fields they would be a third of its control block. */
import { WheelEntry } from './timing-wheel.ts';

const Bit = {
  IN_RECOVERY: 1 << 0,
  RECOVERY_POINT_VALID: 1 << 1,
  URGENT_PENDING: 1 << 2,
  TIMING: 1 << 3,
  CWND_LIMITED: 1 << 4,
  DUPLICATE_PENDING: 1 << 5,
  PUSH_HELD: 1 << 6,
  ACK_NOW: 1 << 7,
  FIN_RECEIVED: 1 << 8,
  REFUSE_URGENT: 1 << 9,
  SWS_OVERRIDE: 1 << 10,
  VALIDATING: 1 << 11,
  MITIGATING: 1 << 12,
  MITIGATION_KEEP_ALIVE: 1 << 13,
  ACTIVE_OPEN: 1 << 14,
  CLOSE_REQUESTED: 1 << 15,
  PROGRESSED: 1 << 16,
  TIMEOUT_RECOVERY: 1 << 17,
  LOSS_TIMER_PROBES: 1 << 18,
  PROBE_UNMEASURED: 1 << 19,
} as const;

/** The flags of `ControlBlock`. */
export class ControlFlags extends WheelEntry {
  private bits = 0;

  /** In fast recovery (RFC 6582, RFC 6675). */
  get inRecovery(): boolean {
    return (this.bits & Bit.IN_RECOVERY) !== 0;
  }
  set inRecovery(on: boolean) {
    this.bits = on ? this.bits | Bit.IN_RECOVERY : this.bits & ~Bit.IN_RECOVERY;
  }

  /** A retransmission timeout, or a smaller path MTU, had everything sent again: until `recoveryPoint` is acknowledged. */
  get timeoutRecovery(): boolean {
    return (this.bits & Bit.TIMEOUT_RECOVERY) !== 0;
  }
  set timeoutRecovery(on: boolean) {
    this.bits = on ? this.bits | Bit.TIMEOUT_RECOVERY : this.bits & ~Bit.TIMEOUT_RECOVERY;
  }

  /** `lossDeadline` is that of the probe timer of TLP, and not of RACK's reordering timer. */
  get lossTimerProbes(): boolean {
    return (this.bits & Bit.LOSS_TIMER_PROBES) !== 0;
  }
  set lossTimerProbes(on: boolean) {
    this.bits = on ? this.bits | Bit.LOSS_TIMER_PROBES : this.bits & ~Bit.LOSS_TIMER_PROBES;
  }

  /** A loss probe was sent, and no round trip measured since (RFC 8985 section 7.3). */
  get probeUnmeasured(): boolean {
    return (this.bits & Bit.PROBE_UNMEASURED) !== 0;
  }
  set probeUnmeasured(on: boolean) {
    this.bits = on ? this.bits | Bit.PROBE_UNMEASURED : this.bits & ~Bit.PROBE_UNMEASURED;
  }

  /** `recoveryPoint` means something. */
  get recoveryPointValid(): boolean {
    return (this.bits & Bit.RECOVERY_POINT_VALID) !== 0;
  }
  set recoveryPointValid(on: boolean) {
    this.bits = on ? this.bits | Bit.RECOVERY_POINT_VALID : this.bits & ~Bit.RECOVERY_POINT_VALID;
  }

  /** Our urgent data ends in front of `sndUp`, SND.UP, and is not acknowledged (RFC 9293 section 3.8.5). */
  get urgentPending(): boolean {
    return (this.bits & Bit.URGENT_PENDING) !== 0;
  }
  set urgentPending(on: boolean) {
    this.bits = on ? this.bits | Bit.URGENT_PENDING : this.bits & ~Bit.URGENT_PENDING;
  }

  /** A round trip is being timed: see `timedSequence`. */
  get timing(): boolean {
    return (this.bits & Bit.TIMING) !== 0;
  }
  set timing(on: boolean) {
    this.bits = on ? this.bits | Bit.TIMING : this.bits & ~Bit.TIMING;
  }

  /** The sender has been limited by cWnd since the last ACK: only then does cWnd grow (RFC 9438 section 5.8). */
  get cwndLimited(): boolean {
    return (this.bits & Bit.CWND_LIMITED) !== 0;
  }
  set cwndLimited(on: boolean) {
    this.bits = on ? this.bits | Bit.CWND_LIMITED : this.bits & ~Bit.CWND_LIMITED;
  }

  /** A duplicate was received: the next ACK reports it once as its first SACK block (RFC 2883 section 4). */
  get duplicatePending(): boolean {
    return (this.bits & Bit.DUPLICATE_PENDING) !== 0;
  }
  set duplicatePending(on: boolean) {
    this.bits = on ? this.bits | Bit.DUPLICATE_PENDING : this.bits & ~Bit.DUPLICATE_PENDING;
  }

  /** Text held out of order ended with PSH: delivering it is a push. */
  get pushHeld(): boolean {
    return (this.bits & Bit.PUSH_HELD) !== 0;
  }
  set pushHeld(on: boolean) {
    this.bits = on ? this.bits | Bit.PUSH_HELD : this.bits & ~Bit.PUSH_HELD;
  }

  /** An ACK must leave before the processing of this segment ends. */
  get ackNow(): boolean {
    return (this.bits & Bit.ACK_NOW) !== 0;
  }
  set ackNow(on: boolean) {
    this.bits = on ? this.bits | Bit.ACK_NOW : this.bits & ~Bit.ACK_NOW;
  }

  /** A FIN has arrived ahead of missing bytes: see `finSequence`. */
  get finReceived(): boolean {
    return (this.bits & Bit.FIN_RECEIVED) !== 0;
  }
  set finReceived(on: boolean) {
    this.bits = on ? this.bits | Bit.FIN_RECEIVED : this.bits & ~Bit.FIN_RECEIVED;
  }

  /** Segments with URG are handed to the owner untouched instead of being processed (URG-02…04). */
  get refuseUrgent(): boolean {
    return (this.bits & Bit.REFUSE_URGENT) !== 0;
  }
  set refuseUrgent(on: boolean) {
    this.bits = on ? this.bits | Bit.REFUSE_URGENT : this.bits & ~Bit.REFUSE_URGENT;
  }

  /** The silly-window timer has expired: send what the window allows, however little (TMR-SWS-02). */
  get swsOverride(): boolean {
    return (this.bits & Bit.SWS_OVERRIDE) !== 0;
  }
  set swsOverride(on: boolean) {
    this.bits = on ? this.bits | Bit.SWS_OVERRIDE : this.bits & ~Bit.SWS_OVERRIDE;
  }

  /** An in-window RST was answered with a challenge ACK, and nothing acceptable has come since (RST-03). */
  get validating(): boolean {
    return (this.bits & Bit.VALIDATING) !== 0;
  }
  set validating(on: boolean) {
    this.bits = on ? this.bits | Bit.VALIDATING : this.bits & ~Bit.VALIDATING;
  }

  /** A challenge ACK has armed the keepalive timer and nothing acceptable has come since (RST-07). */
  get mitigating(): boolean {
    return (this.bits & Bit.MITIGATING) !== 0;
  }
  set mitigating(on: boolean) {
    this.bits = on ? this.bits | Bit.MITIGATING : this.bits & ~Bit.MITIGATING;
  }

  /** The keepalive timer runs only because of the mitigation (RST-11). */
  get mitigationKeepAlive(): boolean {
    return (this.bits & Bit.MITIGATION_KEEP_ALIVE) !== 0;
  }
  set mitigationKeepAlive(on: boolean) {
    this.bits = on ? this.bits | Bit.MITIGATION_KEEP_ALIVE : this.bits & ~Bit.MITIGATION_KEEP_ALIVE;
  }

  /** Opened by a call of the user (SYN-SENT first) and not by a listener: RFC 9293 3.10.7.4 "initiated with an active OPEN" (MUST-11). */
  get activeOpen(): boolean {
    return (this.bits & Bit.ACTIVE_OPEN) !== 0;
  }
  set activeOpen(on: boolean) {
    this.bits = on ? this.bits | Bit.ACTIVE_OPEN : this.bits & ~Bit.ACTIVE_OPEN;
  }

  /** CLOSE was called in SYN-RECEIVED: FIN-WAIT-1 follows the handshake. */
  get closeRequested(): boolean {
    return (this.bits & Bit.CLOSE_REQUESTED) !== 0;
  }
  set closeRequested(on: boolean) {
    this.bits = on ? this.bits | Bit.CLOSE_REQUESTED : this.bits & ~Bit.CLOSE_REQUESTED;
  }

  /** The segment being processed has moved SND.UNA. */
  get progressed(): boolean {
    return (this.bits & Bit.PROGRESSED) !== 0;
  }
  set progressed(on: boolean) {
    this.bits = on ? this.bits | Bit.PROGRESSED : this.bits & ~Bit.PROGRESSED;
  }
}

/**
 * Explicit Congestion Notification (RFC 3168; RFC 9293 SHLD-8): what both sides agree on in the handshake, the receiver's echo of a mark,
 * and the sender's answer to the echo. All of its state is `cb.ecn` and `cb.ecnReductionEnd`.
 */
import { EcnCodepoint, TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { startRetransmitTimer } from './deadlines.ts';
import { after } from './sequence.ts';
import { TIMER_NOT_RUNNING } from './variables.ts';

/** Bits of `ControlBlock.ecn`. */
export const EcnState = {
  /** An ECN-setup SYN was sent. */
  OFFERED: 1 << 0,
  /** A SYN was sent that is no ECN-setup SYN: ECT may never be set (section 6.1.1). */
  NOT_OFFERED: 1 << 1,
  /** Segments with new text may have ECT, and ECE is a sign of congestion. */
  SENDER: 1 << 2,
  /** CE on a segment with text is echoed. */
  RECEIVER: 1 << 3,
  /** CE was received, and no CWR since: every ACK has ECE (section 6.1.3). */
  ECHO: 1 << 4,
  /** The congestion window was reduced: the next new text has CWR (section 6.1.2). */
  REDUCED: 1 << 5,
  /** `ecnReductionEnd` holds: what was outstanding at the last reduction for an ECE is not all acknowledged. */
  IN_REDUCTION: 1 << 6,
  /** ECE arrived with a window of one segment: nothing new leaves before the retransmission timer expires (6.1.2). */
  HELD: 1 << 7,
  /** A segment with text had an ECT code point. */
  SEEN: 1 << 8,
} as const;

/** What an established connection keeps of the bits: the rest belongs to the handshake. */
const LASTING = ~(EcnState.OFFERED | EcnState.NOT_OFFERED);

const SETUP = TcpFlag.ECE | TcpFlag.CWR;

/** An ECN-setup SYN has both flags (section 6.1.1). */
function isSetupSyn(header: TcpHeader): boolean {
  return (header.flags & SETUP) === SETUP;
}

/** An ECN-setup SYN-ACK has ECE alone; both flags are what a host that reflects reserved bits sends (section 6.1.1). */
function isSetupSynAck(header: TcpHeader): boolean {
  return (header.flags & SETUP) === TcpFlag.ECE;
}

/**
 * The flags that a SYN or SYN-ACK of ours carries beside its own. A SYN that has to be repeated does without: something on
 * the way may drop those that ask for ECN (section 6.1.1.1).
 */
export function ecnFlagsOfSyn(tcp: TcpContext, cb: ControlBlock, isSynAck: boolean): number {
  if (isSynAck) return cb.ecn & EcnState.SENDER ? TcpFlag.ECE : 0;
  if (tcp.parameters.ecn === 'request' && cb.synRetransmissions === 0) {
    cb.ecn |= EcnState.OFFERED;
    return SETUP;
  }
  cb.ecn |= EcnState.NOT_OFFERED;
  return 0;
}

/** A listener got a SYN (section 6.1.1). */
export function agreeOnEcnPassive(tcp: TcpContext, cb: ControlBlock, syn: TcpHeader): void {
  cb.ecn = isSetupSyn(syn) && tcp.parameters.ecn !== 'off' ? EcnState.SENDER | EcnState.RECEIVER : 0;
}

/**
 * SYN-SENT got a SYN, of a simultaneous open, or a SYN-ACK. Who has sent a SYN of both kinds must not set ECT, but still
 * echoes what a peer that heard the first one marks (section 6.1.1).
 */
export function agreeOnEcnActive(cb: ControlBlock, header: TcpHeader): void {
  const isSynAck = (header.flags & TcpFlag.ACK) !== 0;
  const offered = (cb.ecn & EcnState.OFFERED) !== 0 && (isSynAck ? isSetupSynAck(header) : isSetupSyn(header));
  const always = (cb.ecn & EcnState.NOT_OFFERED) === 0;
  if (offered && always) cb.ecn = EcnState.SENDER | EcnState.RECEIVER;
  else cb.ecn = offered && isSynAck ? EcnState.RECEIVER : 0;
}

/** SYN-RECEIVED got the peer's SYN again, or its SYN-ACK: one that is no ECN-setup one ends ECN (section 6.1.1). */
export function reviewEcn(cb: ControlBlock, header: TcpHeader): void {
  const isSetup = header.flags & TcpFlag.ACK ? isSetupSynAck(header) : isSetupSyn(header);
  if (!isSetup) cb.ecn = 0;
}

/** The handshake is over. */
export function ecnEstablished(cb: ControlBlock): void {
  cb.ecn &= LASTING;
}

/**
 * A segment with text that passed all checks (what lies outside of the window is ignored, section 6.1.5): CWR ends the
 * echo, and CE begins it, also when both come together (section 6.1.3). Both are acknowledged at once: the peer may wait
 * with a window of one segment.
 */
export function noteCongestionMark(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  if (header.flags & TcpFlag.CWR) {
    if (cb.ecn & EcnState.ECHO) cb.ackNow = true;
    cb.ecn &= ~EcnState.ECHO;
  }
  if (header.ecn !== EcnCodepoint.NOT_ECT) cb.ecn |= EcnState.SEEN;
  if (header.ecn !== EcnCodepoint.CE) return;
  tcp.statistics.congestionMarks++;
  if (!(cb.ecn & EcnState.ECHO)) cb.ackNow = true;
  cb.ecn |= EcnState.ECHO;
}

/** Whether an ACK tells a sender that uses ECN of congestion. Such an ACK does not raise cWnd (section 6.1.2). */
export function echoesCongestion(cb: ControlBlock, header: TcpHeader): boolean {
  return (cb.ecn & EcnState.SENDER) !== 0 && (header.flags & TcpFlag.ECE) !== 0;
}

/**
 * SND.UNA has moved by `advanced` bytes: the window of the last reduction may be over, and a held sender may go on. Answers
 * whether the ACK tells of congestion.
 */
export function ecnAcknowledged(cb: ControlBlock, header: TcpHeader, advanced: number): boolean {
  const echoes = echoesCongestion(cb, header);
  if (cb.ecn & EcnState.IN_REDUCTION && after(cb.delegated.sndUna, cb.ecnReductionEnd)) {
    cb.ecn &= ~EcnState.IN_REDUCTION;
  }
  if (echoes) cb.deliveredMarked += advanced;
  else cb.ecn &= ~EcnState.HELD;
  return echoes;
}

/**
 * An ACK with ECE: the window is reduced as for a lost segment, without a retransmission, and once for a window of data,
 * whether it was marked or lost (section 6.1.2; RFC 9438 section 4.6).
 *
 * @param flightSize bytes outstanding before the ACK
 */
export function reduceForEcho(tcp: TcpContext, cb: ControlBlock, flightSize: number): void {
  const d = cb.delegated;
  cb.undo = null; // what the network says of itself is not taken back (RFC 4015 section 3.2)
  if (isReduced(cb)) return;
  tcp.statistics.congestionResponses++;
  const previous = d.cWnd;
  const smss = cb.sendMss;
  cb.congestion.onLoss(d, Math.min(flightSize, previous), smss, tcp.now);
  // ssThresh has a floor of two segments, cWnd of one.
  d.cWnd = previous <= 2 * smss ? Math.min(previous, smss) : Math.min(previous, d.ssThresh);
  cb.ecnReductionEnd = d.sndMax;
  cb.ecn |= EcnState.REDUCED | EcnState.IN_REDUCTION;
  cb.limitedTransmitBytes = 0;
  if (previous > smss) return;
  // "The sending TCP MUST reset the retransmit timer on receiving the ECN-Echo packet when the congestion window is one."
  cb.ecn |= EcnState.HELD;
  startRetransmitTimer(tcp, cb);
}

/** Whether cWnd was reduced already for the data that is being acknowledged, for a mark or for a loss (section 6.1.2). */
function isReduced(cb: ControlBlock): boolean {
  if (cb.inRecovery || cb.ecn & EcnState.IN_REDUCTION) return true;
  return cb.recoveryPointValid && !after(cb.delegated.sndUna, cb.recoveryPoint);
}

/** The window was reduced for a loss: the peer is told like of any reduction (section 6.1.2). */
export function ecnReducedForLoss(cb: ControlBlock): void {
  if (cb.ecn & EcnState.SENDER) cb.ecn |= EcnState.REDUCED;
}

/** Whether the sender waits for the retransmission timer after an ECE at the smallest window. */
export function isHeldByEcho(cb: ControlBlock): boolean {
  return (cb.ecn & EcnState.HELD) !== 0 && cb.retransmitDeadline !== TIMER_NOT_RUNNING;
}

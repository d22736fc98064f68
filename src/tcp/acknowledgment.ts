/** "Fifth, check the ACK field" of RFC 9293 section 3.10.7.4, with SACK, window updates and the states that end. */
import { TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import { challengeAcknowledgment } from './blind-attack.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import {
  enterClosed,
  isProbing,
  nextPersistRound,
  setRetransmitTimer,
  startPersist,
  startRetransmitTimer,
  startTimeWait,
  stopRetransmitTimer,
} from './deadlines.ts';
import { Disposition } from './disposition.ts';
import { echoesCongestion, ecnAcknowledged, reduceForEcho } from './ecn.ts';
import { finPending } from './flight.ts';
import { endFlight, type Flight } from './flight-state.ts';
import { beginDelivery, updateMinimumRtt } from './rack.ts';
import { duplicateAck, lateAck, recoveryAck, sackAck } from './recovery.ts';
import { measureRoundTrip, roundTripOfAck } from './round-trip.ts';
import { after, atOrAfter, atOrBefore, before } from './sequence.ts';
import { TcpState } from './state.ts';
import { noteDuplicateSack } from './undo.ts';
import { TcpConstantFlag } from './variables.ts';
import { mayGrow } from './window-usage.ts';

/** RFC 5961 section 5.2 (RFC5961-5.2-1; RFC 9293 MAY-12): SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT, where SND.NXT is all that was ever sent. */
export function isPlausibleAck(cb: ControlBlock, header: TcpHeader): boolean {
  const d = cb.delegated;
  return atOrBefore(header.acknowledgment, d.sndMax) && atOrAfter(header.acknowledgment, (d.sndUna - d.maxSndWnd) | 0);
}

/** As `isPlausibleAck`; what is not gets a challenge ACK, and the segment is to be dropped (RFC 5961 section 5.2). */
export function isAcceptableAck(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  if (isPlausibleAck(cb, header)) return true;
  tcp.statistics.unacceptableAcks++;
  const isUnsent = after(header.acknowledgment, cb.delegated.sndMax);
  if (isUnsent && !tcp.parameters.arrival.answersUnsentAck && cb.delegated.state === TcpState.ESTABLISHED) return false;
  challengeAcknowledgment(tcp, cb);
  return false;
}

/** Applies the ACK, SACK and window fields of a segment whose ACK field is plausible. */
export function acknowledge(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  const d = cb.delegated;
  const ack = header.acknowledgment;
  const sack = (cb.constant.flags & TcpConstantFlag.SACK_ENABLED) !== 0;
  const flight = cb.flight;
  const sndUna = d.sndUna;
  if (flight !== null && header.sackCount === 0 && isQuiet(cb, flight)) {
    acknowledgeQuietly(tcp, cb, flight, header);
    return;
  }
  const sackedBefore = flight === null ? 0 : flight.record.sackedBytes;
  const flightSize = Math.min((d.sndMax - sndUna) | 0, d.cWnd);
  if (flight !== null) beginDelivery(tcp, cb, flight, header);
  const duplicateSack = sack && header.sackCount > 0 && isDuplicateSack(cb, header);
  const newlySacked = sack && header.sackCount > 0 ? applySackBlocks(cb, header) : 0;
  if (after(ack, sndUna)) newAck(tcp, cb, header, false);
  if (isDuplicate(cb, header, sack, newlySacked)) duplicateAck(tcp, cb);
  if (flight === null) {
    if (cb.undo !== null || duplicateSack) lateAck(tcp, cb, header, duplicateSack);
  } else if (cb.flight === flight) {
    const advanced = (d.sndUna - sndUna) | 0;
    const delivered = advanced + flight.record.sackedBytes - sackedBefore;
    sackAck(tcp, cb, flight, header, advanced, delivered, newlySacked > 0, duplicateSack, flightSize);
    // Whether a probe has repaired a loss is known only later (RFC 8985 section 7.4.2).
    if (d.sndUna === d.sndMax && !flight.probing) endFlight(tcp, cb);
  }
  if (atOrAfter(ack, d.sndUna)) updateSendWindow(tcp, cb, header);
  if (cb.ecn !== 0 && echoesCongestion(cb, header)) reduceForEcho(tcp, cb, flightSize);
}

/** Nothing of what is outstanding is in doubt: an ACK without SACK blocks says no more than what it covers. */
function isQuiet(cb: ControlBlock, flight: Flight): boolean {
  return !cb.inRecovery && !cb.timeoutRecovery && !flight.probing && flight.record.isUndisturbed(cb.delegated.sndUna);
}

/** The short way of `acknowledge`, which bulk transfer takes. */
function acknowledgeQuietly(tcp: TcpContext, cb: ControlBlock, flight: Flight, header: TcpHeader): void {
  const d = cb.delegated;
  const ack = header.acknowledgment;
  const flightSize = Math.min((d.sndMax - d.sndUna) | 0, d.cWnd);
  if (after(ack, d.sndUna)) {
    // RACK.xmit_ts, end_seq and rtt (RFC 8985 section 6.2 step 2): what is acknowledged later was sent later here.
    flight.rackTime = flight.record.acknowledgeUndisturbed(ack);
    flight.rackEnd = ack;
    flight.rackRtt = tcp.now - flight.rackTime;
    updateMinimumRtt(tcp, cb, flight.rackRtt);
    newAck(tcp, cb, header, true);
    if (d.sndUna === d.sndMax && cb.flight === flight) endFlight(tcp, cb);
  }
  if (atOrAfter(ack, d.sndUna)) updateSendWindow(tcp, cb, header);
  if (echoesCongestion(cb, header)) reduceForEcho(tcp, cb, flightSize);
}

/** RFC 5681 section 2 without SACK; RFC 6675 section 2 with it, where it needs new SACK information (RFC5681-3.2-2). The answers to zero-window probes are no duplicates. */
function isDuplicate(cb: ControlBlock, header: TcpHeader, sack: boolean, newlySacked: number): boolean {
  const d = cb.delegated;
  if (sack) return newlySacked > 0;
  return (
    header.acknowledgment === d.sndUna &&
    d.sndMax !== d.sndUna &&
    d.sndWnd !== 0 &&
    header.payloadLength === 0 &&
    !(header.flags & TcpFlag.FIN) &&
    !cb.progressed &&
    header.window << cb.constant.sndWindScale === d.sndWnd
  );
}

/**
 * Whether the first block reports a segment received twice (RFC 2883 section 4): it lies below the cumulative ACK or
 * within the second block. Only what we have sent again can be that; its range is noted for undoing the reduction.
 */
function isDuplicateSack(cb: ControlBlock, header: TcpHeader): boolean {
  const left = header.sackLeft[0];
  const right = header.sackRight[0];
  if (cb.retransmittedSegments === 0 || !before(left, right) || after(right, cb.delegated.sndMax)) return false;
  const below = atOrBefore(right, header.acknowledgment);
  const within = header.sackCount > 1 && atOrAfter(left, header.sackLeft[1]) && atOrBefore(right, header.sackRight[1]);
  if (!below && !within) return false;
  if (cb.undo !== null) noteDuplicateSack(cb.undo, left, right);
  return true;
}

/** Records what the peer holds (RFC6675-5-1); ignores ranges outside what is outstanding (RFC 2018, RFC 2883 D-SACK). */
function applySackBlocks(cb: ControlBlock, header: TcpHeader): number {
  const d = cb.delegated;
  const floor = after(header.acknowledgment, d.sndUna) ? header.acknowledgment : d.sndUna;
  let gained = 0;
  for (let i = 0; i < header.sackCount; i++) {
    const left = header.sackLeft[i];
    const right = header.sackRight[i];
    if (!after(right, floor) || after(right, d.sndMax) || !before(left, right)) continue;
    const from = before(left, floor) ? floor : left;
    // Made here: a report of duplicates alone needs no scoreboard.
    const bytes = cb.sackScoreboard().add(from, right);
    if (bytes > 0) cb.flight?.record.sack(from, right);
    gained += bytes;
  }
  return gained;
}

/** SEG.ACK > SND.UNA: release what it covers, measure, grow the window, restart the timer (RFC 6298 5.2, 5.3). */
function newAck(tcp: TcpContext, cb: ControlBlock, header: TcpHeader, quiet: boolean): void {
  const d = cb.delegated;
  const ack = header.acknowledgment;
  const advanced = (ack - d.sndUna) | 0;
  const data = Math.min(advanced, cb.sendQueue.length);
  const finAcknowledged = advanced > data && finPending(cb);

  const measured = measureRoundTrip(tcp, cb, header);
  cb.sendQueue.release(data);
  d.sndUna = ack;
  if (before(d.sndNxt, ack)) d.sndNxt = ack;
  if (ack === d.sndMax) cb.scoreboard = null;
  else cb.scoreboard?.advance(ack);
  if (cb.urgentPending && atOrAfter(ack, cb.sndUp)) cb.urgentPending = false;
  const { flight } = cb;
  if (flight !== null) {
    if (!quiet) flight.record.acknowledge(ack);
    flight.reschedulesProbe = true;
  }
  cb.limitedTransmitBytes = 0;
  cb.progressed = true;
  cb.disposition |= Disposition.FORWARD_PROGRESS;

  const echoes = cb.ecn !== 0 && ecnAcknowledged(cb, header, advanced);
  if (cb.inRecovery) {
    if (flight === null) recoveryAck(tcp, cb, advanced);
  } else {
    d.dupAckCount = 0; // RFC6675-5-2
    if (!echoes && (mayGrow(cb) || (tcp.parameters.growsUnused && d.cWnd <= d.sndWnd))) {
      const wanted = tcp.parameters.hystart && d.cWnd < d.ssThresh;
      const roundTrip = wanted ? roundTripOfAck(tcp, cb, header, measured) : 0;
      cb.congestion.onAcknowledged(d, advanced, cb.sendMss, cb.rtt.srtt, tcp.now, roundTrip);
    }
  }
  if (flight === null && cb.timeoutRecovery && atOrAfter(ack, cb.recoveryPoint)) cb.timeoutRecovery = false;
  if (cb.recoveryPointValid && after(ack, cb.recoveryPoint)) cb.recoveryPointValid = cb.inRecovery;

  // Counted for one segment: what lies beyond a window that has shrunk may wait (RFC 9293 section 3.8.6, SHLD-17).
  d.retransmit.count = 0;
  d.totalRt = 0;
  if (ack === d.sndMax) allAcknowledged(tcp, cb);
  else startRetransmitTimer(tcp, cb);

  if (data > 0) cb.owner.acknowledged(cb, data);
  if (finAcknowledged) finAcked(tcp, cb);
}

function allAcknowledged(tcp: TcpContext, cb: ControlBlock): void {
  stopRetransmitTimer(cb);
  if (cb.busySince < 0) return;
  cb.busyTicks += tcp.ticks - cb.busySince;
  cb.busySince = -1;
}

/** Our FIN is acknowledged: the state moves on (RFC 9293 section 3.10.7.4, FIN-WAIT-1, CLOSING, LAST-ACK). */
function finAcked(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  cb.disposition |= Disposition.FIN_ACKNOWLEDGED;
  switch (d.state) {
    case TcpState.FIN_WAIT_1:
      d.state = TcpState.FIN_WAIT_2;
      setRetransmitTimer(tcp, cb, tcp.parameters.finWait2Ticks); // TMR-FW2-01, TMR-FW2-02
      break;
    case TcpState.CLOSING:
      d.state = TcpState.TIME_WAIT;
      startTimeWait(tcp, cb);
      cb.disposition |= Disposition.TIME_WAIT;
      break;
    case TcpState.LAST_ACK:
      enterClosed(tcp, cb);
      cb.disposition |= Disposition.CLOSED;
      break;
    default:
      break;
  }
}

/**
 * SND.WND, SND.WL1 (SND.WL2 is SND.UNA), and with a zero window the persist rounds of spec/algorithms.md 3. A window that
 * shrinks is taken as it is (RFC 9293 section 3.8.6, MUST-34; RFC7323-2.4-1); one that shrinks to zero is probed (MUST-35).
 */
function updateSendWindow(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  const d = cb.delegated;
  if (before(header.sequence, d.sendWl1)) return;
  const scale = cb.constant.flags & TcpConstantFlag.WINDOW_SCALING_ENABLED ? cb.constant.sndWindScale : 0;
  const window = header.window << scale; // RFC7323-2.3-1
  const previous = d.sndWnd;
  d.sendWl1 = header.sequence;
  d.sndWnd = window;
  if (window > d.maxSndWnd) d.maxSndWnd = window;
  if (window === 0) {
    if (!isProbing(cb)) return;
    if (previous > 0)
      startPersist(tcp, cb); // TMR-PERSIST-01
    // Only an ACK without data answers a probe; data that flows the other way must not push the next probe out.
    else if (header.payloadLength === 0) nextPersistRound(tcp, cb); // TMR-PERSIST-04
  } else if (previous === 0) {
    leavePersist(tcp, cb); // TMR-PERSIST-05
  }
}

function leavePersist(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  if (!finPending(cb) && cb.sendQueue.length === 0) return;
  d.sndWndProbeCount = 0;
  d.retransmit.count = 0;
  d.totalRt = 0;
  stopRetransmitTimer(cb);
  if (d.sndMax !== d.sndUna) startRetransmitTimer(tcp, cb);
}

/**
 * Loss recovery: fast retransmit and fast recovery with SACK (RFC 6675, RFC 8985, RFC 6937), without it (RFC 6582),
 * limited transmit (RFC 3042), what a retransmission timeout does to the sender (RFC 5681 section 3.1), and how it comes
 * to an end, or is taken back (RFC 5682).
 */
import type { TcpHeader } from '../wire/tcp-header.ts';
import { MAXIMUM_WINDOW } from './congestion/congestion-control.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { startRetransmitTimer, stopLossTimer, totalRetransmitTime } from './deadlines.ts';
import { EcnState, ecnReducedForLoss } from './ecn.ts';
import { bytesInFlight, finPending } from './flight.ts';
import { type Flight, FrtoStep } from './flight-state.ts';
import { probeRepairedLoss } from './loss-probe.ts';
import { beginReduction, reduceProportionally } from './prr.ts';
import { detectLosses, loseByTimeout, stopReorderingTimer, updateRack } from './rack.ts';
import { adaptReorderingWindow, recoveryEnded } from './reordering.ts';
import { after, atOrAfter, before, latest } from './sequence.ts';
import { transmitData } from './transmit.ts';
import { allWereDuplicates, answersOriginal, prepareUndo, undoReduction } from './undo.ts';
import { TcpConstantFlag } from './variables.ts';

/** A duplicate ACK arrived (RFC 5681 section 2), or with SACK an ACK that reports new ranges (RFC 6675 section 2, RFC6675-5-3). */
export function duplicateAck(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  tcp.statistics.duplicateAcks++;
  d.dupAckCount = Math.min(d.dupAckCount + 1, 255);
  if (cb.constant.flags & TcpConstantFlag.SACK_ENABLED) return; // `sackAck` draws the conclusions
  if (cb.inRecovery) {
    // RFC 6582 section 3.2 step 3: each further duplicate says that a segment left the network (RFC5681-3.2-5).
    d.cWnd = Math.min(d.cWnd + cb.sendMss, MAXIMUM_WINDOW);
    return;
  }
  // RFC 6582 section 3.2 step 2: not while what an earlier loss retransmitted is unacknowledged, nor at that very point,
  // where duplicate ACKs may come from needless retransmissions: more must be acknowledged.
  const threshold = tcp.parameters.duplicateAckThreshold;
  const mayRecover = !cb.recoveryPointValid || after(d.sndUna, cb.recoveryPoint);
  if (mayRecover && d.dupAckCount >= threshold) {
    enterRecovery(tcp, cb);
    retransmitFirst(tcp, cb);
  } else if (d.dupAckCount < threshold) {
    // Limited transmit: one new segment for each of the first two duplicates, beside cWnd (RFC 3042 section 2, RFC5681-3.2-1).
    cb.limitedTransmitBytes = d.dupAckCount * cb.sendMss;
  }
}

/** RFC 6675 section 5 step 4, RFC 6582 section 3.2 step 2. */
function enterRecovery(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  tcp.statistics.fastRetransmits++;
  // FlightSize without what limited transmit added to it (RFC5681-3.2-3, RFC 6675 section 5 step 4.2).
  const flightSize = Math.min((d.sndMax - d.sndUna) | 0, d.cWnd);
  prepareUndo(tcp, cb, false);
  // Once for a window of data, whether it was marked or lost (RFC 3168 section 6.1.2).
  if (!(cb.ecn & EcnState.IN_REDUCTION)) cb.congestion.onLoss(d, flightSize, cb.sendMss, tcp.now);
  ecnReducedForLoss(cb);
  cb.inRecovery = true;
  cb.recoveryPoint = d.sndMax;
  cb.recoveryPointValid = true;
  cb.limitedTransmitBytes = 0;
  d.sndNxt = d.sndMax;
  if (cb.flight === null) {
    d.cWnd = d.ssThresh + tcp.parameters.duplicateAckThreshold * cb.sendMss; // RFC5681-3.2-4
  } else {
    cb.flight.probing = false;
    beginReduction(cb.flight, flightSize);
  }
  // RFC 6298 has no rule for it, but a timer started long ago would end the recovery just begun.
  d.totalRt = totalRetransmitTime(tcp, cb);
  startRetransmitTimer(tcp, cb);
}

/** New data was acknowledged while in recovery without SACK: `bytes` below the new SND.UNA. */
export function recoveryAck(tcp: TcpContext, cb: ControlBlock, bytes: number): void {
  const d = cb.delegated;
  if (atOrAfter(d.sndUna, cb.recoveryPoint)) {
    // RFC 6582 section 3.2 step 3, full acknowledgment, first option (RFC5681-3.2-6).
    cb.inRecovery = false;
    d.dupAckCount = 0;
    d.cWnd = Math.min(d.ssThresh, Math.max(bytesInFlight(cb), cb.sendMss) + cb.sendMss);
    return;
  }
  // RFC 6582 section 3.2 step 3, partial acknowledgment: the next hole starts right there.
  d.cWnd = Math.max(cb.sendMss, d.cWnd - bytes + (bytes >= cb.sendMss ? cb.sendMss : 0));
  retransmitFirst(tcp, cb);
}

/**
 * What an ACK on a connection with SACK means for loss recovery, after it was recorded (RFC6675-5-5). `advanced`: bytes by which SND.UNA
 * moved; `delivered`: bytes that were not known to have arrived (RFC 6937 DeliveredData); `flightSize`: before this ACK.
 */
export function sackAck(
  tcp: TcpContext,
  cb: ControlBlock,
  flight: Flight,
  header: TcpHeader,
  advanced: number,
  delivered: number,
  newlySacked: boolean,
  duplicateSack: boolean,
  flightSize: number,
): void {
  const d = cb.delegated;
  const { record } = flight;
  updateRack(tcp, cb, flight);
  if (flight.probing) probeAck(tcp, cb, flight, header, advanced, newlySacked, duplicateSack, flightSize);
  else if (duplicateSack || cb.reordering !== null) adaptReorderingWindow(cb, duplicateSack);
  if (cb.inRecovery) fastRecoveryAck(tcp, cb, flight, header, advanced);
  else if (cb.timeoutRecovery) timeoutRecoveryAck(tcp, cb, flight, header, advanced, newlySacked);
  else if (duplicateSack) undoByDuplicateSack(tcp, cb);

  let newlyLost = 0;
  if (record.sackedBytes > 0 || after(record.highRetransmitted, d.sndUna)) newlyLost = detectLosses(tcp, cb, flight);
  else if (!cb.lossTimerProbes) stopReorderingTimer(cb);
  // Not below what a timeout has sent again (RFC6675-5.1-2).
  if (record.lostBytes > 0 && !cb.inRecovery && !cb.timeoutRecovery) enterRecovery(tcp, cb);
  if (cb.inRecovery) reduceProportionally(cb, flight, delivered, advanced > 0, newlyLost);
}

/** RFC 8985 section 7.4.2; the window adapts to D-SACKs, but not to that of a probe, which no reordering caused. */
function probeAck(
  tcp: TcpContext,
  cb: ControlBlock,
  flight: Flight,
  header: TcpHeader,
  advanced: number,
  newlySacked: boolean,
  duplicateSack: boolean,
  flightSize: number,
): void {
  const ofProbe = duplicateSack && header.sackRight[0] === flight.probeEnd;
  if (duplicateSack && !ofProbe) adaptReorderingWindow(cb, true);
  if (!probeRepairedLoss(flight, header, advanced > 0, newlySacked, ofProbe)) return;
  tcp.statistics.lossProbeRecoveries++;
  const d = cb.delegated;
  cb.congestion.onLoss(d, flightSize, cb.sendMss, tcp.now);
  d.cWnd = d.ssThresh;
}

/** An ACK in fast recovery: it may show that there was no loss, or end the recovery (RFC6675-5-4). */
function fastRecoveryAck(tcp: TcpContext, cb: ControlBlock, flight: Flight, header: TcpHeader, advanced: number): void {
  const d = cb.delegated;
  const { undo } = cb;
  const over = atOrAfter(d.sndUna, cb.recoveryPoint);
  if (undo !== null) {
    // While something sent again is under way, one late segment does not prove that all were only late.
    const settled = over || !after(flight.record.highRetransmitted, d.sndUna);
    const needless = allWereDuplicates(undo) || (advanced > 0 && settled && answersOriginal(undo, header));
    if (needless) {
      undoReduction(tcp, cb, undo);
      return;
    }
  }
  if (!over) return;
  cb.inRecovery = false;
  d.dupAckCount = 0;
  d.cWnd = d.ssThresh;
  recoveryEnded(cb);
}

/** An ACK after a retransmission timeout: F-RTO in its SACK-enhanced form (RFC 5682 section 3.1), Eifel, D-SACK. */
function timeoutRecoveryAck(
  tcp: TcpContext,
  cb: ControlBlock,
  flight: Flight,
  header: TcpHeader,
  advanced: number,
  newlySacked: boolean,
): void {
  const d = cb.delegated;
  const { undo } = cb;
  const { record } = flight;
  const original = record.deliveredOriginal && before(record.lowestOriginal, cb.recoveryPoint);
  if (undo !== null) {
    // Step 3.b: what was sent only once arrives, so not all is lost.
    const spurious = flight.frto !== FrtoStep.NONE && original;
    if (spurious || allWereDuplicates(undo) || (advanced > 0 && answersOriginal(undo, header))) {
      undoReduction(tcp, cb, undo);
      return;
    }
  }
  const over = atOrAfter(d.sndUna, cb.recoveryPoint);
  if (flight.frto === FrtoStep.SECOND_ACK) {
    if (newlySacked || advanced === 0 || over) flight.frto = FrtoStep.NONE; // step 3.a
  } else if (flight.frto === FrtoStep.FIRST_ACK) {
    if (advanced > 0 && !over && hasNewData(cb)) {
      // Step 2.b: new data asks the question that retransmissions would spoil.
      flight.frto = FrtoStep.SECOND_ACK;
      cb.recoveryPoint = d.sndMax;
    } else if (advanced > 0 || newlySacked) {
      flight.frto = FrtoStep.NONE; // step 2.a
    }
  }
  if (!over) return;
  cb.timeoutRecovery = false;
  flight.frto = FrtoStep.NONE;
  recoveryEnded(cb);
}

function hasNewData(cb: ControlBlock): boolean {
  const d = cb.delegated;
  const outstanding = (d.sndMax - d.sndUna) | 0;
  return cb.sendQueue.length > outstanding && d.sndWnd > outstanding;
}

/** The recovery is over; the D-SACKs that prove it needless come a round trip later (RFC 3708 section 3). */
function undoByDuplicateSack(tcp: TcpContext, cb: ControlBlock): void {
  if (cb.undo !== null && allWereDuplicates(cb.undo)) undoReduction(tcp, cb, cb.undo);
}

/** An ACK on a connection without a flight: nothing is outstanding, or there is no SACK. */
export function lateAck(tcp: TcpContext, cb: ControlBlock, header: TcpHeader, duplicateSack: boolean): void {
  if (duplicateSack) {
    adaptReorderingWindow(cb, true);
    undoByDuplicateSack(tcp, cb);
    return;
  }
  const { undo } = cb;
  // Without SACK only a timeout is taken back, by the first ACK of anything new (RFC 3522 section 3.2).
  if (undo === null || !undo.afterTimeout || !cb.progressed || !undo.retransmitted) return;
  if (answersOriginal(undo, header)) undoReduction(tcp, cb, undo);
  else cb.undo = null;
}

/** The reordering timer of RACK has expired (RFC 8985 section 6.2 step 5): what is missing by now is lost. */
export function reorderingExpired(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  detectLosses(tcp, cb, flight);
  if (flight.record.lostBytes === 0 || cb.inRecovery || cb.timeoutRecovery) return;
  enterRecovery(tcp, cb);
  reduceProportionally(cb, flight, 0, false, 0);
}

/** What a retransmission timeout does before the segment is sent again (RFC 5681 section 3.1, RFC 6675 section 5.1). */
export function enterTimeoutRecovery(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  const { flight } = cb;
  const repeated = d.retransmit.count > 0;
  const fromRecovery = cb.inRecovery;
  if (!repeated) {
    if (!fromRecovery) prepareUndo(tcp, cb, true);
    const outstanding = (d.sndMax - d.sndUna) | 0;
    // A retransmission was lost: a second sign of congestion (RFC5681-4.3-1).
    const again = fromRecovery && tcp.parameters.reducesAgain;
    const flightSize = again ? Math.min(outstanding, d.ssThresh) : outstanding;
    cb.congestion.onTimeout(d, flightSize, cb.sendMss, tcp.now);
  }
  d.cWnd = cb.sendMss; // RFC5681-3.1-8
  ecnReducedForLoss(cb);
  rollBack(cb);
  if (flight === null) return;
  // A peer that SACKed the byte at SND.UNA without acknowledging it has thrown data away (RFC 2018 section 8).
  const board = cb.scoreboard;
  if (board !== null && !board.isEmpty && (repeated || board.lowest === d.sndUna)) {
    board.clear();
    flight.record.clearSacked();
  }
  loseByTimeout(tcp, cb, flight);
  d.sndNxt = d.sndMax;
  const detects = tcp.parameters.forwardRto && (!fromRecovery || repeated);
  flight.frto = detects ? FrtoStep.FIRST_ACK : FrtoStep.NONE;
}

/**
 * Lets everything outstanding be sent again from SND.UNA on; duplicate ACKs for it start no recovery (RFC 6582 section 4).
 * With SACK the next output marks it lost, and the recovery that was under way is over (RFC6675-5.1-1).
 */
export function rollBack(cb: ControlBlock): void {
  const d = cb.delegated;
  d.sndNxt = d.sndUna;
  d.dupAckCount = 0;
  cb.inRecovery = false;
  cb.timeoutRecovery = true;
  cb.limitedTransmitBytes = 0;
  cb.recoveryPoint = d.sndMax;
  cb.recoveryPointValid = true;
  cb.timing = false;
  stopLossTimer(cb);
  if (cb.flight === null) return;
  cb.flight.probing = false;
  cb.flight.frto = FrtoStep.NONE;
}

/**
 * Sends what is lost, lowest first, and each once (RFC 6675 section 4, NextSeg rule 1; RFC6675-4-2, RFC6675-5-6), as far as cWnd
 * goes (RFC8985-9.3-1). False when cWnd ended it: nothing else may be
 * sent then.
 */
export function sendLost(tcp: TcpContext, cb: ControlBlock, flight: Flight): boolean {
  const d = cb.delegated;
  const { record } = flight;
  if (before(d.sndNxt, d.sndMax)) {
    if (d.sndWnd === 0) return true; // window probing is under way
    record.loseFrom(d.sndNxt);
    d.sndNxt = d.sndMax;
  }
  if (flight.frto === FrtoStep.SECOND_ACK) return true;
  while (record.lostBytes > 0) {
    const room = d.cWnd - bytesInFlight(cb);
    if (room < cb.sendMss) return false;
    if (!retransmitLost(tcp, cb, flight, Math.min(cb.segmentLimit, room - (room % cb.sendMss)))) return true;
  }
  return true;
}

/** NextSeg rule 3 of RFC 6675 section 4: with nothing else to send, holes of which it is not yet known that they are lost. */
export function sendHoles(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  const board = cb.scoreboard;
  while (board !== null && !board.isEmpty && cb.delegated.cWnd - bytesInFlight(cb) >= cb.sendMss) {
    if (!flight.record.loseFirstHole(board.highest)) return;
    if (!retransmitLost(tcp, cb, flight, cb.sendMss)) return;
  }
}

/** The retransmission timer has expired: the first segment goes out whatever is thought to be in flight. */
export function retransmitHead(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  if (flight.record.lostBytes > 0) retransmitLost(tcp, cb, flight, cb.sendMss);
}

/** Sends the beginning of the first lost range again, at most `limit` bytes. False when the peer's window forbids it. */
function retransmitLost(tcp: TcpContext, cb: ControlBlock, flight: Flight, limit: number): boolean {
  const d = cb.delegated;
  const sequence = flight.record.firstLost();
  const lost = (flight.record.foundEnd - sequence) | 0;
  const offset = (sequence - d.sndUna) | 0;
  const queued = Math.max(0, cb.sendQueue.length - offset);
  const room = d.sndWnd - offset;
  // The octet of a window probe does not go alone, but with what follows it.
  const alone = lost === 1 && offset === 0 && flight.record.count === 1;
  const length = Math.min(limit, room, queued, alone ? limit : lost);
  const fin = finPending(cb) && length === queued && (alone ? room > length : lost > length);
  if (length <= 0 && !fin) return false;
  transmitData(tcp, cb, sequence, Math.max(0, length), fin);
  return true;
}

/** Without SACK: retransmits the segment at SND.UNA. */
function retransmitFirst(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  const queued = cb.sendQueue.length;
  let end = (d.sndUna + Math.min(cb.sendMss, queued)) | 0;
  if (after(end, d.sndMax)) end = d.sndMax;
  const length = (end - d.sndUna) | 0;
  const fin = finPending(cb) && length === queued && after(d.sndMax, end);
  if (length <= 0 && !fin) return;
  const next = d.sndNxt;
  transmitData(tcp, cb, d.sndUna, length, fin);
  d.sndNxt = latest(next, d.sndNxt);
}

/**
 * Loss recovery: fast retransmit and fast recovery with SACK (RFC 6675), without it (RFC 6582), limited transmit
 * (RFC 3042), and what a retransmission timeout does to the sender (RFC 5681 section 3.1).
 */
import { MAXIMUM_WINDOW } from './congestion/congestion-control.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { startRetransmitTimer, totalRetransmitTime } from './deadlines.ts';
import { EcnState, ecnReducedForLoss } from './ecn.ts';
import { bytesInFlight, finPending } from './flight.ts';
import type { SackScoreboard } from './sack-scoreboard.ts';
import { after, atOrAfter, atOrBefore, before, latest } from './sequence.ts';
import { transmitData } from './transmit.ts';
import { TcpCachedFlag, TcpConstantFlag } from './variables.ts';

/** A duplicate ACK arrived (RFC 5681 section 2), or with SACK an ACK that reports new ranges (RFC 6675 section 2). */
export function duplicateAck(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  tcp.statistics.duplicateAcks++;
  d.dupAckCount = Math.min(d.dupAckCount + 1, 255);
  const sack = (cb.constant.flags & TcpConstantFlag.SACK_ENABLED) !== 0;
  if (cb.inRecovery) {
    // RFC 6582 section 3.2 step 3: each further duplicate says that a segment left the network.
    if (!sack) d.cWnd = Math.min(d.cWnd + cb.sendMss, MAXIMUM_WINDOW);
    return;
  }
  if (shouldRecover(tcp, cb, sack)) {
    enterRecovery(tcp, cb, sack);
  } else if (!sack && d.dupAckCount < tcp.parameters.duplicateAckThreshold) {
    // Limited transmit: one new segment for each of the first two duplicates (RFC 3042 section 2).
    cb.limitedTransmitBytes = d.dupAckCount * cb.sendMss;
  }
}

function shouldRecover(tcp: TcpContext, cb: ControlBlock, sack: boolean): boolean {
  const d = cb.delegated;
  // RFC 6582 section 3.2 step 2, RFC 6675 section 5.1: not while what an earlier loss retransmitted is unacknowledged.
  // Without SACK, duplicate ACKs at that very point may come from needless retransmissions: more must be acknowledged.
  if (cb.recoveryPointValid && (sack ? before : atOrBefore)(d.sndUna, cb.recoveryPoint)) return false;
  const threshold = tcp.parameters.duplicateAckThreshold;
  if (d.dupAckCount >= threshold) return true;
  if (!sack || cb.scoreboard === null) return false;
  return after(cb.scoreboard.lostBelow(d.sndUna, threshold, cb.sendMss), d.sndUna);
}

/** RFC 6675 section 5 step 4, RFC 6582 section 3.2 step 2. */
function enterRecovery(tcp: TcpContext, cb: ControlBlock, sack: boolean): void {
  const d = cb.delegated;
  tcp.statistics.fastRetransmits++;
  // FlightSize without what limited transmit added to it (RFC 5681 section 3.2 step 2, RFC 6675 section 5 step 4.2).
  const flightSize = Math.min((d.sndMax - d.sndUna) | 0, d.cWnd);
  // Once for a window of data, whether it was marked or lost (RFC 3168 section 6.1.2).
  if (!(cb.ecn & EcnState.IN_REDUCTION)) cb.congestion.onLoss(d, flightSize, cb.sendMss, tcp.now);
  ecnReducedForLoss(cb);
  cb.inRecovery = true;
  cb.recoveryPoint = d.sndMax;
  cb.recoveryPointValid = true;
  cb.limitedTransmitBytes = 0;
  cb.highRxt = d.sndUna;
  d.sndNxt = d.sndMax;
  d.cWnd = sack ? d.ssThresh : d.ssThresh + tcp.parameters.duplicateAckThreshold * cb.sendMss;
  retransmitOne(tcp, cb, d.sndUna);
  // RFC 6298 has no rule for it, but a timer started long ago would end the recovery just begun.
  d.totalRt = totalRetransmitTime(tcp, cb);
  startRetransmitTimer(tcp, cb);
}

/** New data was acknowledged while in recovery: `bytes` below the new SND.UNA. */
export function recoveryAck(tcp: TcpContext, cb: ControlBlock, bytes: number): void {
  const d = cb.delegated;
  if (atOrAfter(d.sndUna, cb.recoveryPoint)) {
    exitRecovery(cb);
    return;
  }
  if (cb.constant.flags & TcpConstantFlag.SACK_ENABLED) {
    cb.highRxt = latest(cb.highRxt, d.sndUna);
    return;
  }
  // RFC 6582 section 3.2 step 3, partial acknowledgment: the next hole starts right there.
  d.cWnd = Math.max(cb.sendMss, d.cWnd - bytes + (bytes >= cb.sendMss ? cb.sendMss : 0));
  retransmitOne(tcp, cb, d.sndUna);
}

/** RFC 6582 section 3.2 step 3 (full acknowledgment, first option); RFC 6675 section 5 step A. */
function exitRecovery(cb: ControlBlock): void {
  const d = cb.delegated;
  cb.inRecovery = false;
  d.dupAckCount = 0;
  if (cb.constant.flags & TcpConstantFlag.SACK_ENABLED) d.cWnd = d.ssThresh;
  else d.cWnd = Math.min(d.ssThresh, Math.max(bytesInFlight(cb), cb.sendMss) + cb.sendMss);
}

/** What a retransmission timeout does before the segment is sent again (RFC 5681 section 3.1, RFC 6675 section 5.1). */
export function enterTimeoutRecovery(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  if (d.retransmit.count === 0) cb.congestion.onTimeout(d, (d.sndMax - d.sndUna) | 0, cb.sendMss, tcp.now);
  d.cWnd = cb.sendMss;
  ecnReducedForLoss(cb);
  rollBack(cb);
  // A peer that SACKed the byte at SND.UNA without acknowledging it has thrown data away (RFC 2018 section 8).
  const board = cb.scoreboard;
  if (board !== null && !board.isEmpty && (d.retransmit.count > 0 || board.lowest === d.sndUna)) board.clear();
}

/** Lets everything outstanding be sent again from SND.UNA on; duplicate ACKs for it start no recovery (RFC 6582 section 4). */
export function rollBack(cb: ControlBlock): void {
  const d = cb.delegated;
  d.sndNxt = d.sndUna;
  d.dupAckCount = 0;
  cb.inRecovery = false;
  cb.limitedTransmitBytes = 0;
  cb.recoveryPoint = d.sndMax;
  cb.recoveryPointValid = true;
  cb.timing = false;
}

/** Sends during SACK recovery while the pipe has room (RFC 6675 section 5 steps C.1–C.5). */
export function recoveryOutput(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  const board = cb.sackScoreboard();
  const lost = board.lostBelow(d.sndUna, tcp.parameters.duplicateAckThreshold, cb.sendMss);
  let pipe = pipeBytes(cb, board, lost);
  while (d.cWnd - pipe >= cb.sendMss) {
    const sent = sendNextSegment(tcp, cb, board, lost);
    if (sent === 0) return;
    pipe += sent;
  }
}

/** SetPipe (RFC 6675 section 4): unSACKed and not lost, plus unSACKed and retransmitted. */
function pipeBytes(cb: ControlBlock, board: SackScoreboard, lost: number): number {
  const d = cb.delegated;
  const outstanding = unsacked(board, latest(lost, d.sndUna), d.sndMax);
  return outstanding + unsacked(board, d.sndUna, latest(cb.highRxt, d.sndUna));
}

function unsacked(board: SackScoreboard, from: number, to: number): number {
  return ((to - from) | 0) - (board.sackedBelow(to) - board.sackedBelow(from));
}

/** NextSeg (RFC 6675 section 4). Returns the bytes sent; a FIN counts as one; 0 when there is nothing to send. */
function sendNextSegment(tcp: TcpContext, cb: ControlBlock, board: SackScoreboard, lost: number): number {
  const d = cb.delegated;
  const hole = board.nextUnsacked(latest(cb.highRxt, d.sndUna));
  if (!board.isEmpty && before(hole, board.highest) && before(hole, lost)) return retransmitOne(tcp, cb, hole); // rule 1
  const fresh = sendNewSegment(tcp, cb);
  if (fresh > 0) return fresh; // rule 2
  if (!board.isEmpty && before(hole, board.highest)) return retransmitOne(tcp, cb, hole); // rule 3
  // Rule 4, the rescue retransmission, is left out: spec/decisions.md 28.
  return 0;
}

function sendNewSegment(tcp: TcpContext, cb: ControlBlock): number {
  const d = cb.delegated;
  const offset = (d.sndMax - d.sndUna) | 0;
  const unsent = cb.sendQueue.length - offset;
  const fin = finPending(cb) && unsent >= 0;
  if (unsent < 0 || (unsent === 0 && !fin)) return 0;
  const room = d.sndWnd - offset;
  const length = Math.min(unsent, cb.sendMss, room);
  if (room <= 0 || (length < cb.sendMss && length < unsent)) return 0;
  // Nagle: text is outstanding for sure (RFC 9293 section 3.7.4).
  if (length > 0 && length < cb.sendMss && !fin && cb.cached.flags & TcpCachedFlag.NAGLING_ENABLED) return 0;
  const withFin = fin && length === unsent && room > length;
  if (length === 0 && !withFin) return 0;
  d.sndNxt = d.sndMax;
  transmitData(tcp, cb, d.sndMax, length, withFin);
  return length + (withFin ? 1 : 0);
}

/** Retransmits one segment from `sequence`, not into what the peer holds. Returns the sequence space it took. */
function retransmitOne(tcp: TcpContext, cb: ControlBlock, sequence: number): number {
  const d = cb.delegated;
  const offset = (sequence - d.sndUna) | 0;
  const queued = cb.sendQueue.length - offset;
  let end = (sequence + Math.min(cb.sendMss, Math.max(0, queued))) | 0;
  if (after(end, d.sndMax)) end = d.sndMax;
  if (cb.scoreboard !== null && !cb.scoreboard.isEmpty) end = cb.scoreboard.nextSacked(sequence, end);
  const length = (end - sequence) | 0;
  const fin = finPending(cb) && length === Math.max(0, queued) && after(d.sndMax, end);
  if (length <= 0 && !fin) return 0;
  const next = d.sndNxt;
  transmitData(tcp, cb, sequence, length, fin);
  d.sndNxt = latest(next, d.sndNxt);
  const taken = length + (fin ? 1 : 0);
  cb.highRxt = latest(cb.highRxt, (sequence + taken) | 0);
  return taken;
}

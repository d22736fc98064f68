/**
 * What may be sent now: windows, Nagle, silly-window avoidance (RFC 9293 sections 3.7.4 and 3.8.6.2.1), retransmission
 * after a timeout, loss recovery.
 */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { arm, backedOffRto, isProbing, startPersist } from './deadlines.ts';
import { EcnState, isHeldByEcho } from './ecn.ts';
import { bytesInFlight, finPending } from './flight.ts';
import { scheduleLossProbe } from './loss-probe.ts';
import { sendHoles, sendLost } from './recovery.ts';
import { after, before } from './sequence.ts';
import { isSynchronized, TcpState } from './state.ts';
import { owesSackBlocks, sendAck, transmitData } from './transmit.ts';
import { TcpCachedFlag, TIMER_NOT_RUNNING } from './variables.ts';
import { noteWindowUse } from './window-usage.ts';

/** Sends what the connection owes and may send, and arms its timers. Safe to call at any time and in any state. */
export function output(tcp: TcpContext, cb: ControlBlock): void {
  const state = cb.delegated.state;
  if (state === TcpState.CLOSED) return;
  if (isSynchronized(state)) {
    // Duplicate ACKs with SACK blocks must not wait for, or hide in, data segments (RFC 5681 section 4.2).
    if (cb.ackNow && owesSackBlocks(cb)) sendAck(tcp, cb);
    if (state !== TcpState.TIME_WAIT) {
      outputFromNext(tcp, cb);
      if (cb.retransmitDeadline === TIMER_NOT_RUNNING && isProbing(cb)) startPersist(tcp, cb);
    }
    if (cb.ackNow) sendAck(tcp, cb); // nothing that was sent carried it: one ACK, not two (RFC5681-4.2-2)
  }
  arm(tcp, cb);
}

/** Sends from SND.NXT on, and notes what ended it: the congestion window, or anything else. */
function outputFromNext(tcp: TcpContext, cb: ControlBlock): void {
  if (cb.flight === null && cb.sendQueue.length === 0 && !finPending(cb)) {
    // A connection that only receives passes here with every segment.
    if (cb.unlimitedSince < 0) cb.unlimitedSince = tcp.now;
    return;
  }
  restartAfterIdle(tcp, cb);
  const { flight, delegated: d } = cb;
  const { sndMax } = d;
  const blocked = flight === null || sendLost(tcp, cb, flight) ? fillWindows(tcp, cb) : true;
  if (cb.flight !== null) {
    if (cb.inRecovery && tcp.parameters.lossDetection === 'dupack') sendHoles(tcp, cb, cb.flight);
    if (cb.flight.reschedulesProbe) scheduleLossProbe(tcp, cb, cb.flight);
  }
  if (!noteWindowUse(cb, blocked, d.sndMax !== sndMax)) {
    if (cb.unlimitedSince < 0) cb.unlimitedSince = tcp.now;
  } else if (cb.unlimitedSince >= 0) {
    // CUBIC's clock stood still while the application, or the peer's window, was the limit (RFC 9438 section 5.8).
    cb.congestionState?.onIdle(cb.unlimitedSince, tcp.now);
    cb.unlimitedSince = -1;
  }
}

/**
 * New data, and without SACK first what a timeout rolled back, as far as the windows allow: under a window that has shrunk,
 * old data within it and nothing new (RFC 9293 section 3.8.6, SHLD-15, SHLD-16). Answers whether cWnd has kept something back.
 */
function fillWindows(tcp: TcpContext, cb: ControlBlock): boolean {
  const d = cb.delegated;
  let blocked = false;
  if (cb.ecn !== 0 && isHeldByEcho(cb)) return true;
  for (;;) {
    const offset = (d.sndNxt - d.sndUna) | 0;
    const unsent = cb.sendQueue.length - offset;
    const finDue = finPending(cb) && unsent >= 0;
    if (unsent <= 0 && !finDue) return blocked;
    const windowRoom = d.sndWnd - offset;
    const congestionRoom = d.cWnd + cb.limitedTransmitBytes - bytesInFlight(cb);
    if (congestionRoom < unsent && congestionRoom < windowRoom) blocked = true;
    // A link that cuts segments would repeat the urgent pointer in every piece, where it means another place.
    const limit = cb.urgentPending ? cb.sendMss : cb.segmentLimit;
    let length = Math.min(unsent, windowRoom, congestionRoom, limit);
    if (length <= 0) {
      // A FIN alone needs room in the peer's window, but none in ours: its one octet cannot congest anything.
      if (unsent === 0 && finDue && windowRoom > 0) transmitData(tcp, cb, d.sndNxt, 0, true);
      return blocked;
    }
    // CWR belongs on one segment, and not on all that a link would make of a large one (RFC 3168 section 6.1.2).
    if (cb.ecn & EcnState.REDUCED) length = Math.min(length, cb.sendMss);
    if (length > cb.sendMss) length -= length % cb.sendMss; // full-sized segments whenever possible (RFC 9293 SHLD-28)
    if (!worthSending(tcp, cb, length, unsent, windowRoom)) return blocked;
    transmitData(tcp, cb, d.sndNxt, length, finDue && length === unsent && windowRoom > length);
  }
}

/** Sender silly-window avoidance and Nagle: RFC 9293 section 3.8.6.2.1 rules (1) to (3), MUST-38, and 3.7.4, SHLD-7, MUST-17. */
function worthSending(tcp: TcpContext, cb: ControlBlock, length: number, unsent: number, windowRoom: number): boolean {
  const d = cb.delegated;
  if (length >= cb.sendMss || before(d.sndNxt, d.sndMax) || cb.swsOverride) return true;
  const idle = d.sndNxt === d.sndUna;
  const nagle = (cb.cached.flags & TcpCachedFlag.NAGLING_ENABLED) !== 0;
  if (length === unsent && (!nagle || idle || finPending(cb) || !waitsForSmall(tcp, cb))) return true;
  if (length >= d.maxSndWnd >> 1) return true;
  // Held back by a small window with nothing in flight: only the timer can free it (TMR-SWS-01; RFC 9293 MUST-60).
  if (idle && windowRoom < cb.sendMss && cb.swsDeadline === TIMER_NOT_RUNNING) {
    cb.swsDeadline = tcp.ticks + tcp.parameters.swsPreventionTicks;
  }
  return false;
}

/** Whether Nagle holds back a small segment behind what is in flight. */
function waitsForSmall(tcp: TcpContext, cb: ControlBlock): boolean {
  return tcp.parameters.nagle === 'anything' || after(cb.smallEnd, cb.delegated.sndUna);
}

/** RFC 5681 section 4.1: after idling for an RTO the window restarts from the initial one. */
function restartAfterIdle(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  if (d.sndMax !== d.sndUna || cb.lastSendAt === 0 || cb.sendQueue.length === 0) return;
  const idle = tcp.now - cb.lastSendAt;
  const rto = (backedOffRto(tcp, cb, 0) * 1_000_000) / tcp.parameters.ticksPerSecond;
  if (idle <= rto || tcp.parameters.idleRestart === 'none') return;
  const restart = Math.min(d.cWnd, initialWindow(tcp, cb));
  if (tcp.parameters.idleRestart === 'decay') {
    // RFC 2861 section 3: what the path could take is remembered as the slow start threshold.
    d.ssThresh = Math.max(d.ssThresh, (d.cWnd >> 1) + (d.cWnd >> 2));
    const segments = Math.floor(d.cWnd / cb.sendMss) >> Math.min(30, Math.ceil(idle / rto) - 1);
    d.cWnd = Math.max(restart, segments * cb.sendMss);
  } else d.cWnd = restart;
  cb.lastSendAt = tcp.now;
}

/** Initial window of RFC 6928 section 2, in bytes (RFC5681-3.1-2). */
export function initialWindow(tcp: TcpContext, cb: ControlBlock): number {
  const segments = tcp.parameters.initialWindowSegments;
  return Math.min(segments * cb.sendMss, Math.max(2 * cb.sendMss, segments * 1460));
}

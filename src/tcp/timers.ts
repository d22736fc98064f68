/**
 * What happens when the timers of a connection expire: retransmission (RFC 6298), window probing
 * (spec/algorithms.md 3), FIN-WAIT-2, TIME-WAIT, delayed ACK, silly-window and keepalive.
 */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import {
  arm,
  countPersistTime,
  enterClosed,
  isProbing,
  openingElapsed,
  openingLimit,
  openingRto,
  setPersistTimer,
  startRetransmitTimer,
  stopLossTimer,
  stopRetransmitTimer,
} from './deadlines.ts';
import { Disposition } from './disposition.ts';
import { EcnState } from './ecn.ts';
import { probeTimerExpired } from './loss-probe.ts';
import { output } from './output.ts';
import { enterTimeoutRecovery, reorderingExpired, retransmitHead } from './recovery.ts';
import { isSynchronized, TcpState } from './state.ts';
import { sendAck, sendKeepAliveProbe, sendProbe, sendSyn, transmitData } from './transmit.ts';
import { userTimeout } from './user-timeout.ts';
import { MAX_RT_UNLIMITED, TcpCachedFlag, TIMER_NOT_RUNNING } from './variables.ts';
import { wantsLateWindowUpdate } from './window.ts';

/** Probes and their interval when the mitigation finds none configured (RST-09). */
const MITIGATION_PROBES = 10;
const MITIGATION_INTERVAL_SECONDS = 1;

/**
 * Runs every timer of the connection that is due and arms the wheel for the next. Called from
 * `ConnectionOwner.expired`. Returns `Disposition` bits.
 */
export function timersExpire(tcp: TcpContext, cb: ControlBlock): number {
  cb.disposition = 0;
  if (isDue(tcp, cb.delayedAckDeadline)) sendAck(tcp, cb);
  if (isDue(tcp, cb.swsDeadline)) {
    cb.swsDeadline = TIMER_NOT_RUNNING;
    cb.swsOverride = true;
    output(tcp, cb);
    cb.swsOverride = false;
    if (wantsLateWindowUpdate(tcp, cb)) sendAck(tcp, cb);
  }
  if (isDue(tcp, cb.keepAliveDeadline)) keepAliveExpired(tcp, cb);
  // Before the retransmission timer: a loss probe takes its place when both are due.
  if (isDue(tcp, cb.lossDeadline)) lossTimerExpired(tcp, cb);
  if (isDue(tcp, cb.retransmitDeadline)) retransmitExpired(tcp, cb);
  arm(tcp, cb);
  return cb.disposition;
}

function isDue(tcp: TcpContext, deadline: number): boolean {
  return deadline >= 0 && deadline <= tcp.ticks;
}

function lossTimerExpired(tcp: TcpContext, cb: ControlBlock): void {
  cb.lossDeadline = TIMER_NOT_RUNNING;
  const { flight } = cb;
  if (flight === null) return;
  if (cb.lossTimerProbes) probeTimerExpired(tcp, cb, flight);
  else reorderingExpired(tcp, cb, flight);
  output(tcp, cb);
}

function retransmitExpired(tcp: TcpContext, cb: ControlBlock): void {
  stopRetransmitTimer(cb);
  switch (cb.delegated.state) {
    case TcpState.CLOSED:
    case TcpState.LISTEN:
      return;
    case TcpState.SYN_SENT:
    case TcpState.SYN_RECEIVED:
      synTimeout(tcp, cb);
      return;
    case TcpState.TIME_WAIT:
      enterClosed(tcp, cb);
      cb.disposition |= Disposition.CLOSED;
      return;
    case TcpState.FIN_WAIT_2:
      // TMR-FW2-04, TMR-FW2-05.
      enterClosed(tcp, cb);
      cb.disposition |= Disposition.FIN_WAIT_2_EXPIRED;
      return;
    default:
      if (isProbing(cb)) probeTimeout(tcp, cb);
      else dataTimeout(tcp, cb);
  }
}

function synTimeout(tcp: TcpContext, cb: ControlBlock): void {
  if (isOpeningExhausted(tcp, cb)) {
    tcp.statistics.attemptFails++;
    cb.disposition |= Disposition.TIMED_OUT;
    return;
  }
  cb.synRetransmissions++;
  // R1 and R2 are as for data, R2 is counted apart (RFC 9293 section 3.8.3, MUST-22).
  if (cb.synRetransmissions === tcp.parameters.doubtReachabilityRetransmissions) {
    cb.disposition |= Disposition.NEIGHBOR_IN_DOUBT;
  }
  sendSyn(tcp, cb);
}

/** R2 of a SYN, and of a SYN-ACK (RFC 9293 section 3.8.3, MUST-23). */
function isOpeningExhausted(tcp: TcpContext, cb: ControlBlock): boolean {
  const { maximumSynRetransmissions, maximumSynAckRetransmissions, linearSynRetransmissions } = tcp.parameters;
  const isActive = cb.delegated.state === TcpState.SYN_SENT;
  const most = isActive ? maximumSynRetransmissions + linearSynRetransmissions : maximumSynAckRetransmissions;
  if (cb.synRetransmissions >= most) return true;
  const limit = openingLimit(tcp, cb);
  if (limit === Number.POSITIVE_INFINITY) return false;
  return openingElapsed(tcp, cb) + openingRto(tcp, cb, cb.synRetransmissions) >= limit;
}

/** RFC 6298 section 5.4–5.6 and RFC 5681 section 3.1; limits of TMR-RTX-01…06. */
function dataTimeout(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  cb.ecn &= ~EcnState.HELD;
  if (d.sndUna === d.sndMax) {
    output(tcp, cb);
    return;
  }
  d.totalRt += tcp.ticks - cb.retransmitStartedAt;
  if (retransmissionsExhausted(tcp, cb)) {
    cb.disposition |= Disposition.TIMED_OUT;
    return;
  }
  tcp.statistics.timeouts++;
  enterTimeoutRecovery(tcp, cb);
  d.retransmit.count = Math.min(d.retransmit.count + 1, 255);
  if (d.retransmit.count === tcp.parameters.doubtReachabilityRetransmissions) {
    cb.disposition |= Disposition.NEIGHBOR_IN_DOUBT;
  }
  startRetransmitTimer(tcp, cb);
  if (cb.flight !== null) retransmitHead(tcp, cb, cb.flight);
  output(tcp, cb);
}

/** R2 of RFC 9293 section 3.8.3 (MUST-20): as the application has set it (MUST-21), or a number of retransmissions. */
function retransmissionsExhausted(tcp: TcpContext, cb: ControlBlock): boolean {
  const maxRt = cb.cached.maxRt;
  if (maxRt === MAX_RT_UNLIMITED) return false;
  if (maxRt !== 0) return cb.delegated.totalRt >= maxRt;
  return cb.delegated.retransmit.count >= tcp.parameters.maximumRetransmissions;
}

/** Steps 2, 3 and 6 of spec/algorithms.md 3. */
function probeTimeout(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  countPersistTime(tcp, cb);
  if (d.retransmit.count > tcp.parameters.maximumRetransmissions || d.totalRt >= userTimeout(tcp, cb)) {
    cb.disposition |= Disposition.TIMED_OUT;
    return;
  }
  tcp.statistics.windowProbes++;
  setPersistTimer(tcp, cb, d.retransmit.count);
  d.retransmit.count++;
  if (tcp.parameters.probesWithoutText) {
    sendProbe(tcp, cb);
    return;
  }
  // One byte past the window (RFC 9293 section 3.8.6.1, MUST-36), or the FIN when nothing else is left. SND.NXT stays
  // behind it: the peer most likely drops the byte, and it goes first when the window opens.
  stopLossTimer(cb);
  if (cb.sendQueue.length > 0) transmitData(tcp, cb, d.sndUna, 1, false);
  else transmitData(tcp, cb, d.sndUna, 0, true);
  d.sndNxt = d.sndUna;
}

/** A user timeout decides in place of the number of probes, once one is unanswered (Linux, tcp(7) TCP_USER_TIMEOUT). */
function probesExhausted(tcp: TcpContext, cb: ControlBlock, maximum: number): boolean {
  const { probeCount } = cb.delegated.keepAlive;
  const limit = userTimeout(tcp, cb);
  if (limit === Number.POSITIVE_INFINITY) return probeCount >= maximum;
  return probeCount > 0 && tcp.ticks - cb.lastReceivedAt >= limit;
}

function keepAliveExpired(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  cb.keepAliveDeadline = TIMER_NOT_RUNNING;
  if (!isSynchronized(d.state) || d.state === TcpState.TIME_WAIT) return;
  const enabled = (cb.cached.flags & TcpCachedFlag.KEEP_ALIVE_ENABLED) !== 0;
  const mitigating = cb.mitigating;
  if (!enabled && !mitigating) return;
  const maximum = mitigating && cb.cached.kaProbeCount === 0 ? MITIGATION_PROBES : cb.cached.kaProbeCount;
  const interval =
    mitigating && cb.cached.kaInterval === 0
      ? MITIGATION_INTERVAL_SECONDS * tcp.parameters.ticksPerSecond
      : Math.max(1, cb.cached.kaInterval); // no probe in the tick of the one before
  // Activity since the timer was set: it counts from there (the deadline is postponed lazily).
  if (d.keepAlive.probeCount === 0 && !mitigating && tcp.ticks - cb.lastReceivedAt < cb.cached.kaTimeout) {
    cb.keepAliveDeadline = cb.lastReceivedAt + cb.cached.kaTimeout;
    return;
  }
  // Text that is outstanding asks already, by retransmission (RFC 9293 section 3.8.4, MUST-26).
  if (!mitigating && d.sndMax !== d.sndUna) {
    d.keepAlive.probeCount = 0;
    cb.keepAliveDeadline = tcp.ticks + Math.max(1, cb.cached.kaTimeout);
    return;
  }
  // Not one unanswered probe but all of them count (MUST-29).
  if (mitigating ? d.keepAlive.probeCount >= maximum : probesExhausted(tcp, cb, maximum)) {
    cb.disposition |= mitigating ? Disposition.MITIGATION_EXPIRED : Disposition.TIMED_OUT;
    if (mitigating) enterClosed(tcp, cb);
    return;
  }
  sendKeepAliveProbe(tcp, cb);
  d.keepAlive.probeCount++;
  cb.keepAliveDeadline = tcp.ticks + interval;
}

/**
 * Handing a connection over: what leaves with it, what the new owner continues from, and the updates that a host sends
 * to whoever runs it (spec/algorithms.md 3–7, 12; STATE-06; spec/decisions.md 23).
 */
import type { TcpContext } from './context.ts';
import { atMostSent, bound, NO_THRESHOLD, usableRanges, usableSegments } from './continuable.ts';
import type { ControlBlock } from './control-block.ts';
import {
  arm,
  isProbing,
  resetKeepAlive,
  setRetransmitTimer,
  startRetransmitTimer,
  totalRetransmitTime,
} from './deadlines.ts';
import { endFlight } from './flight-state.ts';
import { output } from './output.ts';
import { rollBack } from './recovery.ts';
import { adoptLossRecovery, exportLossRecovery, firstToSend } from './recovery-hand-over.ts';
import { after, atOrAfter, before } from './sequence.ts';
import { canReceive, isSynchronized } from './state.ts';
import { sendAck, timestampNow } from './transmit.ts';
import {
  TcpCachedFlag,
  type TcpCachedState,
  TcpDelegatedState,
  type TcpExtensionState,
  TIMER_NOT_RUNNING,
} from './variables.ts';
import { openWindow, updateSegmentSizes, wantsWindowUpdate } from './window.ts';

/**
 * Makes the connection stand still: an ACK that is owed is sent, the timers that no hand-over carries are stopped
 * (TMR-DACK-01, TMR-SWS-04). Nothing may touch the control block until `resume` or `release`.
 */
export function quiesce(tcp: TcpContext, cb: ControlBlock): void {
  if (cb.ackNow || cb.delayedAckDeadline !== TIMER_NOT_RUNNING) sendAck(tcp, cb);
  cb.delayedAckDeadline = TIMER_NOT_RUNNING;
  cb.swsStoppedAt = cb.swsDeadline;
  cb.swsDeadline = TIMER_NOT_RUNNING;
  tcp.wheel.cancel(cb);
}

/** The hand-over failed: the connection goes on where it stood. */
export function resume(tcp: TcpContext, cb: ControlBlock): void {
  cb.swsDeadline = cb.swsStoppedAt;
  cb.swsStoppedAt = TIMER_NOT_RUNNING;
  output(tcp, cb);
}

/** The connection has left, or is gone: its timers and queues go. */
export function release(tcp: TcpContext, cb: ControlBlock): void {
  tcp.wheel.cancel(cb);
  cb.retransmitDeadline = TIMER_NOT_RUNNING;
  cb.delayedAckDeadline = TIMER_NOT_RUNNING;
  cb.keepAliveDeadline = TIMER_NOT_RUNNING;
  cb.swsDeadline = TIMER_NOT_RUNNING;
  endFlight(tcp, cb);
  cb.sendQueue.clear();
  cb.reassembly?.clear();
  cb.scoreboard?.clear();
}

/** A copy of the delegated variables as they stand now, with remaining times, ages and clocks filled in. */
export function exportDelegated(tcp: TcpContext, cb: ControlBlock): TcpDelegatedState {
  const copy = new TcpDelegatedState();
  Object.assign(copy, cb.delegated);
  copy.sndNxt = firstToSend(cb);
  copy.keepAlive = {
    probeCount: cb.delegated.keepAlive.probeCount,
    timeoutDelta: remaining(tcp, effectiveKeepAliveDeadline(cb)),
  };
  copy.retransmit = {
    count: cb.delegated.retransmit.count,
    timeoutDelta: remaining(tcp, cb.retransmitDeadline),
  };
  copy.sRtt = cb.rtt.exportSrtt(tcp.parameters.ticksPerSecond);
  copy.rttVar = cb.rtt.exportRttvar(tcp.parameters.ticksPerSecond);
  copy.tsRecentAge = Math.max(0, tcp.ticks - cb.tsRecentSetAt);
  copy.totalRt = totalRetransmitTime(tcp, cb);
  copy.tsTime = timestampNow(tcp, cb); // TS-03, TS-04
  return copy;
}

/** The extension of spec/decisions.md 23. Out-of-order bytes are referenced, not copied. */
export function exportExtension(tcp: TcpContext, cb: ControlBlock): TcpExtensionState {
  if (cb.unlimitedSince >= 0) {
    cb.congestionState?.onIdle(cb.unlimitedSince, tcp.now);
    cb.unlimitedSince = tcp.now;
  }
  const extension: TcpExtensionState = {
    revision: 1,
    outOfOrder: cb.reassembly === null ? [] : cb.reassembly.segments(),
    scoreboard: cb.scoreboard === null ? [] : cb.scoreboard.toArray(),
    recoveryPoint: cb.recoveryPoint,
    inRecovery: cb.inRecovery,
    highRxt: cb.flight === null ? cb.delegated.sndUna : cb.flight.record.highRetransmitted,
    srttMicroseconds: cb.rtt.srtt,
    rttvarMicroseconds: cb.rtt.rttvar,
    congestionControl: cb.congestionControl,
    congestion: cb.congestionState?.save(tcp.now) ?? {},
    timedAge: cb.timing ? tcp.now - cb.timedAt : -1,
    timedSequence: cb.timedSequence,
    swsDelta: remaining(tcp, cb.swsStoppedAt),
    quickAcks: cb.quickAcks,
    outOfOrderFin: cb.finReceived ? cb.finSequence : null,
    counters: countersOf(tcp, cb),
    lossRecovery: exportLossRecovery(tcp, cb),
  };
  if (cb.lastSendAt > 0) extension.sendAge = tcp.now - cb.lastSendAt;
  if (cb.usedWindow > 0) extension.windowUse = { bytes: cb.usedWindow, end: cb.usageEnd, full: cb.cwndLimited };
  if (after(cb.smallEnd, cb.delegated.sndUna)) extension.smallEnd = cb.smallEnd;
  if (cb.ecn !== 0) extension.ecn = { flags: cb.ecn, reductionEnd: cb.ecnReductionEnd };
  return extension;
}

/**
 * Takes a connection over: fills a fresh control block from what its previous owner exported and starts its timers.
 * The send queue must hold the handed-over data already (its first byte is SND.UNA); `receiveBuffered` is the number of
 * acknowledged bytes that came with it and no application has read. The caller calls `output` when it is ready to send.
 */
export function adopt(
  tcp: TcpContext,
  cb: ControlBlock,
  delegated: TcpDelegatedState,
  extension: TcpExtensionState | null,
  receiveBuffered: number,
): void {
  const { keepAlive, retransmit, ...variables } = delegated;
  Object.assign(cb.delegated, variables);
  cb.delegated.keepAlive.probeCount = keepAlive.probeCount;
  cb.delegated.retransmit.count = retransmit.count;
  cb.receiveBuffered = receiveBuffered;
  cb.lastAckSent = delegated.rcvNxt; // the previous owner has sent every ACK that was due (TMR-DACK-01)
  cb.timestampDelta = (delegated.tsTime - tcp.ticks) | 0; // TS-01
  cb.tsRecentSetAt = tcp.ticks - Math.max(0, delegated.tsRecentAge);
  cb.lastReceivedAt = tcp.ticks;
  cb.lastSendAt = tcp.now;
  cb.smallEnd = cb.delegated.sndUna;
  if (delegated.sndUna !== delegated.sndMax) cb.busySince = tcp.ticks;
  updateSegmentSizes(cb, tcp.parameters.maximumSegmentPayload);
  bound(cb.delegated, cb.sendMss);
  if (before(delegated.sndNxt, delegated.sndMax)) {
    // In the middle of a timeout's retransmissions: duplicate ACKs below this point start no recovery (RFC 6582 section 4).
    cb.recoveryPoint = delegated.sndMax;
    cb.recoveryPointValid = true;
    cb.timeoutRecovery = true;
  }
  cb.rtt.import(delegated.sRtt, delegated.rttVar, tcp.parameters.ticksPerSecond);
  // -1 is "not running", 0 is "due now" (TMR-GEN-04, TMR-RTX-07, TMR-KA-07, TMR-FW2-06).
  if (retransmit.timeoutDelta >= 0) setRetransmitTimer(tcp, cb, retransmit.timeoutDelta);
  if (keepAlive.timeoutDelta >= 0) adoptKeepAlive(tcp, cb, keepAlive.timeoutDelta);
  if (extension !== null) adoptExtension(tcp, cb, extension);
  else adoptRecovery(tcp, cb);
  adoptLossRecovery(tcp, cb, extension);
  // What is outstanding must not depend on the previous owner's having had a timer.
  if (cb.retransmitDeadline < 0 && delegated.sndUna !== delegated.sndMax) startRetransmitTimer(tcp, cb);
  // What the application took while nobody was in charge: a peer that was told of a closed window waits for this.
  if (canReceive(cb.delegated.state) && wantsWindowUpdate(tcp, cb)) cb.ackNow = true;
  arm(tcp, cb);
}

function adoptKeepAlive(tcp: TcpContext, cb: ControlBlock, ticks: number): void {
  cb.keepAliveDeadline = tcp.nextTick + ticks; // as `remaining` has counted
  if (cb.cached.flags & TcpCachedFlag.KEEP_ALIVE_ENABLED) {
    cb.lastReceivedAt = cb.keepAliveDeadline - cb.cached.kaTimeout;
  } else {
    // A timer without the flag was started by the blind-reset mitigation of the previous owner (RST-12).
    cb.mitigating = true;
    cb.validating = true;
    cb.mitigationKeepAlive = true;
  }
}

/**
 * Without the extension, DupAckCount tells that the previous owner was in loss recovery: its cWnd is what recovery made of
 * it, and must not be reduced once more for the same losses. Recovery goes on until all that is outstanding is acknowledged.
 */
function adoptRecovery(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  if (d.dupAckCount < tcp.parameters.duplicateAckThreshold || d.sndNxt !== d.sndMax || d.sndUna === d.sndMax) return;
  // Without a threshold there was no loss: the duplicates began no recovery, and its end would open the window without bound.
  if (d.ssThresh === NO_THRESHOLD) return;
  cb.inRecovery = true;
  cb.recoveryPoint = d.sndMax;
  cb.recoveryPointValid = true;
}

/** What a person wants to know of the whole life of a connection. The age of `busySince` is part of the time. */
function countersOf(tcp: TcpContext, cb: ControlBlock): number[] {
  const busy = cb.busyTicks + (cb.busySince < 0 ? 0 : tcp.ticks - cb.busySince);
  return [
    cb.segmentsIn,
    cb.segmentsOut,
    cb.dataSegmentsIn,
    cb.dataSegmentsOut,
    cb.retransmittedSegments,
    cb.retransmittedBytes,
    cb.deliveredMarked,
    busy,
  ];
}

/** What is no count of another owner is none. */
function adoptCounters(cb: ControlBlock, counters: readonly number[]): void {
  const count = (index: number): number => {
    const value = counters[index];
    return Number.isSafeInteger(value) && value > 0 ? value : 0;
  };
  cb.segmentsIn = count(0);
  cb.segmentsOut = count(1);
  cb.dataSegmentsIn = count(2);
  cb.dataSegmentsOut = count(3);
  cb.retransmittedSegments = count(4);
  cb.retransmittedBytes = count(5);
  cb.deliveredMarked = count(6);
  cb.busyTicks = count(7);
}

function adoptWindowUse(cb: ControlBlock, use: NonNullable<TcpExtensionState['windowUse']>): void {
  cb.usedWindow = Math.max(0, use.bytes | 0);
  cb.usageEnd = use.end | 0;
  cb.cwndLimited = use.full;
}

function adoptExtension(tcp: TcpContext, cb: ControlBlock, extension: TcpExtensionState): void {
  const d = cb.delegated;
  const segments = usableSegments(extension, d);
  if (segments.length > 0) cb.reassemblyQueue(tcp.parameters.outOfOrderLimitSegments).restore(segments);
  for (const [left, right] of usableRanges(extension, d)) cb.sackScoreboard().add(left, right);
  if (extension.inRecovery) cb.recoveryPoint = atMostSent(extension.recoveryPoint, d);
  cb.recoveryPointValid ||= extension.inRecovery;
  cb.inRecovery = extension.inRecovery;
  if (extension.srttMicroseconds > 0) cb.rtt.restore(extension.srttMicroseconds, extension.rttvarMicroseconds);
  cb.useCongestionControl(extension.congestionControl);
  if (Object.keys(extension.congestion).length > 0) cb.congestion.restore(extension.congestion, tcp.now);
  cb.timing = extension.timedAge >= 0;
  cb.timedAt = tcp.now - extension.timedAge;
  cb.timedSequence = extension.timedSequence;
  if (extension.swsDelta >= 0) cb.swsDeadline = tcp.nextTick + extension.swsDelta;
  cb.quickAcks = Math.max(0, extension.quickAcks);
  if (extension.sendAge !== undefined && extension.sendAge > 0) cb.lastSendAt = tcp.now - extension.sendAge;
  if (extension.windowUse !== undefined) adoptWindowUse(cb, extension.windowUse);
  if (extension.smallEnd !== undefined) cb.smallEnd = extension.smallEnd | 0;
  if (extension.counters !== undefined) adoptCounters(cb, extension.counters);
  if (extension.ecn !== undefined) {
    cb.ecn = extension.ecn.flags | 0;
    cb.ecnReductionEnd = atMostSent(extension.ecn.reductionEnd | 0, d);
  }
  if (extension.outOfOrderFin !== null && atOrAfter(extension.outOfOrderFin, d.rcvNxt)) {
    cb.finReceived = true;
    cb.finSequence = extension.outOfOrderFin;
  }
}

/**
 * Applies an update of the cached variables with its side effects: keepalive on and off (TMR-KA-01), the command flags
 * (TMR-KA-05, TMR-RTX-05, UPD-13, UPD-14, UPD-15), Nagle (STATE-16). The command flags are obeyed, not stored.
 */
export function applyUpdate(tcp: TcpContext, cb: ControlBlock, cached: Readonly<TcpCachedState>): void {
  const previous = cb.cached;
  cb.cached = tcp.cachedStates.share(cached);
  const commands = cached.flags;
  const wasEnabled = (previous.flags & TcpCachedFlag.KEEP_ALIVE_ENABLED) !== 0;
  const isEnabled = (cb.cached.flags & TcpCachedFlag.KEEP_ALIVE_ENABLED) !== 0;
  const reset = (commands & (TcpCachedFlag.MAX_RT_RESTART | TcpCachedFlag.KEEP_ALIVE_RESTART)) !== 0;
  if (reset && previous.kaProbeCount !== cached.kaProbeCount) cb.delegated.keepAlive.probeCount = 0;
  const timesChanged = previous.kaTimeout !== cached.kaTimeout || previous.kaInterval !== cached.kaInterval;
  if (commands & TcpCachedFlag.KEEP_ALIVE_RESTART || wasEnabled !== isEnabled || (reset && timesChanged)) {
    cb.lastReceivedAt = tcp.ticks;
    if (!cb.mitigating) resetKeepAlive(tcp, cb); // the mitigation of a blind reset keeps its own time (RST-07)
  }
  if (commands & TcpCachedFlag.MAX_RT_RESTART) cb.delegated.totalRt = 0;
  if (commands & TcpCachedFlag.UPDATE_RCV_WND && cached.initialRcvWnd !== cb.delegated.rcvWnd) {
    openWindow(tcp, cb);
    sendAck(tcp, cb);
  }
  output(tcp, cb);
}

/**
 * A new path MTU, from the host (UPD-12; RFC 1191, RFC 8201): later segments honour it. What is outstanding was lost for
 * its size when the new one is smaller, and is sent again at once, without a judgement on congestion (RFC 1191 section 6.4).
 */
export function setPathMtu(tcp: TcpContext, cb: ControlBlock, pathMtu: number): void {
  const d = cb.delegated;
  const previous = cb.sendMss;
  cb.pathMtu = pathMtu;
  updateSegmentSizes(cb, tcp.parameters.maximumSegmentPayload);
  if (!isSynchronized(d.state)) return;
  d.cWnd = Math.max(d.cWnd, cb.sendMss); // less than a segment would stop the sender for good
  if (cb.sendMss < previous && ((d.sndMax - d.sndUna) | 0) > cb.sendMss && !isProbing(cb)) {
    cb.undo = null;
    rollBack(cb);
    output(tcp, cb);
  }
}

/** The keepalive deadline counts from the last segment; the stored one is only ever postponed when it fires. */
function effectiveKeepAliveDeadline(cb: ControlBlock): number {
  if (cb.keepAliveDeadline < 0 || cb.mitigating || cb.delegated.keepAlive.probeCount > 0) return cb.keepAliveDeadline;
  return Math.max(cb.keepAliveDeadline, cb.lastReceivedAt + cb.cached.kaTimeout);
}

function remaining(tcp: TcpContext, deadline: number): number {
  return deadline < 0 ? TIMER_NOT_RUNNING : Math.max(0, deadline - tcp.nextTick);
}

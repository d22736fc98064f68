/** What of loss recovery moves with a connection, in the extension (spec/decisions.md 23 and 36). */
import type { TcpContext } from './context.ts';
import { atMostSent, LARGEST_WINDOW, NO_THRESHOLD, within } from './continuable.ts';
import type { ControlBlock } from './control-block.ts';
import { type Flight, FrtoStep, flightOf } from './flight-state.ts';
import { continueProbeTimer, probeDeadline } from './loss-probe.ts';
import { MAXIMUM_MULTIPLIER, Reordering, WINDOW_PERSISTS } from './reordering.ts';
import { after, latest } from './sequence.ts';
import { RangeMark } from './transmission-record.ts';
import { Undo } from './undo.ts';
import {
  type FlightState,
  type LossRecoveryState,
  TcpConstantFlag,
  type TcpExtensionState,
  TIMER_NOT_RUNNING,
  type UndoState,
} from './variables.ts';

/** Longest round trip that is believed, microseconds. */
const LONGEST_RTT = 0x7fffffff;

/** Where a receiver of the delegated class alone begins to send again: SND.NXT, or the first byte that is lost. */
export function firstToSend(cb: ControlBlock): number {
  const { flight } = cb;
  if (flight === null || !cb.timeoutRecovery || flight.record.lostBytes === 0) return cb.delegated.sndNxt;
  return after(flight.record.firstLost(), cb.delegated.sndNxt) ? cb.delegated.sndNxt : flight.record.firstLost();
}

/** The state as it stands now; nothing in it refers to the control block. */
export function exportLossRecovery(tcp: TcpContext, cb: ControlBlock): LossRecoveryState {
  const { flight, undo, reordering } = cb;
  return {
    minimumRtt: cb.minimumRtt,
    recentMinimumRtt: cb.recentMinimumRtt,
    reorderingSeen: reordering?.seen ?? false,
    reorderingMultiplier: reordering?.multiplier ?? 1,
    reorderingPersist: reordering?.persist ?? 0,
    duplicateSackRound: reordering?.inRound ? reordering.round : null,
    timeoutRecovery: cb.timeoutRecovery,
    flight: flight === null || flight.record.count === 0 ? null : exportFlight(tcp, cb, flight),
    undo: undo === null ? null : exportUndo(tcp, undo),
  };
}

function exportFlight(tcp: TcpContext, cb: ControlBlock, flight: Flight): FlightState {
  return {
    ranges: flight.record.save(tcp.now),
    rackAge: flight.rackTime === Number.NEGATIVE_INFINITY ? null : tcp.now - flight.rackTime,
    rackEnd: flight.rackEnd,
    rackRtt: flight.rackRtt,
    fack: flight.fack,
    probeEnd: flight.probing ? flight.probeEnd : null,
    probeIsRetransmission: flight.probeIsRetransmission,
    prrDelivered: flight.prrDelivered,
    prrOut: flight.prrOut,
    recoverFlightSize: flight.recoverFlightSize,
    frto: flight.frto,
    timerDelta: timerDelta(tcp, cb, flight),
    timerProbes: cb.lossTimerProbes,
  };
}

function timerDelta(tcp: TcpContext, cb: ControlBlock, flight: Flight): number {
  if (cb.lossDeadline < 0) return TIMER_NOT_RUNNING;
  const deadline = cb.lossTimerProbes ? probeDeadline(tcp, cb, flight) : cb.lossDeadline;
  return Math.max(0, deadline - tcp.nextTick);
}

function exportUndo(tcp: TcpContext, undo: Undo): UndoState {
  const { cWnd, ssThresh, congestion, marker, afterTimeout, retransmittedBytes, retransmitted, timestamp } = undo;
  const age = Math.max(0, tcp.now - undo.savedAt);
  return {
    cWnd,
    ssThresh,
    congestion: { ...congestion },
    age,
    marker,
    afterTimeout,
    retransmittedBytes,
    retransmitted,
    timestamp,
  };
}

/**
 * Continues from `extension`, after the scoreboard and the delegated variables were taken. Without it, or from an end that
 * leaves this part out, what is outstanding counts as sent one SRTT ago.
 */
export function adoptLossRecovery(tcp: TcpContext, cb: ControlBlock, extension: TcpExtensionState | null): void {
  const state = extension?.lossRecovery;
  if (state !== undefined && extension !== null) {
    adoptPath(tcp, cb, state);
    if (state.timeoutRecovery) {
      cb.recoveryPoint = atMostSent(extension.recoveryPoint, cb.delegated);
      cb.recoveryPointValid = true;
    }
  }
  const d = cb.delegated;
  if (!(cb.constant.flags & TcpConstantFlag.SACK_ENABLED) || d.sndUna === d.sndMax) return;
  const flight = flightOf(tcp, cb, d.sndUna);
  if (flight === null) return;
  const flown = state?.flight ?? null;
  const { record } = flight;
  const restored = flown !== null && record.restore(flown.ranges, d.sndUna, d.sndMax, tcp.now);
  if (restored && record.sackedBytes === (cb.scoreboard?.sackedBytes ?? 0)) {
    adoptFlight(tcp, cb, flight, flown);
    if (record.lostBytes > 0 && cb.timeoutRecovery) d.sndNxt = d.sndMax; // the marks say what to send again
    return;
  }
  adoptOutstanding(tcp, cb, flight, extension);
}

function adoptPath(tcp: TcpContext, cb: ControlBlock, state: LossRecoveryState): void {
  cb.minimumRtt = within(state.minimumRtt, 0, LONGEST_RTT);
  cb.recentMinimumRtt = within(state.recentMinimumRtt, 0, LONGEST_RTT);
  cb.minimumRttSince = tcp.ticks;
  cb.timeoutRecovery = state.timeoutRecovery;
  if (state.reorderingSeen || state.reorderingMultiplier > 1 || state.duplicateSackRound !== null) {
    const reordering = new Reordering();
    reordering.seen = state.reorderingSeen;
    reordering.multiplier = within(state.reorderingMultiplier, 1, MAXIMUM_MULTIPLIER);
    reordering.persist = within(state.reorderingPersist, 0, WINDOW_PERSISTS);
    reordering.inRound = state.duplicateSackRound !== null;
    reordering.round = state.duplicateSackRound ?? 0;
    cb.reordering = reordering;
  }
  const { undo } = state;
  if (undo === null) return;
  cb.undo = new Undo(
    within(undo.cWnd, cb.sendMss, LARGEST_WINDOW),
    within(undo.ssThresh, cb.sendMss, NO_THRESHOLD),
    undo.congestion,
    tcp.now - within(undo.age, 0, Number.MAX_SAFE_INTEGER),
    undo.marker | 0,
    undo.afterTimeout,
    within(undo.retransmittedBytes, 0, LARGEST_WINDOW),
    undo.retransmitted,
    undo.timestamp | 0,
  );
}

function adoptFlight(tcp: TcpContext, cb: ControlBlock, flight: Flight, state: FlightState): void {
  const { rackAge } = state;
  flight.rackTime = rackAge === null ? Number.NEGATIVE_INFINITY : tcp.now - within(rackAge, -1, LONGEST_RTT);
  flight.rackEnd = state.rackEnd | 0;
  flight.rackRtt = within(state.rackRtt, 0, LONGEST_RTT);
  flight.fack = state.fack | 0;
  flight.probing = state.probeEnd !== null;
  flight.probeEnd = (state.probeEnd ?? 0) | 0;
  flight.probeIsRetransmission = state.probeIsRetransmission;
  flight.prrDelivered = within(state.prrDelivered, 0, LARGEST_WINDOW);
  flight.prrOut = within(state.prrOut, 0, LARGEST_WINDOW);
  flight.recoverFlightSize = within(state.recoverFlightSize, 0, LARGEST_WINDOW);
  flight.frto = state.frto === FrtoStep.FIRST_ACK || state.frto === FrtoStep.SECOND_ACK ? state.frto : FrtoStep.NONE;
  if (state.timerDelta >= 0) {
    const ticks = Math.min(state.timerDelta, tcp.parameters.maximumRtoTicks);
    if (state.timerProbes) {
      continueProbeTimer(tcp, cb, flight, ticks);
    } else {
      cb.lossDeadline = tcp.nextTick + ticks;
      cb.lossTimerProbes = false;
    }
  }
}

/** What is known without the record: the scoreboard, and in recovery what was retransmitted up to HighRxt. */
function adoptOutstanding(
  tcp: TcpContext,
  cb: ControlBlock,
  flight: Flight,
  extension: TcpExtensionState | null,
): void {
  const d = cb.delegated;
  const { record } = flight;
  const age = cb.rtt.srtt;
  const ranges = [d.sndUna, age, 0];
  if (cb.inRecovery && extension !== null && after(extension.highRxt, d.sndUna)) {
    ranges[2] = RangeMark.RETRANSMITTED;
    if (after(d.sndMax, extension.highRxt)) ranges.push(extension.highRxt, age, 0);
  }
  record.restore(ranges, d.sndUna, d.sndMax, tcp.now);
  flight.fack = d.sndUna;
  flight.recoverFlightSize = Math.max(d.cWnd, (d.sndMax - d.sndUna) | 0);
  flight.prrOut = cb.inRecovery ? cb.sendMss : 0; // the first retransmission has left
  const board = cb.scoreboard?.toArray() ?? [];
  for (let i = 0; i + 1 < board.length; i += 2) {
    record.sack(board[i], board[i + 1]);
    flight.fack = latest(flight.fack, board[i + 1]);
  }
  // Whether a probe is out is not known: until all this is acknowledged there is none, or an end that moves often would
  // probe for ever and never come to its retransmission timeout.
  flight.probing = true;
  flight.probeIsRetransmission = false;
  flight.probeEnd = d.sndMax;
}

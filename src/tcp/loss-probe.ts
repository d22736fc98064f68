/** Tail loss probes: a flight whose end may be lost is asked about before the retransmission timer (RFC 8985 section 7). */
import type { TcpHeader } from '../wire/tcp-header.ts';
import { TcpFlag } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { isProbing, startRetransmitTimer, stopLossTimer, ticksOf, totalRetransmitTime } from './deadlines.ts';
import { finPending } from './flight.ts';
import type { Flight } from './flight-state.ts';
import { after, atOrAfter } from './sequence.ts';
import { isSynchronized } from './state.ts';
import { transmitData } from './transmit.ts';
import { TIMER_NOT_RUNNING } from './variables.ts';

/** What the PTO allows for clocks and scheduling at both ends when delayed ACKs are no matter, microseconds. */
const PROBE_SLACK = 2_000;

/**
 * Section 7.2: after new data was sent or acknowledged, the probe timer runs for the PTO, unless the flight is being
 * recovered, something is SACKed, or a probe is out already.
 */
export function scheduleLossProbe(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  flight.reschedulesProbe = false;
  flight.probeFrom = tcp.nextTick;
  // Every ACK puts it off: what runs already is corrected when it expires, unless the PTO is another one now.
  if (cb.lossDeadline >= 0 && cb.lossTimerProbes && !flight.probeIsForLone && !isLone(cb)) return;
  startProbeTimer(tcp, cb, flight);
}

/** A flight of one segment or less: its PTO is another. */
function isLone(cb: ControlBlock): boolean {
  return ((cb.delegated.sndMax - cb.delegated.sndUna) | 0) <= cb.sendMss;
}

function startProbeTimer(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  if (!mayProbe(tcp, cb, flight)) {
    if (cb.lossTimerProbes) stopLossTimer(cb);
    return;
  }
  cb.lossDeadline = probeDeadline(tcp, cb, flight);
  cb.lossTimerProbes = true;
  flight.probeIsForLone = isLone(cb);
}

/** The tick at which the probe is due. Never behind the retransmission timer: then the probe takes its place. */
export function probeDeadline(tcp: TcpContext, cb: ControlBlock, flight: Flight): number {
  const deadline = flight.probeFrom + ticksOf(tcp, probeTimeout(tcp, cb));
  const { retransmitDeadline } = cb;
  return retransmitDeadline === TIMER_NOT_RUNNING ? deadline : Math.min(deadline, retransmitDeadline);
}

/** Another owner has had the probe timer running: it goes on with `ticks` left. */
export function continueProbeTimer(tcp: TcpContext, cb: ControlBlock, flight: Flight, ticks: number): void {
  cb.lossDeadline = tcp.nextTick + ticks;
  cb.lossTimerProbes = true;
  flight.probeFrom = cb.lossDeadline - ticksOf(tcp, probeTimeout(tcp, cb));
  flight.probeIsForLone = isLone(cb);
}

/**
 * The conditions of section 7.2, and those of 7.3 (RFC8985-7.3-1): no other probe is in flight, and a round trip was measured
 * since the last one, or since the connection began. Without them the retransmission timer alone goes on.
 */
function mayProbe(tcp: TcpContext, cb: ControlBlock, flight: Flight): boolean {
  return (
    tcp.parameters.tailLossProbe &&
    tcp.parameters.lossDetection === 'rack' &&
    !flight.probing &&
    !cb.probeUnmeasured &&
    cb.rtt.srtt > 0 &&
    !cb.inRecovery &&
    !cb.timeoutRecovery &&
    flight.record.count > 0 &&
    flight.record.sackedBytes === 0 &&
    flight.record.lostBytes === 0 &&
    cb.delegated.retransmit.count === 0 &&
    cb.delegated.sndWnd > 0
  );
}

/** TLP_calc_PTO of section 7.2, microseconds, with an estimate of the round trip: without one no probe may leave. */
function probeTimeout(tcp: TcpContext, cb: ControlBlock): number {
  const { srtt } = cb.rtt;
  const { maximumAckDelayTicks, ticksPerSecond } = tcp.parameters;
  const allowance = isLone(cb) ? (maximumAckDelayTicks * 1_000_000) / ticksPerSecond : PROBE_SLACK;
  return 2 * srtt + allowance;
}

/** The probe timer has expired, but may have been put off meanwhile. */
export function probeTimerExpired(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  startProbeTimer(tcp, cb, flight);
  if (cb.lossDeadline < 0 || cb.lossDeadline > tcp.ticks) return;
  stopLossTimer(cb);
  sendLossProbe(tcp, cb, flight);
}

/** Section 7.3: the PTO is over. New data if the peer's window lets it, else the last segment once more. */
function sendLossProbe(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  const d = cb.delegated;
  if (!isSynchronized(d.state) || isProbing(cb) || !mayProbe(tcp, cb, flight)) return;
  tcp.statistics.lossProbes++;
  flight.probeIsRetransmission = !sendNew(tcp, cb);
  if (flight.probeIsRetransmission) sendLast(tcp, cb, flight);
  // `transmitData` has recorded it like all that is sent (RFC8985-7.3-2).
  flight.probing = true;
  cb.probeUnmeasured = true;
  flight.probeEnd = d.sndMax;
  flight.reschedulesProbe = false;
  // The retransmission timer starts anew (section 7.3, RFC8985-7.3-3).
  d.totalRt = totalRetransmitTime(tcp, cb);
  startRetransmitTimer(tcp, cb);
}

/** At most one segment, whatever cWnd and Nagle say. */
function sendNew(tcp: TcpContext, cb: ControlBlock): boolean {
  const d = cb.delegated;
  const outstanding = (d.sndMax - d.sndUna) | 0;
  const unsent = cb.sendQueue.length - outstanding;
  const room = d.sndWnd - outstanding;
  const length = Math.min(unsent, cb.sendMss, room);
  if (length <= 0) return false;
  transmitData(tcp, cb, d.sndMax, length, finPending(cb) && length === unsent && room > length);
  return true;
}

function sendLast(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  const d = cb.delegated;
  const textEnd = (d.sndUna + cb.sendQueue.length) | 0;
  const sequence = flight.record.lastSegment(cb.sendMss, textEnd);
  const finSent = finPending(cb) && after(d.sndMax, textEnd);
  const end = finSent ? textEnd : d.sndMax;
  transmitData(tcp, cb, sequence, Math.max(0, (end - sequence) | 0), finSent);
}

/**
 * Section 7.4.2: whether an ACK at or above TLP.end_seq says that the probe has repaired a loss of which nothing else
 * would tell: true when the sender must react to congestion (RFC8985-7.4.2-1). `duplicateSack`: the ACK reports the probe as a duplicate.
 */
export function probeRepairedLoss(
  flight: Flight,
  header: TcpHeader,
  advanced: boolean,
  newlySacked: boolean,
  duplicateSack: boolean,
): boolean {
  const ack = header.acknowledgment;
  if (!atOrAfter(ack, flight.probeEnd)) return false;
  if (!flight.probeIsRetransmission || duplicateSack) {
    flight.probing = false;
    return false;
  }
  if (after(ack, flight.probeEnd)) {
    flight.probing = false;
    return true;
  }
  // A duplicate ACK without SACK: both the original and the probe have arrived.
  const bare = header.payloadLength === 0 && !(header.flags & TcpFlag.FIN);
  if (!advanced && !newlySacked && bare) flight.probing = false;
  return false;
}

/**
 * Starting and stopping the timers of a connection; `timers.ts` runs them when they expire.
 *
 * A connection has one entry in the timing wheel, armed for its earliest deadline or earlier: postponing a timer, which
 * every ACK does, is one assignment; a wheel entry that fires too early is simply armed again.
 */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { finPending } from './flight.ts';
import { endFlight } from './flight-state.ts';
import { isSynchronized, TcpState } from './state.ts';
import { userTimeout } from './user-timeout.ts';
import { MAX_RT_UNLIMITED, TcpCachedFlag, TIMER_NOT_RUNNING } from './variables.ts';

/** Exponent at which every back-off has reached its cap. */
const MAXIMUM_BACKOFF_SHIFT = 20;

/** RFC6298-5.7. */
const RTO_AFTER_LOST_SYN_SECONDS = 3;

/** RTO << shift, capped (RFC 9293 MUST-19; RFC6298-2.5, RFC6298-5.5; spec/decisions.md 19). Ticks. */
export function backedOffRto(tcp: TcpContext, cb: ControlBlock, shift: number): number {
  let rto = cb.rtt.rtoTicks(tcp.parameters);
  // RFC 6298 5.7: a handshake that lost a SYN and measured nothing says that the initial RTO may be too short.
  if (cb.synRetransmissions > 0 && cb.rtt.srtt === 0 && isSynchronized(cb.delegated.state)) {
    rto = Math.max(rto, RTO_AFTER_LOST_SYN_SECONDS * tcp.parameters.ticksPerSecond);
  }
  return Math.min(rto * 2 ** Math.min(shift, MAXIMUM_BACKOFF_SHIFT), tcp.parameters.maximumRtoTicks);
}

/** Whether the retransmit timer serves window probing: SND.WND is 0 and something waits to be sent (TMR-PERSIST-01). */
export function isProbing(cb: ControlBlock): boolean {
  const d = cb.delegated;
  return d.sndWnd === 0 && isSynchronized(d.state) && (cb.sendQueue.length > 0 || finPending(cb));
}

/** Starts the retransmit timer for the current back-off (RFC 6298 rule 5.1), or for what MaxRT leaves (TMR-RTX-03). */
export function startRetransmitTimer(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  if (!isSynchronized(d.state)) {
    const rto = openingRto(tcp, cb, cb.synRetransmissions);
    const limit = openingLimit(tcp, cb);
    const left = limit === Number.POSITIVE_INFINITY ? rto : Math.max(1, limit - openingElapsed(tcp, cb));
    setRetransmitTimer(tcp, cb, Math.min(rto, left));
    return;
  }
  const rto = backedOffRto(tcp, cb, d.retransmit.count);
  const { maxRt } = cb.cached;
  const limited = maxRt !== 0 && maxRt !== MAX_RT_UNLIMITED;
  setRetransmitTimer(tcp, cb, limited ? Math.min(rto, Math.max(1, maxRt - d.totalRt)) : rto);
}

/** Longest time for an opening, ticks: by the settings, or as the application has set it (RFC 9293 section 3.10.8). */
export function openingLimit(tcp: TcpContext, cb: ControlBlock): number {
  const { openingTicks } = tcp.parameters;
  const isActive = openingTicks > 0 && cb.delegated.state === TcpState.SYN_SENT;
  return Math.min(userTimeout(tcp, cb), isActive ? openingTicks : Number.POSITIVE_INFINITY);
}

/** The timeout of an opening after so many retransmissions, ticks. */
export function openingRto(tcp: TcpContext, cb: ControlBlock, retransmissions: number): number {
  const linear = cb.delegated.state === TcpState.SYN_SENT ? tcp.parameters.linearSynRetransmissions : 0;
  return backedOffRto(tcp, cb, Math.max(0, retransmissions - linear));
}

/** How long an opening has lasted when its last retransmission left, ticks. */
export function openingElapsed(tcp: TcpContext, cb: ControlBlock): number {
  let elapsed = 0;
  for (let i = 0; i < cb.synRetransmissions; i++) elapsed += openingRto(tcp, cb, i);
  return elapsed;
}

/**
 * TotalRT as it stands: with what the running retransmit timer adds to it, when it runs for a segment (TMR-RTX-06). A
 * hand-over must not lose that part, or a connection that moves often would never reach its limit.
 */
export function totalRetransmitTime(tcp: TcpContext, cb: ControlBlock): number {
  const d = cb.delegated;
  if (cb.retransmitDeadline === TIMER_NOT_RUNNING || d.sndUna === d.sndMax || isProbing(cb)) return d.totalRt;
  return d.totalRt + Math.max(0, tcp.nextTick - cb.retransmitStartedAt);
}

/**
 * Starts the retransmit timer, in whichever role, with `ticks`. It never expires early (RFC6298-5-1): with coarse ticks, an RTO of two
 * that lasts little more than one would beat the peer's delayed ACK.
 */
export function setRetransmitTimer(tcp: TcpContext, cb: ControlBlock, ticks: number): void {
  cb.retransmitStartedAt = tcp.nextTick;
  cb.retransmitDeadline = tcp.nextTick + ticks;
}

/** Stops the reordering or probe timer, whichever runs. */
export function stopLossTimer(cb: ControlBlock): void {
  cb.lossDeadline = TIMER_NOT_RUNNING;
}

/** Ticks that last at least so many microseconds. */
export function ticksOf(tcp: TcpContext, microseconds: number): number {
  return Math.ceil((microseconds * tcp.parameters.ticksPerSecond) / 1_000_000);
}

export function stopRetransmitTimer(cb: ControlBlock): void {
  cb.retransmitDeadline = TIMER_NOT_RUNNING;
}

/** RTO << shift, as window probing uses it (spec/decisions.md 19; RFC 9293 SHLD-30). Ticks. */
export function persistTicks(tcp: TcpContext, cb: ControlBlock, shift: number): number {
  return Math.max(tcp.parameters.minimumPersistTicks, backedOffRto(tcp, cb, shift));
}

/** First round of window probing: the first probe is due after an RTO (algorithms.md 3 step 1; RFC 9293 SHLD-29). */
export function startPersist(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  d.sndWndProbeCount = 0;
  d.retransmit.count = 0;
  d.totalRt = 0;
  setPersistTimer(tcp, cb, 0);
}

/** Starts the persist timer for RTO << shift, or for what the user timeout leaves. */
export function setPersistTimer(tcp: TcpContext, cb: ControlBlock, shift: number): void {
  const left = Math.max(1, userTimeout(tcp, cb) - cb.delegated.totalRt);
  setRetransmitTimer(tcp, cb, Math.min(persistTicks(tcp, cb, shift), left));
}

/** With a user timeout, the time for which a closed window has held data back is what else TotalRT is (Linux, tcp(7)). */
export function countPersistTime(tcp: TcpContext, cb: ControlBlock): void {
  if (userTimeout(tcp, cb) === Number.POSITIVE_INFINITY) return;
  cb.delegated.totalRt += Math.max(0, tcp.ticks - cb.retransmitStartedAt);
}

/** A zero-window ACK ends the round, so that a peer who answers may keep its window closed for ever (RFC 9293 MUST-37), whichever of the two timers runs (step 4; spec/decisions.md 19). */
export function nextPersistRound(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  d.sndWndProbeCount = Math.min(d.sndWndProbeCount + 1, 255);
  d.retransmit.count = 0;
  countPersistTime(tcp, cb);
  setPersistTimer(tcp, cb, d.sndWndProbeCount);
}

/** Enters TIME-WAIT or restarts its 2 MSL (RFC 9293 sections 3.6.1 MUST-13 and 3.10.7.4). */
export function startTimeWait(tcp: TcpContext, cb: ControlBlock): void {
  cb.delayedAckDeadline = TIMER_NOT_RUNNING;
  cb.swsDeadline = TIMER_NOT_RUNNING;
  cb.keepAliveDeadline = TIMER_NOT_RUNNING;
  setRetransmitTimer(tcp, cb, tcp.parameters.timeWaitTicks);
}

/**
 * Enters CLOSED: every timer stops and no ACK is owed any more, so that nothing more leaves for the connection. The
 * queues stay until the owner releases them.
 */
export function enterClosed(tcp: TcpContext, cb: ControlBlock): void {
  cb.delegated.state = TcpState.CLOSED;
  cb.ackNow = false;
  cb.retransmitDeadline = TIMER_NOT_RUNNING;
  cb.delayedAckDeadline = TIMER_NOT_RUNNING;
  cb.keepAliveDeadline = TIMER_NOT_RUNNING;
  cb.swsDeadline = TIMER_NOT_RUNNING;
  endFlight(tcp, cb);
  tcp.wheel.cancel(cb);
}

/** Starts the delayed-ACK timer when it is not running (TMR-DACK-03). */
export function startDelayedAck(tcp: TcpContext, cb: ControlBlock): void {
  if (cb.delayedAckDeadline === TIMER_NOT_RUNNING) cb.delayedAckDeadline = tcp.ticks + tcp.parameters.delayedAckTicks;
}

/** Starts, restarts or stops keepalive as the cached variables say (TMR-KA-01, TMR-KA-02). */
export function resetKeepAlive(tcp: TcpContext, cb: ControlBlock): void {
  cb.delegated.keepAlive.probeCount = 0;
  cb.mitigationKeepAlive = false;
  cb.keepAliveDeadline =
    cb.cached.flags & TcpCachedFlag.KEEP_ALIVE_ENABLED ? tcp.ticks + cb.cached.kaTimeout : TIMER_NOT_RUNNING;
}

/** Arms the wheel for the earliest deadline, unless it is armed for that or earlier. */
export function arm(tcp: TcpContext, cb: ControlBlock): void {
  let earliest = Number.POSITIVE_INFINITY;
  if (cb.retransmitDeadline >= 0) earliest = cb.retransmitDeadline;
  if (cb.delayedAckDeadline >= 0 && cb.delayedAckDeadline < earliest) earliest = cb.delayedAckDeadline;
  if (cb.keepAliveDeadline >= 0 && cb.keepAliveDeadline < earliest) earliest = cb.keepAliveDeadline;
  if (cb.swsDeadline >= 0 && cb.swsDeadline < earliest) earliest = cb.swsDeadline;
  if (cb.lossDeadline >= 0 && cb.lossDeadline < earliest) earliest = cb.lossDeadline;
  if (earliest === Number.POSITIVE_INFINITY) return;
  if (cb.wheelDeadline >= 0 && cb.wheelDeadline <= earliest) return;
  tcp.wheel.arm(cb, earliest);
}

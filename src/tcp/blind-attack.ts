/**
 * Defence against blind in-window attacks: RFC 5961 sections 3 to 5 and 7, in the contract's form (spec/algorithms.md 9;
 * spec/decisions.md 21 and 22).
 */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { resetKeepAlive } from './deadlines.ts';
import { sendAck } from './transmit.ts';
import { TcpCachedFlag, TIMER_NOT_RUNNING } from './variables.ts';

/** How long the mitigation waits for an acceptable segment before it probes (RST-07). */
const MITIGATION_SECONDS = 300;
/** At most one challenge ACK in this time answers SYNs (RST-06). */
const SYN_CHALLENGE_SECONDS = 3;

/**
 * Takes one challenge ACK from the stack's budget. The budget of each second is random, so that an attacker cannot
 * count it (RFC 5961 section 7, RFC5961-7-1; CVE-2016-5696).
 */
function takeFromBudget(tcp: TcpContext): boolean {
  const second = Math.floor(tcp.now / 1_000_000);
  if (second !== tcp.challengeSecond) {
    const mean = tcp.parameters.challengeAcksPerSecond;
    tcp.challengeSecond = second;
    tcp.challengeBudget = Math.ceil(mean / 2) + ((tcp.random() >>> 0) % (mean + 1));
  }
  if (tcp.challengeBudget === 0) return false;
  tcp.challengeBudget--;
  return true;
}

/** Answers a segment that may be forged with an ACK (RFC 5961 sections 3.2, 4.2, 5.2). False when the budget is spent. */
export function challengeAck(tcp: TcpContext, cb: ControlBlock): boolean {
  if (!takeFromBudget(tcp)) return false;
  tcp.statistics.challengeAcks++;
  sendAck(tcp, cb);
  return true;
}

/**
 * Two ends that disagree answer each other's ACKs with ACKs for ever, at the speed of the network. What carries no text,
 * SYN or FIN is therefore answered at most once in half a second (RFC 5961 section 7 asks for such a limit).
 */
export function mayAnswer(tcp: TcpContext, cb: ControlBlock): boolean {
  return takeTurn(tcp, cb, tcp.parameters.arrival.emptyAnswerMilliseconds);
}

/** One of the answers that a connection gives at most once in `milliseconds`. */
function takeTurn(tcp: TcpContext, cb: ControlBlock, milliseconds: number): boolean {
  if (tcp.ticks < cb.emptyAnswerAfter) return false;
  cb.emptyAnswerAfter = tcp.ticks + Math.trunc((milliseconds * tcp.parameters.ticksPerSecond) / 1000);
  return true;
}

/** A challenge ACK within the limit of the personality; false when the contract's limits are to be used instead. */
function challengeInTurn(tcp: TcpContext, cb: ControlBlock): boolean {
  const { challengeMilliseconds } = tcp.parameters.arrival;
  if (challengeMilliseconds < 0) return false;
  if (takeTurn(tcp, cb, challengeMilliseconds)) challengeAck(tcp, cb);
  return true;
}

/** An ACK field that is not plausible (RFC 5961 section 5.2). */
export function challengeAcknowledgment(tcp: TcpContext, cb: ControlBlock): void {
  if (!challengeInTurn(tcp, cb)) challengeAck(tcp, cb);
}

/** An RST inside the window, but not at RCV.NXT: one challenge ACK until something acceptable arrives (RST-03). */
export function challengeReset(tcp: TcpContext, cb: ControlBlock): void {
  if (challengeInTurn(tcp, cb) || cb.validating || !challengeAck(tcp, cb)) return;
  cb.validating = true;
  armMitigation(tcp, cb);
}

/** A SYN inside the window of a synchronized connection (RFC5961-4.2-1, RST-06; decision 21: RCV.NXT included). */
export function challengeSyn(tcp: TcpContext, cb: ControlBlock): void {
  if (challengeInTurn(tcp, cb) || tcp.ticks < cb.synChallengeAfter || !challengeAck(tcp, cb)) return;
  cb.synChallengeAfter = tcp.ticks + SYN_CHALLENGE_SECONDS * tcp.parameters.ticksPerSecond;
  armMitigation(tcp, cb);
}

/** Arms the keepalive timer with five minutes, unless it expires sooner (RST-07). */
function armMitigation(tcp: TcpContext, cb: ControlBlock): void {
  const limit = tcp.ticks + MITIGATION_SECONDS * tcp.parameters.ticksPerSecond;
  if (cb.keepAliveDeadline === TIMER_NOT_RUNNING) {
    cb.mitigationKeepAlive = true;
    cb.mitigating = true;
    cb.keepAliveDeadline = limit;
    return;
  }
  const due =
    cb.delegated.keepAlive.probeCount === 0
      ? Math.max(cb.keepAliveDeadline, cb.lastReceivedAt + cb.cached.kaTimeout)
      : cb.keepAliveDeadline;
  cb.keepAliveDeadline = Math.min(due, limit);
  cb.mitigating = true;
}

/** An acceptable segment ends the validation period (RST-11). */
export function endMitigation(tcp: TcpContext, cb: ControlBlock): void {
  cb.mitigating = false;
  cb.validating = false;
  if (cb.mitigationKeepAlive && !(cb.cached.flags & TcpCachedFlag.KEEP_ALIVE_ENABLED)) {
    cb.mitigationKeepAlive = false;
    cb.keepAliveDeadline = TIMER_NOT_RUNNING;
    cb.delegated.keepAlive.probeCount = 0;
    return;
  }
  resetKeepAlive(tcp, cb);
}

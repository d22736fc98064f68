/** RACK: losses are detected by the time at which segments were sent (RFC 8985 section 6). */
import type { TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { stopLossTimer, ticksOf } from './deadlines.ts';
import type { Flight } from './flight-state.ts';
import { reorderingWindow, seenReordering } from './reordering.ts';
import { after, before, latest } from './sequence.ts';
import { sentAfter } from './transmission-record.ts';
import { timestampNow } from './transmit.ts';

/** For so long RACK.min_RTT remembers a round trip (section 5.3 asks for a windowed minimum). */
const MINIMUM_RTT_SECONDS = 300;
/** Before the SACK blocks and the cumulative ACK of `header` are recorded. */
export function beginDelivery(tcp: TcpContext, cb: ControlBlock, flight: Flight, header: TcpHeader): void {
  let echoLimit = Number.POSITIVE_INFINITY;
  if (
    header.hasTimestamp &&
    header.timestampEcho !== 0 &&
    after(flight.record.highRetransmitted, cb.delegated.sndUna)
  ) {
    const echoTick = tcp.ticks + ((header.timestampEcho - timestampNow(tcp, cb)) | 0);
    echoLimit = ((echoTick + 1) * 1_000_000) / tcp.parameters.ticksPerSecond;
  }
  flight.record.beginDelivery(echoLimit, tcp.now - cb.minimumRtt);
}

/** Section 6.2 steps 1 to 3, after they are recorded. */
export function updateRack(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  const { record } = flight;
  const time = record.deliveredTime;
  if (time !== Number.NEGATIVE_INFINITY) {
    const rtt = tcp.now - time;
    if (!record.deliveredRetransmitted) updateMinimumRtt(tcp, cb, rtt);
    if (sentAfter(time, record.deliveredEnd, flight.rackTime, flight.rackEnd)) {
      flight.rackTime = time;
      flight.rackEnd = record.deliveredEnd;
      flight.rackRtt = rtt;
    }
  }
  if (record.deliveredOriginal && before(record.lowestOriginal, flight.fack)) seenReordering(cb);
  flight.fack = latest(flight.fack, cb.delegated.sndUna);
  if (cb.scoreboard !== null && !cb.scoreboard.isEmpty) flight.fack = latest(flight.fack, cb.scoreboard.highest);
}

/** RACK.min_RTT over a sliding window: the minimum of this half of it, and of the one before. */
export function updateMinimumRtt(tcp: TcpContext, cb: ControlBlock, rtt: number): void {
  const microseconds = Math.max(1, Math.round(rtt));
  if (cb.minimumRtt === 0 || microseconds < cb.minimumRtt) cb.minimumRtt = microseconds;
  if (cb.recentMinimumRtt === 0 || microseconds < cb.recentMinimumRtt) cb.recentMinimumRtt = microseconds;
  if (tcp.ticks - cb.minimumRttSince > (MINIMUM_RTT_SECONDS * tcp.parameters.ticksPerSecond) / 2) {
    cb.minimumRtt = cb.recentMinimumRtt;
    cb.recentMinimumRtt = microseconds;
    cb.minimumRttSince = tcp.ticks;
  }
}

/**
 * Section 6.2 step 5: marks what is lost, and arms the reordering timer for what may still be under way. With
 * `lossDetection` 'dupack' it is the rule of RFC 6675 section 4, which needs no time; never both (RFC8985-9.2-1). Returns the bytes newly lost.
 */
export function detectLosses(tcp: TcpContext, cb: ControlBlock, flight: Flight): number {
  const { record } = flight;
  const lost = record.lostBytes;
  if (tcp.parameters.lossDetection === 'dupack') {
    loseByCount(tcp, cb, flight);
    return record.lostBytes - lost;
  }
  let timeout = 0;
  if (flight.rackTime !== Number.NEGATIVE_INFINITY) {
    const allowance = flight.rackRtt + reorderingWindow(tcp, cb);
    timeout = record.detectLosses(flight.rackTime, flight.rackEnd, allowance, tcp.now);
  }
  if (timeout > 0) {
    cb.lossDeadline = tcp.nextTick + ticksOf(tcp, timeout);
    cb.lossTimerProbes = false;
  } else {
    stopReorderingTimer(cb);
  }
  return record.lostBytes - lost;
}

/** Nothing is left that could be overtaken. */
export function stopReorderingTimer(cb: ControlBlock): void {
  if (!cb.lossTimerProbes) stopLossTimer(cb);
}

function loseByCount(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  const d = cb.delegated;
  const board = cb.scoreboard;
  if (board === null || board.isEmpty) return;
  const threshold = tcp.parameters.duplicateAckThreshold;
  const edge = board.lostBelow(d.sndUna, threshold, cb.sendMss);
  flight.record.loseBelow(edge);
  // DupThresh duplicate ACKs condemn the first segment, whatever they report (RFC 6675 section 5 step 1).
  if (d.dupAckCount < threshold || edge !== d.sndUna || cb.inRecovery || cb.timeoutRecovery) return;
  flight.record.loseBelow(board.nextSacked(d.sndUna, (d.sndUna + cb.sendMss) | 0));
}

/** Section 6.3: the retransmission timer condemns the first segment, and what was sent long enough ago. */
export function loseByTimeout(tcp: TcpContext, cb: ControlBlock, flight: Flight): void {
  const { record } = flight;
  const first = (cb.delegated.sndUna + cb.sendMss) | 0;
  if (tcp.parameters.lossDetection === 'dupack' || flight.rackTime === Number.NEGATIVE_INFINITY) {
    record.loseFrom(cb.delegated.sndUna);
    return;
  }
  record.loseOlder(tcp.now - flight.rackRtt - reorderingWindow(tcp, cb));
  record.loseHead(after(first, cb.delegated.sndMax) ? cb.delegated.sndMax : first);
}

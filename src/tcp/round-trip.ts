/** Round-trip measurement: one timed segment at a time, or the echoed timestamp (RFC 6298 section 3, RFC 7323 section 4). */
import type { TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { before } from './sequence.ts';
import { timestampNow } from './transmit.ts';

/** A round trip longer than this is a broken clock or a forged echo, not a measurement. */
const LONGEST_RTT_SECONDS = 120;

/**
 * Takes a sample from a segment that acknowledges something new, and thus has ACK (RFC7323-3.2-2); SND.UNA has not moved yet. The timed segment counts when
 * there is one: microseconds are better than the ticks of a timestamp. Karn's rule has cleared it if it was retransmitted
 * (RFC 9293 MUST-18). Answers the sample, microseconds; 0 when there is none.
 */
export function measureRoundTrip(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): number {
  if (cb.timing) {
    if (before(header.acknowledgment, cb.timedSequence)) return 0;
    cb.timing = false;
    cb.probeUnmeasured = false;
    cb.rtt.sample(tcp.now - cb.timedAt);
    return tcp.now - cb.timedAt;
  }
  // Nothing is being timed: after a retransmission or a hand-over the echoed timestamp is the unambiguous measure (TS-05).
  const sample = echoedRoundTrip(tcp, cb, header);
  if (sample === 0) return 0;
  cb.probeUnmeasured = false;
  // Every ACK of the flight gives a sample here: each must weigh accordingly less (RFC 7323 appendix G).
  const flight = (cb.delegated.sndMax - cb.delegated.sndUna) | 0;
  cb.rtt.sample(sample, Math.ceil(flight / (2 * cb.sendMss)));
  return sample;
}

/** What the echoed timestamp says of the round trip, microseconds, at least one tick (RFC 7323 section 4.1); 0: nothing. */
function echoedRoundTrip(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): number {
  if (!header.hasTimestamp || header.timestampEcho === 0) return 0;
  const elapsed = (timestampNow(tcp, cb) - header.timestampEcho) | 0;
  const perSecond = tcp.parameters.ticksPerSecond;
  if (elapsed < 0 || elapsed > LONGEST_RTT_SECONDS * perSecond) return 0;
  return (Math.max(elapsed, 1) * 1_000_000) / perSecond;
}

/** Ticks longer than this are too coarse to tell a queue that grows. */
const FINE_TICKS_PER_SECOND = 1000;

/**
 * The round trip of an ACK for HyStart++, which needs many in each round and not one (RFC 9406 section 4.2): of the segment
 * sent last among those that it covers, when their times are recorded.
 *
 * @param measured what `measureRoundTrip` has made of the ACK
 */
export function roundTripOfAck(tcp: TcpContext, cb: ControlBlock, header: TcpHeader, measured: number): number {
  if (cb.flight !== null) {
    const { deliveredTime, deliveredRetransmitted } = cb.flight.record;
    if (Number.isFinite(deliveredTime) && !deliveredRetransmitted) return Math.max(1, tcp.now - deliveredTime);
  }
  if (measured > 0 || tcp.parameters.ticksPerSecond < FINE_TICKS_PER_SECOND) return measured;
  return echoedRoundTrip(tcp, cb, header);
}

/** Round-trip measurement: one timed segment at a time, or the echoed timestamp (RFC 6298 section 3, RFC 7323 section 4). */
import type { TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { before } from './sequence.ts';
import { timestampNow } from './transmit.ts';

/** A round trip longer than this is a broken clock or a forged echo, not a measurement. */
const LONGEST_RTT_SECONDS = 120;

/**
 * Takes a sample from a segment that acknowledges something new; SND.UNA has not moved yet. The timed segment counts when
 * there is one: microseconds are better than the ticks of a timestamp. Karn's rule has cleared it if it was retransmitted.
 */
export function measureRoundTrip(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  if (cb.timing) {
    if (before(header.acknowledgment, cb.timedSequence)) return;
    cb.timing = false;
    cb.rtt.sample(tcp.now - cb.timedAt);
    return;
  }
  // Nothing is being timed: after a retransmission or a hand-over the echoed timestamp is the unambiguous measure (TS-05).
  if (!header.hasTimestamp || header.timestampEcho === 0) return;
  const elapsed = (timestampNow(tcp, cb) - header.timestampEcho) | 0;
  const perSecond = tcp.parameters.ticksPerSecond;
  if (elapsed < 0 || elapsed > LONGEST_RTT_SECONDS * perSecond) return;
  // Every ACK of the flight gives a sample here: each must weigh accordingly less (RFC 7323 appendix G).
  const flight = (cb.delegated.sndMax - cb.delegated.sndUna) | 0;
  cb.rtt.sample((Math.max(elapsed, 1) * 1_000_000) / perSecond, Math.ceil(flight / (2 * cb.sendMss)));
}

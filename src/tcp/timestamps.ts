/** Timestamps and PAWS on the receiving side (RFC 7323 sections 4.3 and 5). */
import type { TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { atOrAfter, atOrBefore } from './sequence.ts';
import { TcpConstantFlag } from './variables.ts';

/** After this time without an update TS.Recent says nothing any more (RFC 7323 section 5.5). */
const TIMESTAMP_VALID_SECONDS = 24 * 24 * 3600;

/**
 * A segment without the timestamps option on a connection that uses it is dropped silently (RFC 7323 section 3.2, RFC7323-3.2-4). A
 * reset may lack it, and a SYN is answered in any case.
 */
export function lacksTimestamp(cb: ControlBlock, header: TcpHeader): boolean {
  return !header.hasTimestamp && (cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED) !== 0;
}

/** Whether PAWS rejects the segment: its timestamp is older than TS.Recent (RFC 7323 section 5.3 R1, RFC7323-5.3-1). */
export function pawsRejects(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  if (!(cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED)) return false;
  if (((header.timestampValue - cb.delegated.tsRecent) | 0) >= 0) return false;
  return !isOutdated(tcp, cb);
}

/** TS.Recent follows segments that cover Last.ACK.sent (RFC 7323 section 4.3 step 2, RFC7323-5.3-3). */
export function updateTimestampRecent(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  if (!header.hasTimestamp || !(cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED)) return;
  if (!atOrBefore(header.sequence, cb.lastAckSent)) return;
  if (!atOrAfter(header.timestampValue, cb.delegated.tsRecent) && !isOutdated(tcp, cb)) return;
  cb.delegated.tsRecent = header.timestampValue;
  cb.tsRecentSetAt = tcp.ticks;
}

/** TS.Recent has stood so long that the peer's clock may have wrapped around since (RFC7323-5.5-1). */
function isOutdated(tcp: TcpContext, cb: ControlBlock): boolean {
  return tcp.ticks - cb.tsRecentSetAt > TIMESTAMP_VALID_SECONDS * tcp.parameters.ticksPerSecond;
}

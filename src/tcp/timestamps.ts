/** Timestamps and PAWS on the receiving side (RFC 7323 sections 4.3 and 5). */
import { TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { atOrAfter, atOrBefore } from './sequence.ts';
import { TcpState } from './state.ts';
import { TcpConstantFlag } from './variables.ts';

/** After this time without an update TS.Recent says nothing any more (RFC 7323 section 5.5). */
const TIMESTAMP_VALID_SECONDS = 24 * 24 * 3600;

/** Whether PAWS rejects the segment: its timestamp is older than TS.Recent (RFC 7323 section 5.3 R1). */
export function pawsRejects(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  if (!(cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED)) return false;
  if (cb.delegated.state === TcpState.SYN_RECEIVED && header.flags & TcpFlag.SYN) return false;
  // Once negotiated, a segment without the option is dropped (RFC 7323 section 3.2).
  if (!header.hasTimestamp) return true;
  if (((header.timestampValue - cb.delegated.tsRecent) | 0) >= 0) return false;
  return tcp.ticks - cb.tsRecentSetAt <= TIMESTAMP_VALID_SECONDS * tcp.parameters.ticksPerSecond;
}

/** TS.Recent follows segments that cover Last.ACK.sent (RFC 7323 section 4.3 step 2). */
export function updateTimestampRecent(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  if (!header.hasTimestamp || !(cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED)) return;
  if (!atOrBefore(header.sequence, cb.lastAckSent)) return;
  if (!atOrAfter(header.timestampValue, cb.delegated.tsRecent) && cb.tsRecentSetAt !== 0) {
    const age = tcp.ticks - cb.tsRecentSetAt;
    if (age <= TIMESTAMP_VALID_SECONDS * tcp.parameters.ticksPerSecond) return;
  }
  cb.delegated.tsRecent = header.timestampValue;
  cb.tsRecentSetAt = tcp.ticks;
}

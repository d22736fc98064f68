/**
 * The user timeout (RFC 9293 section 3.10.8, RFC 5482 section 2): how long something may wait to be acknowledged before the
 * connection is given up. It is MaxRT of the contract, which limits retransmission (TMR-RTX-03); with `userTimeoutEverywhere`
 * it also bounds openings, data that a closed window holds back, and unanswered keepalive probes.
 */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { MAX_RT_UNLIMITED } from './variables.ts';

/** The limit beyond what MaxRT means in the contract, ticks; Infinity without one. */
export function userTimeout(tcp: TcpContext, cb: ControlBlock): number {
  const { maxRt } = cb.cached;
  if (!tcp.parameters.userTimeoutEverywhere || maxRt === 0 || maxRt === MAX_RT_UNLIMITED) {
    return Number.POSITIVE_INFINITY;
  }
  return maxRt;
}

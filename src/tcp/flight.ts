/** What is in the network on behalf of a connection. */
import type { ControlBlock } from './control-block.ts';
import { TcpState } from './state.ts';

/** Whether a FIN of ours is still to be acknowledged: it follows the last byte of the send queue. */
export function finPending(cb: ControlBlock): boolean {
  const state = cb.delegated.state;
  return state === TcpState.FIN_WAIT_1 || state === TcpState.CLOSING || state === TcpState.LAST_ACK;
}

/**
 * Bytes that are presumably in the network: sent, not acknowledged, not SACKed and not lost (RFC 5681 FlightSize; "pipe"
 * of RFC 6675 section 4, where what was sent again counts once more; RFC6675-4-1).
 */
export function bytesInFlight(cb: ControlBlock): number {
  const d = cb.delegated;
  if (cb.flight === null) return (d.sndNxt - d.sndUna) | 0;
  const { record } = cb.flight;
  return ((d.sndMax - d.sndUna) | 0) - record.sackedBytes - record.lostBytes;
}

/** Connections whose peer has not answered for too long. */
import { type ControlBlock, isSynchronized, type TcpContext } from '../../tcp/index.ts';
import type { Connection } from '../connection.ts';

/**
 * Whether the peer is told by a reset that a connection has timed out (RFC 9293 section 3.8.3). Who never answered our SYN-ACK
 * may never have sent the SYN: he hears nothing more of it. Some stacks tell nobody but those whom they have probed.
 */
export function isTold(tcp: TcpContext, connection: Connection, cb: ControlBlock): boolean {
  if (connection.listener !== null && !isSynchronized(cb.delegated.state)) return false;
  return tcp.parameters.arrival.resetsOnTimeout || cb.delegated.keepAlive.probeCount > 0;
}

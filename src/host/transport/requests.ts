/** What the application has asked of a connection that the host owns, given to the engine. */
import {
  applyUpdate,
  type ControlBlock,
  canSend,
  closeSend,
  consumed,
  isSynchronized,
  markUrgent,
  output,
  type TcpContext,
  TcpState,
} from '../../tcp/index.ts';
import type { Connection } from '../connection.ts';

/** Command flags of the cached class: obeyed once, not kept. */
const LEVEL_FLAGS = 0x03;

/** Changed variables, bytes that were read, bytes to send and the end of them, in this order. */
export function applyRequests(tcp: TcpContext, connection: Connection, cb: ControlBlock): void {
  if (connection.cachedDirty) update(tcp, connection, cb);
  if (connection.unreported > 0) {
    const bytes = connection.unreported;
    connection.unreported = 0;
    consumed(tcp, cb, bytes);
  }
  if (connection.unsentBytes > 0) sendUnsent(tcp, connection, cb);
  if (connection.shutdownRequested && !connection.shutdownPassedOn && cb.delegated.state !== TcpState.SYN_SENT) {
    connection.shutdownPassedOn = true;
    closeSend(tcp, cb);
  }
}

function update(tcp: TcpContext, connection: Connection, cb: ControlBlock): void {
  connection.cachedDirty = false;
  if (isSynchronized(cb.delegated.state)) {
    applyUpdate(tcp, cb, connection.desired);
  } else {
    cb.cached = tcp.cachedStates.share(connection.desired);
  }
  connection.cached = cb.cached;
  connection.desired.flags &= LEVEL_FLAGS;
}

function sendUnsent(tcp: TcpContext, connection: Connection, cb: ControlBlock): void {
  const { state } = cb.delegated;
  const chunks = connection.unsent ?? [];
  connection.unsent = null;
  if (canSend(state) || state === TcpState.SYN_SENT || state === TcpState.SYN_RECEIVED) {
    for (const chunk of chunks) cb.sendQueue.append(chunk);
    const { urgentAhead } = connection;
    if (urgentAhead > 0) markUrgent(tcp, cb, urgentAhead);
    else if (!connection.shutdownRequested || state === TcpState.SYN_SENT) output(tcp, cb);
    // Else a FIN follows at once, and rides on the last of it.
  } else {
    connection.dropUnacknowledged(connection.unsentBytes);
  }
  connection.unsentBytes = 0;
}

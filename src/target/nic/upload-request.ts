/** TCP events, and the end of processing that some of them mean (spec/algorithms.md 11.1). */
import { NdisStatus, TcpOffloadEventType, type TcpUploadReason } from '../../ndis/index.ts';
import { TcpState } from '../../tcp/index.ts';
import type { ConnectionContext } from './contexts.ts';
import type { NicCore } from './core.ts';

/** Indicates an event of one connection, once its initiate has been confirmed (INIT-10, CTX-08). */
export function raise(
  core: NicCore,
  connection: ConnectionContext,
  type: TcpOffloadEventType,
  information: number,
): void {
  if (connection.confirmed) core.post({ kind: 'tcpEvent', connection: connection.id, type, information });
  else {
    connection.pendingEvents ??= [];
    connection.pendingEvents.push({ type, information });
  }
}

/** The initiate is confirmed: what waited is indicated, data before events (INIT-09). */
export function confirm(core: NicCore, connection: ConnectionContext): void {
  connection.confirmed = true;
  connection.delivery.confirm();
  for (const event of connection.pendingEvents ?? []) raise(core, connection, event.type, event.information);
  connection.pendingEvents = null;
}

/**
 * Requests the upload for a mandatory reason and stops processing: the engine is not called any more, segments are held
 * for the host (EVT-07). The first reason stands; a connection that is being terminated, or was aborted, needs no request.
 */
export function requestUpload(core: NicCore, connection: ConnectionContext, reason: TcpUploadReason): void {
  if (connection.stopped !== 0 || connection.terminating || connection.aborted) return;
  connection.stopped = reason;
  raise(core, connection, TcpOffloadEventType.RETRIEVE, reason);
}

/**
 * The connection is gone: everything open completes with REQUEST_ABORTED (EVT-04, SEND-11), undelivered data is
 * dropped. The context stays until the host terminates (DISC-16).
 */
export function abortRequests(core: NicCore, connection: ConnectionContext): void {
  connection.aborted = true;
  connection.heldFrames = null;
  completeSends(core, connection, NdisStatus.REQUEST_ABORTED);
  connection.delivery.abort(NdisStatus.REQUEST_ABORTED);
}

/** Completes every queued send and the disconnect behind them with a status that is no success, in order (DISC-10). */
export function completeSends(core: NicCore, connection: ConnectionContext, status: NdisStatus): void {
  const completions = connection.takeSendCompletions();
  for (const list of connection.sends.takeAll()) {
    if (!list.isDisconnect) completions.push({ id: list.id, status, bytes: list.acknowledged });
  }
  if (completions.length > 0) core.post({ kind: 'sendComplete', connection: connection.id, completions });
  completeDisconnect(core, connection, status);
}

/** Completes the pending disconnect, if there is one, with the bytes of it that were acknowledged (DISC-14). */
export function completeDisconnect(core: NicCore, connection: ConnectionContext, status: NdisStatus): void {
  const pending = connection.disconnect;
  if (pending === null) return;
  connection.disconnect = null;
  const bytes = pending.queued === null ? 0 : pending.queued.acknowledged;
  core.post({ kind: 'disconnectComplete', connection: connection.id, completion: { id: pending.id, status, bytes } });
}

/** Counts a direct transition to CLOSED (STAT-15). */
export function countReset(core: NicCore, connection: ConnectionContext, stateBefore: TcpState): void {
  if (stateBefore === TcpState.ESTABLISHED || stateBefore === TcpState.CLOSE_WAIT)
    core.statistics.of(connection.family).tcp.resetEstablished += 1;
}

/** Data requests of the host: send, receive post, forward, disconnect. */
import { NdisStatus, TcpDisconnectFlag, TcpUploadReason } from '../../ndis/index.ts';
import { abort, canSend, closeSend, output } from '../../tcp/index.ts';
import type { ForwardCompletion, ForwardedSegment, SendList, ToNic } from '../messages.ts';
import { bytesOf } from './admission.ts';
import type { ConnectionContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import type { ReceivePath } from './receive-path.ts';
import { abortRequests, completeDisconnect, countReset } from './upload-request.ts';

/**
 * Queues send data behind what is there and sends what may be sent (SEND-02, SEND-03). Nothing is refused. What comes
 * too late to be sent waits for the terminate, so that completions keep their order (INIT-30, PAUSE-05, TERM-16).
 */
export function send(core: NicCore, connection: ConnectionContext, lists: readonly SendList[]): void {
  const { cb } = connection;
  if (connection.aborted) {
    const completions = lists.map(({ id }) => ({ id, status: NdisStatus.REQUEST_ABORTED, bytes: 0 }));
    core.post({ kind: 'sendComplete', connection: connection.id, completions });
    return;
  }
  const late = isTooLate(core, connection) || !canSend(cb.delegated.state);
  for (const list of lists) {
    const length = bytesOf(list.chunks);
    connection.sends.append(list.id, length, false, late);
    if (late) continue;
    core.transmitBytes += length;
    for (const chunk of list.chunks) cb.sendQueue.append(chunk);
  }
  // Empty lists with nothing before them are finished already.
  const completions = connection.sends.acknowledge(0, null);
  if (completions !== null) core.post({ kind: 'sendComplete', connection: connection.id, completions });
  if (connection.stopped === 0 && !connection.terminating) output(core.tcp, cb);
}

/**
 * The connection is to be terminated: nothing more is taken up for it. It stays so when the target resumes before the
 * terminate comes, or later bytes would overtake those that already wait for it.
 */
function isTooLate(core: NicCore, connection: ConnectionContext): boolean {
  return (
    connection.stopped === TcpUploadReason.UPLOAD_REQUESTED ||
    connection.terminating ||
    core.uploadingAll ||
    connection.sends.hasLate
  );
}

/** Processes forwarded segments like segments from the wire (FWD-06). */
export function forward(
  core: NicCore,
  receivePath: ReceivePath,
  connection: ConnectionContext,
  segments: readonly ForwardedSegment[],
): void {
  const completions: ForwardCompletion[] = [];
  for (const { id, bytes, congestionExperienced } of segments) {
    completions.push({ id, status: receivePath.forwarded(connection, bytes, congestionExperienced) });
  }
  core.post({ kind: 'forwardComplete', connection: connection.id, completions });
}

/** A disconnect request: graceful (DISC-07) or abortive (DISC-04). */
export function disconnect(
  core: NicCore,
  connection: ConnectionContext,
  request: Extract<ToNic, { kind: 'disconnect' }>,
): void {
  const { id, chunks } = request;
  if (connection.aborted || (connection.disconnect !== null && request.flag === TcpDisconnectFlag.GRACEFUL_CLOSE)) {
    const completion = { id, status: NdisStatus.REQUEST_ABORTED, bytes: 0 };
    core.post({ kind: 'disconnectComplete', connection: connection.id, completion });
    return;
  }
  if (request.flag === TcpDisconnectFlag.ABORTIVE_CLOSE) {
    abortiveClose(core, connection, id);
    return;
  }
  connection.disconnect = { id, chunks, queued: null };
  // A connection that stands still answers at its terminate (DISC-12), or begins when it goes on.
  if (connection.stopped === 0 && !connection.terminating) beginDisconnect(core, connection);
}

/** Queues the last data and the FIN behind everything before (DISC-07, DISC-08). */
export function beginDisconnect(core: NicCore, connection: ConnectionContext): void {
  const pending = connection.disconnect;
  if (pending === null || pending.queued !== null || isTooLate(core, connection)) return;
  const { cb } = connection;
  if (!canSend(cb.delegated.state)) {
    completeDisconnect(core, connection, NdisStatus.REQUEST_ABORTED);
    return;
  }
  const length = bytesOf(pending.chunks);
  pending.queued = connection.sends.append(pending.id, length, true, false);
  core.transmitBytes += length;
  for (const chunk of pending.chunks) cb.sendQueue.append(chunk);
  closeSend(core.tcp, cb);
}

/**
 * RST first, then all outstanding requests, then the disconnect (DISC-04…06): the only RST of the target (DISC-03). On
 * invalidated state nothing may be sent, so there is no success to report (INV-04, DISC-06).
 */
function abortiveClose(core: NicCore, connection: ConnectionContext, id: number): void {
  const { cb } = connection;
  countReset(core, connection, cb.delegated.state);
  core.transmitBytes -= cb.sendQueue.length;
  abort(core.tcp, cb);
  abortRequests(core, connection);
  const status = connection.dependsOnInvalid ? NdisStatus.REQUEST_ABORTED : NdisStatus.SUCCESS;
  core.post({ kind: 'disconnectComplete', connection: connection.id, completion: { id, status, bytes: 0 } });
}

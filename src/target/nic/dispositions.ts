/** What the engine's answers mean to an offloaded connection. */
import { NdisStatus, TcpOffloadEventType, TcpUploadReason } from '../../ndis/index.ts';
import { Disposition } from '../../tcp/index.ts';
import type { ConnectionContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import { forwardProgress } from './neighbor-reachability.ts';
import { indicateBacklogChange } from './send-backlog.ts';
import { abortRequests, completeDisconnect, raise, requestUpload } from './upload-request.ts';

/** The dispositions that end the life of a connection in the target, or ask for more than delivery. */
const UNUSUAL =
  Disposition.PEER_CLOSED |
  Disposition.FIN_ACKNOWLEDGED |
  Disposition.RESET |
  Disposition.TIME_WAIT |
  Disposition.CLOSED |
  Disposition.TIMED_OUT |
  Disposition.FIN_WAIT_2_EXPIRED |
  Disposition.URGENT |
  Disposition.MITIGATION_EXPIRED;

/** Applies `Disposition` bits of a segment or a timer, after the engine has returned. */
export function applyDisposition(core: NicCore, connection: ConnectionContext, disposition: number): void {
  if (disposition & Disposition.FORWARD_PROGRESS) {
    forwardProgress(connection.path.neighbor, core.tcp.ticks);
    indicateBacklogChange(core, connection);
  }
  if (connection.sendCompletions !== null) postSendCompletions(core, connection);
  connection.delivery.segmentEnd((disposition & Disposition.PUSH) !== 0);
  if (disposition & UNUSUAL) applyUnusual(core, connection, disposition);
}

function applyUnusual(core: NicCore, connection: ConnectionContext, disposition: number): void {
  // DISC-11: FIN and data were acknowledged. The sends before it are complete already (DISC-10).
  if (disposition & Disposition.FIN_ACKNOWLEDGED) {
    connection.sends.takeAll();
    completeDisconnect(core, connection, NdisStatus.SUCCESS);
  }
  if (disposition & Disposition.PEER_CLOSED) connection.delivery.endAfterData();
  if (disposition & Disposition.RESET) {
    // EVT-03: the event may come at once.
    abortRequests(core, connection);
    raise(core, connection, TcpOffloadEventType.ABORT, 0);
    return;
  }
  if (disposition & Disposition.URGENT) {
    requestUpload(core, connection, TcpUploadReason.RECEIVED_URGENT_DATA); // URG-02
    return;
  }
  const timedOut =
    Disposition.TIME_WAIT | Disposition.TIMED_OUT | Disposition.FIN_WAIT_2_EXPIRED | Disposition.MITIGATION_EXPIRED;
  // TERM-29, TMR-RTX-02, TMR-KA-06, TMR-FW2-04, RST-10; the reason by spec/decisions.md 11.
  if (disposition & timedOut) requestUpload(core, connection, TcpUploadReason.TIMEOUT_EXPIRATION);
  // LAST-ACK ended: there is nothing more to do for the connection here.
  else if (disposition & Disposition.CLOSED) requestUpload(core, connection, TcpUploadReason.UPLOAD_REQUESTED);
}

/** Completes the sends whose last byte was acknowledged (SEND-08, SEND-15). */
function postSendCompletions(core: NicCore, connection: ConnectionContext): void {
  const completions = connection.takeSendCompletions();
  core.post({ kind: 'sendComplete', connection: connection.id, completions });
}

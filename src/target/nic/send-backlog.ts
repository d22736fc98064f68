/** How many bytes the host should keep outstanding (QRY-07, EVT-10, EVT-11, STATE-24). */
import { TcpOffloadEventType } from '../../ndis/index.ts';
import type { ConnectionContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import { raise } from './upload-request.ts';

const SMALLEST = 64 * 1024;
const LARGEST = 16 * 1024 * 1024;
/** Changes are told at most so often, microseconds. */
const QUIET_TIME = 1_000_000;

/**
 * Twice what can be in flight, as a power of two: enough that the queue does not run dry between a completion and the
 * next send. It depends on the windows and not on what is queued (STATE-24).
 */
export function sendBacklogSize(connection: ConnectionContext): number {
  const { cWnd, maxSndWnd } = connection.cb.delegated;
  const inFlight = Math.min(Math.max(cWnd, SMALLEST / 2), Math.max(maxSndWnd, SMALLEST / 2));
  let size = SMALLEST;
  while (size < LARGEST && size < 2 * inFlight) size *= 2;
  return size;
}

/** Tells the host when the number has at least doubled or halved, and not too often (EVT-11). */
export function indicateBacklogChange(core: NicCore, connection: ConnectionContext): void {
  if (core.tcp.now - connection.backlogIndicatedAt < QUIET_TIME) return;
  connection.backlogIndicatedAt = core.tcp.now;
  const size = sendBacklogSize(connection);
  if (size === connection.indicatedBacklog) return;
  connection.indicatedBacklog = size;
  raise(core, connection, TcpOffloadEventType.SEND_BACKLOG_CHANGE, size);
}

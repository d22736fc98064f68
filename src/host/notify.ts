/** Tells the application what has happened to a connection, when nothing of it is being processed. */
import { type Connection, ConnectionEvent } from './connection.ts';

/** Calls the handlers for everything that has not been told yet, in the order in which it makes sense. */
export function notify(connection: Connection): void {
  // Nobody knows the connection before its listener has handed it out.
  if (connection.listener !== null) return;
  const { events, results, softErrors } = connection;
  connection.events = 0;
  connection.results = null;
  if (softErrors !== null) {
    connection.softErrors = null;
    for (const error of softErrors) connection.handlers.softError?.(connection, error);
  }
  if (events & ConnectionEvent.CONNECTED) connection.handlers.connected?.(connection);
  if (results !== null) for (const { done, result } of results) done(result);
  if (events & ConnectionEvent.OWNER_CHANGED) connection.handlers.ownerChanged?.(connection);
  if (events & ConnectionEvent.URGENT) connection.handlers.urgent?.(connection);
  if (events & ConnectionEvent.READABLE && connection.received.length > 0) connection.handlers.readable?.(connection);
  if (events & ConnectionEvent.DRAINED && !connection.abortRequested) connection.handlers.drained?.(connection);
  if (events & ConnectionEvent.FIN_ACKNOWLEDGED) connection.handlers.finAcknowledged?.(connection);
  if (isPeerCloseDue(connection) && hasEverything(connection)) {
    connection.peerClosedDelivered = true;
    connection.handlers.peerClosed?.(connection);
  }
  notifyClosed(connection);
}

function notifyClosed(connection: Connection): void {
  const { closed } = connection;
  if (closed === null || connection.closedDelivered) return;
  // A good end comes after the end of the data.
  if (isPeerCloseDue(connection)) return;
  connection.closedDelivered = true;
  connection.handlers.closed?.(connection, closed.reason);
}

/**
 * The peer has closed, and the application is to hear of it in its turn. Who aborts (any handler may have), and whose
 * connection ends with an error, hears of that end and of nothing after it.
 */
function isPeerCloseDue(connection: Connection): boolean {
  const { closed } = connection;
  if (connection.abortRequested || (closed !== null && closed.reason !== null)) return false;
  return connection.peerClosed && !connection.peerClosedDelivered;
}

/** All that the peer sent has been read, and nothing of it is on its way between host and target. */
function hasEverything(connection: Connection): boolean {
  if (connection.received.length > 0) return false;
  const { ownership } = connection;
  switch (ownership?.owner) {
    case 'offloading':
      return ownership.unread.length === 0;
    case 'offloaded':
      return !ownership.io.waitsForPost && !ownership.io.endAwaited;
    case 'uploading':
      return false;
    default:
      return true;
  }
}

/** Servers that were written for `node:net` (`http`, `https`, `tls`, Express) listen on a host instead. */
import type { Server as NodeServer } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Host } from '../node/host.ts';
import { getDefaultHost } from './default-host.ts';
import { Server } from './server.ts';
import type { Socket } from './socket.ts';

/** What is asked of the network: everything else stays the server's own. */
const METHODS = ['listen', 'address', 'getConnections', 'ref', 'unref'] as const;

/**
 * Has a server listen on a host: from now on `listen`, `close`, `address` and their relatives act on the host's stack. The
 * server keeps its class, its options and its listeners; its sockets are those of `chimney/net`.
 *
 * @param host the default host when it is left out
 * @returns the same server
 */
export function adopt<S extends NodeServer>(server: S, host: Host = getDefaultHost()): S {
  const { noDelay, allowHalfOpen, keepAlive } = server as unknown as Readonly<Record<string, boolean | undefined>>;
  // Under TLS the socket must not end because the peer has: answers may still be on their way to the cipher.
  const isHalfOpen = allowHalfOpen || server instanceof TlsServer;
  const below = new Server(host, { noDelay, allowHalfOpen: isHalfOpen, keepAlive }, (socket: Socket) => {
    server.emit('connection', socket as never);
  });
  for (const event of ['listening', 'close', 'drop'] as const) {
    below.on(event, (...values: unknown[]) => void server.emit(event, ...(values as [])));
  }
  below.on('error', (error: Error) => void server.emit('error', error));
  const close = (callback?: (error?: Error) => void): S => {
    // An HTTP server also ends its idle connections.
    (server as { closeIdleConnections?: () => void }).closeIdleConnections?.();
    below.close(callback);
    return server;
  };
  const replaced: PropertyDescriptorMap = {
    close: { value: close, configurable: true, writable: true },
    listening: { get: () => below.listening, configurable: true },
    maxConnections: {
      get: () => below.maxConnections,
      set: (most: number) => {
        below.maxConnections = most;
      },
      configurable: true,
    },
  };
  for (const name of METHODS) {
    const value = (...values: unknown[]): unknown => {
      const method = below[name] as (...values: unknown[]) => unknown;
      const answer = method.apply(below, values);
      return answer === below ? server : answer;
    };
    replaced[name] = { value, configurable: true, writable: true };
  }
  return Object.defineProperties(server, replaced);
}

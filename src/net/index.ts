/** Sockets and servers over a host stack, as Node streams. The drop-in for `node:net` is `drop-in.ts`. */
import type { Host } from '../node/host.ts';
import { Server, type ServerOptions } from './server.ts';
import { Socket } from './socket.ts';
import type { ConnectOptions } from './socket-options.ts';

export {
  type ConnectionCounters,
  type ConnectionOwnerName,
  type HistoryEntry,
  type OffloadResult,
  type TcpInfo,
  TcpInfoCongestionState,
  TcpInfoOption,
  TcpInfoState,
} from '../host/index.ts';
export { adopt } from './adopt.ts';
export { createNet, type Net } from './create-net.ts';
export { createLoopbackHost, getDefaultHost, setDefaultHost } from './default-host.ts';
export { SocketError } from './errors.ts';
export { type ListenOptions, Server, type ServerOptions } from './server.ts';
export { Socket } from './socket.ts';
export type { ConnectOptions, OnReadOptions, SocketAddress, SocketOptions } from './socket-options.ts';

/** Opens a connection from `host`. `listener` hears `connect`. */
export function connect(host: Host, options: ConnectOptions, listener?: () => void): Socket {
  return new Socket(host, options).connect(options, listener);
}

/** A server on `host`; call `listen` on it. `listener` hears `connection`. */
export function createServer(host: Host, listener?: (socket: Socket) => void): Server;
export function createServer(host: Host, options: ServerOptions, listener?: (socket: Socket) => void): Server;
export function createServer(
  host: Host,
  optionsOrListener?: ServerOptions | ((socket: Socket) => void),
  listener?: (socket: Socket) => void,
): Server {
  return new Server(host, optionsOrListener, listener);
}

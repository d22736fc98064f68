/** A listening socket whose connections are Node streams. */
import { EventEmitter } from 'node:events';
import type { Connection, Listener } from '../host/index.ts';
import type { Host } from '../node/host.ts';
import { SocketError } from './errors.ts';
import { Socket, type SocketAddress, type SocketOptions } from './socket.ts';

/** Options of a server. */
export interface ServerOptions extends SocketOptions {
  /** Connections that are half open or wait to be accepted; more are not answered. Default 511, as in `node:net`. */
  readonly backlog?: number;
  /** Switch the Nagle algorithm off on every connection. */
  readonly noDelay?: boolean;
}

const DEFAULT_BACKLOG = 511;

/**
 * A TCP server. Events: `listening`, `connection` (with a `Socket`), `close`, `error`. To serve HTTP, give its
 * connections to Node: `server.on('connection', (socket) => httpServer.emit('connection', socket))`.
 */
export class Server extends EventEmitter {
  private readonly runtimeHost: Host;
  private readonly options: ServerOptions;
  private readonly sockets = new Set<Socket>();
  private listener: Listener | null = null;

  constructor(host: Host, options: ServerOptions = {}, listener?: (socket: Socket) => void) {
    super();
    this.runtimeHost = host;
    this.options = options;
    if (listener !== undefined) this.on('connection', listener);
  }

  /**
   * Starts to listen; `listening` follows, or `error` (EADDRINUSE) when the port is taken. Port 0 lets the stack choose.
   *
   * @throws RangeError when `port` is none
   * @throws SocketError ERR_SERVER_ALREADY_LISTEN
   */
  listen(port: number, callback?: () => void): this {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new RangeError(`${port} is no port: use a whole number from 0 to 65535.`);
    }
    if (this.listener !== null) throw new SocketError('ERR_SERVER_ALREADY_LISTEN', 'listen');
    const { address, runtime } = this.runtimeHost;
    const backlog = this.options.backlog ?? DEFAULT_BACKLOG;
    try {
      this.listener = this.runtimeHost.listen(port, backlog, (connection) => this.accepted(connection));
    } catch {
      process.nextTick(() => this.emit('error', new SocketError('EADDRINUSE', 'listen', address.toString(), port)));
      return this;
    }
    if (callback !== undefined) this.once('listening', callback);
    runtime.ref();
    process.nextTick(() => this.emit('listening'));
    return this;
  }

  get listening(): boolean {
    return this.listener !== null;
  }

  address(): SocketAddress | null {
    if (this.listener === null) return null;
    const { address } = this.runtimeHost;
    return { address: address.toString(), family: address.family === 4 ? 'IPv4' : 'IPv6', port: this.listener.port };
  }

  /** The sockets that are open. */
  get connections(): ReadonlySet<Socket> {
    return this.sockets;
  }

  /** Stops listening; `close` follows when the last connection is gone. */
  close(callback?: (error?: Error) => void): this {
    if (this.listener === null) {
      callback?.(new SocketError('ERR_SERVER_NOT_RUNNING', 'close'));
      return this;
    }
    if (callback !== undefined) this.once('close', () => callback());
    this.listener.close();
    this.listener = null;
    this.runtimeHost.runtime.unref();
    this.closeWhenIdle();
    return this;
  }

  private accepted(connection: Connection): void {
    const socket = new Socket(this.runtimeHost, this.options).accept(connection);
    if (this.options.noDelay === true) socket.setNoDelay(true);
    this.sockets.add(socket);
    socket.once('close', () => {
      this.sockets.delete(socket);
      this.closeWhenIdle();
    });
    this.emit('connection', socket);
  }

  private closeWhenIdle(): void {
    if (this.listener === null && this.sockets.size === 0) process.nextTick(() => this.emit('close'));
  }
}

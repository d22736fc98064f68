/** A listening socket whose connections are Node streams, with the properties and events of `net.Server`. */

import { channel } from 'node:diagnostics_channel';
import { lookup } from 'node:dns';
import { EventEmitter } from 'node:events';
import type { BlockList } from 'node:net';
import { getDefaultHighWaterMark } from 'node:stream';
import type { Host } from '../node/host.ts';
import { normalizeArguments, toNumber } from './arguments.ts';
import { invalidArgType, invalidArgValue, SocketError, stateError } from './errors.ts';
import { Network } from './network.ts';
import { ServerHandle } from './server-handle.ts';
import { Socket } from './socket.ts';
import type { SocketAddress, SocketOptions } from './socket-options.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { validateAbortSignal, validateBlockList, validateNumber, validatePort } from './validate.ts';

/** Options of a server. */
export interface ServerOptions {
  /** Of every connection: keep the writable half open when the peer closes. */
  readonly allowHalfOpen?: boolean;
  /** Hand out connections that read nothing until they are resumed. */
  readonly pauseOnConnect?: boolean;
  /** Switch the Nagle algorithm off on every connection. */
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  /** Milliseconds. */
  readonly keepAliveInitialDelay?: number;
  /** Bytes, of both halves of every connection. */
  readonly highWaterMark?: number;
  /** Peers whose connections are closed at once, without a word. */
  readonly blockList?: BlockList;
  /** Connections that are half open or wait to be accepted; more are not answered. Default 511, as in `node:net`. */
  readonly backlog?: number;
}

/** Where to listen. */
export interface ListenOptions {
  readonly port?: number | string | null;
  readonly host?: string;
  readonly backlog?: number;
  /** Do not take IPv4 connections on `::`. */
  readonly ipv6Only?: boolean;
  /** Has no meaning here: there are no cluster workers. */
  readonly exclusive?: boolean;
  /** Named pipes are the kernel's: this is refused. */
  readonly path?: string;
  /** File descriptors are the kernel's: this is refused. */
  readonly fd?: number;
  /** Closes the server. */
  readonly signal?: AbortSignal;
}

/** What `drop` says of a connection beyond `maxConnections`. */
export interface DropArgument {
  localAddress?: string;
  localPort?: number;
  localFamily?: string;
  remoteAddress?: string;
  remotePort?: number;
  remoteFamily?: string;
}

/** Makes the socket of an accepted connection. */
export type SocketMaker = (options: SocketOptions) => Socket;

const DEFAULT_BACKLOG = 511;

const serverChannel = channel('net.server.socket');

/**
 * A TCP server. Events: `listening`, `connection` (with a `Socket`), `drop`, `close`, `error`. To serve HTTP, give its
 * connections to Node: `server.on('connection', (socket) => httpServer.emit('connection', socket))`.
 */
export class Server extends EventEmitter {
  allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  noDelay: boolean;
  keepAlive: boolean;
  /** Seconds, whole ones. */
  keepAliveInitialDelay: number;
  highWaterMark: number;
  /** Most connections at a time; more are closed and told by `drop`. */
  maxConnections: number | undefined = undefined;
  /** Peers whose connections are closed at once. */
  readonly blockList: BlockList | undefined;
  /** @internal */
  _connections = 0;
  /** @internal */
  _handle: ServerHandle | null = null;
  /** Family, address and port that were asked for. @internal */
  _connectionKey: string | undefined = undefined;
  private readonly network: Network;
  private readonly makeSocket: SocketMaker;
  private readonly backlog: number | undefined;
  private readonly sockets = new Set<Socket>();
  private isUnreferenced = false;
  /** A lookup that belongs to an earlier `listen` or `close` has no effect. */
  private listeningId = 1;

  /**
   * @param makeSocket makes the sockets of connections
   * @throws TypeError ERR_INVALID_ARG_TYPE for options that are none
   */
  constructor(
    host: Host,
    given?: ServerOptions | ((socket: Socket) => void) | null,
    listener?: (socket: Socket) => void,
    makeSocket: SocketMaker = (options) => new Socket(host, options),
  ) {
    super();
    this.makeSocket = makeSocket;
    const options = typeof given === 'function' || given === undefined || given === null ? {} : given;
    if (typeof options !== 'object') throw invalidArgType('options', ['Object'], given);
    const onConnection = typeof given === 'function' ? given : listener;
    if (typeof onConnection === 'function') this.on('connection', onConnection);
    const { keepAliveInitialDelay = 0, highWaterMark = getDefaultHighWaterMark(false) } = options;
    validateNumber(keepAliveInitialDelay, 'options.keepAliveInitialDelay');
    validateNumber(highWaterMark, 'options.highWaterMark');
    this.network = Network.of(host);
    this.backlog = options.backlog;
    this.allowHalfOpen = options.allowHalfOpen ?? false;
    this.pauseOnConnect = Boolean(options.pauseOnConnect);
    this.noDelay = Boolean(options.noDelay);
    this.keepAlive = Boolean(options.keepAlive);
    this.keepAliveInitialDelay = Math.trunc(Math.max(0, keepAliveInitialDelay) / 1_000);
    this.blockList = validateBlockList(options.blockList);
    this.highWaterMark = highWaterMark < 0 ? getDefaultHighWaterMark(false) : highWaterMark;
  }

  /**
   * Starts to listen; `listening` or `error` follows. Port 0 lets the stack choose; without a host on all addresses.
   *
   * @throws RangeError ERR_SOCKET_BAD_PORT
   * @throws TypeError ERR_INVALID_ARG_VALUE
   * @throws Error ERR_SERVER_ALREADY_LISTEN
   */
  listen(port?: number | string, host?: string, backlog?: number, listener?: () => void): this;
  listen(port?: number | string, host?: string, listener?: () => void): this;
  listen(port?: number | string, backlog?: number, listener?: () => void): this;
  listen(port?: number | string, listener?: () => void): this;
  listen(options: ListenOptions, listener?: () => void): this;
  listen(listener?: () => void): this;
  listen(...values: readonly unknown[]): this {
    const [options, listener] = normalizeArguments<ListenOptions>(values);
    if (this._handle !== null) throw stateError('ERR_SERVER_ALREADY_LISTEN');
    if (listener !== null) this.once('listening', listener);
    this.listeningId++;
    this.obeySignal(options.signal);
    if (typeof options.fd === 'number' && options.fd >= 0) {
      // Not one of this network's, whatever the operating system knows it as.
      this.emitSoon(SocketError.explained('EINVAL', 'listen'));
      return this;
    }
    const backlog = options.backlog || backlogOf(values) || this.backlog || DEFAULT_BACKLOG;
    const port = portOf(values, options);
    if (port === undefined) throw cannotListen(options);
    const number = validatePort(port, 'options.port');
    if (options.host) this.lookupAndListen(number, options.host, options.ipv6Only === true, backlog);
    else this.listenOn(null, number, 6, false, backlog);
    return this;
  }

  get listening(): boolean {
    return this._handle !== null;
  }

  address(): SocketAddress | null {
    const name = this._handle?.sockname() ?? null;
    return name === null ? null : { ...name };
  }

  /** The sockets that are open. */
  get connections(): ReadonlySet<Socket> {
    return this.sockets;
  }

  /** Answers how many sockets are open. */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this._connections);
    return this;
  }

  ref(): this {
    this.isUnreferenced = false;
    this._handle?.ref();
    return this;
  }

  unref(): this {
    this.isUnreferenced = true;
    this._handle?.unref();
    return this;
  }

  /** Stops listening; `close` follows when the last connection is gone. */
  close(callback?: (error?: Error) => void): this {
    this.listeningId++;
    if (typeof callback === 'function') {
      if (this._handle === null) this.once('close', () => callback(stateError('ERR_SERVER_NOT_RUNNING')));
      else this.once('close', callback);
    }
    this._handle?.close();
    this._handle = null;
    this._emitCloseIfDrained();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this._handle === null) return;
    await new Promise<void>((resolve, reject) => this.close((error) => (error ? reject(error) : resolve())));
  }

  /** A listener was asynchronous and has rejected (`captureRejections`). @internal */
  override [EventEmitter.captureRejectionSymbol](error: Error, event: string | symbol, ...values: unknown[]): void {
    if (event === 'connection') (values[0] as Socket).destroy(error);
    else this.emit('error', error);
  }

  /** A socket of the server is gone. @internal */
  _socketClosed(socket: Socket): void {
    if (!this.sockets.delete(socket)) return;
    this._connections--;
    this._emitCloseIfDrained();
  }

  /** @internal */
  _emitCloseIfDrained(): void {
    if (this._handle !== null || this._connections > 0) return;
    process.nextTick(() => this.emit('close'));
  }

  private lookupAndListen(port: number, host: string, ipv6Only: boolean, backlog: number): void {
    const id = this.listeningId;
    lookup(host, (error, address, family) => {
      if (id !== this.listeningId) return;
      if (error) this.emit('error', error);
      else this.listenOn(address, port, family, ipv6Only, backlog);
    });
  }

  private listenOn(address: string | null, port: number, family: number, ipv6Only: boolean, backlog: number): void {
    const at = { address: address ?? '::', family: family === 6 ? 'IPv6' : 'IPv4', port } as const;
    const handle = ServerHandle.listen(this.network, at, ipv6Only, backlog, (_error, accepted) =>
      this.accepted(accepted),
    );
    if (typeof handle === 'string') {
      this.emitSoon(SocketError.explained(handle, 'listen', at.address, port));
      return;
    }
    this._handle = handle;
    this._connectionKey = `${family}:${at.address}:${port}`;
    if (this.isUnreferenced) handle.unref();
    process.nextTick(() => {
      // It may have been closed meanwhile.
      if (this._handle !== null) this.emit('listening');
    });
  }

  private accepted(handle: TcpHandle): void {
    const peer = this.blockList === undefined ? null : handle.peername();
    if (peer !== null && this.blockList?.check(peer.address, peer.family === 'IPv6' ? 'ipv6' : 'ipv4')) {
      handle.close();
      return;
    }
    if (this.maxConnections && this._connections >= this.maxConnections) {
      this.emit('drop', dropArgument(handle));
      handle.close();
      return;
    }
    if (this.noDelay) handle.setNoDelay(true);
    if (this.keepAlive) handle.setKeepAlive(true, this.keepAliveInitialDelay);
    const socket = this.makeSocket({
      handle,
      allowHalfOpen: this.allowHalfOpen,
      pauseOnCreate: this.pauseOnConnect,
      readableHighWaterMark: this.highWaterMark,
      writableHighWaterMark: this.highWaterMark,
      noDelay: this.noDelay,
      keepAlive: this.keepAlive,
      keepAliveInitialDelay: this.keepAliveInitialDelay * 1_000,
    });
    this._connections++;
    this.sockets.add(socket);
    socket.server = this;
    socket._server = this;
    this.emit('connection', socket);
    if (serverChannel.hasSubscribers) serverChannel.publish({ socket });
  }

  private emitSoon(error: Error): void {
    process.nextTick(() => this.emit('error', error));
  }

  private obeySignal(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    validateAbortSignal(signal, 'options.signal');
    const close = (): void => void this.close();
    if (signal.aborted) {
      process.nextTick(close);
      return;
    }
    signal.addEventListener('abort', close, { once: true });
    this.once('close', () => signal.removeEventListener('abort', close));
  }
}

/** `(port, backlog)` or `(port, host, backlog)`. */
function backlogOf(values: readonly unknown[]): number | false {
  return toNumber(values.length > 1 && values[1]) || toNumber(values.length > 2 && values[2]);
}

/** The port that was asked for, 0 for any; undefined when none was. */
function portOf(values: readonly unknown[], options: ListenOptions): number | string | undefined {
  const { port } = options;
  const isAny = values.length === 0 || typeof values[0] === 'function' || port === null;
  if (isAny || (port === undefined && 'port' in options)) return 0;
  return typeof port === 'number' || typeof port === 'string' ? port : undefined;
}

function cannotListen(options: ListenOptions): TypeError {
  if (typeof options.path === 'string' && toNumber(options.path) === false) {
    return invalidArgValue('options.path', options.path, 'names a pipe, which this network does not have');
  }
  if (!('port' in options) && !('path' in options)) {
    return invalidArgValue('options', options, 'must have the property "port" or "path"');
  }
  return invalidArgValue('options', options);
}

function dropArgument(handle: TcpHandle): DropArgument {
  const local = handle.sockname();
  const remote = handle.peername();
  return {
    localAddress: local?.address,
    localPort: local?.port,
    localFamily: local?.family,
    remoteAddress: remote?.address,
    remotePort: remote?.port,
    remoteFamily: remote?.family,
  };
}

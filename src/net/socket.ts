/**
 * A Node stream over a connection of the host stack, with the properties, events and errors of `net.Socket`. It is the
 * same object while the connection moves between the host stack and an offload target.
 */
import { channel } from 'node:diagnostics_channel';
import type { BlockList } from 'node:net';
import { addAbortSignal, Duplex, type DuplexOptions } from 'node:stream';
import {
  type ConnectionCounters,
  type ConnectionOwnerName,
  type HistoryEntry,
  type OffloadResult,
  type TcpInfo,
  TcpInfoState,
} from '../host/index.ts';
import { NdisStatus } from '../ndis/index.ts';
import type { Host } from '../node/host.ts';
import { isNormalized, normalizeArguments } from './arguments.ts';
import { lookupAndConnect } from './connecting.ts';
import { invalidArgValue, missingArgs, SocketError, stateError } from './errors.ts';
import { type Endpoint, Network } from './network.ts';
import type { Server } from './server.ts';
import {
  type ConnectOptions,
  checkOptions,
  isOnRead,
  type OnReadOptions,
  type SocketAddress,
  type SocketOptions,
} from './socket-options.ts';
import { type HandleOwner, TcpHandle } from './tcp-handle.ts';
import { timerDuration, validateBlockList, validateFunction, validateString } from './validate.ts';

const clientChannel = channel('net.client.socket');

/**
 * A TCP socket. Bytes given to `write` are copied, as a kernel would, so that the caller may reuse its buffer after the
 * callback; bytes read are views of the frames in which they arrived.
 *
 * Events: those of `net.Socket`, and `owner` (another owner runs the connection).
 */
export class Socket extends Duplex implements HandleOwner {
  connecting = false;
  /** Milliseconds of idleness until `timeout`, as it was set. */
  timeout: number | undefined = undefined;
  /** The addresses that were tried, `address:port`, when there were several. */
  autoSelectFamilyAttemptedAddresses: string[] | undefined = undefined;
  /** The server that accepted it. */
  server: Server | null = null;
  /** @internal */
  _handle: TcpHandle | null = null;
  /** @internal */
  _server: Server | null = null;
  /** @internal */
  _host: string | null = null;
  /** @internal */
  _hadError = false;
  private readonly network: Network;
  private idleTimer: NodeJS.Timeout | null = null;
  private lastWriteQueueSize = 0;
  private inFlight = 0;
  private finalBytesRead = 0;
  private finalBytesWritten = 0;
  private peer: Endpoint | null = null;
  private isNoDelay: boolean;
  private isKeepAlive: boolean;
  /** Milliseconds. */
  private keepAliveDelay: number;
  private userBuffer: Uint8Array | null = null;
  /** Addresses that are not connected to. */
  readonly blockList: BlockList | undefined;
  private readonly onRead: OnReadOptions | null;
  private endedByPeer = false;
  private resetOnClose = false;

  /** @throws TypeError, RangeError as `net.Socket` for options that are none */
  constructor(host: Host, given: SocketOptions | number = {}) {
    const options: SocketOptions = typeof given === 'number' ? { fd: given } : { ...given };
    checkOptions(options);
    super({
      ...(options as DuplexOptions),
      allowHalfOpen: Boolean(options.allowHalfOpen),
      decodeStrings: true,
      // `close` says whether there was an error: see `_destroy`.
      emitClose: false,
      autoDestroy: true,
      // Aborted already it would be destroyed before it is made.
      signal: undefined,
    });
    this.network = Network.of(host);
    this.isNoDelay = Boolean(options.noDelay);
    this.isKeepAlive = Boolean(options.keepAlive);
    this.keepAliveDelay = Math.max(0, options.keepAliveInitialDelay ?? 0);
    this.onRead = isOnRead(options.onread) ? options.onread : null;
    this.blockList = validateBlockList(options.blockList);
    this.on('end', () => {
      this.endedByPeer = !this.allowHalfOpen;
    });
    if (options.handle !== undefined) this.adopt(options.handle, options.pauseOnCreate === true);
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
  }

  // ---- opening ----

  /**
   * Opens a connection; `connect` or `error` follows. A socket that was closed may be used again.
   *
   * @throws TypeError, RangeError as `net.Socket` for options that are none
   */
  connect(options: ConnectOptions, listener?: () => void): this;
  connect(port: number | string, host: string, listener?: () => void): this;
  connect(port: number | string, listener?: () => void): this;
  connect(...values: readonly unknown[]): this;
  connect(...values: readonly unknown[]): this {
    const [options, listener] = isNormalized<ConnectOptions>(values[0])
      ? values[0]
      : normalizeArguments<ConnectOptions>(values);
    if (listener !== null) this.once('connect', listener);
    const path = options.path ?? null;
    if (options.port === undefined && path === null) throw missingArgs('options', 'port', 'path');
    if (path) {
      validateString(path, 'options.path');
      throw invalidArgValue('options.path', path, 'names a pipe, which this network does not have');
    }
    this.endedByPeer = false;
    if (this.destroyed) {
      this._handle = null;
      this.peer = null;
    }
    if (this._handle === null) {
      this._handle = new TcpHandle(this.network);
      this.prepare();
    }
    this._unrefTimer();
    this.connecting = true;
    lookupAndConnect(this, options);
    return this;
  }

  /** A connection attempt has come to a good end. @internal */
  _connected(): void {
    const handle = this._handle;
    if (handle === null) return;
    this.connecting = false;
    this.peer = null;
    this._unrefTimer();
    if (this.isNoDelay) handle.setNoDelay(true);
    const { keepAliveDelay } = this;
    if (this.isKeepAlive) handle.setKeepAlive(true, Math.trunc(keepAliveDelay / 1_000), keepAliveDelay);
    this.emit('connect');
    this.emit('ready');
    if (!this.isPaused() && !this.destroyed) this.read(0);
  }

  /** Gives up an attempt: the next one begins with a new handle. @internal */
  _replaceHandle(): void {
    this._handle?.close();
    this._handle = new TcpHandle(this.network);
    this.prepare();
  }

  // ---- moving ----

  /** Hands the connection to the offload target. Never rejects: a refusal is a result with a status, and changes nothing. */
  offload(): Promise<OffloadResult> {
    return this.move('offload');
  }

  /** Takes the connection back from the offload target. */
  upload(): Promise<OffloadResult> {
    return this.move('upload');
  }

  /** Who runs the connection at this instant. */
  get owner(): ConnectionOwnerName {
    return this.lastConnection?.owner ?? 'host';
  }

  /** The moves of the connection, and refused attempts, oldest first. */
  get history(): readonly HistoryEntry[] {
    return this.lastConnection?.history ?? [];
  }

  /** Counters that survive every move; null before `connect`. */
  get counters(): ConnectionCounters | null {
    return this.lastConnection?.counters ?? null;
  }

  // ---- as node:net has them ----

  get pending(): boolean {
    return this._handle === null || this.connecting;
  }

  get _connecting(): boolean {
    return this.connecting;
  }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  get bufferSize(): number | undefined {
    return this._handle === null ? undefined : this.writableLength;
  }

  get remoteAddress(): string | undefined {
    return this._getpeername().address;
  }

  get remotePort(): number | undefined {
    return this._getpeername().port;
  }

  get remoteFamily(): string | undefined {
    return this._getpeername().family;
  }

  get localAddress(): string | undefined {
    return this._handle?.sockname()?.address;
  }

  get localPort(): number | undefined {
    return this._handle?.sockname()?.port;
  }

  get localFamily(): string | undefined {
    return this._handle?.sockname()?.family;
  }

  get bytesRead(): number {
    return this._handle ? this._handle.bytesRead : this.finalBytesRead;
  }

  /** Bytes given to the connection. */
  get _bytesDispatched(): number {
    return this._handle ? this._handle.bytesWritten : this.finalBytesWritten;
  }

  get bytesWritten(): number {
    // Asked of the prototype there is nothing to count.
    if (this.writableLength === undefined) return undefined as unknown as number;
    return this._bytesDispatched + (this.destroyed ? 0 : this.writableLength - this.inFlight);
  }

  /**
   * What the connection knows of itself, by the names of Linux's TCP_INFO; asked of the offload target when that runs it, which
   * knows less. Not part of `node:net`.
   */
  tcpInfo(): Promise<TcpInfo> {
    const connection = this._handle?.connection ?? null;
    if (connection === null) return Promise.resolve({ tcpi_state: TcpInfoState.CLOSE });
    return new Promise((resolve) => connection.queryInfo(resolve));
  }

  address(): SocketAddress | Record<string, never> {
    const name = this._handle?.sockname() ?? null;
    return name === null ? {} : { ...name };
  }

  /** @internal */
  _getpeername(): Partial<Endpoint> {
    if (this._handle !== null && !this.connecting) this.peer ??= this._handle.peername();
    return this.peer ?? {};
  }

  /** Switches the Nagle algorithm off, or on again. */
  setNoDelay(enable?: boolean): this {
    const wanted = enable === undefined || Boolean(enable);
    if (wanted !== this.isNoDelay) this._handle?.setNoDelay?.(wanted);
    this.isNoDelay = wanted;
    return this;
  }

  /** @param delay milliseconds of idleness before the first probe; 0 leaves it as it is. */
  setKeepAlive(enable?: boolean, delay = 0): this {
    const wanted = Boolean(enable);
    const isNew = wanted !== this.isKeepAlive || (wanted && delay !== this.keepAliveDelay);
    this.isKeepAlive = wanted;
    this.keepAliveDelay = delay;
    if (isNew) this._handle?.setKeepAlive?.(wanted, Math.trunc(delay / 1_000), delay);
    return this;
  }

  /** Emits `timeout` after so many milliseconds without traffic; 0 switches it off. @throws as timers do */
  setTimeout(milliseconds: number, listener?: () => void): this {
    if (this.destroyed) return this;
    this.timeout = milliseconds;
    const duration = timerDuration(milliseconds, 'msecs');
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    this.idleTimer = null;
    if (listener !== undefined) validateFunction(listener, 'callback');
    if (duration === 0) {
      if (listener !== undefined) this.removeListener('timeout', listener);
      return this;
    }
    this.idleTimer = setTimeout(() => this._onTimeout(), duration).unref();
    if (listener !== undefined) this.once('timeout', listener);
    return this;
  }

  /** @internal */
  _onTimeout(): void {
    const handle = this._handle;
    if (handle !== null && this.lastWriteQueueSize > 0 && this.lastWriteQueueSize !== handle.writeQueueSize) {
      // A long write is under way: that is no idleness.
      this.lastWriteQueueSize = handle.writeQueueSize;
      this._unrefTimer();
      return;
    }
    this.emit('timeout');
  }

  /** There was traffic. @internal */
  _unrefTimer(): void {
    this.idleTimer?.refresh();
  }

  ref(): this {
    if (this._handle === null) this.once('connect', this.ref);
    else this._handle.ref();
    return this;
  }

  unref(): this {
    if (this._handle === null) this.once('connect', this.unref);
    else this._handle.unref();
    return this;
  }

  /** Ends the writable half and destroys the socket when everything was written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Resets the connection; one that is being opened as soon as it is open. */
  resetAndDestroy(): this {
    if (this._handle === null) this.destroy(stateError('ERR_SOCKET_CLOSED'));
    else if (this.connecting) this.once('connect', () => this._reset());
    else this._reset();
    return this;
  }

  /** @internal */
  _reset(): this {
    this.resetOnClose = true;
    return this.destroy();
  }

  // ---- stream.Duplex ----

  override pause(): this {
    if (this.userBuffer !== null && !this.connecting && this._handle?.reading) this._handle.readStop();
    return super.pause();
  }

  override resume(): this {
    this.startUserBuffer();
    return super.resume();
  }

  override read(size?: number): unknown {
    this.startUserBuffer();
    return super.read(size);
  }

  /** After the peer has ended, an error that says so, instead of "write after end". */
  override write(chunk: unknown, ...rest: unknown[]): boolean {
    if (!this.endedByPeer || !this.writableEnded) {
      return (super.write as (...values: unknown[]) => boolean).call(this, chunk, ...rest);
    }
    const error = stateError('EPIPE');
    const callback = rest.find((value) => typeof value === 'function') as ((error: Error) => void) | undefined;
    if (callback !== undefined) process.nextTick(callback, error);
    this.destroy(error);
    return false;
  }

  override _read(size: number): void {
    const handle = this._handle;
    if (this.connecting || handle === null) this.once('connect', () => this._read(size));
    else if (!handle.reading) handle.readStart();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // Copied, as a kernel would: the caller may use its buffer again.
    this.transmit(() => new Uint8Array(chunk), callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.transmit(() => Buffer.concat(chunks.map(({ chunk }) => chunk)), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.pending) {
      this.once('connect', () => this._final(callback));
      return;
    }
    const handle = this._handle;
    if (handle === null) callback();
    else handle.shutdown(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.connecting = false;
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    const handle = this._handle;
    if (handle === null) {
      callback(error);
      process.nextTick(() => this.emit('close', false));
    } else {
      this.finalBytesRead = handle.bytesRead;
      this.finalBytesWritten = handle.bytesWritten;
      // The connection's history and counters stay readable.
      this.past = handle;
      const closed = (): void => void this.emit('close', error !== null && error !== undefined);
      if (this.resetOnClose) handle.reset(closed);
      else handle.close(closed);
      this.resetOnClose = false;
      this._handle = null;
      callback(error);
    }
    const server = this._server;
    if (server !== null) server._socketClosed(this);
  }

  // ---- the handle's side ----

  /** @internal */
  received(bytes: Uint8Array): void {
    if (this.destroyed) return;
    this._unrefTimer();
    if (!this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))) this._handle?.readStop();
  }

  /** @internal */
  receivedInto(length: number): void {
    const { onRead, userBuffer } = this;
    if (this.destroyed || onRead === null || userBuffer === null) return;
    this._unrefTimer();
    const goesOn = onRead.callback.call(this, length, userBuffer) !== false;
    if (typeof onRead.buffer === 'function') this.nextUserBuffer();
    if (!goesOn) this._handle?.readStop();
  }

  /** @internal */
  ended(): void {
    if (this.destroyed) return;
    this._unrefTimer();
    this._handle?.readStop();
    this.push(null);
    super.read(0);
  }

  /** @internal */
  failed(code: string): void {
    // Who closes the host wants its sockets to go, and no error.
    if (this.network.host.closed) this.destroy();
    else this.destroy(new SocketError(code, 'read'));
  }

  /** @internal */
  ownerChanged(): void {
    this.emit('owner', this.owner);
  }

  private past: TcpHandle | null = null;

  private get lastConnection() {
    return (this._handle ?? this.past)?.connection ?? null;
  }

  /** Takes over an open connection. */
  private adopt(handle: TcpHandle, isPaused: boolean): void {
    this._handle = handle;
    this.attachHandle(handle);
    if (isPaused) this.pause();
    else this.read(0);
  }

  private prepare(): void {
    (this as unknown as { _undestroy(): void })._undestroy();
    if (this._handle !== null) this.attachHandle(this._handle);
  }

  private attachHandle(handle: TcpHandle): void {
    handle.owner = this;
    if (this.onRead !== null) this.nextUserBuffer();
  }

  private nextUserBuffer(): void {
    const { buffer } = this.onRead as OnReadOptions;
    const next = typeof buffer === 'function' ? buffer() : buffer;
    if (!(next instanceof Uint8Array)) return;
    this.userBuffer = next;
    this._handle?.useUserBuffer(next);
  }

  private startUserBuffer(): void {
    if (this.userBuffer === null || this.connecting) return;
    if (this._handle !== null && !this._handle.reading) this._handle.readStart();
  }

  /** @param bytesOf gives the bytes, which belong to the connection from then on */
  private transmit(bytesOf: () => Uint8Array, callback: (error?: Error | null) => void): void {
    if (this.connecting) {
      const gone = (): void => callback(stateError('ERR_SOCKET_CLOSED_BEFORE_CONNECTION'));
      this.once('close', gone);
      this.once('connect', () => {
        this.off('close', gone);
        this.transmit(bytesOf, callback);
      });
      return;
    }
    const handle = this._handle;
    if (handle === null) {
      callback(stateError('ERR_SOCKET_CLOSED'));
      return;
    }
    this._unrefTimer();
    const bytes = bytesOf();
    const before = handle.bytesWritten;
    const isTaken = handle.write(bytes, (code) => {
      this.inFlight = 0;
      this.lastWriteQueueSize = 0;
      if (this.destroyed) callback();
      else if (code !== null && !this.network.host.closed) callback(new SocketError(code, 'write'));
      else {
        this._unrefTimer();
        callback();
      }
    });
    if (isTaken) callback();
    else {
      this.inFlight = handle.bytesWritten - before;
      this.lastWriteQueueSize = handle.writeQueueSize;
    }
  }

  private move(direction: 'offload' | 'upload'): Promise<OffloadResult> {
    const connection = this._handle?.connection ?? null;
    if (connection === null || this.destroyed) {
      const reason = this.destroyed ? 'the socket was closed' : 'the socket is not connected';
      return Promise.resolve({ ok: false, status: NdisStatus.INVALID_STATE, reason });
    }
    return new Promise((resolve) => connection[direction](resolve));
  }
}

/** Tells `diagnostics_channel` of a socket that a program has made. */
export function publishClient(socket: Socket): void {
  if (clientChannel.hasSubscribers) clientChannel.publish({ socket });
}

/**
 * A Node stream over a connection of the host stack. It is the same object while the connection moves between the host
 * stack and an offload target.
 */
import { Duplex } from 'node:stream';
import type {
  CloseReason,
  Connection,
  ConnectionCounters,
  ConnectionHandlers,
  ConnectionOwnerName,
  HistoryEntry,
  OffloadResult,
} from '../host/index.ts';
import { NdisStatus } from '../ndis/index.ts';
import type { Host } from '../node/host.ts';
import { SocketError } from './errors.ts';

/** Options of a socket. */
export interface SocketOptions {
  /** Keep the writable half open when the peer closes; as in `node:net` the default is false. */
  readonly allowHalfOpen?: boolean;
  /** Bytes that the readable half buffers before the receive window closes; Node's default. */
  readonly highWaterMark?: number;
}

/** Where to connect to. */
export interface ConnectOptions extends SocketOptions {
  /** IP address of the peer. */
  readonly host: string;
  readonly port: number;
}

/** What `Socket.address()` answers. */
export interface SocketAddress {
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly port: number;
}

/**
 * A TCP socket. Bytes given to `write` are copied, as a kernel would, so that the caller may reuse its buffer after the
 * callback; bytes read are views of the frames in which they arrived.
 *
 * Events: those of `stream.Duplex`, and `connect`, `ready`, `timeout`, `owner` (another owner runs the connection).
 */
export class Socket extends Duplex {
  private readonly runtimeHost: Host;
  private connection: Connection | null = null;
  /** What was set before there was a connection. */
  private readonly settings: ((connection: Connection) => void)[] = [];
  private isConnecting = false;
  private holdsReference = false;
  private wantsReference = true;
  private wantsData = false;
  private pendingWrite: (() => void) | null = null;
  private idleMilliseconds = 0;
  private idleTimer: NodeJS.Timeout | null = null;
  private peer: SocketAddress | null = null;
  private local: SocketAddress | null = null;
  private readBytes = 0;
  private writtenBytes = 0;

  constructor(host: Host, options: SocketOptions = {}) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      highWaterMark: options.highWaterMark,
      decodeStrings: true,
      // `close` says whether there was an error, as in node:net: see `_destroy`.
      emitClose: false,
    });
    this.runtimeHost = host;
  }

  /**
   * Opens a connection; `connect` or `error` follows.
   *
   * @throws TypeError when `host` is no IP address: names are not looked up
   * @throws RangeError when `port` is none
   */
  connect(options: ConnectOptions, listener?: () => void): this {
    const { host, port } = options;
    let connection: Connection;
    try {
      connection = this.runtimeHost.open(host, port, this.handlers());
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      // Only one thing is left that can fail: every local port towards this peer is in use.
      this.destroy(new SocketError('EADDRNOTAVAIL', 'connect', host, port));
      return this;
    }
    if (listener !== undefined) this.once('connect', listener);
    this.isConnecting = true;
    this.attach(connection);
    for (const setting of this.settings.splice(0)) setting(connection);
    return this;
  }

  /** Wraps an accepted connection. @internal */
  accept(connection: Connection): this {
    connection.handlers = this.handlers();
    this.attach(connection);
    return this;
  }

  // ---- moving ----

  /** Hands the connection to the offload target. Never rejects: a refusal is a result with a status, and changes nothing. */
  offload(): Promise<OffloadResult> {
    return this.move((connection, done) => connection.offload(done));
  }

  /** Takes the connection back from the offload target. */
  upload(): Promise<OffloadResult> {
    return this.move((connection, done) => connection.upload(done));
  }

  /** Who runs the connection at this instant. */
  get owner(): ConnectionOwnerName {
    return this.connection === null ? 'host' : this.connection.owner;
  }

  /** The moves of the connection, and refused attempts, oldest first. */
  get history(): readonly HistoryEntry[] {
    return this.connection === null ? [] : this.connection.history;
  }

  /** Counters that survive every move; null before `connect`. */
  get counters(): ConnectionCounters | null {
    return this.connection === null ? null : this.connection.counters;
  }

  // ---- as node:net has them ----

  get connecting(): boolean {
    return this.isConnecting;
  }

  get pending(): boolean {
    return this.connection === null || this.isConnecting;
  }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.isConnecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  get remoteAddress(): string | undefined {
    return this.peer?.address;
  }

  get remotePort(): number | undefined {
    return this.peer?.port;
  }

  get remoteFamily(): string | undefined {
    return this.peer?.family;
  }

  get localAddress(): string | undefined {
    return this.local?.address;
  }

  get localPort(): number | undefined {
    return this.local?.port;
  }

  get localFamily(): string | undefined {
    return this.local?.family;
  }

  get bytesRead(): number {
    return this.readBytes;
  }

  get bytesWritten(): number {
    return this.writtenBytes + this.writableLength;
  }

  address(): SocketAddress | Record<string, never> {
    return this.local ?? {};
  }

  setNoDelay(enable = true): this {
    return this.configure((connection) => connection.setNoDelay(enable));
  }

  /** @param delay milliseconds of idleness before the first probe; 0 leaves it as it is. */
  setKeepAlive(enable = false, delay = 0): this {
    return this.configure((connection) => connection.setKeepAlive(enable, delay));
  }

  /** Emits `timeout` after so many milliseconds without traffic; 0 switches it off. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    this.idleMilliseconds = milliseconds;
    if (listener !== undefined) {
      if (milliseconds === 0) this.off('timeout', listener);
      else this.once('timeout', listener);
    }
    this.restartIdleTimer();
    return this;
  }

  get timeout(): number | undefined {
    return this.idleMilliseconds === 0 ? undefined : this.idleMilliseconds;
  }

  ref(): this {
    this.wantsReference = true;
    this.holdReference();
    return this;
  }

  unref(): this {
    this.wantsReference = false;
    this.dropReference();
    return this;
  }

  /** Ends the writable half and destroys the socket when everything was written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Resets the connection. */
  resetAndDestroy(): this {
    this.connection?.abort();
    this.destroy();
    return this;
  }

  // ---- stream.Duplex ----

  override _read(): void {
    this.wantsData = true;
    this.deliver();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.transmit(Buffer.from(chunk), callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.transmit(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.isConnecting) {
      this.once('connect', () => this._final(callback));
      return;
    }
    this.connection?.shutdown();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    this.idleTimer = null;
    this.dropReference();
    const { connection } = this;
    if (connection !== null && connection.closeReason === undefined) abandon(connection, error !== null);
    callback(error);
    // After `error`, which the callback has queued.
    process.nextTick(() => this.emit('close', error !== null));
  }

  // ---- the connection's side ----

  private handlers(): ConnectionHandlers {
    return {
      connected: () => this.connected(),
      readable: () => this.deliver(),
      drained: () => this.drained(),
      peerClosed: () => {
        this.push(null);
        // Someone has to read the end, or the stream would never close.
        if (this.readableLength === 0 && !this.readableEnded) this.read(0);
      },
      closed: (_connection, reason) => this.connectionClosed(reason),
      ownerChanged: () => this.emit('owner', this.owner),
    };
  }

  private configure(setting: (connection: Connection) => void): this {
    if (this.connection === null) this.settings.push(setting);
    else setting(this.connection);
    return this;
  }

  private attach(connection: Connection): void {
    this.connection = connection;
    this.peer = addressOf(connection.remoteAddress, connection.remotePort);
    this.local = addressOf(connection.localAddress, connection.localPort);
    this.holdReference();
  }

  private connected(): void {
    if (!this.isConnecting) return;
    this.isConnecting = false;
    if (this.connection !== null) this.local = addressOf(this.connection.localAddress, this.connection.localPort);
    this.restartIdleTimer();
    this.emit('connect');
    this.emit('ready');
  }

  private deliver(): void {
    const { connection } = this;
    while (this.wantsData && connection !== null) {
      const bytes = connection.read();
      if (bytes === null) return;
      this.readBytes += bytes.length;
      this.restartIdleTimer();
      this.wantsData = this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    }
  }

  private transmit(bytes: Buffer, callback: (error?: Error | null) => void): void {
    const { connection } = this;
    if (connection === null || connection.closeReason !== undefined) {
      callback(new SocketError('EPIPE', 'write', this.peer?.address, this.peer?.port));
      return;
    }
    this.writtenBytes += bytes.length;
    this.restartIdleTimer();
    if (connection.send(bytes)) callback();
    else this.pendingWrite = callback;
  }

  private drained(): void {
    const callback = this.pendingWrite;
    this.pendingWrite = null;
    callback?.();
  }

  private connectionClosed(reason: CloseReason): void {
    this.drained();
    // In good order: the stream closes by itself when the application has read to the end.
    if (reason === null) return;
    if (this.runtimeHost.closed) {
      this.destroy();
      return;
    }
    const syscall = this.isConnecting ? 'connect' : 'read';
    this.isConnecting = false;
    this.destroy(new SocketError(reason, syscall, this.peer?.address, this.peer?.port));
  }

  private move(start: (connection: Connection, done: (result: OffloadResult) => void) => void): Promise<OffloadResult> {
    const { connection } = this;
    if (connection === null || this.destroyed) {
      const reason = this.destroyed ? 'the socket was closed' : 'the socket is not connected';
      return Promise.resolve({ ok: false, status: NdisStatus.INVALID_STATE, reason });
    }
    return new Promise((resolve) => start(connection, resolve));
  }

  private restartIdleTimer(): void {
    if (this.idleMilliseconds === 0 || this.destroyed) {
      if (this.idleTimer !== null) clearTimeout(this.idleTimer);
      this.idleTimer = null;
    } else if (this.idleTimer !== null) {
      this.idleTimer.refresh();
    } else {
      this.idleTimer = setTimeout(() => {
        this.idleTimer = null;
        this.emit('timeout');
      }, this.idleMilliseconds).unref();
    }
  }

  private holdReference(): void {
    if (this.holdsReference || !this.wantsReference || this.connection === null || this.destroyed) return;
    this.holdsReference = true;
    this.runtimeHost.runtime.ref();
  }

  private dropReference(): void {
    if (!this.holdsReference) return;
    this.holdsReference = false;
    this.runtimeHost.runtime.unref();
  }
}

/**
 * The application has dropped the socket. Like a kernel the stack finishes what was written, unless bytes were left
 * unread or something failed: then, and when more arrives later, the peer must hear of it (RFC 9293 section 3.6.1).
 */
function abandon(connection: Connection, failed: boolean): void {
  if (failed || connection.unreadBytes > 0) {
    connection.handlers = {};
    connection.abort();
    return;
  }
  connection.handlers = { readable: (orphan) => orphan.abort() };
  connection.shutdown();
}

function addressOf(address: { family: 4 | 6; toString(): string }, port: number): SocketAddress {
  return { address: address.toString(), family: address.family === 4 ? 'IPv4' : 'IPv6', port };
}

/**
 * What a socket has below it: one connection, with the calls and the answers that a stream wants from an operating
 * system. Answers never come before the call has returned.
 */
import { AsyncResource } from 'node:async_hooks';
import type { CloseReason, Connection, ConnectionHandlers } from '../host/index.ts';
import type { Host } from '../node/host.ts';
import { IpAddress } from '../wire/index.ts';
import type { Endpoint, Network, OpenConnection } from './network.ts';

/** The socket above a handle. */
export interface HandleOwner {
  /** Bytes have arrived. The view is the owner's. */
  received(bytes: Uint8Array): void;
  /** `length` bytes have arrived in the buffer of `useUserBuffer`. */
  receivedInto(length: number): void;
  /** The peer has closed its half, and everything before that was received. */
  ended(): void;
  /** The connection is lost. @param code errno name */
  failed(code: string): void;
  /** The connection has another owner: host stack or target. */
  ownerChanged(): void;
}

/** Answer to a call; `code` is an errno name, null when all is well. */
export type Answer = (code: string | null) => void;

/** How a connection looks to its owner before it exists. */
const NO_OWNER: HandleOwner = {
  received() {},
  receivedInto() {},
  ended() {},
  failed() {},
  ownerChanged() {},
};

export class TcpHandle {
  owner: HandleOwner = NO_OWNER;
  /** Whether the owner wants bytes; set by `readStart` and `readStop`, and by the owner. */
  reading = false;
  bytesRead = 0;
  bytesWritten = 0;
  connection: Connection | null = null;
  private readonly network: Network;
  private resource: AsyncResource | null = null;
  private bound: Endpoint | null = null;
  private local: Endpoint | null = null;
  private remote: Endpoint | null = null;
  private connectDone: Answer | null = null;
  private writeDone: Answer | null = null;
  private shutdownDone: Answer | null = null;
  private userBuffer: Uint8Array | null = null;
  private peerClosed = false;
  private endTold = false;
  private failure: string | null = null;
  private closed = false;
  private settling = false;
  private wantsReference = true;
  private holdsReference = false;
  /** What was set before there was a connection. */
  private readonly settings: ((connection: Connection) => void)[] = [];

  constructor(network: Network) {
    this.network = network;
  }

  /** Around an accepted connection. */
  static accepted(network: Network, opened: OpenConnection): TcpHandle {
    const handle = new TcpHandle(network);
    opened.connection.handlers = handle.handlers();
    handle.attach(opened);
    handle.settle();
    return handle;
  }

  get host(): Host {
    return this.network.host;
  }

  /** Bytes that were written and that the peer has not acknowledged. */
  get writeQueueSize(): number {
    return this.connection === null ? 0 : this.connection.sendBuffered;
  }

  /** Chooses the local address and port; answers an errno name, or null. */
  bind(at: Endpoint): string | null {
    const ip = IpAddress.parse(at.address);
    if (ip === null) return 'EINVAL';
    const refused = this.network.checkBind(ip, at.port);
    // As in libuv an address that is in use is told by `connect`.
    if (refused !== null && refused !== 'EADDRINUSE') return refused;
    this.bound = at;
    return null;
  }

  /** Opens the connection. Answers an errno name when that is refused at once: then `done` is not called. */
  connect(to: Endpoint, done: Answer): string | null {
    const { bound } = this;
    if (bound !== null && bound.port !== 0) {
      const ip = IpAddress.parse(bound.address);
      const refused = ip === null ? 'EINVAL' : this.network.checkBind(ip, bound.port);
      if (refused !== null) return refused;
    }
    const opened = this.network.connect(to, bound, this.handlers());
    if (typeof opened === 'string') return opened;
    this.connectDone = done;
    this.attach(opened);
    for (const setting of this.settings.splice(0)) setting(opened.connection);
    return null;
  }

  /** For `async_hooks`: `http` asks for it. */
  getAsyncId(): number {
    this.resource ??= new AsyncResource('CHIMNEYTCP');
    return this.resource.asyncId();
  }

  sockname(): Endpoint | null {
    return this.local ?? this.bound;
  }

  peername(): Endpoint | null {
    return this.remote;
  }

  readStart(): void {
    if (this.closed) return;
    this.reading = true;
    this.holdReference();
    // Not at once: who starts to read is not ready to be called.
    if (this.hasNews()) setImmediate(() => this.deliver());
  }

  readStop(): void {
    this.reading = false;
    this.holdReference();
  }

  /** Received bytes go into `buffer` from now on; it is the caller's again during `receivedInto`. */
  useUserBuffer(buffer: Uint8Array): void {
    this.userBuffer = buffer;
  }

  /**
   * Sends bytes, which belong to the connection from now on. Answers whether they were taken at once; otherwise `done` is
   * called when the next ones may come.
   */
  write(bytes: Uint8Array, done: Answer): boolean {
    const { connection } = this;
    if (connection === null || connection.closeReason !== undefined || this.closed) {
      const code = this.closed ? 'EBADF' : (this.failure ?? 'EPIPE');
      this.failure = null;
      process.nextTick(done, code);
      return false;
    }
    this.bytesWritten += bytes.length;
    if (connection.send(bytes)) return true;
    this.writeDone = done;
    this.holdReference();
    return false;
  }

  /** Closes the sending half after everything that was written. */
  shutdown(done: Answer): void {
    this.shutdownDone = done;
    this.holdReference();
    // Before the FIN leaves: the answer comes in a turn of its own, and not after what the peer says to it.
    setImmediate(() => {
      this.shutdownDone = null;
      this.holdReference();
      done(null);
    });
    this.connection?.shutdown();
  }

  setNoDelay(enable: boolean): void {
    this.configure((connection) => connection.setNoDelay(enable));
  }

  /**
   * @param seconds of idleness before the first probe; 0 leaves it as it is
   * @param milliseconds the same, more precisely
   */
  setKeepAlive(enable: boolean, seconds: number, milliseconds = seconds * 1_000): void {
    this.configure((connection) => connection.setKeepAlive(enable, milliseconds));
  }

  ref(): void {
    this.wantsReference = true;
    this.holdReference();
  }

  unref(): void {
    this.wantsReference = false;
    this.holdReference();
  }

  hasRef(): boolean {
    return this.wantsReference && !this.closed;
  }

  /** Lets go of the connection: what was written is delivered, and unread bytes reset it. */
  close(done: () => void = nothing): void {
    this.finish((connection) => {
      if (this.connectDone !== null) connection.abort();
      else connection.detach();
    });
    setImmediate(done);
  }

  /** Resets the connection. */
  reset(done: () => void = nothing): void {
    this.finish((connection) => connection.abort());
    setImmediate(done);
  }

  private finish(end: (connection: Connection) => void): void {
    if (this.closed) return;
    this.closed = true;
    this.reading = false;
    this.holdReference();
    const { connection, writeDone } = this;
    this.writeDone = null;
    if (connection !== null) {
      connection.handlers = {};
      if (connection.closeReason === undefined) {
        end(connection);
        this.network.linger(connection);
      }
    }
    if (writeDone !== null) process.nextTick(writeDone, 'ECANCELED');
  }

  private handlers(): ConnectionHandlers {
    return {
      connected: () => this.connected(),
      readable: () => this.deliver(),
      drained: (connection) => {
        // Buffers are empty too when the connection is lost: then `closed` follows.
        if (!connection.closeReason) this.drained(null);
      },
      peerClosed: () => {
        this.peerClosed = true;
        this.deliver();
      },
      closed: (_connection, reason) => this.connectionClosed(reason),
      ownerChanged: () => this.owner.ownerChanged(),
    };
  }

  private attach(opened: OpenConnection): void {
    this.connection = opened.connection;
    this.local = opened.local;
    this.remote = opened.remote;
    this.holdReference();
  }

  private configure(setting: (connection: Connection) => void): void {
    if (this.connection === null) this.settings.push(setting);
    else setting(this.connection);
  }

  private connected(): void {
    const done = this.connectDone;
    this.connectDone = null;
    if (done === null) return;
    this.settle();
    this.holdReference();
    done(null);
  }

  /** Who was told of a new connection has a turn to listen before anything else is told. */
  private settle(): void {
    this.settling = true;
    setImmediate(() => {
      this.settling = false;
      this.deliver();
    });
  }

  private hasNews(): boolean {
    const { connection } = this;
    return this.failure !== null || (connection !== null && (connection.unreadBytes > 0 || this.peerClosed));
  }

  /** Gives the owner what has arrived, as long as it reads. */
  private deliver(): void {
    const { connection } = this;
    if (connection === null || this.settling) return;
    while (this.reading) {
      const bytes = connection.read(this.userBuffer?.length);
      if (bytes === null) break;
      this.bytesRead += bytes.length;
      if (this.userBuffer === null) {
        this.owner.received(bytes);
      } else {
        this.userBuffer.set(bytes);
        this.owner.receivedInto(bytes.length);
      }
    }
    if (!this.reading) return;
    if (this.failure !== null) {
      const code = this.failure;
      this.failure = null;
      this.owner.failed(code);
    } else if (this.peerClosed && !this.endTold) {
      this.endTold = true;
      this.owner.ended();
    }
  }

  private drained(code: string | null): void {
    const done = this.writeDone;
    this.writeDone = null;
    this.holdReference();
    done?.(code);
  }

  private connectionClosed(reason: CloseReason): void {
    const { connectDone } = this;
    if (connectDone !== null) {
      this.connectDone = null;
      this.holdReference();
      connectDone(reason ?? 'ECONNRESET');
      return;
    }
    // In good order: the stream closes by itself when the application has read to the end.
    if (reason === null) {
      this.drained(null);
      return;
    }
    this.failure = reason;
    if (this.writeDone !== null) {
      this.failure = null;
      this.drained(reason);
    } else this.deliver();
    this.holdReference();
  }

  /** Keeps the process alive as long as something can happen that the application waits for. */
  private holdReference(): void {
    const isActive = this.reading || this.connectDone !== null || this.writeDone !== null || this.shutdownDone !== null;
    const wanted = isActive && this.wantsReference && !this.closed;
    if (wanted === this.holdsReference) return;
    this.holdsReference = wanted;
    if (wanted) this.host.runtime.ref();
    else this.host.runtime.unref();
  }
}

function nothing(): void {}

/** A TCP socket as a process has it, over the connections and listeners of the host stack. */
import type { Connection, ConnectionOptions, Listener } from '../host/index.ts';
import type { Machine } from './machine.ts';
import { tcpInfo } from './tcp-info.ts';
import { constant } from './values.ts';

/** What a call has come to; null stands for "it would block". */
export interface Outcome {
  /** The result; -1 with an error. */
  readonly value: number;
  readonly error: string | null;
  /** The call makes a descriptor: its number is the result. */
  readonly descriptor?: Descriptor;
}

/** What stands behind a file descriptor. */
export type Descriptor = TcpSocket | EpollSet;

export function success(value = 0): Outcome {
  return { value, error: null };
}

export function failure(error: string): Outcome {
  return { value: -1, error };
}

/** Applied to the connection as soon as there is one, and to those that a listener accepts. */
export type DeferredOption = (connection: Connection) => void;

const POLLIN = constant('POLLIN') ?? 0;
const POLLOUT = constant('POLLOUT') ?? 0;
const POLLERR = constant('POLLERR') ?? 0;
const POLLHUP = constant('POLLHUP') ?? 0;
const POLLRDHUP = constant('POLLRDHUP') ?? 0;

export class TcpSocket {
  readonly kind = 'socket';
  nonBlocking = false;
  boundPort = 0;
  listener: Listener | null = null;
  connection: Connection | null = null;
  /** Established connections that accept has not returned. */
  readonly acceptQueue: Connection[] = [];
  /** The error of the connection that no call has reported. */
  error: string | null = null;
  isConnected = false;
  /** connect has returned success, or was told to have. */
  connectReported = false;
  readShut = false;
  writeShut = false;
  /** SO_LINGER, seconds; -1 off. */
  linger = -1;
  /** Most unacknowledged bytes that a write may leave. */
  sendLimit: number;
  /** Options that a connection begins with. */
  chosen: ConnectionOptions = {};
  /** Options set on a connection when it is there, by name. */
  readonly deferred = new Map<string, DeferredOption>();
  /** Values of all options set so far, by name. */
  readonly values = new Map<string, number | string>();
  readonly machine: Machine;

  constructor(machine: Machine, sendLimit: number) {
    this.machine = machine;
    this.sendLimit = sendLimit;
  }

  /** Takes a connection over: it was opened by this socket or accepted for it. */
  attach(connection: Connection): void {
    this.connection = connection;
    connection.handlers = {
      connected: () => {
        this.isConnected = true;
      },
      closed: (_connection, reason) => {
        if (reason !== null && this.error === null) this.error = reason;
      },
    };
    for (const apply of this.deferred.values()) apply(connection);
  }

  /** Remembers an option and sets it on the connection, if there is one. */
  setDeferred(name: string, apply: DeferredOption): void {
    this.deferred.set(name, apply);
    if (this.connection !== null) apply(this.connection);
  }

  get isOver(): boolean {
    return this.connection?.closeReason !== undefined;
  }

  /** The peer has closed and everything was read, or the connection is gone. */
  get atEnd(): boolean {
    const { connection } = this;
    if (this.readShut || connection === null) return true;
    return connection.unreadBytes === 0 && (connection.peerHasClosed || this.isOver);
  }

  /** What TCP_INFO says. */
  members(): Readonly<Record<string, number>> {
    return tcpInfo(this.connection);
  }

  /** Takes the pending error, as every call does that reports one. */
  takeError(): string | null {
    const { error } = this;
    this.error = null;
    return error;
  }

  /** Bytes that a write may add now. */
  get sendRoom(): number {
    return this.connection === null ? 0 : Math.max(0, this.sendLimit - this.connection.sendBuffered);
  }

  /** What poll says: POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP. */
  get readiness(): number {
    if (this.listener !== null) return this.hasWaiting ? POLLIN : 0;
    const { connection } = this;
    if (connection === null) return POLLOUT | POLLHUP;
    let bits = 0;
    const peerDone = this.readShut || connection.peerHasClosed || this.isOver;
    if (connection.unreadBytes > 0 || peerDone) bits |= POLLIN;
    if (peerDone) bits |= POLLRDHUP;
    if ((this.isConnected && this.sendRoom > 0) || this.isOver || this.writeShut) bits |= POLLOUT;
    if (this.error !== null) bits |= POLLERR;
    if (this.isOver || (peerDone && this.writeShut)) bits |= POLLHUP;
    return bits;
  }

  /** Established connections that accept would return. */
  get hasWaiting(): boolean {
    return this.acceptQueue.length > 0 || (this.listener !== null && this.listener.waiting > 0);
  }

  /** The next established connection. The listener hands out one at a time, so that the others count in its backlog. */
  nextAccepted(): Connection | null {
    const { listener } = this;
    if (this.acceptQueue.length === 0 && listener !== null && listener.waiting > 0) {
      listener.resume();
      this.machine.settle();
    }
    return this.acceptQueue.shift() ?? null;
  }

  /** close: how depends on linger and on what was not read (RFC 9293 section 3.10.4, RFC 2525 section 2.17). */
  close(resetsUnread: boolean): void {
    this.listener?.close();
    const { connection } = this;
    if (connection === null) return;
    if (this.linger === 0 || !this.isConnected) connection.abort();
    else connection.detach(!resetsUnread);
  }
}

/** What epoll_create makes: descriptors and what is waited for. */
export class EpollSet {
  readonly kind = 'epoll';
  readonly members = new Map<number, { readonly socket: TcpSocket; events: number }>();

  /** epoll instances cannot be waited for here. */
  get readiness(): number {
    return 0;
  }
}

/** A TCP socket as a process has it, over the connections and listeners of the host stack. */
import type { Connection, ConnectionOptions, Listener, SoftError } from '../host/index.ts';
import { Icmpv4Type } from '../wire/index.ts';
import type { OpenFile, PipeEnd } from './files.ts';
import type { SocketHabits } from './habits.ts';
import type { Machine } from './machine.ts';
import type { IcmpMessage } from './script.ts';
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
export type Descriptor = TcpSocket | EpollSet | OpenFile | PipeEnd;

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

/** How long a corked socket holds bytes back. */
const CORK_MICROSECONDS = 200_000;

const NOTHING = new Uint8Array(0);

/** Soft errors by the names that calls return. */
const SOFT_ERRORS: Readonly<Record<Exclude<SoftError, 'excessive-retransmission'>, string>> = {
  'host-unreachable': 'EHOSTUNREACH',
  'port-unreachable': 'ECONNREFUSED',
  'time-exceeded': 'EHOSTUNREACH',
  'parameter-problem': 'EPROTO',
};

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
  /** What a router has said last that did not end the connection. */
  softError: string | null = null;
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
  /** What getsockopt says of options that read back as something else than was set. */
  readonly readBack = new Map<string, number>();
  readonly machine: Machine;
  readonly habits: SocketHabits;
  /** TCP_CORK, TCP_NOPUSH: only full segments leave. */
  private corked = false;
  /** Bytes that were written and wait for more, since the socket is corked or MSG_MORE said so. */
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  /** How often bytes began to be held: an alarm set before belongs to others. */
  private holds = 0;

  constructor(machine: Machine, sendLimit: number, habits: SocketHabits) {
    this.machine = machine;
    this.sendLimit = sendLimit;
    this.habits = habits;
  }

  /** Switches corking; what is held leaves when it ends. */
  setCork(on: boolean): void {
    this.corked = on;
    if (!on) this.flush();
  }

  /** Sends bytes, full segments alone when more is to follow. */
  push(bytes: Uint8Array, more: boolean): void {
    const { connection } = this;
    if (connection === null) return;
    this.held.push(bytes);
    this.heldBytes += bytes.length;
    const rest = this.corked || more ? this.heldBytes % this.segmentSize : 0;
    let ready = this.heldBytes - rest;
    this.heldBytes = rest;
    while (ready > 0) {
      const first = this.held[0];
      connection.send(first.subarray(0, ready));
      if (first.length > ready) this.held[0] = first.subarray(ready);
      else this.held.shift();
      ready -= first.length;
    }
    if (rest > 0) this.holdFor(CORK_MICROSECONDS);
    else this.holds++;
  }

  /** Sends what is held. */
  flush(): void {
    if (this.heldBytes > 0) {
      this.corked = false;
      this.push(NOTHING, false);
    }
  }

  private holdFor(microseconds: number): void {
    const hold = ++this.holds;
    if (!this.habits.corkEnds) return;
    const { corked } = this;
    this.machine.alarm(this.machine.now + microseconds, () => {
      if (hold !== this.holds) return;
      this.flush();
      this.corked = corked;
    });
  }

  private get segmentSize(): number {
    const ownership = this.connection?.ownership ?? null;
    return ownership !== null && ownership.owner === 'host' ? Math.max(1, ownership.cb.sendMss) : 1;
  }

  /** close has something to wait for: bytes or a FIN that the peer has not acknowledged. */
  get lingers(): boolean {
    const { connection } = this;
    return connection !== null && connection.closeReason === undefined && !connection.finAcknowledged;
  }

  /** Takes a connection over: it was opened by this socket or accepted for it. */
  attach(connection: Connection): void {
    this.connection = connection;
    connection.handlers = {
      connected: () => {
        this.isConnected = true;
      },
      closed: (_connection, reason) => {
        if (reason !== null && this.error === null) this.error = this.errorOf(reason, connection);
      },
      softError: (_connection, error) => {
        if (error !== 'excessive-retransmission') this.softError = SOFT_ERRORS[error];
      },
    };
    for (const apply of this.deferred.values()) apply(connection);
  }

  /** ICMP has had its say while the connection was opened: if that ended it, the error is the one of the system. */
  refused(message: IcmpMessage | null): void {
    if (this.error !== 'EHOSTUNREACH' && this.error !== 'ECONNREFUSED') return;
    if (message?.type === Icmpv4Type.DESTINATION_UNREACHABLE) {
      this.error = this.habits.unreachable[message.code] ?? 'EHOSTUNREACH';
    }
  }

  /** What ICMP had to say of a connection goes before the silence that ended it. */
  private errorOf(reason: string, connection: Connection): string {
    if (reason === 'ETIMEDOUT') return this.softError ?? reason;
    return reason === 'ECONNRESET' && connection.peerHasClosed ? this.habits.resetInCloseWait : reason;
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
    return tcpInfo(this.connection, this.habits.infoInBytes);
  }

  /** Takes the pending error, as every call does that reports one. */
  takeError(): string | null {
    const { error } = this;
    this.error = null;
    return error;
  }

  /** Bytes that a write may add now. */
  get sendRoom(): number {
    const { connection } = this;
    return connection === null ? 0 : Math.max(0, this.sendLimit - connection.sendBuffered - this.heldBytes);
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
    this.flush();
    if (this.linger === 0 || !this.isConnected) connection.abort();
    else connection.detach(!resetsUnread);
  }
}

/** Members of the union that an event carries. */
export const EPOLL_DATA = ['fd', 'ptr', 'u32', 'u64'] as const;

/** One descriptor of an epoll instance. */
export interface EpollMember {
  readonly socket: Descriptor;
  readonly fd: number;
  readonly events: number;
  /** The number that the events carry. */
  readonly data: number;
  /** What edge triggering has reported last. */
  reported: string;
  /** EPOLLONESHOT has reported and waits for epoll_ctl. */
  isDisarmed: boolean;
}

/** What epoll_create makes: descriptors and what is waited for. */
export class EpollSet {
  readonly kind = 'epoll';
  readonly members = new Map<number, EpollMember>();

  /** epoll instances cannot be waited for here. */
  get readiness(): number {
    return 0;
  }
}

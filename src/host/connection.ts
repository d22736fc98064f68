/**
 * A TCP connection as the application sees it. It stays the same object for its whole life, while the host stack and
 * the offload target take turns in running it.
 */
import { NdisOffloadHandle } from '../ndis/offload-handle.ts';
import { NdisStatus } from '../ndis/status.ts';
import { TcpState } from '../tcp/state.ts';
import { TcpCachedFlag, TcpCachedState, type TcpConstantState } from '../tcp/variables.ts';
import type { IpAddress } from '../wire/index.ts';
import type { BufferTuning, ReceiveTuning } from './buffer-tuning.ts';
import type { Ownership } from './chimney/switch.ts';
import { ConnectionFlags } from './connection-flags.ts';
import type { ConnectionOptions } from './connection-options.ts';
import {
  type CloseReason,
  ConnectionCounters,
  type ConnectionHandlers,
  type ConnectionOwnerName,
  type HistoryEntry,
  type OffloadResult,
  type SoftError,
} from './connection-types.ts';
import type { HostCore } from './core.ts';
import type { HostMemory } from './memory.ts';
import type { Path, PathMember } from './path/path.ts';
import { ReceiveQueue } from './receive-queue.ts';
import type { HostSettings } from './settings.ts';
import { CLOSED_INFO, infoOf, type TcpInfo } from './tcp-info.ts';
import type { HostTimer } from './timer.ts';
import type { Listener } from './transport/listener.ts';

/** Entries of `Connection.history` that are kept. */
const HISTORY_LIMIT = 256;

/** What a connection asks of its stack. */
export interface ConnectionServices {
  readonly core: HostCore;
  readonly tuning: BufferTuning;
  readonly memory: HostMemory;
  /** Has the connection processed soon, from within `HostStack.advance`. */
  schedule(connection: Connection): void;
  /** Tells the connection's engine, or its target, of a new path MTU. */
  pathMtuChanged(connection: Connection, pathMtu: number): void;
  destinationUnreachable(connection: Connection): void;
  /** Answers from within `HostStack.advance` what the owner of the connection knows of it. */
  queryInfo(connection: Connection, answer: (info: TcpInfo) => void): void;
}

/** A wish to move a connection, until it is fulfilled or refused. */
export interface MoveRequest {
  /** For the history: `request`, `policy`, or the target's upload reason. */
  readonly reason: string;
  readonly requestedAt: number;
  readonly done: ((result: OffloadResult) => void)[];
}

/** A finished move, and the caller who has not been told. */
export interface MoveAnswer {
  readonly done: (result: OffloadResult) => void;
  readonly result: OffloadResult;
}

/** The history of every connection that has not moved. */
const NO_HISTORY: readonly HistoryEntry[] = [];

/** What the application has not been told yet, as bits. */
export const ConnectionEvent = {
  CONNECTED: 1,
  READABLE: 2,
  DRAINED: 4,
  OWNER_CHANGED: 8,
  URGENT: 16,
  FIN_ACKNOWLEDGED: 32,
} as const;

export class Connection extends ConnectionFlags implements PathMember {
  /** The same in every segment (RFC 9293 MUST-45). */
  readonly localAddress: IpAddress;
  readonly localPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  /** The application's. May be replaced at any time. */
  handlers: ConnectionHandlers;
  /** For the application: whatever it wants to remember with the connection. */
  context: unknown = null;
  readonly counters = new ConnectionCounters();
  private readonly services: ConnectionServices;
  /** Replaced, not changed: so it has no room for more than there is. */
  private entries = NO_HISTORY;
  private ownHandle: NdisOffloadHandle | null = null;
  private ownDesired: TcpCachedState | null = null;

  constructor(
    services: ConnectionServices,
    localAddress: IpAddress,
    remoteAddress: IpAddress,
    remotePort: number,
    localPort: number,
    constant: TcpConstantState,
    cached: Readonly<TcpCachedState>,
    settings: HostSettings,
    options: ConnectionOptions,
    handlers: ConnectionHandlers,
  ) {
    super();
    this.services = services;
    this.localAddress = localAddress;
    this.localPort = localPort;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.constant = constant;
    this.cached = cached;
    this.sendLimit = settings.sendBufferBytes;
    this.tunesSendBuffer = settings.tunesSendBuffer;
    this.tunesReceiveBuffer = options.receiveBufferBytes === undefined && settings.tunesReceiveBuffer;
    this.options = options;
    this.handlers = handlers;
  }

  // ---- for the application ----

  /** Who runs the connection. */
  get owner(): ConnectionOwnerName {
    return this.ownership === null ? 'host' : this.ownership.owner;
  }

  /** What the connection knows of itself; null while an offload target runs it, or gives it back: see `queryInfo`. */
  info(): TcpInfo | null {
    const { ownership } = this;
    if (this.isClosed || ownership === null) return CLOSED_INFO;
    if (ownership.owner !== 'host' && ownership.owner !== 'offloading') return null;
    return infoOf(this.services.core.tcp, this, ownership.cb);
  }

  /**
   * Asks the same of whoever runs the connection. `answer` is called once, from within `HostStack.advance`; of an offloaded
   * connection it lacks what the contract's query does not carry.
   */
  queryInfo(answer: (info: TcpInfo) => void): void {
    this.services.queryInfo(this, answer);
  }

  /** The state of RFC 9293, as far as the host knows it: of an offloaded connection it knows what was indicated. */
  get state(): TcpState {
    const { ownership } = this;
    if (this.isClosed || ownership === null) return TcpState.CLOSED;
    if (ownership.owner === 'host' || ownership.owner === 'offloading') return ownership.cb.delegated.state;
    return this.stateFromIndications();
  }

  /** Moves of the connection and refused attempts, oldest first; the most recent 256. */
  get history(): readonly HistoryEntry[] {
    return this.entries;
  }

  /** Bytes given to `send` that the peer has not acknowledged. */
  get sendBuffered(): number {
    return this.sendBufferedBytes;
  }

  /** Bytes that can be read now. While the connection moves, bytes in transit do not count. */
  get unreadBytes(): number {
    return this.received.length;
  }

  /** The peer has closed its half, whether or not everything before that was read. */
  get peerHasClosed(): boolean {
    return this.peerClosed;
  }

  /** Why the connection ended; undefined while it has not. */
  get closeReason(): CloseReason | undefined {
    return this.closed?.reason;
  }

  /**
   * Sends bytes, by reference: they must not change until they are acknowledged. Returns whether the application may go
   * on; after false it should wait for `drained`. Bytes sent after `shutdown`, or to a closed connection, are dropped.
   */
  send(bytes: Uint8Array): boolean {
    if (this.shutdownRequested || this.abortRequested || this.closed !== null) return false;
    if (bytes.length > 0) {
      if (this.unsent === null) this.unsent = [bytes];
      else this.unsent.push(bytes);
      this.unsentBytes += bytes.length;
      this.sendBufferedBytes += bytes.length;
      this.counters.bytesSent += bytes.length;
      this.services.schedule(this);
    }
    if (this.sendBufferedBytes < this.services.memory.sendLimit(this.sendLimit)) return true;
    this.drainAwaited = true;
    return false;
  }

  /**
   * As `send`, with the URGENT flag: the peer's application is asked to hurry up to the end of these bytes (RFC 9293 section
   * 3.8.5, MUST-30). New applications SHOULD NOT use it (SHLD-13); middleboxes clear it, and stacks disagree about the last
   * byte. No offload target sends urgent data: the connection comes back first, and stays until it is acknowledged.
   */
  sendUrgent(bytes: Uint8Array): boolean {
    const { bytesSent } = this.counters;
    const goesOn = this.send(bytes);
    if (this.counters.bytesSent > bytesSent) this.urgentSendEnd = this.counters.bytesSent;
    return goesOn;
  }

  /** Bytes that are still to be read before the end of the peer's urgent data, those included that have not come yet (MUST-33). */
  get urgentBytes(): number {
    return Math.max(0, this.urgentEnd - (this.counters.bytesReceived - this.received.length));
  }

  /**
   * The next unread bytes, at most `limit`, or null. They count as consumed: the window may open. The view is the
   * application's.
   */
  read(limit = Number.POSITIVE_INFINITY): Uint8Array | null {
    const chunk = this.received.shift(limit);
    if (chunk === null) return null;
    this.unreported += chunk.length;
    this.services.tuning.read(this, chunk.length);
    this.services.schedule(this);
    return chunk;
  }

  /** Closes the sending half: a FIN follows what was sent (RFC 9293 CLOSE). Receiving goes on. */
  shutdown(): void {
    if (this.shutdownRequested || this.closed !== null) return;
    this.shutdownRequested = true;
    this.services.schedule(this);
  }

  /**
   * The application is done with the connection: the sending half closes as by `shutdown`, and nothing will be read any
   * more (RFC 9293 MAY-1). Bytes that arrive later therefore reset it (SHLD-3, RFC 2525 section 2.17), and so do unread ones unless
   * `discardUnread`.
   */
  detach(discardUnread = false): void {
    this.detached = true;
    if (discardUnread) {
      // They count as read: the window opens, and what the peer has left to say is answered with a reset.
      this.unreported += this.received.length;
      this.received.clear();
    }
    if (this.received.length > 0) this.abort();
    else this.shutdown();
  }

  /** Ends the connection with a reset (RFC 9293 ABORT); unsent and unread bytes are dropped. */
  abort(): void {
    if (this.abortRequested || this.closed !== null) return;
    this.abortRequested = true;
    this.received.clear();
    this.services.schedule(this);
  }

  /** Hands the connection to the offload target. `done` is called once, from within `HostStack.advance`. */
  offload(done: (result: OffloadResult) => void = ignore): void {
    this.requestOffload('request', done);
  }

  /** Takes the connection back from the offload target. `done` is called once, from within `HostStack.advance`. */
  upload(done: (result: OffloadResult) => void = ignore): void {
    // Who takes a connection back by hand does not want the policy to give it away again.
    this.policySuspended = true;
    this.requestUpload('request', done);
  }

  /** Switches the Nagle algorithm off, or on again (RFC 9293 section 3.7.4, MUST-17). */
  setNoDelay(enable: boolean): void {
    this.changeCached((cached) => setFlag(cached, TcpCachedFlag.NAGLING_ENABLED, !enable));
  }

  /** Switches keepalive probes, which are off (RFC 9293 section 3.8.4, MUST-24, MUST-25, MUST-27). @param delayMilliseconds idle time before the first one; 0 leaves it. */
  setKeepAlive(enable: boolean, delayMilliseconds = 0): void {
    this.changeCached((cached) => {
      setFlag(cached, TcpCachedFlag.KEEP_ALIVE_ENABLED, enable);
      if (delayMilliseconds > 0) cached.kaTimeout = this.services.core.milliseconds(delayMilliseconds);
      setFlag(cached, TcpCachedFlag.KEEP_ALIVE_RESTART, true);
    });
  }

  /** How often and how many keepalive probes go unanswered before the connection counts as broken (RFC 9293 section 3.8.4). */
  setKeepAliveProbes(intervalMilliseconds: number, count: number): void {
    this.changeCached((cached) => {
      cached.kaInterval = this.services.core.milliseconds(intervalMilliseconds);
      cached.kaProbeCount = Math.max(1, Math.min(count, 255));
      setFlag(cached, TcpCachedFlag.KEEP_ALIVE_RESTART, true);
    });
  }

  /**
   * Sets the type of service of our datagrams (the whole byte) and their time to live, at any time; null leaves it (RFC 9293
   * MUST-48, MUST-49, SHLD-21).
   */
  setDatagramFields(typeOfService: number | null, timeToLive: number | null): void {
    this.changeCached((cached) => {
      if (typeOfService !== null) cached.tosOrTrafficClass = typeOfService & 0xff;
      if (timeToLive !== null) cached.ttlOrHopLimit = Math.max(1, Math.min(timeToLive, 255));
    });
  }

  /**
   * Changes the receive buffer, bytes; the window follows it (UPD-13). A window that was advertised is not taken back. From
   * now on the buffer has this size, whatever the connection would need.
   */
  setReceiveBuffer(bytes: number): void {
    this.tunesReceiveBuffer = false;
    this.growReceiveBuffer(Math.max(1, Math.min(bytes, 0x3fffffff)));
  }

  /** Changes how many bytes may be unacknowledged before `send` asks to wait; it does not follow the connection any more. */
  setSendBuffer(bytes: number): void {
    this.tunesSendBuffer = false;
    this.sendLimit = Math.max(1, bytes);
    this.noteDrained();
  }

  /**
   * Gives up when something could not be delivered for so long, in any state: a SYN or text that is not acknowledged, text that
   * a closed window holds back, keepalive probes without an answer; 0 counts retransmissions and probes instead (RFC 5482, RFC
   * 9293 MUST-21). An offload target knows it as MaxRT, which concerns retransmission alone (TMR-RTX-03).
   */
  setUserTimeout(milliseconds: number): void {
    this.changeCached((cached) => {
      cached.maxRt = milliseconds === 0 ? 0 : this.services.core.milliseconds(milliseconds);
      setFlag(cached, TcpCachedFlag.MAX_RT_RESTART, true);
    });
  }

  // ---- for the stack: not part of the application's interface ----

  /** The switch. Null before the connection was opened. @internal */
  ownership: Ownership | null = null;
  /** @internal */
  path: Path | null = null;
  /** The listener that it waits for while it is half open or not accepted. @internal */
  listener: Listener | null = null;
  /** Names the connection towards the target; made when it is first named. @internal */
  get handle(): NdisOffloadHandle {
    this.ownHandle ??= new NdisOffloadHandle(this);
    return this.ownHandle;
  }
  /** @internal */
  readonly constant: TcpConstantState;
  /** Cached variables as the present owner has them; other connections may have the same object. @internal */
  cached: Readonly<TcpCachedState>;
  /**
   * Cached variables as the application wants them, with command flags that nobody has obeyed yet; made when it first
   * wants something else than the stack does. @internal
   */
  get desired(): TcpCachedState {
    this.ownDesired ??= Object.assign(new TcpCachedState(), this.cached);
    return this.ownDesired;
  }
  /** Receive window when nothing is unread, bytes. @internal */
  get receiveBuffer(): number {
    return (this.ownDesired ?? this.cached).initialRcvWnd;
  }

  /** Bytes of the application that no owner has yet; null when there are none. @internal */
  unsent: Uint8Array[] | null = null;
  /** @internal */
  unsentBytes = 0;
  /** @internal */
  sendBufferedBytes = 0;
  /** @internal */
  sendLimit: number;
  /** Made with the first read. @internal */
  tuning: ReceiveTuning | null = null;
  /** What `HostMemory` counts for the connection, bytes. @internal */
  accounted = 0;
  /** @internal */
  readonly received = new ReceiveQueue();
  /** Bytes that were read and that the engine does not know of. @internal */
  unreported = 0;
  /** What was chosen for this connection. @internal */
  readonly options: ConnectionOptions;

  /** @internal */
  offloadRequest: MoveRequest | null = null;
  /** @internal */
  uploadRequest: MoveRequest | null = null;
  /** Refusals in a row: the policy waits longer each time. @internal */
  refusals = 0;
  /** Runs while the policy waits. @internal */
  retryTimer: HostTimer | null = null;

  /** `ConnectionEvent` bits. @internal */
  events = 0;
  /** Finished moves whose callers have not been told, in their order; null when there are none. @internal */
  results: MoveAnswer[] | null = null;
  /** Where in the stream that we send urgent data ends, bytes from its start; behind what is acknowledged while it matters. */
  private urgentSendEnd = 0;
  /** Where in the stream that we receive urgent data ends. */
  private urgentEnd = 0;
  /** Soft errors that the application has not been told, each once; null when there are none. @internal */
  softErrors: SoftError[] | null = null;
  /** The connection is over; the application may not know yet. @internal */
  closed: { readonly reason: CloseReason } | null = null;

  /** @internal */
  pathMtuChanged(pathMtu: number): void {
    this.services.pathMtuChanged(this, pathMtu);
  }

  /** @internal */
  destinationUnreachable(): void {
    this.services.destinationUnreachable(this);
  }

  /** @internal */
  requestOffload(reason: string, done: (result: OffloadResult) => void): void {
    if (this.closed !== null || this.isClosed) {
      this.answer(done, NdisStatus.INVALID_STATE, 'the connection is closed');
    } else if (this.owner === 'offloaded' || this.owner === 'uploading') {
      const where = this.owner === 'offloaded' ? 'already offloaded' : 'being uploaded';
      this.answer(done, NdisStatus.INVALID_STATE, `the connection is ${where}`);
    } else if (this.offloadRequest !== null) {
      this.offloadRequest.done.push(done);
    } else {
      this.offloadRequest = { reason, requestedAt: this.services.core.tcp.now, done: [done] };
      this.services.schedule(this);
    }
  }

  /** @internal */
  requestUpload(reason: string, done: (result: OffloadResult) => void): void {
    if (this.owner === 'host' && this.offloadRequest === null) {
      this.answer(done, NdisStatus.INVALID_STATE, 'the connection is not offloaded');
    } else if (this.uploadRequest !== null) {
      this.uploadRequest.done.push(done);
    } else {
      this.uploadRequest = { reason, requestedAt: this.services.core.tcp.now, done: [done] };
      this.services.schedule(this);
    }
  }

  /** Adds to the history. @internal */
  record(kind: HistoryEntry['kind'], reason: string, microseconds: number): void {
    const kept = this.entries.length < HISTORY_LIMIT ? this.entries : this.entries.slice(1);
    this.entries = kept.concat({ at: this.services.core.tcp.now, kind, reason, microseconds });
  }

  /** Bytes from the first unacknowledged one to the end of our urgent data; 0 when there is none. @internal */
  get urgentAhead(): number {
    return Math.max(0, this.urgentSendEnd - this.counters.bytesAcknowledged);
  }

  /** The peer's urgent data ends `ahead` bytes behind what was received. @internal */
  urgentAdvanced(ahead: number): void {
    const end = this.counters.bytesReceived + ahead;
    if (end <= this.urgentEnd) return;
    this.urgentEnd = end;
    this.raise(ConnectionEvent.URGENT);
  }

  /** `bytes` were acknowledged by the peer. @internal */
  acknowledged(bytes: number): void {
    this.sendBufferedBytes -= bytes;
    this.counters.bytesAcknowledged += bytes;
    this.noteDrained();
  }

  /** Unacknowledged bytes are given up. @internal */
  dropUnacknowledged(bytes: number): void {
    this.sendBufferedBytes -= bytes;
    this.noteDrained();
  }

  /** In-order bytes for the application. The view is kept. After `abort` they are dropped. @internal */
  deliver(bytes: Uint8Array): void {
    if (this.detached) this.abort();
    if (this.abortRequested) return;
    if (this.received.length === 0) this.raise(ConnectionEvent.READABLE);
    this.received.push(bytes);
    this.counters.bytesReceived += bytes.length;
  }

  /** @internal */
  raise(event: number): void {
    this.events |= event;
    this.services.schedule(this);
  }

  /** Trouble that the application may want to hear of (RFC 9293 section 3.9.1.8). @internal */
  report(error: SoftError): void {
    if (this.handlers.softError === undefined || this.softErrors?.includes(error)) return;
    this.softErrors ??= [];
    this.softErrors.push(error);
    this.services.schedule(this);
  }

  /** Our FIN, and all before it, was acknowledged. @internal */
  noteFinAcknowledged(): void {
    if (this.finAcknowledged) return;
    this.finAcknowledged = true;
    this.raise(ConnectionEvent.FIN_ACKNOWLEDGED);
  }

  /** The peer's FIN has arrived. @internal */
  notePeerClosed(): void {
    if (this.peerClosed) return;
    this.peerClosed = true;
    this.peerClosedFirst = !this.shutdownPassedOn;
    this.services.schedule(this);
  }

  /** The connection is over for the application. The first reason counts. @internal */
  close(reason: CloseReason): void {
    if (this.closed !== null) return;
    this.closed = { reason };
    this.services.schedule(this);
  }

  /** Answers a request to move that was not carried out. @internal */
  answer(done: (result: OffloadResult) => void, status: NdisStatus, reason: string): void {
    this.finish(done, { ok: false, status, reason });
    this.services.schedule(this);
  }

  /** A move is over: its caller is told with the next notification. @internal */
  finish(done: (result: OffloadResult) => void, result: OffloadResult): void {
    this.results ??= [];
    this.results.push({ done, result });
  }

  /** The receive buffer has another size, bytes: the owner is told (UPD-13). @internal */
  growReceiveBuffer(bytes: number): void {
    this.changeCached((cached) => {
      cached.initialRcvWnd = bytes;
      setFlag(cached, TcpCachedFlag.UPDATE_RCV_WND, true);
    });
  }

  /** What is buffered may have fallen below the limit, or the limit risen. @internal */
  noteDrained(): void {
    if (!this.drainAwaited || this.sendBufferedBytes >= this.services.memory.sendLimit(this.sendLimit)) return;
    this.drainAwaited = false;
    this.raise(ConnectionEvent.DRAINED);
  }

  private changeCached(change: (cached: TcpCachedState) => void): void {
    change(this.desired);
    this.cachedDirty = true;
    this.services.schedule(this);
  }

  private stateFromIndications(): TcpState {
    if (!this.shutdownPassedOn) return this.peerClosed ? TcpState.CLOSE_WAIT : TcpState.ESTABLISHED;
    if (!this.peerClosed) return this.finAcknowledged ? TcpState.FIN_WAIT_2 : TcpState.FIN_WAIT_1;
    if (this.peerClosedFirst) return this.finAcknowledged ? TcpState.CLOSED : TcpState.LAST_ACK;
    return this.finAcknowledged ? TcpState.TIME_WAIT : TcpState.CLOSING;
  }
}

function setFlag(cached: TcpCachedState, flag: number, on: boolean): void {
  cached.flags = on ? cached.flags | flag : cached.flags & ~flag;
}

function ignore(): void {}

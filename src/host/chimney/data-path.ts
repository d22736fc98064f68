/**
 * Bytes of offloaded connections: sends within the target's backlog, received data that is taken while the application
 * keeps up and refused otherwise, receive requests when it has caught up, forwarded segments, and the disconnect.
 */
import type { BytesConsumed } from '../../ndis/characteristics.ts';
import { TcpDisconnectFlag } from '../../ndis/events.ts';
import { dataLengthOf, type NetBufferList, netBufferListsOf } from '../../ndis/net-buffer.ts';
import { viewsOfNetBufferList } from '../../ndis/net-buffer-data.ts';
import { NdisStatus } from '../../ndis/status.ts';
import { MemoryState } from '../../tcp/memory-state.ts';
import type { Connection } from '../connection.ts';
import type { ChimneyEnvironment } from './environment.ts';
import { DisconnectPhase, ForwardRequest, type OffloadedIo, ReceiveRequest, SendRequest } from './offloaded-io.ts';

const EMPTY = new Uint8Array(0);

/** Unread bytes per connection up to which indicated data is taken: a share of the receive buffer, and at least this. */
const LEAST_UNREAD_LIMIT = 65_536;
/** The same when little memory is left, and when none is. */
const UNREAD_LIMIT_UNDER_PRESSURE = 16_384;
const UNREAD_LIMIT_EXHAUSTED = 4096;
/** A receive request with a buffer is worth its copy from this size on; below it the zero-length form is posted. */
const LEAST_POSTED_BYTES = 2048;
/** Largest buffer of one receive request. */
const MOST_POSTED_BYTES = 262_144;

export class DataPath {
  private readonly environment: ChimneyEnvironment;

  constructor(environment: ChimneyEnvironment) {
    this.environment = environment;
  }

  /** Does what the application and the network have asked for. Not for calls from upcalls. */
  service(connection: Connection, io: OffloadedIo): void {
    connection.unreported = 0; // the target counts data as consumed once the host has it
    this.giveBack(io);
    if (io.givenUp || io.aborted) return;
    if (connection.abortRequested) {
      this.abort(connection, io);
      return;
    }
    if (io.toForward !== null) this.forward(connection, io, io.toForward);
    if (io.waitsForPost) this.post(connection, io);
    const closes = connection.shutdownRequested && !connection.shutdownPassedOn;
    if (connection.unsentBytes > 0) this.send(connection, io, closes);
    if (closes && (connection.unsent?.length ?? 0) <= 1 && io.graceful === DisconnectPhase.NONE)
      this.close(connection, io);
  }

  /** Gives back the lists of indications that were taken. */
  giveBack(io: OffloadedIo): void {
    const chain = io.toReturn;
    if (chain === null) return;
    io.toReturn = null;
    this.environment.binding.offloadTcpReceiveReturn(chain);
  }

  // ---- down ----

  /** Posts what the backlog allows, in order (SEND-02, EVT-10). The last chunk before a close travels with it. */
  private send(connection: Connection, io: OffloadedIo, closes: boolean): void {
    const unsent = connection.unsent ?? [];
    const last = closes ? unsent.length - 1 : unsent.length;
    let count = 0;
    let head: NetBufferList | null = null;
    let tail: NetBufferList | null = null;
    while (count < last && (io.outstandingBytes < io.sendBacklogBytes || io.sendsDone)) {
      const list = this.request(connection, io, unsent[count]);
      count++;
      if (tail === null) head = list;
      else tail.next = list;
      tail = list;
    }
    if (head === null) return;
    connection.unsent = count < unsent.length ? unsent.slice(count) : null;
    this.environment.binding.offloadTcpSend(connection.handle, head);
  }

  private request(connection: Connection, io: OffloadedIo, bytes: Uint8Array): NetBufferList {
    const list = this.environment.pool.allocate(bytes);
    const request = new SendRequest(connection, io, list, bytes);
    list.context = request;
    io.add(request);
    connection.unsentBytes -= bytes.length;
    return list;
  }

  /** Graceful disconnect, with the last data if there is some left (DISC-02, DISC-07). */
  private close(connection: Connection, io: OffloadedIo): void {
    const bytes = connection.unsent?.[0] ?? EMPTY;
    connection.unsent = null;
    connection.shutdownPassedOn = true;
    io.graceful = DisconnectPhase.POSTED;
    const list = this.request(connection, io, bytes);
    this.environment.binding.offloadTcpDisconnect(connection.handle, list, TcpDisconnectFlag.GRACEFUL_CLOSE);
  }

  /** Abortive disconnect: the target sends the reset (DISC-03). */
  private abort(connection: Connection, io: OffloadedIo): void {
    if (io.abortive !== DisconnectPhase.NONE) return;
    io.abortive = DisconnectPhase.POSTED;
    io.toForward = null;
    const list = this.environment.pool.allocate(EMPTY);
    list.context = new ReceiveRequest(connection, io, EMPTY);
    this.environment.binding.offloadTcpDisconnect(connection.handle, list, TcpDisconnectFlag.ABORTIVE_CLOSE);
  }

  /** Segments that reached the host instead of the target (FWD-02, FWD-03). */
  private forward(connection: Connection, io: OffloadedIo, segments: readonly Uint8Array[]): void {
    io.toForward = null;
    let head: NetBufferList | null = null;
    for (let i = segments.length - 1; i >= 0; i--) {
      const list = this.environment.pool.allocate(segments[i]);
      list.context = new ForwardRequest(connection, io, segments[i]);
      list.congestionExperienced = connection.congestionMarkHeld;
      list.next = head;
      head = list;
    }
    if (head === null) return;
    connection.congestionMarkHeld = false;
    io.forwardsOutstanding += segments.length;
    connection.counters.segmentsForwarded += segments.length;
    this.environment.core.statistics.segmentsForwarded += segments.length;
    this.environment.binding.offloadTcpForward(connection.handle, head);
  }

  /**
   * Asks for the data that the target holds, once the application has room for it: with a push-mode buffer of exactly
   * the bytes that are known to be there, which fills at once, or with the zero-length form, after which the target
   * indicates again (RECV-24, RECV-25).
   */
  private post(connection: Connection, io: OffloadedIo): void {
    const limit = this.unreadLimit(connection);
    const room = limit - connection.received.length;
    if (io.receivePosted !== null || room < limit / 2) return;
    const size = Math.min(io.refusedBytes, room, MOST_POSTED_BYTES);
    const bytes = size >= LEAST_POSTED_BYTES ? new Uint8Array(size) : EMPTY;
    const list = this.environment.pool.allocate(bytes);
    const request = new ReceiveRequest(connection, io, bytes);
    list.context = request;
    io.receivePosted = request;
    this.environment.binding.offloadTcpReceive(connection.handle, list);
  }

  // ---- up: called by NDIS; nothing is called downwards from here ----

  /** Data that no request took. The host keeps a copy and owes the list to the target. */
  indicated(connection: Connection, io: OffloadedIo, list: NetBufferList, consumed: BytesConsumed): NdisStatus {
    const length = dataLengthOf(list);
    const room = connection.abortRequested ? length : this.unreadLimit(connection) - connection.received.length;
    const taken = Math.max(0, Math.min(room, length));
    consumed.value = taken;
    if (taken > 0 && !connection.abortRequested) {
      deliverCopy(connection, list, taken);
      // At once: the next indication must know of it.
      this.environment.memory.account(connection);
    }
    if (taken === length) {
      // An indication holds everything that the target has: it waits for no request any more (RECV-21).
      io.refusedBytes = 0;
      io.waitsForPost = false;
      list.next = io.toReturn;
      io.toReturn = list;
      this.environment.schedule(connection);
      return NdisStatus.SUCCESS;
    }
    io.refusedBytes = length - taken;
    io.waitsForPost = true;
    this.environment.schedule(connection);
    return taken === 0 ? NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED : NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED;
  }

  sendCompleted(chain: NetBufferList): void {
    for (const list of netBufferListsOf(chain)) this.requestCompleted(list);
  }

  receiveCompleted(chain: NetBufferList): void {
    for (const list of netBufferListsOf(chain)) {
      const request = list.context as ReceiveRequest;
      const { connection, io, bytes } = request;
      const received = list.tcpOffloadBytesTransferred;
      io.receivePosted = null;
      if (received > 0 && !connection.abortRequested) connection.deliver(bytes.subarray(0, received));
      io.refusedBytes = Math.max(0, io.refusedBytes - received);
      this.afterReceive(io, list.status, bytes.length, received);
      this.environment.pool.free(list);
      this.environment.schedule(connection);
    }
  }

  forwardCompleted(chain: NetBufferList): void {
    for (const list of netBufferListsOf(chain)) {
      const { connection, io, segment } = list.context as ForwardRequest;
      io.forwardsOutstanding--;
      // The host processes what the target did not (spec/decisions.md 14); after a reset nobody does.
      if (list.status === NdisStatus.UPLOAD_IN_PROGRESS) {
        io.addReturnedForward(segment);
        if (list.congestionExperienced) connection.congestionMarkHeld = true;
      }
      this.environment.pool.free(list);
      this.environment.schedule(connection);
    }
  }

  disconnectCompleted(chain: NetBufferList): void {
    for (const list of netBufferListsOf(chain)) {
      const { context, status } = list;
      if (context instanceof SendRequest) {
        context.io.graceful = DisconnectPhase.DONE;
        if (status === NdisStatus.SUCCESS) context.connection.noteFinAcknowledged();
        this.requestCompleted(list);
      } else {
        const { connection, io } = context as ReceiveRequest;
        io.abortive = DisconnectPhase.DONE;
        this.environment.pool.free(list);
        this.environment.schedule(connection);
      }
    }
  }

  /** A send, or the data of a graceful disconnect, has come back: acknowledged, aborted, or to be sent by the host. */
  private requestCompleted(list: NetBufferList): void {
    const request = list.context as SendRequest;
    const { connection, io, bytes } = request;
    const rest = Math.max(0, bytes.length - list.tcpOffloadBytesTransferred);
    // The backlog that the target asks for is twice what it can have in flight already (EVT-10).
    if (connection.tunesSendBuffer) this.environment.tuning.acknowledged(connection, io.sendBacklogBytes / 2);
    connection.acknowledged(bytes.length - rest);
    if (list.status === NdisStatus.SUCCESS) {
      io.complete(request, 0);
    } else if (list.status === NdisStatus.REQUEST_ABORTED) {
      connection.dropUnacknowledged(rest); // SEND-11
      io.complete(request, 0);
    } else {
      io.complete(request, rest); // SEND-10, SEND-23
      io.givenUp = true;
    }
    this.environment.pool.free(list);
    this.environment.schedule(connection);
  }

  /** Unread bytes up to which indicated data is taken. */
  private unreadLimit(connection: Connection): number {
    const { memoryState } = this.environment.core.tcp;
    if (memoryState >= MemoryState.EXHAUSTED) return UNREAD_LIMIT_EXHAUSTED;
    if (memoryState === MemoryState.PRESSURE) return UNREAD_LIMIT_UNDER_PRESSURE;
    return Math.max(LEAST_UNREAD_LIMIT, connection.receiveBuffer >> 2);
  }

  /** Whether the target still waits for a request. */
  private afterReceive(io: OffloadedIo, status: NdisStatus, posted: number, received: number): void {
    if (status === NdisStatus.SUCCESS) {
      // After the zero-length form, or a buffer that was not filled, everything else is indicated (RECV-16, RECV-25).
      if (received < posted || posted === 0) io.refusedBytes = 0;
      io.waitsForPost = io.refusedBytes > 0;
    } else if (status === NdisStatus.INVALID_STATE && io.refusedBytes > 0) {
      // The peer has closed, and the target takes no more requests (RECV-30): the data comes back with the state.
      io.givenUp = true;
    } else if (status !== NdisStatus.UPLOAD_IN_PROGRESS) {
      io.refusedBytes = 0;
      io.waitsForPost = false;
    }
  }
}

/** Copies the first `length` bytes of a list: its memory is the target's again once it is given back. */
function deliverCopy(connection: Connection, list: NetBufferList, length: number): void {
  const views = viewsOfNetBufferList(list);
  const copy = new Uint8Array(length);
  let offset = 0;
  for (const view of views) {
    const part = view.length <= length - offset ? view : view.subarray(0, length - offset);
    copy.set(part, offset);
    offset += part.length;
    if (offset === length) break;
  }
  connection.deliver(copy);
}

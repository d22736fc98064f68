/**
 * Taking connections back (spec/algorithms.md 11): wait for what must be complete first, terminate, and continue from
 * the state, the send data and the received data that the target returns.
 */
import { newOffload, type OffloadBlockList, type ProtocolOffloadBlockList } from '../../ndis/block-list.ts';
import { TcpUploadReason } from '../../ndis/events.ts';
import { dataLengthOf, type NetBufferList, netBufferListsOf } from '../../ndis/net-buffer.ts';
import { viewsOfNetBufferList } from '../../ndis/net-buffer-data.ts';
import { OffloadStateType, TcpOffloadState } from '../../ndis/offload-state.ts';
import { NdisStatus } from '../../ndis/status.ts';
import {
  abort,
  adopt,
  type ControlBlock,
  canReceive,
  canSend,
  type ExtensionPart,
  isContinuable,
  output,
  TcpDelegatedState,
  TcpState,
} from '../../tcp/index.ts';
import { type Connection, ConnectionEvent } from '../connection.ts';
import type { CloseReason, OffloadResult } from '../connection-types.ts';
import { SegmentQueue } from '../segment-queue.ts';
import { HostTimer } from '../timer.ts';
import { type ChimneyEnvironment, complete } from './environment.ts';
import type { OffloadedIo, SendRequest } from './offloaded-io.ts';
import type { SharedObjects } from './shared-objects.ts';
import type { Offloaded, Uploading } from './switch.ts';
import { treeOverConnection } from './tree.ts';

/** How long the host waits for the events that follow a failed terminate before it terminates again (HWF-01…04). */
const SECOND_TERMINATE_MILLISECONDS = 1000;

/** What cannot come back from a target that does not know the state extension (spec/decisions.md 23). */
const LOST_WITHOUT_EXTENSION: readonly ExtensionPart[] = ['congestion control state', 'RTT precision'];

export class Terminator {
  private readonly environment: ChimneyEnvironment;
  private readonly shared: SharedObjects;
  /** Told of every connection that the host has back. */
  private readonly returned: (connection: Connection, reason: string) => void;

  constructor(
    environment: ChimneyEnvironment,
    shared: SharedObjects,
    returned: (connection: Connection, reason: string) => void,
  ) {
    this.environment = environment;
    this.shared = shared;
    this.returned = returned;
  }

  /** Starts to take a connection back, unless something must be complete first (TERM-03): then it is called again. */
  begin(connection: Connection, { io }: Offloaded): void {
    const request = connection.uploadRequest;
    if (request === null || connection.updateInFlight || connection.queryInFlight) return;
    const { core, settings } = this.environment;
    const held = new SegmentQueue(settings.heldSegmentLimitBytes);
    // What was to be forwarded stays with the host now (FWD-05).
    for (const segment of io.toForward ?? []) held.push(segment);
    io.toForward = null;
    const uploading: Uploading = {
      owner: 'uploading',
      io,
      held,
      reason: request.reason,
      startedAt: core.tcp.now,
      completed: null,
      stateLost: false,
      secondTerminate: false,
      waited: false,
    };
    connection.ownership = uploading;
    this.terminate(connection, uploading);
  }

  /** Goes on with a connection on its way back. */
  service(connection: Connection, uploading: Uploading): void {
    const block = uploading.completed;
    uploading.completed = null;
    if (block === null) {
      const mayTryAgain = uploading.io.aborted || uploading.waited;
      if (uploading.stateLost && !uploading.secondTerminate && mayTryAgain) {
        uploading.secondTerminate = true;
        this.terminate(connection, uploading);
      }
    } else if (uploading.stateLost) {
      this.discard(block);
      this.lost(connection, uploading);
    } else if (block.status === NdisStatus.SUCCESS) {
      this.takeBack(connection, uploading, block);
    } else {
      this.failed(connection, uploading);
    }
  }

  private terminate(connection: Connection, uploading: Uploading): void {
    const { binding } = this.environment;
    const state = new TcpOffloadState(null, null, new TcpDelegatedState());
    const block = newOffload(connection.handle, OffloadStateType.TCP_DELEGATED, state);
    const root: OffloadBlockList = treeOverConnection(block);
    root.protocolReserved = (): void => {
      uploading.completed = block;
      this.environment.schedule(connection);
    };
    this.environment.flush();
    if (binding.terminateOffload(root) === NdisStatus.PENDING) return;
    // The adapter lets nothing through any more: the state cannot be reached.
    uploading.stateLost = true;
    complete(root);
  }

  /**
   * The state is gone. A second terminate frees what is left (spec/decisions.md 9), after the target's two events, or
   * after a while if they do not come.
   */
  private failed(connection: Connection, uploading: Uploading): void {
    const { core } = this.environment;
    core.statistics.uploadsFailed++;
    uploading.stateLost = true;
    const timer = new HostTimer(core.tcp, () => {
      uploading.waited = true;
      this.environment.schedule(connection);
    });
    timer.arm(core.milliseconds(SECOND_TERMINATE_MILLISECONDS));
    this.environment.schedule(connection);
  }

  /** The target has nothing left of the connection; its peer will learn it from a reset. */
  private lost(connection: Connection, uploading: Uploading): void {
    const request = connection.uploadRequest;
    connection.uploadRequest = null;
    const microseconds = this.environment.core.tcp.now - uploading.startedAt;
    connection.record('lost', uploading.reason, microseconds);
    for (const done of request?.done ?? []) {
      connection.answer(done, NdisStatus.FAILURE, 'the offload target lost the state of the connection');
    }
    connection.ownership = { owner: 'host', cb: this.environment.transport.controlBlock(connection) };
    connection.raise(ConnectionEvent.OWNER_CHANGED);
    if (connection.path !== null) this.shared.leavePath(connection.path);
    this.environment.transport.end(connection, 'ECONNABORTED');
  }

  /** Lists that came back with a state that is worth nothing: ours are freed, the target's go home (TERM-24). */
  private discard({ state, netBufferListChain }: ProtocolOffloadBlockList): void {
    this.environment.pool.freeChain(netBufferListChain);
    if (state?.kind === 'tcp' && state.bufferedData !== null) {
      this.environment.binding.offloadTcpReceiveReturn(state.bufferedData);
    }
  }

  private takeBack(connection: Connection, uploading: Uploading, block: ProtocolOffloadBlockList): void {
    const { io } = uploading;
    const { state } = block;
    if (state === null || state.kind !== 'tcp' || state.delegated === null) {
      this.lost(connection, uploading);
      return;
    }
    const { delegated, extension } = state;
    const cb = this.environment.transport.controlBlock(connection);
    this.restoreSendData(cb, io, block.netBufferListChain);
    this.restoreReceivedData(connection, state.bufferedData);
    if (!isContinuable(delegated, cb.sendQueue.length)) {
      this.lost(connection, uploading);
      return;
    }
    connection.unreported = 0;
    adopt(this.environment.core.tcp, cb, delegated, extension, connection.received.length);
    connection.ownership = { owner: 'host', cb };
    if (connection.path !== null) this.shared.leavePath(connection.path);
    this.announce(connection, uploading, extension === null ? [...LOST_WITHOUT_EXTENSION] : state.extensionLost);
    this.catchUp(connection, cb);
    this.goOn(connection, uploading, cb);
  }

  /** What came back as a chain, and what was completed unsent, in the order of the bytes (TERM-18, SEND-10). */
  private restoreSendData(cb: ControlBlock, io: OffloadedIo, chain: NetBufferList | null): void {
    const requests = io.unfinished();
    for (const list of netBufferListsOf(chain)) {
      const request = list.context as SendRequest;
      const remaining = dataLengthOf(list);
      request.connection.acknowledged(request.bytes.length - remaining);
      io.complete(request, remaining);
      this.environment.pool.free(list);
    }
    for (const { bytes, remaining } of requests) {
      if (remaining > 0) cb.sendQueue.append(bytes.subarray(bytes.length - remaining));
    }
  }

  /** Acknowledged data that the target still held is copied, and its lists go back (TERM-24). */
  private restoreReceivedData(connection: Connection, chain: NetBufferList | null): void {
    if (chain === null) return;
    for (const list of netBufferListsOf(chain)) {
      for (const view of viewsOfNetBufferList(list)) connection.deliver(view.slice());
    }
    this.environment.binding.offloadTcpReceiveReturn(chain);
  }

  private announce(connection: Connection, uploading: Uploading, lost: readonly ExtensionPart[]): void {
    const { core } = this.environment;
    const request = connection.uploadRequest;
    connection.uploadRequest = null;
    const microseconds = core.tcp.now - uploading.startedAt;
    connection.counters.uploads++;
    core.statistics.uploads++;
    connection.record('uploaded', uploading.reason, microseconds);
    connection.raise(ConnectionEvent.OWNER_CHANGED);
    const result: OffloadResult = { ok: true, microseconds, lost };
    for (const done of request?.done ?? []) connection.finish(done, result);
    this.returned(connection, uploading.reason);
  }

  /** Learns from the state what the target had no occasion to indicate. */
  private catchUp(connection: Connection, cb: ControlBlock): void {
    const { state } = cb.delegated;
    if (state !== TcpState.CLOSED && !canReceive(state)) connection.notePeerClosed();
    if (state === TcpState.FIN_WAIT_2 || state === TcpState.TIME_WAIT) connection.noteFinAcknowledged();
    // A disconnect that the target gave back before it did anything about it.
    if (canSend(state)) connection.shutdownPassedOn = false;
  }

  private goOn(connection: Connection, uploading: Uploading, cb: ControlBlock): void {
    const { transport, core } = this.environment;
    const end = endOf(connection, uploading.io, cb.delegated.state);
    if (end !== undefined) {
      if (end === 'ETIMEDOUT') abort(core.tcp, cb);
      // In good order: the peer's FIN was before that, whether or not the target had occasion to tell.
      if (end === null) connection.notePeerClosed();
      transport.end(connection, end);
      return;
    }
    if (cb.delegated.state === TcpState.TIME_WAIT) connection.close(null);
    output(core.tcp, cb);
    for (const segment of uploading.io.returnedForwards ?? []) transport.heldArrives(connection, segment);
    for (const segment of uploading.held.takeAll()) transport.heldArrives(connection, segment);
    this.environment.schedule(connection);
  }
}

/** How the connection has ended in the target's hands; undefined when it goes on. */
function endOf(connection: Connection, io: OffloadedIo, state: TcpState): CloseReason | undefined {
  if (io.aborted) return io.retrieveReason === TcpUploadReason.HARDWARE_FAILURE ? 'ECONNABORTED' : 'ECONNRESET';
  if (state === TcpState.CLOSED) {
    if (connection.abortRequested) return 'ECONNABORTED';
    // FIN-WAIT-2 expired: the peer never closed (TMR-FW2-04). Otherwise LAST-ACK ended.
    const isExpired = io.retrieveReason === TcpUploadReason.TIMEOUT_EXPIRATION;
    return connection.shutdownPassedOn && !isExpired ? null : 'ETIMEDOUT';
  }
  // Retransmissions or probes ran out (spec/decisions.md 11). In the two states below the end is the normal one.
  const isEnding = state === TcpState.FIN_WAIT_2 || state === TcpState.TIME_WAIT;
  return io.retrieveReason === TcpUploadReason.TIMEOUT_EXPIRATION && !isEnding ? 'ETIMEDOUT' : undefined;
}

/**
 * Taking connections back (spec/algorithms.md 11): wait for what must be complete first, terminate, and continue from
 * the state, the send data and the received data that the target returns.
 */
import { newOffload, type OffloadBlockList, type ProtocolOffloadBlockList } from '../../ndis/block-list.ts';
import { TcpUploadReason } from '../../ndis/events.ts';
import { type NetBufferList, netBufferListsOf } from '../../ndis/net-buffer.ts';
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
  output,
  TcpDelegatedState,
  TcpState,
} from '../../tcp/index.ts';
import { type Connection, ConnectionEvent } from '../connection.ts';
import type { CloseReason, OffloadResult } from '../connection-types.ts';
import { SegmentQueue } from '../segment-queue.ts';
import { type ChimneyEnvironment, complete } from './environment.ts';
import type { OffloadedIo } from './offloaded-io.ts';
import type { SharedObjects } from './shared-objects.ts';
import type { Offloaded, Uploading } from './switch.ts';
import { treeOverConnection } from './tree.ts';

/** How long the host waits for the events that follow a failed terminate before it terminates again (HWF-01…04). */
const SECOND_TERMINATE_MILLISECONDS = 1000;

export class Terminator {
  private readonly environment: ChimneyEnvironment;
  private readonly shared: SharedObjects;

  constructor(environment: ChimneyEnvironment, shared: SharedObjects) {
    this.environment = environment;
    this.shared = shared;
  }

  /** Starts to take a connection back, unless something must be complete first (TERM-03): then it is called again. */
  begin(connection: Connection, { io }: Offloaded): void {
    const request = connection.uploadRequest;
    if (request === null || connection.updateInFlight || connection.queryInFlight) return;
    const { core, settings } = this.environment;
    const held = new SegmentQueue(settings.heldSegmentLimitBytes);
    // What was to be forwarded stays with the host now (FWD-05).
    for (const segment of io.toForward) held.push(segment);
    io.toForward = [];
    const uploading: Uploading = {
      owner: 'uploading',
      io,
      held,
      reason: request.reason,
      startedAt: core.tcp.now,
      completed: null,
      stateLost: false,
    };
    connection.ownership = uploading;
    this.terminate(connection, uploading);
  }

  /** Goes on with a connection on its way back. */
  service(connection: Connection, uploading: Uploading): void {
    const block = uploading.completed;
    if (block === null) return;
    uploading.completed = null;
    if (uploading.stateLost) {
      this.lost(connection, uploading);
    } else if (block.status !== NdisStatus.SUCCESS) {
      this.terminateAgain(connection, uploading);
    } else {
      this.takeBack(connection, uploading, block);
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
    block.status = NdisStatus.FAILURE;
    uploading.stateLost = true;
    complete(root);
  }

  /** The first terminate failed: the state is gone, and a second one frees what is left (spec/decisions.md 9). */
  private terminateAgain(connection: Connection, uploading: Uploading): void {
    uploading.stateLost = true;
    this.environment.core.statistics.uploadsFailed++;
    if (uploading.io.aborted) {
      this.terminate(connection, uploading);
      return;
    }
    // The two events of the target come first; if they do not, the terminate comes all the same.
    const { core } = this.environment;
    this.environment.transport.timerOf(connection, () => this.terminateLost(connection, uploading));
    connection.retryTimer?.arm(core.milliseconds(SECOND_TERMINATE_MILLISECONDS));
  }

  /** The target has said that the hardware failed, or has not said so for too long. */
  terminateLost(connection: Connection, uploading: Uploading): void {
    if (!uploading.stateLost || uploading.secondTerminate || connection.ownership !== uploading) return;
    uploading.secondTerminate = true;
    this.terminate(connection, uploading);
  }
}

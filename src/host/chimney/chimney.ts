/**
 * The chimney manager: looks after every connection that is not simply the host's, and after the neighbors and paths
 * that the target knows. `service` and `pump` run from within `HostStack.advance`; the other methods are upcalls, which
 * change state, schedule work and call nothing downwards.
 */
import type { ProtocolOffloadBlockList } from '../../ndis/block-list.ts';
import type { BytesConsumed } from '../../ndis/characteristics.ts';
import {
  isMandatoryUpload,
  OffloadEvent,
  TcpOffloadEventType,
  TcpUploadReason,
  uploadReasonName,
} from '../../ndis/events.ts';
import type { NetBufferList } from '../../ndis/net-buffer.ts';
import type { NdisOffloadHandle } from '../../ndis/offload-handle.ts';
import type { OidRequest } from '../../ndis/oid.ts';
import { NdisStatus } from '../../ndis/status.ts';
import type { Connection } from '../connection.ts';
import type { Neighbor } from '../framing/neighbor.ts';
import type { Path } from '../path/path.ts';
import { type AdapterObserver, AdapterStatus } from './adapter-status.ts';
import { DataPath } from './data-path.ts';
import type { ChimneyEnvironment } from './environment.ts';
import { Initiator } from './initiate.ts';
import { DisconnectPhase, type OffloadedIo } from './offloaded-io.ts';
import { Policy } from './policy.ts';
import { Power } from './power.ts';
import { Relinks } from './relink.ts';
import { SharedObjects } from './shared-objects.ts';
import { StatisticsQueries } from './statistics.ts';
import type { Offloaded } from './switch.ts';
import { Terminator } from './terminate.ts';
import { type BrokenObserver, Updates } from './update.ts';

export class Chimney implements AdapterObserver, BrokenObserver {
  readonly status: AdapterStatus;
  readonly data: DataPath;
  readonly updates: Updates;
  readonly relinks: Relinks;
  readonly power: Power;
  readonly statistics: StatisticsQueries;
  private readonly environment: ChimneyEnvironment;
  private readonly shared: SharedObjects;
  private readonly initiator: Initiator;
  private readonly terminator: Terminator;
  private readonly policy: Policy;

  constructor(environment: ChimneyEnvironment) {
    this.environment = environment;
    this.status = new AdapterStatus(environment, this);
    this.data = new DataPath(environment);
    this.updates = new Updates(environment, this);
    this.policy = new Policy(environment, this.status);
    this.shared = new SharedObjects(environment);
    this.relinks = new Relinks(environment, this.status, this.shared, this);
    this.initiator = new Initiator(environment, this.status, this.shared, this.updates, (connection, request) =>
      this.policy.refused(connection, request),
    );
    this.power = new Power(environment, this.status, (reason) => this.uploadAll(reason));
    this.statistics = new StatisticsQueries(environment);
    this.terminator = new Terminator(environment, this.shared, (connection) => this.policy.returned(connection));
  }

  // ---- from within HostStack.advance ----

  /** Does what is due for one connection. The transport has done its part for one that the host owns. */
  service(connection: Connection): void {
    const { ownership } = connection;
    if (connection.isClosed) {
      this.dropRequests(connection, 'the connection is closed');
      return;
    }
    if (ownership === null) return; // not opened yet
    switch (ownership.owner) {
      case 'host':
        if (connection.uploadRequest !== null) this.dropRequests(connection, 'the connection is not offloaded');
        this.policy.consider(connection);
        this.initiator.consider(connection);
        return;
      case 'offloading':
        this.initiator.service(connection, ownership);
        return;
      case 'offloaded':
        this.serviceOffloaded(connection, ownership);
        return;
      case 'uploading':
        this.data.giveBack(ownership.io);
        this.terminator.service(connection, ownership);
    }
  }

  /** Starts what waited for paths and neighbors. */
  pump(): void {
    this.relinks.pump();
    this.initiator.pump();
    this.power.pump();
  }

  private serviceOffloaded(connection: Connection, offloaded: Offloaded): void {
    const { io } = offloaded;
    this.initiator.announce(connection, io);
    const reason = uploadReason(connection, io);
    if (reason !== null && connection.uploadRequest === null) connection.requestUpload(reason, ignore);
    if (connection.uploadRequest === null) {
      this.data.service(connection, io);
      this.updates.updateConnection(connection);
    } else {
      // Nothing is posted any more: it would only come back (TERM-17).
      this.data.giveBack(io);
      this.terminator.begin(connection, offloaded);
    }
  }

  private dropRequests(connection: Connection, reason: string): void {
    this.initiator.withdraw(connection, NdisStatus.REQUEST_ABORTED, reason);
    const request = connection.uploadRequest;
    connection.uploadRequest = null;
    for (const done of request?.done ?? []) connection.answer(done, NdisStatus.INVALID_STATE, reason);
  }

  // ---- what concerns many connections ----

  /** @see AdapterObserver.uploadAll */
  uploadAll(reason: string): void {
    this.takeBackWhere(reason, () => true);
    this.environment.core.wake();
  }

  /** Offloads may start again: the policy looks at every connection. */
  resumed(): void {
    for (const connection of this.environment.transport.connections) this.environment.schedule(connection);
  }

  /** @see BrokenObserver.neighborBroken */
  neighborBroken(neighbor: Neighbor): void {
    this.takeBackWhere('neighbor', (connection) => connection.path?.offloadedNeighbor === neighbor);
  }

  /** @see BrokenObserver.pathBroken */
  pathBroken(path: Path): void {
    this.takeBackWhere('path', (connection) => connection.path === path);
  }

  /** @see BrokenObserver.neighborSettled */
  neighborSettled(neighbor: Neighbor): void {
    this.shared.releaseNeighborLater(neighbor);
  }

  /** @see BrokenObserver.pathSettled */
  pathSettled(path: Path): void {
    this.shared.releaseLater(path);
  }

  private takeBackWhere(reason: string, concerns: (connection: Connection) => boolean): void {
    for (const connection of this.environment.transport.connections) {
      const { owner } = connection;
      if ((owner !== 'offloaded' && owner !== 'offloading') || !concerns(connection)) continue;
      if (connection.uploadRequest === null) connection.requestUpload(reason, ignore);
    }
  }

  // ---- upcalls ----

  /** ProtocolIndicateOffloadEvent: the host answers a reachability query at once (NBR-11). */
  offloadEvent(block: ProtocolOffloadBlockList | null, code: OffloadEvent): void {
    if (code !== OffloadEvent.NEIGHBOR_REACHABILITY_QUERY || block === null) return;
    const { state, offloadHandle } = block;
    const neighbor = offloadHandle?.context as Neighbor | undefined;
    if (neighbor === undefined || state === null || state.kind !== 'neighbor') return;
    if (state.cached === null || state.delegated === null) return;
    const delta = state.delegated.nicReachabilityDelta;
    state.cached.hostReachabilityDelta = this.environment.neighbors.answerReachabilityQuery(neighbor, delta);
    this.environment.core.wake();
  }

  /** ProtocolOidRequestComplete. */
  oidRequestComplete(request: OidRequest, status: NdisStatus): void {
    if (this.power.complete(request, status) || this.statistics.complete(request, status)) return;
    this.status.oidRequestComplete(request, status);
  }

  /** ProtocolTcpOffloadEvent. */
  tcpEvent(handle: NdisOffloadHandle, type: TcpOffloadEventType, information: number): void {
    const connection = handle.context as Connection;
    const io = ioOf(connection);
    if (io === null) return;
    switch (type) {
      case TcpOffloadEventType.DISCONNECT:
        io.endAwaited = false;
        connection.notePeerClosed();
        break;
      case TcpOffloadEventType.ABORT:
        io.aborted = true;
        break;
      case TcpOffloadEventType.RETRIEVE:
        this.retrieve(io, information as TcpUploadReason);
        break;
      case TcpOffloadEventType.SEND_BACKLOG_CHANGE:
        io.sendBacklogBytes = Math.max(1, information);
    }
    this.environment.schedule(connection);
  }

  /** ProtocolTcpOffloadReceiveIndicate. */
  receiveIndicated(handle: NdisOffloadHandle, list: NetBufferList, consumed: BytesConsumed): NdisStatus {
    const connection = handle.context as Connection;
    const io = ioOf(connection);
    if (io !== null) return this.data.indicated(connection, io, list, consumed);
    consumed.value = 0;
    return NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED;
  }

  private retrieve(io: OffloadedIo, reason: TcpUploadReason): void {
    if (!isMandatoryUpload(reason)) {
      this.environment.core.statistics.uploadRequestsIgnored++; // EVT-08
      return;
    }
    // A hardware failure says more than whatever came before it (HWF-02).
    if (io.retrieveReason === null || reason === TcpUploadReason.HARDWARE_FAILURE) io.retrieveReason = reason;
    io.givenUp = true;
  }
}

/** Why an offloaded connection must come back; null while it need not. */
function uploadReason(connection: Connection, io: OffloadedIo): string | null {
  if (io.retrieveReason !== null) return uploadReasonName(io.retrieveReason); // TERM-27
  if (io.aborted) return 'ABORT'; // EVT-05
  if (io.givenUp) return 'UPLOAD_IN_PROGRESS';
  if (io.abortive === DisconnectPhase.DONE) return 'aborted';
  if (connection.offloadBroken) return 'failed operation'; // UPD-07, QRY-05
  if (connection.urgentAhead > 0) return 'urgent data'; // no target sends it
  const isOver = connection.finAcknowledged && connection.peerClosed && io.graceful === DisconnectPhase.DONE;
  return isOver ? 'closed' : null;
}

function ioOf(connection: Connection): OffloadedIo | null {
  const { ownership } = connection;
  return ownership === null || ownership.owner === 'host' ? null : ownership.io;
}

function ignore(): void {}

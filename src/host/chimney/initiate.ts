/**
 * Offloading connections (spec/algorithms.md 1 and 12): quiesce, take a snapshot, hand the tree to the target, and flip
 * the switch when it completes. Connections of one path that wait at the same time travel in one tree.
 */
import { newOffload, type OffloadBlockList } from '../../ndis/block-list.ts';
import type { NetBufferList } from '../../ndis/net-buffer.ts';
import { OffloadStateType, TcpOffloadState } from '../../ndis/offload-state.ts';
import { isOffloaded, NdisStatus, statusName } from '../../ndis/status.ts';
import {
  type ControlBlock,
  type ExtensionPart,
  exportDelegated,
  exportExtension,
  isOffloadable,
  quiesce,
  release,
  resume,
  setPathMtu,
  stateName,
  TcpCachedState,
} from '../../tcp/index.ts';
import { type Connection, ConnectionEvent, type MoveRequest } from '../connection.ts';
import type { OffloadResult } from '../connection-types.ts';
import type { Path } from '../path/path.ts';
import { SegmentQueue } from '../segment-queue.ts';
import type { AdapterStatus } from './adapter-status.ts';
import { type ChimneyEnvironment, complete } from './environment.ts';
import { DisconnectPhase, OffloadedIo, SendRequest } from './offloaded-io.ts';
import type { SharedObjects } from './shared-objects.ts';
import type { Offloading } from './switch.ts';
import { type InitiateTree, initiateTree } from './tree.ts';
import type { Updates } from './update.ts';

/** Send bytes that the target gets at most before it says how many it wants (EVT-10). */
const UNTOLD_BACKLOG = 1024 * 1024;

/** A connection in an initiate tree. */
interface Candidate {
  readonly connection: Connection;
  readonly block: OffloadBlockList;
}

/** Why a request cannot be tried. */
interface Refusal {
  readonly status: NdisStatus;
  readonly reason: string;
}

export class Initiator {
  private readonly environment: ChimneyEnvironment;
  private readonly status: AdapterStatus;
  private readonly shared: SharedObjects;
  private readonly updates: Updates;
  /** Told of every request that ended without an offload. */
  private readonly refused: (connection: Connection, request: MoveRequest) => void;
  /** Connections that wait until their path and neighbor can be offloaded or referred to (INIT-05). */
  private readonly waiting = new Map<Path, Set<Connection>>();

  constructor(
    environment: ChimneyEnvironment,
    status: AdapterStatus,
    shared: SharedObjects,
    updates: Updates,
    refused: (connection: Connection, request: MoveRequest) => void,
  ) {
    this.environment = environment;
    this.status = status;
    this.shared = shared;
    this.updates = updates;
    this.refused = refused;
  }

  /** Whether connections wait for `pump`. */
  get pending(): boolean {
    return this.waiting.size > 0;
  }

  /** Takes up the request of a connection that the host owns. */
  consider(connection: Connection): void {
    if (connection.offloadRequest === null) return;
    const refusal = this.obstacle(connection);
    if (refusal !== null) {
      this.refuse(connection, refusal.status, refusal.reason);
      return;
    }
    if (connection.state < 4 || connection.path === null) return; // still opening: it waits
    let set = this.waiting.get(connection.path);
    if (set === undefined) {
      set = new Set();
      this.waiting.set(connection.path, set);
    }
    set.add(connection);
    this.environment.core.wake();
  }

  /** A connection does not want to be offloaded any more, or is gone. */
  withdraw(connection: Connection, status: NdisStatus, reason: string): void {
    if (connection.path !== null) {
      const set = this.waiting.get(connection.path);
      set?.delete(connection);
      if (set?.size === 0) this.waiting.delete(connection.path);
    }
    if (connection.offloadRequest !== null) this.refuse(connection, status, reason);
  }

  /** Starts every initiate that can start. Called from within `HostStack.advance`, not from upcalls. */
  pump(): void {
    for (const [path, connections] of [...this.waiting]) {
      if (this.status.phase === 'enabling' || !isFree(path)) continue;
      this.waiting.delete(path);
      this.start(path, [...connections]);
    }
  }

  /** Goes on with a connection in transit: after a refusal the host's engine resumes. */
  service(connection: Connection, offloading: Offloading): void {
    const { refusal } = offloading;
    if (refusal === null) return;
    connection.ownership = { owner: 'host', cb: offloading.cb };
    // Nothing was received since. Who detached meanwhile had unread bytes after all.
    for (const chunk of offloading.unread) connection.deliver(chunk);
    const { tcp } = this.environment.core;
    resume(tcp, offloading.cb);
    // A path MTU that changed meanwhile did not reach an engine that stood still.
    const { path } = connection;
    if (path !== null && path.pathMtu !== offloading.cb.pathMtu) setPathMtu(tcp, offloading.cb, path.pathMtu);
    for (const segment of offloading.held.takeAll()) this.environment.transport.heldArrives(connection, segment);
    this.refuse(connection, refusal.status, refusal.reason);
  }

  /** Tells the application that the target has the connection. */
  announce(connection: Connection, io: OffloadedIo): void {
    const request = connection.offloadRequest;
    if (request === null) return;
    connection.offloadRequest = null;
    connection.refusals = 0;
    const microseconds = this.environment.core.tcp.now - request.requestedAt;
    connection.counters.offloads++;
    this.environment.core.statistics.offloads++;
    connection.record('offloaded', request.reason, microseconds);
    connection.raise(ConnectionEvent.OWNER_CHANGED);
    const result: OffloadResult = { ok: true, microseconds, lost: io.lost };
    for (const done of request.done) connection.finish(done, result);
  }

  private obstacle(connection: Connection): Refusal | null {
    const { phase } = this.status;
    if (phase === 'off') {
      return { status: NdisStatus.NOT_SUPPORTED, reason: 'the adapter offers no connection offload' };
    }
    if (phase === 'paused')
      return { status: NdisStatus.PAUSED, reason: 'the adapter has paused offloading (PAUSE-01)' };
    if (connection.localAddress.family === 6 && !this.status.supportsIpv6 && phase !== 'enabling') {
      return { status: NdisStatus.NOT_SUPPORTED, reason: 'the adapter offloads no connections over IPv6' };
    }
    if (connection.needsIpOptions) {
      return { status: NdisStatus.OFFLOAD_POLICY, reason: 'the connection needs IP options (INIT-03)' };
    }
    if (connection.urgentAhead > 0) {
      return { status: NdisStatus.OFFLOAD_POLICY, reason: 'urgent data is being sent, which no target knows how to' };
    }
    if (phase !== 'enabling' && !this.status.supportsExtension && usesEcn(connection)) {
      return { status: NdisStatus.OFFLOAD_POLICY, reason: 'the connection uses ECN, which the adapter does not know' };
    }
    const { state } = connection;
    if (connection.abortRequested || (state >= 4 && !isOffloadable(state))) {
      return { status: NdisStatus.INVALID_STATE, reason: `the connection is in ${stateName(state)} (INIT-02)` };
    }
    return null;
  }

  private refuse(connection: Connection, status: NdisStatus, reason: string): void {
    const request = connection.offloadRequest;
    if (request === null) return;
    connection.offloadRequest = null;
    connection.counters.refusedOffloads++;
    this.environment.core.statistics.offloadsRefused++;
    connection.record('refused', statusName(status), this.environment.core.tcp.now - request.requestedAt);
    for (const done of request.done) connection.answer(done, status, reason);
    this.refused(connection, request);
  }

  private start(path: Path, connections: readonly Connection[]): void {
    const ready: Connection[] = [];
    for (const connection of connections) {
      const refusal = this.obstacle(connection);
      if (refusal !== null) this.refuse(connection, refusal.status, refusal.reason);
      else if (connection.offloadRequest !== null && connection.ownership?.owner === 'host') ready.push(connection);
    }
    if (ready.length === 0) return;
    if (path.shared.phase === 'absent' && !path.neighbor.resolved) {
      this.environment.neighbors.resolve(path.neighbor);
      for (const each of ready) this.refuse(each, NdisStatus.FAILURE, 'the next hop is not resolved');
      return;
    }
    this.initiate(path, ready);
  }

  private initiate(path: Path, connections: readonly Connection[]): void {
    const { core, binding } = this.environment;
    const candidates = connections.map((connection) => this.handOver(connection));
    const blocks = candidates.map((candidate) => candidate.block);
    const tree = initiateTree(path, blocks, core.tcp.ticks);
    path.shared.dependents += candidates.length;
    if (tree.newPath !== null) {
      path.shared.phase = 'initiating';
      path.shared.dirty = false; // the tree carries what it is now
      path.offloadedNeighbor = path.neighbor;
      path.neighbor.shared.dependents++;
    }
    if (tree.newNeighbor !== null) {
      path.neighbor.shared.phase = 'initiating';
      path.neighbor.shared.dirty = false;
    }
    tree.root.protocolReserved = (): void => this.completed(path, tree, candidates);
    // What the quiesced engines had to say leaves before their state does (TMR-DACK-01).
    this.environment.flush();
    if (binding.initiateOffload(tree.root) === NdisStatus.PENDING) return;
    for (const block of [tree.root, tree.newPath, ...blocks]) {
      if (block !== null) block.status = NdisStatus.NOT_SUPPORTED;
    }
    complete(tree.root);
  }

  /** Makes the connection stand still and builds the block that carries it. */
  private handOver(connection: Connection): Candidate {
    const { core, settings } = this.environment;
    const { ownership } = connection;
    if (ownership === null || ownership.owner !== 'host') throw new Error('only the host can hand a connection over');
    const { cb } = ownership;
    quiesce(core.tcp, cb);
    const cached = Object.assign(new TcpCachedState(), connection.cached);
    const state = new TcpOffloadState(connection.constant, cached, exportDelegated(core.tcp, cb));
    const takesExtension = this.status.supportsExtension;
    if (takesExtension) state.extension = exportExtension(core.tcp, cb);
    const block = newOffload(connection.handle, OffloadStateType.TCP, state);
    const io = new OffloadedIo(connection.tunesSendBuffer ? UNTOLD_BACKLOG : connection.sendLimit);
    this.attachSendData(connection, cb, io, block, state);
    const unread = connection.received.takeAll();
    state.bufferedData = this.chain(unread);
    for (const chunk of unread) io.refusedBytes += chunk.length;
    // They come back through `Connection.deliver`, which counts them then.
    connection.counters.bytesReceived -= io.refusedBytes;
    io.waitsForPost = io.refusedBytes > 0;
    io.endAwaited = connection.peerClosed && io.refusedBytes > 0;
    if (connection.shutdownPassedOn) io.graceful = DisconnectPhase.DONE;
    const offloading: Offloading = {
      owner: 'offloading',
      cb,
      io,
      unread,
      held: new SegmentQueue(settings.heldSegmentLimitBytes),
      lost: takesExtension ? [] : partsOf(cb),
      refusal: null,
    };
    connection.ownership = offloading;
    return { connection, block };
  }

  /** Unacknowledged and unsent bytes travel as a chain that begins at SND.UNA (INIT-24, SEND-21). */
  private attachSendData(
    connection: Connection,
    cb: ControlBlock,
    io: OffloadedIo,
    block: OffloadBlockList,
    state: TcpOffloadState,
  ): void {
    let tail: NetBufferList | null = null;
    for (const bytes of cb.sendQueue.chunks()) {
      const list = this.environment.pool.allocate(bytes);
      const request = new SendRequest(connection, io, list, bytes);
      list.context = request;
      io.add(request);
      if (tail === null) block.netBufferListChain = list;
      else tail.next = list;
      tail = list;
    }
    state.sendDataHead = block.netBufferListChain;
    state.sendDataTail = tail;
  }

  private chain(chunks: readonly Uint8Array[]): NetBufferList | null {
    let head: NetBufferList | null = null;
    for (let i = chunks.length - 1; i >= 0; i--) {
      const list = this.environment.pool.allocate(chunks[i]);
      list.next = head;
      head = list;
    }
    return head;
  }

  /** The target has answered. Runs inside the upcall: what belongs to the new owner must be there when it returns. */
  private completed(path: Path, tree: InitiateTree, candidates: readonly Candidate[]): void {
    const { neighbor } = path;
    let parent: NdisStatus = NdisStatus.SUCCESS;
    if (tree.newNeighbor !== null) {
      const { status } = tree.newNeighbor;
      neighbor.shared.phase = isOffloaded(status) ? 'offloaded' : 'absent';
      if (!isOffloaded(status)) parent = status;
    }
    if (tree.newPath !== null) {
      const { status } = tree.newPath;
      path.shared.phase = isOffloaded(status) ? 'offloaded' : 'absent';
      if (!isOffloaded(status)) {
        if (parent === NdisStatus.SUCCESS) parent = status;
        path.offloadedNeighbor = null;
        neighbor.shared.dependents--;
        this.environment.core.defer(() => this.shared.releaseNeighbor(neighbor));
      }
    }
    for (const candidate of candidates) this.settle(candidate, path, parent);
    this.shared.releaseLater(path);
    // What changed while the tree was on its way (UPD-11, UPD-12).
    this.environment.core.defer(() => {
      this.updates.updateNeighbor(neighbor);
      this.updates.updatePath(path);
    });
    this.environment.core.wake();
  }

  private settle({ connection, block }: Candidate, path: Path, parentStatus: NdisStatus): void {
    const { ownership } = connection;
    const { state } = block;
    if (ownership === null || ownership.owner !== 'offloading' || state === null || state.kind !== 'tcp') return;
    this.environment.pool.freeChain(state.bufferedData);
    state.bufferedData = null;
    if (isOffloaded(block.status)) {
      release(this.environment.core.tcp, ownership.cb);
      for (const segment of ownership.held.takeAll()) ownership.io.addForward(segment);
      if (ownership.lost.length + state.extensionLost.length > 0) {
        ownership.io.lost = [...ownership.lost, ...state.extensionLost];
      }
      connection.offloadBroken = false;
      connection.ownership = { owner: 'offloaded', io: ownership.io };
    } else {
      // The lists of a failed block come back untouched (INIT-23).
      this.environment.pool.freeChain(block.netBufferListChain);
      path.shared.dependents--;
      const status = parentStatus === NdisStatus.SUCCESS ? block.status : parentStatus;
      ownership.refusal = { status, reason: `the offload target answered ${statusName(status)}` };
    }
    this.environment.schedule(connection);
  }
}

/** Its peer marks segments as fit for ECN: an end that ignores what the network makes of them must not have it (RFC 3168). */
function usesEcn({ ownership }: Connection): boolean {
  return ownership?.owner === 'host' && ownership.cb.ecn !== 0;
}

/** Neither path nor neighbor is on its way to the target or back (INIT-05), and neither was given up. */
function isFree(path: Path): boolean {
  const { shared, neighbor } = path;
  if (shared.phase === 'initiating' || shared.phase === 'terminating' || shared.invalidated) return false;
  if (shared.phase === 'offloaded') return path.offloadedNeighbor?.shared.invalidated !== true;
  const { phase, invalidated } = neighbor.shared;
  return phase !== 'initiating' && phase !== 'terminating' && !invalidated;
}

/** What a target without the extension drops (spec/decisions.md 23). */
function partsOf(cb: ControlBlock): ExtensionPart[] {
  const parts: ExtensionPart[] = ['congestion control state', 'RTT precision'];
  if (cb.reassembly !== null && !cb.reassembly.isEmpty) parts.unshift('out-of-order bytes');
  if (cb.scoreboard !== null && cb.scoreboard.toArray().length > 0) parts.unshift('SACK scoreboard');
  return parts;
}

/**
 * Updates, queries and invalidates: what the host tells an offload target about objects that it keeps, and asks it. One
 * update per object at a time (UPD-04); changes that come meanwhile travel with the next one.
 */
import { linker, newOffload, type OffloadBlockList } from '../../ndis/block-list.ts';
import {
  NeighborCachedState,
  NeighborDelegatedState,
  NeighborOffloadState,
  OffloadStateType,
  PathCachedState,
  PathOffloadState,
  TcpOffloadState,
} from '../../ndis/offload-state.ts';
import { NdisStatus } from '../../ndis/status.ts';
import { TcpCachedFlag, TcpCachedState, TcpDelegatedState } from '../../tcp/index.ts';
import type { Connection } from '../connection.ts';
import type { Neighbor } from '../framing/neighbor.ts';
import type { Path } from '../path/path.ts';
import { type ChimneyEnvironment, complete } from './environment.ts';
import type { SharedObject } from './shared-object.ts';
import { treeOverConnection, treeOverPath } from './tree.ts';

const LEVELS = TcpCachedFlag.KEEP_ALIVE_ENABLED | TcpCachedFlag.NAGLING_ENABLED;

/** What happens to the objects below one whose update or query failed: their connections are taken back (UPD-07). */
export interface BrokenObserver {
  neighborBroken(neighbor: Neighbor): void;
  pathBroken(path: Path): void;
  /** An operation on the object has ended: it may be terminated now, if nothing depends on it. */
  neighborSettled(neighbor: Neighbor): void;
  pathSettled(path: Path): void;
}

export class Updates {
  private readonly environment: ChimneyEnvironment;
  private readonly observer: BrokenObserver;

  constructor(environment: ChimneyEnvironment, observer: BrokenObserver) {
    this.environment = environment;
    this.observer = observer;
  }

  /** Sends the cached variables that the application has changed. */
  updateConnection(connection: Connection): void {
    if (!connection.cachedDirty || connection.updateInFlight) return;
    const cached = Object.assign(new TcpCachedState(), connection.desired);
    connection.cachedDirty = false;
    connection.desired.flags &= LEVELS;
    connection.updateInFlight = true;
    const block = newOffload(connection.handle, OffloadStateType.TCP_CACHED, new TcpOffloadState(null, cached, null));
    this.call('updateOffload', treeOverConnection(block), () => {
      connection.updateInFlight = false;
      connection.cached = this.environment.core.tcp.cachedStates.share(cached);
      if (block.status !== NdisStatus.SUCCESS) connection.offloadBroken = true;
      this.environment.schedule(connection);
    });
  }

  /** Asks for the delegated variables of an offloaded connection. The answer comes from within `HostStack.advance`. */
  queryConnection(connection: Connection, answer: (state: TcpDelegatedState | null) => void): void {
    const state = new TcpOffloadState(null, null, new TcpDelegatedState());
    const block = newOffload(connection.handle, OffloadStateType.TCP_DELEGATED, state);
    connection.queryInFlight = true;
    this.call('queryOffloadState', treeOverConnection(block), () => {
      connection.queryInFlight = false;
      const succeeded = block.status === NdisStatus.SUCCESS;
      if (!succeeded) connection.offloadBroken = true;
      this.environment.core.defer(() => answer(succeeded ? state.delegated : null));
      this.environment.schedule(connection);
    });
  }

  /** The MAC address of a neighbor has changed (UPD-11). */
  updateNeighbor(neighbor: Neighbor): void {
    const { shared } = neighbor;
    if (!this.mayUpdate(shared)) return;
    const cached = new NeighborCachedState(neighbor.macAddress.bytes);
    cached.hostReachabilityDelta = neighbor.reachabilityDelta(this.environment.core.tcp.ticks);
    const state = new NeighborOffloadState(null, cached, null);
    const block = newOffload(shared.handle, OffloadStateType.NEIGHBOR_CACHED, state);
    this.call('updateOffload', block, () => {
      shared.busy = false;
      if (block.status !== NdisStatus.SUCCESS) this.observer.neighborBroken(neighbor);
      this.environment.core.defer(() => this.updateNeighbor(neighbor));
      this.observer.neighborSettled(neighbor);
    });
  }

  /** The path MTU has changed (UPD-12). */
  updatePath(path: Path): void {
    const { shared } = path;
    if (!this.mayUpdate(shared)) return;
    const state = new PathOffloadState(null, new PathCachedState(path.pathMtu), null);
    const cachedType = path.destination.family === 4 ? OffloadStateType.IP4_CACHED : OffloadStateType.IP6_CACHED;
    const block = newOffload(shared.handle, cachedType, state);
    this.call('updateOffload', treeOverPath(block), () => {
      shared.busy = false;
      if (block.status !== NdisStatus.SUCCESS) this.observer.pathBroken(path);
      this.environment.core.defer(() => this.updatePath(path));
      this.observer.pathSettled(path);
    });
  }

  /** Asks the target how long ago it saw forward progress over a neighbor (NBR-13, NBR-14). */
  queryNeighbor(neighbor: Neighbor): boolean {
    const { shared } = neighbor;
    if (shared.phase !== 'offloaded' || shared.busy || shared.invalidated) return false;
    shared.busy = true;
    const state = new NeighborOffloadState(null, null, new NeighborDelegatedState());
    const block = newOffload(shared.handle, OffloadStateType.NEIGHBOR_DELEGATED, state);
    this.call('queryOffloadState', block, () => {
      shared.busy = false;
      const succeeded = block.status === NdisStatus.SUCCESS && state.delegated !== null;
      const delta = succeeded && state.delegated !== null ? state.delegated.nicReachabilityDelta : null;
      if (!succeeded) this.observer.neighborBroken(neighbor);
      this.environment.core.defer(() => this.environment.neighbors.reachabilityAnswer(neighbor, delta));
      this.environment.core.defer(() => this.updateNeighbor(neighbor));
      this.observer.neighborSettled(neighbor);
    });
    return true;
  }

  /** The neighbor does not answer: the target must stop sending to it (NBR-13, INV-04). */
  invalidateNeighbor(neighbor: Neighbor): void {
    const { shared } = neighbor;
    if (shared.phase !== 'offloaded' || shared.invalidated) return;
    shared.invalidated = true;
    if (shared.busy) {
      // The update or query in flight ends first; taking the connections back does not have to wait for either.
      this.observer.neighborBroken(neighbor);
      return;
    }
    shared.busy = true;
    this.call('invalidateOffload', linker(shared.handle, OffloadStateType.NEIGHBOR), () => {
      shared.busy = false;
      this.observer.neighborBroken(neighbor);
      this.observer.neighborSettled(neighbor);
    });
  }

  private mayUpdate(shared: SharedObject): boolean {
    // The host does not update what is being offloaded or was invalidated (UPD-03): a later initiate carries the values.
    if (!shared.dirty || shared.phase !== 'offloaded' || shared.busy || shared.invalidated) return false;
    shared.dirty = false;
    shared.busy = true;
    return true;
  }

  private call(
    operation: 'updateOffload' | 'queryOffloadState' | 'invalidateOffload',
    root: OffloadBlockList,
    done: () => void,
  ): void {
    root.protocolReserved = done;
    this.environment.flush();
    if (this.environment.binding[operation](root) === NdisStatus.PENDING) return;
    // Nothing passes to the adapter: as good as an operation that failed.
    for (let block: OffloadBlockList | null = root; block !== null; block = block.dependentBlockList) {
      block.status = NdisStatus.FAILURE;
    }
    complete(root);
  }
}

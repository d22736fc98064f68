/**
 * Neighbors and paths in the target: how many objects depend on each, and taking them back when the last one is gone
 * (TERM-04). Moving paths to another neighbor is `relink.ts`.
 */
import { linker, newOffload, type OffloadBlockList, placeholder } from '../../ndis/block-list.ts';
import { NeighborDelegatedState, NeighborOffloadState, OffloadStateType } from '../../ndis/offload-state.ts';
import { NdisStatus } from '../../ndis/status.ts';
import type { Neighbor } from '../framing/neighbor.ts';
import type { Path } from '../path/path.ts';
import { type ChimneyEnvironment, complete } from './environment.ts';
import type { SharedObject } from './shared-object.ts';
import { pathTypeOf } from './tree.ts';

export class SharedObjects {
  private readonly environment: ChimneyEnvironment;

  constructor(environment: ChimneyEnvironment) {
    this.environment = environment;
  }

  /** A connection of the path left the target, or never got there. */
  leavePath(path: Path): void {
    path.shared.dependents--;
    this.releaseLater(path);
  }

  /** Terminates a path, and its neighbor with it, if nothing depends on them any more. Not for calls from upcalls. */
  release(path: Path): void {
    const neighbor = path.offloadedNeighbor;
    if (neighbor === null || !isIdle(path.shared)) return;
    const takesNeighbor = neighbor.shared.dependents === 1 && isSettled(neighbor.shared) && !neighbor.shared.reserved;
    const pathBlock = linker(path.shared.handle, pathTypeOf(path));
    const root = takesNeighbor ? neighborBlock(neighbor) : placeholder(OffloadStateType.NEIGHBOR);
    root.dependentBlockList = pathBlock;
    path.shared.phase = 'terminating';
    if (takesNeighbor) neighbor.shared.phase = 'terminating';
    this.terminate(root, () => {
      if (this.pathTerminated(path, pathBlock)) neighbor.shared.dependents--;
      if (takesNeighbor) this.neighborTerminated(neighbor, root);
      else this.releaseNeighborLater(neighbor);
    });
  }

  /** Terminates a neighbor that no path depends on. Not for calls from upcalls. */
  releaseNeighbor(neighbor: Neighbor): void {
    if (!isIdle(neighbor.shared)) return;
    const root = neighborBlock(neighbor);
    neighbor.shared.phase = 'terminating';
    this.terminate(root, () => this.neighborTerminated(neighbor, root));
  }

  /** Has a neighbor looked at from within `HostStack.advance`. */
  releaseNeighborLater(neighbor: Neighbor): void {
    this.environment.core.defer(() => this.releaseNeighbor(neighbor));
  }

  /** Has a path looked at from within `HostStack.advance`. */
  releaseLater(path: Path): void {
    if (path.shared.dependents > 0 || path.shared.phase !== 'offloaded') return;
    this.environment.core.defer(() => this.release(path));
  }

  private terminate(root: OffloadBlockList, done: () => void): void {
    const { binding } = this.environment;
    root.protocolReserved = (): void => {
      done();
      // An initiate may have waited for this (INIT-05): `Chimney.pump` looks.
      this.environment.core.defer(() => {});
    };
    // Nothing passes to an adapter that was switched off: then it has no objects either.
    if (binding.terminateOffload(root) !== NdisStatus.PENDING) {
      root.status = NdisStatus.SUCCESS;
      complete(root);
    }
  }

  private neighborTerminated(neighbor: Neighbor, block: OffloadBlockList): void {
    this.settle(neighbor.shared, block, () => this.releaseNeighbor(neighbor));
    const { state } = block;
    if (state === null || state.kind !== 'neighbor' || state.delegated === null) return;
    // What the target learned about the neighbor is ours again (NBR-15).
    const { ticks } = this.environment.core.tcp;
    const delta = state.delegated.nicReachabilityDelta;
    if (delta < neighbor.reachabilityDelta(ticks)) neighbor.confirmedAt = ticks - delta;
  }

  /** Whether the path is gone. */
  private pathTerminated(path: Path, block: OffloadBlockList): boolean {
    if (!this.settle(path.shared, block, () => this.release(path))) return false;
    path.offloadedNeighbor = null;
    this.environment.core.defer(() => this.environment.paths.forgetIfIdle(path));
    return true;
  }

  /** After a failed terminate the object is terminated once more; then it is gone in any case (decisions.md 9). */
  private settle(shared: SharedObject, block: OffloadBlockList, again: () => void): boolean {
    if (block.status === NdisStatus.SUCCESS || shared.failedTerminates > 0) {
      shared.reset();
      return true;
    }
    shared.phase = 'offloaded';
    shared.failedTerminates++;
    this.environment.core.defer(again);
    return false;
  }
}

function isSettled(shared: SharedObject): boolean {
  return shared.phase === 'offloaded' && !shared.busy;
}

function isIdle(shared: SharedObject): boolean {
  return isSettled(shared) && shared.dependents === 0 && !shared.reserved;
}

function neighborBlock(neighbor: Neighbor): OffloadBlockList {
  const state = new NeighborOffloadState(null, null, new NeighborDelegatedState());
  return newOffload(neighbor.shared.handle, OffloadStateType.NEIGHBOR_DELEGATED, state);
}

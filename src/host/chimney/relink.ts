/**
 * Moving paths to a new neighbor when the next hop changes (UPD-10, spec/algorithms.md 13): the new neighbor is
 * offloaded if the target does not know it, an update hangs the paths below it, and the old neighbor goes when nothing
 * depends on it any more.
 */
import { linkBlocks, linker, newOffload } from '../../ndis/block-list.ts';
import { OffloadStateType } from '../../ndis/offload-state.ts';
import { isOffloaded, NdisStatus } from '../../ndis/status.ts';
import type { Neighbor } from '../framing/neighbor.ts';
import type { Path } from '../path/path.ts';
import type { AdapterStatus } from './adapter-status.ts';
import { type ChimneyEnvironment, complete } from './environment.ts';
import type { SharedObjects } from './shared-objects.ts';
import { neighborState, pathTypeOf } from './tree.ts';
import type { BrokenObserver } from './update.ts';

export class Relinks {
  private readonly environment: ChimneyEnvironment;
  private readonly status: AdapterStatus;
  private readonly shared: SharedObjects;
  private readonly observer: BrokenObserver;
  /** Paths whose object in the target depends on another neighbor than it should. */
  private readonly moving = new Set<Path>();

  constructor(environment: ChimneyEnvironment, status: AdapterStatus, shared: SharedObjects, observer: BrokenObserver) {
    this.environment = environment;
    this.status = status;
    this.shared = shared;
    this.observer = observer;
  }

  /** The next hop of a path has changed. */
  add(path: Path): void {
    if (path.shared.phase === 'absent') return;
    this.moving.add(path);
    this.environment.core.wake();
  }

  get pending(): boolean {
    return this.moving.size > 0;
  }

  /** Takes every step that can be taken now. Called from within `HostStack.advance`, not from upcalls. */
  pump(): void {
    if (this.moving.size === 0) return;
    const ready = new Map<Neighbor, Path[]>();
    for (const path of [...this.moving]) {
      if (path.shared.phase === 'absent' || path.offloadedNeighbor === path.neighbor) {
        this.forget(path);
      } else if (path.shared.phase === 'offloaded' && !path.shared.busy && this.isThere(path)) {
        const paths = ready.get(path.neighbor);
        if (paths === undefined) ready.set(path.neighbor, [path]);
        else paths.push(path);
      }
    }
    for (const [neighbor, paths] of ready) this.relink(neighbor, paths);
  }

  /** Whether the target knows the new neighbor of a path; takes the next step towards it otherwise. */
  private isThere(path: Path): boolean {
    const { neighbor } = path;
    const { phase, busy, invalidated } = neighbor.shared;
    if (phase === 'offloaded') return !busy && !invalidated;
    if (phase !== 'absent') return false;
    if (!neighbor.resolved) this.environment.neighbors.resolve(neighbor);
    else if (this.status.phase === 'running') this.offload(path, neighbor);
    else this.giveUp(path); // nothing new may be offloaded: the connections come back instead
    return false;
  }

  private offload(path: Path, neighbor: Neighbor): void {
    const { core, binding } = this.environment;
    const state = neighborState(neighbor, core.tcp.ticks);
    const block = newOffload(neighbor.shared.handle, OffloadStateType.NEIGHBOR, state);
    neighbor.shared.phase = 'initiating';
    neighbor.shared.reserved = true;
    block.protocolReserved = (): void => {
      neighbor.shared.phase = isOffloaded(block.status) ? 'offloaded' : 'absent';
      if (neighbor.shared.phase === 'absent') this.giveUp(path);
      this.observer.neighborSettled(neighbor);
    };
    this.environment.flush();
    if (binding.initiateOffload(block) === NdisStatus.PENDING) return;
    block.status = NdisStatus.FAILURE;
    complete(block);
  }

  private relink(neighbor: Neighbor, paths: readonly Path[]): void {
    const root = linker(neighbor.shared.handle, OffloadStateType.NEIGHBOR);
    const blocks = paths.map((path) => linker(path.shared.handle, pathTypeOf(path)));
    root.dependentBlockList = linkBlocks(blocks);
    neighbor.shared.reserved = false;
    neighbor.shared.busy = true;
    for (const path of paths) path.shared.busy = true;
    root.protocolReserved = (): void => {
      neighbor.shared.busy = false;
      paths.forEach((path, index) => {
        path.shared.busy = false;
        if (root.status === NdisStatus.SUCCESS && blocks[index].status === NdisStatus.SUCCESS) {
          this.moved(path, neighbor);
        } else {
          this.giveUp(path);
        }
        this.shared.releaseLater(path);
      });
      this.observer.neighborSettled(neighbor);
    };
    this.environment.flush();
    if (this.environment.binding.updateOffload(root) === NdisStatus.PENDING) return;
    root.status = NdisStatus.FAILURE;
    complete(root);
  }

  private moved(path: Path, neighbor: Neighbor): void {
    const old = path.offloadedNeighbor;
    path.offloadedNeighbor = neighbor;
    neighbor.shared.dependents++;
    this.moving.delete(path);
    if (old === null) return;
    old.shared.dependents--;
    this.environment.core.defer(() => this.shared.releaseNeighbor(old));
  }

  /** The path cannot be moved in the target: its connections are taken back, and it goes with them. */
  private giveUp(path: Path): void {
    this.forget(path);
    this.observer.pathBroken(path);
  }

  /** Nothing waits for the new neighbor of the path any more. */
  private forget(path: Path): void {
    this.moving.delete(path);
    const { neighbor } = path;
    if (!neighbor.shared.reserved) return;
    neighbor.shared.reserved = false;
    this.environment.core.defer(() => this.shared.releaseNeighbor(neighbor));
  }
}

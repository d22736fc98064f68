/**
 * Offloading a state tree: the depth-first, breadth-next walk and the roll-up of its statuses (spec/algorithms.md 1).
 * Each connection lives from the moment its own object exists (INIT-08).
 */
import { NdisStatus } from '../../ndis/index.ts';
import type { ConnectionOwner, ExtensionPart } from '../../tcp/index.ts';
import { IpAddress, MacAddress } from '../../wire/index.ts';
import type { InitiateBlock, InitiateResult, NewNeighbor, NewPath, NewTcp } from '../messages.ts';
import { admitConnection, admitNeighbor, admitPath } from './admission.ts';
import { NeighborContext, type ObjectContext, PathContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import { startReachability } from './neighbor-reachability.ts';
import { newRoute } from './routes.ts';
import { takeOverConnection } from './take-over.ts';

/** Status of a block that was never attempted (TREE-15). */
const NOT_ATTEMPTED = NdisStatus.FAILURE;

/** Walks the tree and returns a result per block; `offloaded` receives the ids of the new connections. */
export function initiate(
  core: NicCore,
  owner: ConnectionOwner,
  blocks: readonly InitiateBlock[],
  offloaded: number[],
): InitiateResult[] {
  const walk = new InitiateWalk(core, owner, blocks, offloaded);
  return walk.run();
}

class InitiateWalk {
  private readonly core: NicCore;
  private readonly owner: ConnectionOwner;
  private readonly blocks: readonly InitiateBlock[];
  private readonly offloaded: number[];
  private readonly statuses: NdisStatus[];
  private readonly lost: (readonly ExtensionPart[])[];
  private rootFailed = false;

  constructor(core: NicCore, owner: ConnectionOwner, blocks: readonly InitiateBlock[], offloaded: number[]) {
    this.core = core;
    this.owner = owner;
    this.blocks = blocks;
    this.offloaded = offloaded;
    this.statuses = blocks.map(() => NOT_ATTEMPTED);
    this.lost = blocks.map(() => []);
  }

  run(): InitiateResult[] {
    if (this.blocks.length > 0) {
      this.walk(0, null);
      this.rollUp(0);
    }
    return this.statuses.map((status, index) => ({ status, lost: this.lost[index] }));
  }

  /** Siblings in a loop, so that their number is not limited (TREE-03, TREE-05). */
  private walk(first: number, parent: ObjectContext | null): void {
    for (let index = first; index >= 0 && !this.rootFailed; index = this.blocks[index].next) {
      const block = this.blocks[index];
      const object = this.visit(index, block, parent);
      if (block.state !== null && this.statuses[index] !== NdisStatus.SUCCESS) {
        // TREE-14, TREE-15; siblings are tried whatever the reason was (spec/decisions.md 1, TREE-16).
        if (index === 0) this.rootFailed = true;
        continue;
      }
      this.walk(block.dependent, object);
    }
  }

  /** Offloads the block's own state; returns the object that dependents are attached to (TREE-09). */
  private visit(index: number, block: InitiateBlock, parent: ObjectContext | null): ObjectContext | null {
    this.statuses[index] = NdisStatus.SUCCESS;
    if (block.state === null) return block.id === 0 ? null : objectOf(this.core, block.id);
    const refusal = this.core.takeRefusal(block.state.kind);
    const result = refusal === NdisStatus.SUCCESS ? this.offload(index, block.id, block.state, parent) : refusal;
    if (typeof result === 'number') {
      this.statuses[index] = result;
      return null;
    }
    return result;
  }

  private offload(
    index: number,
    id: number,
    state: NewNeighbor | NewPath | NewTcp,
    parent: ObjectContext | null,
  ): ObjectContext | NdisStatus {
    if (state.kind === 'neighbor') return offloadNeighbor(this.core, id, state);
    if (state.kind === 'path') {
      // spec/decisions.md 3: below a placeholder there is nothing to be attached to.
      if (parent?.layer !== 'neighbor') return NdisStatus.FAILURE;
      return offloadPath(this.core, id, state, parent);
    }
    if (parent?.layer !== 'path') return NdisStatus.FAILURE;
    const status = admitConnection(this.core, state);
    if (status !== NdisStatus.SUCCESS) return status;
    const taken = takeOverConnection(this.core, this.owner, id, state, parent);
    if (taken === null) return NdisStatus.FAILURE;
    this.lost[index] = taken.lost;
    this.offloaded.push(id);
    return taken.connection;
  }

  /** TREE-11…13, spec/algorithms.md 1.4; spec/decisions.md 2: a partially successful dependent counts as offloaded. */
  private rollUp(first: number): void {
    for (let index = first; index >= 0; index = this.blocks[index].next) {
      const block = this.blocks[index];
      if (block.dependent >= 0) this.rollUp(block.dependent);
      if (block.id === 0 && block.state === null) this.statuses[index] = NdisStatus.SUCCESS;
      else if (this.statuses[index] === NdisStatus.SUCCESS) this.statuses[index] = this.combined(block);
    }
  }

  private combined(block: InitiateBlock): NdisStatus {
    let failed = 0;
    let dependents = 0;
    for (let index = block.dependent; index >= 0; index = this.blocks[index].next) {
      dependents += 1;
      const status = this.statuses[index];
      if (status !== NdisStatus.SUCCESS && status !== NdisStatus.OFFLOAD_PARTIAL_SUCCESS) failed += 1;
    }
    if (failed === 0) return NdisStatus.SUCCESS;
    if (block.state === null && failed === dependents) return NdisStatus.FAILURE;
    return NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
  }
}

/** The object with this id, or null. */
export function objectOf(core: NicCore, id: number): ObjectContext | null {
  return core.connections.get(id) ?? core.paths.get(id) ?? core.neighbors.get(id) ?? null;
}

function offloadNeighbor(core: NicCore, id: number, state: NewNeighbor): NeighborContext | NdisStatus {
  const status = admitNeighbor(core, state);
  if (status !== NdisStatus.SUCCESS) return status;
  const source = state.dlSourceAddress === null ? null : MacAddress.fromBytes(state.dlSourceAddress);
  const neighbor = new NeighborContext(id, source, state.vlanId, MacAddress.fromBytes(state.dlDestinationAddress));
  startReachability(neighbor, core.tcp.ticks, state.hostReachabilityDelta, state.nicReachabilityDelta);
  core.neighbors.set(id, neighbor);
  return neighbor;
}

function offloadPath(core: NicCore, id: number, state: NewPath, neighbor: NeighborContext): PathContext | NdisStatus {
  const status = admitPath(core, state);
  if (status !== NdisStatus.SUCCESS) return status;
  const family = state.sourceAddress.length === 4 ? 4 : 6;
  const source = IpAddress.fromBytes(family, state.sourceAddress);
  const destination = IpAddress.fromBytes(family, state.destinationAddress);
  const path = new PathContext(id, neighbor, newRoute(core, neighbor, source, destination), state.pathMtu);
  neighbor.paths.add(path);
  core.paths.set(id, path);
  const name = source.toString();
  core.localAddresses.set(name, (core.localAddresses.get(name) ?? 0) + 1);
  return path;
}

/**
 * State trees: neighbor ▸ path ▸ TCP (TREE-01). What the target knows already is referred to, what it does not know
 * travels with its state, and levels that an operation is not about are placeholders.
 */
import { linkBlocks, linker, newOffload, type OffloadBlockList, placeholder } from '../../ndis/block-list.ts';
import {
  NeighborCachedState,
  NeighborConstantState,
  NeighborDelegatedState,
  NeighborOffloadState,
  OffloadStateType,
  PathCachedState,
  PathConstantState,
  PathDelegatedState,
  PathOffloadState,
} from '../../ndis/offload-state.ts';
import type { Neighbor } from '../framing/neighbor.ts';
import type { Path } from '../path/path.ts';

/** An initiate tree, with the blocks above its connections. */
export interface InitiateTree {
  readonly root: OffloadBlockList;
  /** The block of the neighbor when it is new, else null. */
  readonly newNeighbor: OffloadBlockList | null;
  /** The block of the path when it is new, else null. */
  readonly newPath: OffloadBlockList | null;
}

/** The full state of a neighbor; both reachability deltas are equal (NBR-04). */
export function neighborState(neighbor: Neighbor, nowTicks: number): NeighborOffloadState {
  const cached = new NeighborCachedState(neighbor.macAddress.bytes);
  const delegated = new NeighborDelegatedState();
  cached.hostReachabilityDelta = neighbor.reachabilityDelta(nowTicks);
  delegated.nicReachabilityDelta = cached.hostReachabilityDelta;
  return new NeighborOffloadState(new NeighborConstantState(), cached, delegated);
}

/** The full state of a path (STATE-11). */
export function pathState(path: Path): PathOffloadState {
  const constant = new PathConstantState(path.source.bytes, path.destination.bytes);
  return new PathOffloadState(constant, new PathCachedState(path.pathMtu), new PathDelegatedState());
}

/**
 * The tree that offloads connections of one path: new neighbor ▸ new path, linker ▸ new path, or placeholder ▸ linker
 * (TREE-06…08, TREE-10).
 */
export function initiateTree(path: Path, connections: readonly OffloadBlockList[], nowTicks: number): InitiateTree {
  const { neighbor } = path;
  const isPathNew = path.shared.phase === 'absent';
  const isNeighborNew = isPathNew && neighbor.shared.phase === 'absent';
  const pathBlock = isPathNew
    ? newOffload(path.shared.handle, pathTypeOf(path), pathState(path))
    : linker(path.shared.handle, pathTypeOf(path));
  pathBlock.dependentBlockList = linkBlocks(connections);
  const root = neighborBlock(neighbor, isPathNew, isNeighborNew, nowTicks);
  root.dependentBlockList = pathBlock;
  return { root, newNeighbor: isNeighborNew ? root : null, newPath: isPathNew ? pathBlock : null };
}

function neighborBlock(neighbor: Neighbor, needed: boolean, isNew: boolean, nowTicks: number): OffloadBlockList {
  if (!needed) return placeholder(OffloadStateType.NEIGHBOR);
  const { handle } = neighbor.shared;
  if (!isNew) return linker(handle, OffloadStateType.NEIGHBOR);
  return newOffload(handle, OffloadStateType.NEIGHBOR, neighborState(neighbor, nowTicks));
}

/** The block type of a path with all its variables: that of its family (STATE-08). */
export function pathTypeOf(path: Path): OffloadStateType {
  return path.destination.family === 4 ? OffloadStateType.IP4 : OffloadStateType.IP6;
}

/** A tree about one connection's block and nothing above it: placeholder ▸ placeholder ▸ block. */
export function treeOverConnection(block: OffloadBlockList): OffloadBlockList {
  const path = placeholder(OffloadStateType.IP4);
  path.dependentBlockList = block;
  return treeOverPath(path);
}

/** A tree about one path's block: placeholder ▸ block. */
export function treeOverPath(block: OffloadBlockList): OffloadBlockList {
  const root = placeholder(OffloadStateType.NEIGHBOR);
  root.dependentBlockList = block;
  return root;
}

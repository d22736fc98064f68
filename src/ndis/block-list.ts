/**
 * Offload block lists: the nodes of a state tree. The miniport form (MOBL) and the protocol form (POBL) have equal size
 * and differ only in the middle (IM-06; spec/algorithms.md 14.1), so one object serves as both, in place; the two
 * interfaces show each side only its own members.
 */
import type { NdisBinding } from './binding.ts';
import type { NetBufferList } from './net-buffer.ts';
import type { NdisObjectHeader } from './object-header.ts';
import type { ContextSlot, NdisOffloadHandle } from './offload-handle.ts';
import type { OffloadState, OffloadStateType } from './offload-state.ts';
import { NdisStatus } from './status.ts';

/** Bytes of a block in the contract's layout (spec/structs.json, x64). */
const BLOCK_SIZE = 152;
const BLOCK_REVISION = 1;

/** Header of a block: Type is the type of the state that follows (TREE-23). */
export interface OffloadBlockHeader extends NdisObjectHeader {
  readonly type: OffloadStateType;
}

/** Members that both forms have in the same place (IM-09). */
interface OffloadBlock<Self> {
  /** Type: of the state that follows; of the object for a linker; without meaning for a placeholder (TREE-06). */
  header: OffloadBlockHeader;
  /** Sibling of the same layer (TREE-02). */
  nextBlock: Self | null;
  /** First block one layer further up: path below neighbor, TCP below path (TREE-01). */
  dependentBlockList: Self | null;
  /** Result for this block, written by the driver below before it completes (TREE-17). PENDING while it works on it. */
  status: NdisStatus;
  /** Private to the protocol driver above; others leave it alone (TREE-21). */
  protocolReserved: unknown;
  /** Private to the target while it owns the block. */
  miniportReserved: unknown;
  /** Private to intermediate drivers, which save and restore it (IM-08, IM-10). */
  imReserved: unknown;
  /** For the current owner of the block, valid while it owns it. */
  scratch: unknown;
  /** How NDIS finds the way back; intermediate drivers save and restore it (IM-08, IM-12). */
  sourceHandle: NdisBinding | null;
  /** Port of the adapter; 0 is the default port (TREE-24). */
  portNumber: number;
  /** Outstanding send data: host to target on initiate, target to host on terminate; else null (INIT-24, TERM-21). */
  netBufferListChain: NetBufferList | null;
  /** The structures that follow the block; null when none do. */
  state: OffloadState | null;
}

/** NDIS_PROTOCOL_OFFLOAD_BLOCK_LIST: a block as the driver above NDIS sees it. */
export interface ProtocolOffloadBlockList extends OffloadBlock<ProtocolOffloadBlockList> {
  /** The object of this block; null makes it a placeholder (TREE-06). */
  offloadHandle: NdisOffloadHandle | null;
}

/** NDIS_MINIPORT_OFFLOAD_BLOCK_LIST: a block as the driver below NDIS sees it. */
export interface MiniportOffloadBlockList extends OffloadBlock<MiniportOffloadBlockList> {
  /**
   * The location of the context value; null makes the block a placeholder. On initiate a location that holds a value
   * makes it a linker, one that holds null a new offload, and the target writes the new object's context there
   * (TREE-06…08, CTX-02, CTX-03; spec/decisions.md 4).
   */
  miniportOffloadContext: ContextSlot | null;
  /** What the target stores and passes in indications for the object (CTX-06, CTX-08). */
  readonly ndisOffloadHandle: NdisOffloadHandle | null;
}

/** A block in either form. */
export class OffloadBlockList implements ProtocolOffloadBlockList, MiniportOffloadBlockList {
  header: OffloadBlockHeader;
  nextBlock: OffloadBlockList | null = null;
  dependentBlockList: OffloadBlockList | null = null;
  status: NdisStatus = NdisStatus.PENDING;
  /** NdisReserved[0…1] of both forms. */
  ndisReserved: unknown = null;
  /** MOBL: the location of the context value. POBL: NdisReserved[2], null. */
  miniportOffloadContext: ContextSlot | null = null;
  /** POBL: OffloadHandle. MOBL: the same slot is NdisOffloadHandle. */
  offloadHandle: NdisOffloadHandle | null;
  protocolReserved: unknown = null;
  miniportReserved: unknown = null;
  imReserved: unknown = null;
  scratch: unknown = null;
  sourceHandle: NdisBinding | null = null;
  portNumber = 0;
  netBufferListChain: NetBufferList | null = null;
  state: OffloadState | null;

  constructor(type: OffloadStateType, offloadHandle: NdisOffloadHandle | null, state: OffloadState | null) {
    this.header = { type, revision: BLOCK_REVISION, size: BLOCK_SIZE };
    this.offloadHandle = offloadHandle;
    this.state = state;
  }

  get ndisOffloadHandle(): NdisOffloadHandle | null {
    return this.offloadHandle;
  }
}

/** A block without object and state, there only to hold its dependents or siblings together (TREE-06). */
export function placeholder(type: OffloadStateType): OffloadBlockList {
  return new OffloadBlockList(type, null, null);
}

/**
 * A block that names an object offloaded earlier and carries no state: the linker of an initiate tree (TREE-07), the
 * block of an invalidate (INV-02), or of a terminate whose delegated state is not wanted.
 */
export function linker(handle: NdisOffloadHandle, type: OffloadStateType): OffloadBlockList {
  return new OffloadBlockList(type, handle, null);
}

/**
 * A block followed by state: a new offload in an initiate tree, whose handle is still empty (TREE-08), or an object with
 * structures to read or to fill in the other operations.
 */
export function newOffload(
  handle: NdisOffloadHandle,
  type: OffloadStateType,
  state: OffloadState | null,
): OffloadBlockList {
  return new OffloadBlockList(type, handle, state);
}

/** Chains siblings by `nextBlock` in the given order and returns the first; null when there are none. */
export function linkBlocks<B extends { nextBlock: B | null }>(blocks: readonly B[]): B | null {
  for (let i = 0; i < blocks.length; i++) (blocks[i] as B).nextBlock = blocks[i + 1] ?? null;
  return blocks[0] ?? null;
}

/** What the walkers need to know of a block. */
interface TreeNode<B> {
  nextBlock: B | null;
  dependentBlockList: B | null;
}

/**
 * Visits a tree in the contract's order: a block, everything under its `dependentBlockList`, and only then its
 * `nextBlock` (TREE-05). Siblings are walked in a loop, so their number is not limited (TREE-03); a level of depth costs
 * an entry of a small stack.
 *
 * @param visit called with the block, its parent (null at the root level) and its depth (0 at the root level). When it
 * returns false, what lies below the block is skipped.
 */
export function walkBlocks<B extends TreeNode<B>>(
  root: B,
  visit: (block: B, parent: B | null, depth: number) => unknown,
): void {
  const ancestors: B[] = [];
  let block: B | null = root;
  while (block !== null) {
    const parent = ancestors.length === 0 ? null : (ancestors[ancestors.length - 1] as B);
    const descend = visit(block, parent, ancestors.length) !== false;
    if (descend && block.dependentBlockList !== null) {
      ancestors.push(block);
      block = block.dependentBlockList;
      continue;
    }
    while (block.nextBlock === null && ancestors.length > 0) block = ancestors.pop() as B;
    block = block.nextBlock;
  }
}

/** All blocks of a tree in the contract's order. */
export function blocksOf<B extends TreeNode<B>>(root: B): B[] {
  const blocks: B[] = [];
  walkBlocks(root, (block) => {
    blocks.push(block);
  });
  return blocks;
}

/** The immediate dependents of a block: its dependent and that one's `nextBlock` chain (spec/algorithms.md 1.4). */
export function dependentsOf<B extends TreeNode<B>>(block: B): B[] {
  const dependents: B[] = [];
  for (let child = block.dependentBlockList; child !== null; child = child.nextBlock) dependents.push(child);
  return dependents;
}

/** What a block stands for in an initiate tree (spec/algorithms.md 1.1), judged by its miniport form. */
export const BlockRole = { PLACEHOLDER: 0, LINKER: 1, NEW: 2 } as const;
export type BlockRole = (typeof BlockRole)[keyof typeof BlockRole];

/** The role of a block as the driver below sees it. For a new offload it must be asked before the context is written. */
export function roleOf(block: MiniportOffloadBlockList): BlockRole {
  const slot = block.miniportOffloadContext;
  if (slot === null) return BlockRole.PLACEHOLDER;
  return slot.miniportOffloadContext === null ? BlockRole.NEW : BlockRole.LINKER;
}

/**
 * Conversion of block lists at the crossing, in place and for whole trees (spec/algorithms.md 14). The object stays the
 * same, so a completion returns the very pointer that the caller passed (TREE-19).
 */
import {
  type MiniportOffloadBlockList,
  type OffloadBlockList,
  type ProtocolOffloadBlockList,
  walkBlocks,
} from './block-list.ts';
import { NdisStatus } from './status.ts';

/**
 * Going down: every block of the tree becomes a miniport block. MiniportOffloadContext is taken from the structure that
 * OffloadHandle points at, and NdisOffloadHandle is that pointer (IM-04). Status becomes PENDING.
 */
export function toMiniportForm(root: ProtocolOffloadBlockList): MiniportOffloadBlockList {
  const tree = root as OffloadBlockList;
  walkBlocks(tree, (block) => {
    block.miniportOffloadContext = block.offloadHandle;
    block.status = NdisStatus.PENDING;
  });
  return tree;
}

/** Going up: every block becomes a protocol block again (IM-05); its third NdisReserved slot is empty. */
export function toProtocolForm(root: MiniportOffloadBlockList): ProtocolOffloadBlockList {
  const tree = root as OffloadBlockList;
  walkBlocks(tree, (block) => {
    block.miniportOffloadContext = null;
  });
  return tree;
}

/**
 * An intermediate driver rebuilds the tree that it received as a protocol tree (spec/ddi.md 2.4): for each block the
 * handle of its own that stands for the object, or null for a placeholder. The caller has saved what it must restore.
 */
export function rebuildForBelow(
  root: MiniportOffloadBlockList,
  handleFor: (block: MiniportOffloadBlockList) => OffloadBlockList['offloadHandle'],
): ProtocolOffloadBlockList {
  const tree = root as OffloadBlockList;
  walkBlocks(tree, (block) => {
    block.offloadHandle = handleFor(block);
    block.miniportOffloadContext = null;
  });
  return tree;
}

/**
 * The way back of `rebuildForBelow`: the intermediate driver puts the handle of the driver above back into each block,
 * and with it the location of the context value (spec/algorithms.md 14.4).
 */
export function rebuildForAbove(
  root: ProtocolOffloadBlockList,
  handleFor: (block: ProtocolOffloadBlockList) => OffloadBlockList['offloadHandle'],
): MiniportOffloadBlockList {
  const tree = root as OffloadBlockList;
  walkBlocks(tree, (block) => {
    block.offloadHandle = handleFor(block);
    block.miniportOffloadContext = block.offloadHandle;
  });
  return tree;
}

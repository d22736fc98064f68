/** TREE, STATE: the shape of a tree that goes down, whatever the operation. */
import { BlockRole, type OffloadBlockList, walkBlocks } from '../block-list.ts';
import type { NdisOffloadHandle } from '../offload-handle.ts';
import { classesOf, layerOf, OffloadLayer, type OffloadState, OffloadStateType, StateClass } from '../offload-state.ts';
import { stateOperationName } from '../operations.ts';
import { BlockRecord, layerName, type Model, type TreeRecord } from './model.ts';
import { violate } from './verified-rules.ts';

const KIND_OF_LAYER = ['neighbor', 'path', 'tcp'] as const;

/**
 * Checks the shape of a tree and records its blocks. Roles are those of an initiate tree; in the other operations every
 * block with a handle names an object.
 */
export function recordTree(model: Model, tree: TreeRecord, root: OffloadBlockList): void {
  const rootLayer = findRootLayer(root);
  const records = new Map<OffloadBlockList, BlockRecord>();
  const handles = new Set<NdisOffloadHandle>();
  walkBlocks(root, (block, parent, depth) => {
    if (records.has(block))
      violate('TREE-02', `a block occurs twice in a tree of ${stateOperationName(tree.operation)}`);
    const layer = rootLayer + depth;
    checkLayer(block, parent, layer);
    const role = roleOfProtocolBlock(block);
    const handle = block.offloadHandle;
    if (role === BlockRole.PLACEHOLDER) {
      if (block.state !== null || block.netBufferListChain !== null) {
        violate('TREE-06', 'a placeholder carries state');
      }
    } else {
      checkState(block);
      if (handle !== null && handles.has(handle)) violate('TREE-04', 'one object occurs twice in a tree');
      if (handle !== null) handles.add(handle);
    }
    const object = handle === null ? null : model.objectOf(handle);
    const parentRecord = parent === null ? null : (records.get(parent) ?? null);
    const record = new BlockRecord(block, parentRecord, role, layer as OffloadLayer, object);
    records.set(block, record);
    tree.blocks.push(record);
  });
}

/** The role of a block before it is converted. */
function roleOfProtocolBlock(block: OffloadBlockList): BlockRole {
  if (block.offloadHandle === null) return BlockRole.PLACEHOLDER;
  return block.offloadHandle.miniportOffloadContext === null ? BlockRole.NEW : BlockRole.LINKER;
}

/** The layer of the root level: the Type of a placeholder is ignored, so another block tells it (TREE-06). */
function findRootLayer(root: OffloadBlockList): number {
  let found: number | null = null;
  const seen = new Set<OffloadBlockList>();
  walkBlocks(root, (block, _parent, depth) => {
    if (found !== null || seen.has(block) || depth > OffloadLayer.TCP) return false;
    seen.add(block);
    const layer = block.offloadHandle === null ? null : layerOf(block.header.type);
    if (layer !== null && layer >= depth) found = layer - depth;
    return true;
  });
  return found ?? layerOf(root.header.type) ?? OffloadLayer.NEIGHBOR;
}

function checkLayer(block: OffloadBlockList, parent: OffloadBlockList | null, layer: number): void {
  if (layer > OffloadLayer.TCP) violate('TREE-01', 'a block hangs below a TCP block');
  if (block.offloadHandle === null) return;
  const own = layerOf(block.header.type);
  if (own === null) violate('STATE-09', `a block has type ${block.header.type}, which conveys no chimney state`);
  if (own === layer) return;
  const parentLayer = parent === null || parent.offloadHandle === null ? null : layerOf(parent.header.type);
  if (parentLayer !== null && own !== parentLayer + 1) {
    violate('TREE-01', `a ${layerName(own)} block hangs below a ${layerName(parentLayer)} block`);
  }
  violate('TREE-02', `a ${layerName(own)} block is among ${layerName(layer as OffloadLayer)} blocks`);
}

/** STATE-08, STATE-11: the structures that follow are those that the type announces. */
function checkState(block: OffloadBlockList): void {
  const state = block.state;
  if (state === null) return;
  const type = block.header.type;
  const layer = layerOf(type);
  if (layer === null || state.kind !== KIND_OF_LAYER[layer] || presentClasses(state) !== classesOf(type)) {
    violate('STATE-08', `a block of type ${type} is followed by other structures than its type says`);
  }
  if (state.kind !== 'path' || state.constant === null) return;
  const bytes = type <= OffloadStateType.IP4 ? 4 : 16;
  if (state.constant.sourceAddress.length !== bytes || state.constant.destinationAddress.length !== bytes) {
    violate('STATE-11', `a path of type ${type} has addresses that are not ${bytes} bytes long`);
  }
}

function presentClasses(state: OffloadState): number {
  return (
    (state.constant === null ? 0 : StateClass.CONSTANT) |
    (state.cached === null ? 0 : StateClass.CACHED) |
    (state.delegated === null ? 0 : StateClass.DELEGATED)
  );
}

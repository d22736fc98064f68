/** INIT, TREE, CTX: offloading, on the way down. The way up is in `initiate-complete.ts`. */

import type { TcpState } from '../../tcp/state.ts';
import { BlockRole } from '../block-list.ts';
import { dataLengthOf, lastNetBufferList } from '../net-buffer.ts';
import { isComplete, OffloadLayer, type OffloadState, type TcpOffloadState } from '../offload-state.ts';
import { DataRequest } from '../operations.ts';
import {
  type BindingRecord,
  type BlockRecord,
  describe,
  Life,
  ListRecord,
  layerName,
  type Model,
  ObjectRecord,
  type TreeRecord,
} from './model.ts';
import { chainLength, positionsFit } from './send-data.ts';
import { violate } from './verified-rules.ts';

/** Checks an initiate tree and starts the life of its new objects. Nothing is recorded when a rule is broken. */
export function checkInitiate(model: Model, binding: BindingRecord, tree: TreeRecord): void {
  for (const record of tree.blocks) {
    if (record.object !== null && record.object.life === Life.INITIATING) {
      violate('INIT-05', `${describe(record.object)} is being offloaded already`);
    }
    if (record.role === BlockRole.LINKER) checkLinker(record);
    else if (record.role === BlockRole.NEW) checkNew(binding, record);
  }
  startObjects(model, binding, tree);
}

function checkLinker(record: BlockRecord): void {
  if (record.block.state !== null) violate('TREE-07', 'a linker is followed by state');
  const object = record.object;
  if (object === null || object.life !== Life.OFFLOADED || object.layer !== record.layer) {
    violate('TREE-07', `a ${layerName(record.layer)} linker names no offloaded object of its layer`);
  }
  if (object.context !== record.block.offloadHandle?.miniportOffloadContext) {
    violate('CTX-04', `the context value of ${describe(object)} has changed`);
  }
  if (!hasNewBelow(record)) violate('TREE-10', 'a linker has no dependent block that conveys new state');
}

function hasNewBelow(record: BlockRecord): boolean {
  return record.dependents.some((child) => child.role === BlockRole.NEW || hasNewBelow(child));
}

function checkNew(binding: BindingRecord, record: BlockRecord): void {
  const state = record.block.state;
  if (state === null || !isComplete(state)) {
    violate('TREE-08', `a new ${layerName(record.layer)} block is not followed by all of its state`);
  }
  if (state.kind === 'tcp') checkNewConnection(binding, record, state);
  else if (record.block.netBufferListChain !== null) {
    violate('INIT-24', `a ${layerName(record.layer)} block has a chain of send data`);
  }
  if (state.kind === 'neighbor' && state.cached?.hostReachabilityDelta !== state.delegated?.nicReachabilityDelta) {
    violate('NBR-04', 'a neighbor is offloaded with different host and NIC reachability deltas');
  }
}

const FIRST_OFFLOADABLE: TcpState = 4;
const LAST_OFFLOADABLE: TcpState = 9;

/** ESTABLISHED … LAST_ACK (INIT-02). */
function isOffloadable(state: TcpState): boolean {
  return state >= FIRST_OFFLOADABLE && state <= LAST_OFFLOADABLE;
}

function checkNewConnection(binding: BindingRecord, record: BlockRecord, state: TcpOffloadState): void {
  const delegated = state.delegated;
  if (delegated === null) return;
  if (!isOffloadable(delegated.state)) {
    violate('INIT-02', `a connection in TCP_OFFLOAD_CONNECTION_STATE ${delegated.state} cannot be offloaded`);
  }
  const chain = record.block.netBufferListChain;
  if (!positionsFit(delegated, chainLength(chain))) {
    violate('SEND-21', 'SndUna, SndNxt and SndMax do not lie in the chain of send data in this order');
  }
  if (chain === null) return;
  for (let list: typeof chain | null = chain; list !== null; list = list.next) {
    if (list.firstNetBuffer.next !== null) violate('INIT-24', 'a list of handed-over send data has several buffers');
    if (binding.lists.has(list)) violate('SEND-04', 'a list of handed-over send data is owned by the target already');
  }
  if (state.sendDataHead !== chain || state.sendDataTail !== lastNetBufferList(chain)) {
    violate('INIT-24', 'SendDataHead and SendDataTail do not name the first and last list of the chain');
  }
}

/** Records the new objects. Parents come before their dependents in a tree, so each finds its own. */
function startObjects(model: Model, binding: BindingRecord, tree: TreeRecord): void {
  for (const record of tree.blocks) {
    if (record.role !== BlockRole.NEW || record.block.offloadHandle === null) continue;
    const object = new ObjectRecord(record.block.offloadHandle, record.layer, binding, record.parent?.object ?? null);
    record.object = object;
    model.addObject(object);
    if (record.layer !== OffloadLayer.TCP) continue;
    adoptSendData(binding, object, record);
    noteBufferedData(object, record.block.state);
  }
}

function adoptSendData(binding: BindingRecord, object: ObjectRecord, record: BlockRecord): void {
  for (let list = record.block.netBufferListChain; list !== null; list = list.next) {
    const handed = new ListRecord(list, DataRequest.SEND, object, dataLengthOf(list), 0);
    handed.handedOver = true;
    binding.lists.set(list, handed);
    object.connection.sends.push(handed);
  }
}

/** RECV-44: buffered data handed over waits in the target for a receive request. */
function noteBufferedData(object: ObjectRecord, state: OffloadState | null): void {
  if (state === null || state.kind !== 'tcp') return;
  const bytes = chainLength(state.bufferedData);
  object.connection.heldBytes = bytes;
  object.connection.refused = bytes > 0;
  object.connection.heldFromOffload = bytes > 0;
}

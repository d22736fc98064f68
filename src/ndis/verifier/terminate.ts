/** TERM: what a target hands back when a terminate completes (spec/algorithms.md 11.2). */
import { BlockRole } from '../block-list.ts';
import { lastNetBufferList } from '../net-buffer.ts';
import { OffloadLayer, type TcpOffloadState } from '../offload-state.ts';
import { NdisStatus } from '../status.ts';
import {
  type BindingRecord,
  type BlockRecord,
  describe,
  Life,
  type Model,
  type ObjectRecord,
  type TreeRecord,
} from './model.ts';
import { chainLength, positionsFit } from './send-data.ts';
import { violate } from './verified-rules.ts';

/** Ends the life of the objects whose terminate succeeded. After a failure an object waits for a second terminate. */
export function completeTerminate(model: Model, binding: BindingRecord, tree: TreeRecord): void {
  for (const record of tree.blocks) {
    if (record.role === BlockRole.PLACEHOLDER || record.object === null) continue;
    if (record.block.status === NdisStatus.SUCCESS && record.layer === OffloadLayer.TCP) {
      checkConnection(binding, record, record.object);
    }
  }
  for (const record of tree.blocks) {
    const object = record.object;
    if (record.role === BlockRole.PLACEHOLDER || object === null) continue;
    if (record.block.status !== NdisStatus.SUCCESS) {
      object.life = Life.OFFLOADED;
      continue;
    }
    for (const send of object.connection.sends) binding.lists.delete(send.list);
    adoptBufferedData(binding, record);
    model.removeObject(object);
  }
}

function checkConnection(binding: BindingRecord, record: BlockRecord, object: ObjectRecord): void {
  const connection = object.connection;
  if (connection.inEvent + connection.inIndication > 0) {
    violate('TERM-09', `the terminate of ${describe(object)} completed inside an indication`);
  }
  const open =
    connection.receives.length +
    connection.forwards.length +
    connection.disconnects.length +
    object.queries +
    object.updates +
    object.invalidates;
  if (open > 0) violate('TERM-08', `the terminate of ${describe(object)} completed with ${open} requests outstanding`);
  checkChain(record, object);
  checkBufferedData(binding, record.block.state);
}

/** TERM-19 … TERM-21: all sends that were not completed come back, in order, with their positions. */
function checkChain(record: BlockRecord, object: ObjectRecord): void {
  const chain = record.block.netBufferListChain;
  const sends = object.connection.sends;
  if (chain === null) {
    if (sends.length > 0)
      violate('TERM-08', `${sends.length} sends of ${describe(object)} were neither completed nor returned`);
    return;
  }
  if (sends.length === 0) violate('TERM-21', `a chain of send data came back for ${describe(object)}, which has none`);
  let index = 0;
  for (let list: typeof chain | null = chain; list !== null; list = list.next) {
    if (sends[index]?.list !== list) violate('TERM-19', 'send data came back in another order than it was given');
    index++;
  }
  if (index < sends.length) violate('TERM-08', 'some send data was neither completed nor returned');
  const state = record.block.state;
  if (state === null || state.kind !== 'tcp' || state.delegated === null) {
    violate('TERM-20', 'send data came back without delegated state');
  }
  if (state.sendDataHead !== chain || state.sendDataTail !== lastNetBufferList(chain)) {
    violate('TERM-19', 'SendDataHead and SendDataTail do not name the first and last list of the chain');
  }
  if (!positionsFit(state.delegated, chainLength(chain))) {
    violate('TERM-20', 'SndUna, SndNxt and SndMax do not lie in the returned send data in this order');
  }
}

function checkBufferedData(binding: BindingRecord, state: BlockRecord['block']['state']): void {
  for (let list = bufferedDataOf(state); list !== null; list = list.next) {
    if (binding.indicated.has(list)) violate('TERM-24', 'a list of BufferedData is with the host already');
  }
}

/** The host owns these lists until it returns them (TERM-24). */
function adoptBufferedData(binding: BindingRecord, record: BlockRecord): void {
  for (let list = bufferedDataOf(record.block.state); list !== null; list = list.next) binding.indicated.add(list);
}

function bufferedDataOf(state: BlockRecord['block']['state']): TcpOffloadState['bufferedData'] {
  return state !== null && state.kind === 'tcp' ? state.bufferedData : null;
}

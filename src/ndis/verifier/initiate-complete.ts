/** TREE, CTX, INIT: what a target reports when an initiate completes (spec/algorithms.md 1.4). */
import { BlockRole } from '../block-list.ts';
import { OffloadLayer } from '../offload-state.ts';
import { isOffloaded, NdisStatus, statusName } from '../status.ts';
import {
  type BindingRecord,
  type BlockRecord,
  describe,
  Life,
  layerName,
  type Model,
  type ObjectRecord,
  type TreeRecord,
} from './model.ts';
import { type VerifiedRule, violate } from './verified-rules.ts';

/** Failure statuses that belong to one layer, and the rule that says for what (INIT-13 … INIT-22, VLAN-03, VLAN-07). */
const LAYER_STATUSES: ReadonlyMap<NdisStatus, { readonly layer: OffloadLayer; readonly rule: VerifiedRule }> = new Map([
  [NdisStatus.OFFLOAD_TCP_ENTRIES, { layer: OffloadLayer.TCP, rule: 'INIT-13' }],
  [NdisStatus.OFFLOAD_PATH_ENTRIES, { layer: OffloadLayer.PATH, rule: 'INIT-14' }],
  [NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES, { layer: OffloadLayer.NEIGHBOR, rule: 'INIT-15' }],
  [NdisStatus.OFFLOAD_HW_ADDRESS_ENTRIES, { layer: OffloadLayer.NEIGHBOR, rule: 'INIT-16' }],
  [NdisStatus.OFFLOAD_IP_ADDRESS_ENTRIES, { layer: OffloadLayer.PATH, rule: 'INIT-17' }],
  [NdisStatus.OFFLOAD_TCP_XMIT_BUFFER, { layer: OffloadLayer.TCP, rule: 'INIT-18' }],
  [NdisStatus.OFFLOAD_TCP_RCV_BUFFER, { layer: OffloadLayer.TCP, rule: 'INIT-19' }],
  [NdisStatus.OFFLOAD_TCP_RCV_WINDOW, { layer: OffloadLayer.TCP, rule: 'INIT-20' }],
  [NdisStatus.OFFLOAD_PATH_MTU, { layer: OffloadLayer.PATH, rule: 'INIT-21' }],
  [NdisStatus.OFFLOAD_CONNECTION_REJECTED, { layer: OffloadLayer.TCP, rule: 'INIT-22' }],
  [NdisStatus.OFFLOAD_VLAN_ENTRIES, { layer: OffloadLayer.NEIGHBOR, rule: 'VLAN-03' }],
  [NdisStatus.OFFLOAD_VLAN_MISMATCH, { layer: OffloadLayer.NEIGHBOR, rule: 'VLAN-07' }],
]);

/** Checks the statuses and contexts of the tree, and ends or confirms the life of its new objects. */
export function completeInitiate(model: Model, binding: BindingRecord, tree: TreeRecord): void {
  const root = tree.blocks[0] as BlockRecord;
  const rootFailed = root.role === BlockRole.NEW && !isOffloaded(root.block.status);
  for (const record of tree.blocks) {
    if (record.role === BlockRole.LINKER) checkLinkerStatus(record);
    else if (record.role === BlockRole.NEW) {
      if (isOffloaded(record.block.status)) {
        if (rootFailed) violate('TREE-14', 'an object was offloaded although the root of the tree had failed');
        checkOffloaded(binding, record);
      } else checkNotOffloaded(record, rootFailed && record !== root);
    }
  }
  // Only now, when no rule was broken, what had failed is forgotten.
  const announced: ObjectRecord[] = [];
  for (const record of tree.blocks) {
    if (record.role !== BlockRole.NEW || record.object === null) continue;
    if (isOffloaded(record.block.status)) {
      record.object.life = Life.OFFLOADED;
      announced.push(record.object);
    } else forgetFailed(model, binding, record.object);
  }
  binding.announcing.push(announced);
}

/** The completion call has returned: indications may follow (INIT-09). */
export function announce(binding: BindingRecord): void {
  for (const object of binding.announcing.pop() ?? []) object.announced = true;
}

/** TREE-12. */
function checkLinkerStatus(record: BlockRecord): void {
  const failed = record.dependents.filter(countsAsFailed).length;
  const expected =
    failed === 0
      ? NdisStatus.SUCCESS
      : failed === record.dependents.length
        ? NdisStatus.FAILURE
        : NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
  if (record.block.status !== expected) {
    const found = statusName(record.block.status);
    const count = `${failed} of ${record.dependents.length} dependents`;
    violate('TREE-12', `a linker of which ${count} failed has ${found} instead of ${statusName(expected)}`);
  }
}

function checkOffloaded(binding: BindingRecord, record: BlockRecord): void {
  const parent = record.parent;
  if (parent !== null && parent.role === BlockRole.NEW && !isOffloaded(parent.block.status)) {
    violate('TREE-15', `a ${layerName(record.layer)} was offloaded below a block that failed`);
  }
  const expected = record.dependents.some(countsAsFailed) ? NdisStatus.OFFLOAD_PARTIAL_SUCCESS : NdisStatus.SUCCESS;
  if (record.block.status !== expected) {
    const found = statusName(record.block.status);
    violate('TREE-13', `an offloaded ${layerName(record.layer)} has ${found} instead of ${statusName(expected)}`);
  }
  const object = record.object;
  const context = record.block.offloadHandle?.miniportOffloadContext ?? null;
  if (context === null) violate('CTX-02', `no context was written for an offloaded ${layerName(record.layer)}`);
  const other = binding.contexts.get(context);
  if (other !== undefined && other !== object) violate('CTX-01', `${describe(other)} has the same context value`);
  if (object === null) return;
  object.context = context;
  binding.contexts.set(context, object);
}

function checkNotOffloaded(record: BlockRecord, belowFailedRoot: boolean): void {
  const name = layerName(record.layer);
  const status = record.block.status;
  if ((record.block.offloadHandle?.miniportOffloadContext ?? null) !== null) {
    violate('CTX-03', `a context was written for a ${name} that was not offloaded`);
  }
  const parent = record.parent;
  const parentFailed = parent !== null && parent.role === BlockRole.NEW && !isOffloaded(parent.block.status);
  if (parentFailed && status !== NdisStatus.FAILURE) {
    violate('TREE-15', `a ${name} below a failed block has ${statusName(status)} instead of NDIS_STATUS_FAILURE`);
  }
  if (belowFailedRoot && status !== NdisStatus.FAILURE) {
    violate('TREE-14', `a ${name} after a failed root has ${statusName(status)} instead of NDIS_STATUS_FAILURE`);
  }
  checkFailureStatus(record, status);
  for (const send of record.object?.connection.sends ?? []) {
    if (send.list.status !== send.earlierStatus) {
      violate('INIT-23', 'the status of a list was changed although its connection was not offloaded');
    }
  }
  if (handedCount(record) !== (record.object?.connection.sends.length ?? 0)) {
    violate('INIT-23', 'send data was completed although its connection was not offloaded');
  }
}

/** INIT-11 … INIT-22: a status that says what was missing, on a block that can lack it. */
function checkFailureStatus(record: BlockRecord, status: NdisStatus): void {
  if (status === NdisStatus.FAILURE || status === NdisStatus.RESOURCES) return;
  const known = LAYER_STATUSES.get(status);
  const name = layerName(record.layer);
  if (known === undefined) violate('INIT-11', `${statusName(status)} is no result of an initiate`);
  if (known.layer !== record.layer) violate(known.rule, `${statusName(status)} on a ${name} block`);
  const state = record.block.state;
  if (state?.kind !== 'neighbor') return;
  if (status === NdisStatus.OFFLOAD_HW_ADDRESS_ENTRIES && state.constant?.dlSourceAddress === null) {
    violate('INIT-16', `${statusName(status)} on a neighbor without a source address of its own`);
  }
  if (status === NdisStatus.OFFLOAD_VLAN_MISMATCH && state.constant?.vlanId === 0) {
    violate('VLAN-05', `${statusName(status)} on a neighbor with VLAN 0`);
  }
}

/** Whether a dependent counts as failed for the block above it; partial success does not (spec/decisions.md 2). */
function countsAsFailed(record: BlockRecord): boolean {
  if (record.role === BlockRole.PLACEHOLDER) return false;
  if (record.role === BlockRole.LINKER) return record.block.status === NdisStatus.FAILURE;
  return !isOffloaded(record.block.status);
}

function handedCount(record: BlockRecord): number {
  let count = 0;
  for (let list = record.block.netBufferListChain; list !== null; list = list.next) count++;
  return count;
}

/** The host owns the connection, and its send data, as before. */
function forgetFailed(model: Model, binding: BindingRecord, object: ObjectRecord): void {
  for (const send of object.connection.sends) binding.lists.delete(send.list);
  model.removeObject(object);
}

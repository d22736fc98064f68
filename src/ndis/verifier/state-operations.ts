/** QRY, UPD, INV, TERM: operations on objects that are offloaded, on the way down; and what all completions share. */
import { BlockRole } from '../block-list.ts';
import { OffloadLayer } from '../offload-state.ts';
import { StateOperation, stateOperationName } from '../operations.ts';
import { NdisStatus, statusName } from '../status.ts';
import { type BlockRecord, describe, Life, type ObjectRecord, type TreeRecord } from './model.ts';
import { type VerifiedRule, violate } from './verified-rules.ts';

/** The rule that a completion comes after the call down has returned. */
const LATER_RULES: readonly VerifiedRule[] = ['INIT-01', 'QRY-01', 'UPD-01', 'INV-01', 'TERM-01'];

/** Checks a query, update, invalidate or terminate tree, and counts it as outstanding for its objects. */
export function checkStateOperation(tree: TreeRecord): void {
  const named = new Set<ObjectRecord>();
  for (const record of tree.blocks) {
    if (record.role === BlockRole.PLACEHOLDER) continue;
    const object = namedObject(tree.operation, record);
    named.add(object);
    if (tree.operation === StateOperation.UPDATE) checkUpdate(record, object);
    else if (tree.operation === StateOperation.INVALIDATE && record.block.state !== null) {
      violate('INV-02', 'a block of an invalidate carries state');
    } else if (tree.operation === StateOperation.TERMINATE) checkTerminate(object);
  }
  if (tree.operation === StateOperation.TERMINATE) {
    for (const object of named) checkDependentsIncluded(object, named);
  }
  for (const object of named) countOutstanding(tree.operation, object, 1);
}

/** What every completion owes: it comes later, and every block has a legal status and its reserved members back. */
export function checkCompletion(tree: TreeRecord): void {
  const name = stateOperationName(tree.operation);
  if (tree.inCall)
    violate(LATER_RULES[tree.operation] as VerifiedRule, `an ${name} was completed inside the call down`);
  for (let i = 0; i < tree.blocks.length; i++) {
    const record = tree.blocks[i] as BlockRecord;
    const block = record.block;
    const status = block.status;
    if (status === NdisStatus.PENDING) violate('TREE-17', `a block of the completed ${name} has no status`);
    if (record.role === BlockRole.PLACEHOLDER && status !== NdisStatus.SUCCESS) {
      violate('TREE-11', `a placeholder has ${statusName(status)}`);
    }
    if (tree.operation !== StateOperation.INITIATE && status !== NdisStatus.SUCCESS && status !== NdisStatus.FAILURE) {
      violate('TREE-18', `${statusName(status)} is no result of a ${name}`);
    }
    if (
      block.ndisReserved !== record.ndisReserved ||
      block.protocolReserved !== record.protocolReserved ||
      block.imReserved !== record.imReserved ||
      // NDIS writes the root's; were it changed, the tree would not have been found.
      (i > 0 && block.sourceHandle !== record.sourceHandle)
    ) {
      violate('TREE-21', `reserved members of a block changed during the ${name}`);
    }
    if (tree.operation === StateOperation.INITIATE) checkUnchanged('STATE-01', record.constant, block.state?.constant);
    if (tree.operation === StateOperation.TERMINATE) {
      checkUnchanged('STATE-03', record.constant, block.state?.constant);
      checkUnchanged('STATE-03', record.cached, block.state?.cached);
    }
  }
}

/** A query, update or invalidate has completed. */
export function completeStateOperation(tree: TreeRecord): void {
  for (const record of tree.blocks) {
    const object = record.object;
    if (object === null) continue;
    countOutstanding(tree.operation, object, -1);
    if (tree.operation === StateOperation.UPDATE && record.block.status === NdisStatus.SUCCESS) relink(record, object);
  }
}

/** The object that a block names; it must be offloaded, and be the one that the context value stands for. */
function namedObject(operation: StateOperation, record: BlockRecord): ObjectRecord {
  const object = record.object;
  const name = stateOperationName(operation);
  if (object === null) violate('INIT-07', `a ${name} names an object that is not offloaded`);
  if (object.life === Life.INITIATING)
    violate('INIT-07', `a ${name} before the initiate of ${describe(object)} completed`);
  if (object.life === Life.TERMINATING) violate('CTX-04', `a ${name} while ${describe(object)} is being terminated`);
  if (record.block.offloadHandle?.miniportOffloadContext !== object.context) {
    violate('CTX-04', `the context value of ${describe(object)} has changed`);
  }
  return object;
}

function checkUpdate(record: BlockRecord, object: ObjectRecord): void {
  if (object.invalidated) violate('UPD-03', `an update of ${describe(object)}, which was invalidated`);
  if (object.updates > 0) violate('UPD-04', `a second update of ${describe(object)} while one is in progress`);
  const state = record.block.state;
  if (state !== null && (state.constant !== null || state.delegated !== null)) {
    violate('UPD-02', `an update of ${describe(object)} carries constant or delegated variables`);
  }
  const above = record.parent?.object ?? null;
  if (object.layer === OffloadLayer.TCP && above !== null && above !== object.parent) {
    violate('UPD-09', `an update relinks ${describe(object)} to another path`);
  }
}

function checkTerminate(object: ObjectRecord): void {
  if (object.queries + object.updates + object.invalidates > 0) {
    violate('TERM-03', `a terminate of ${describe(object)} with a query, update or invalidate outstanding`);
  }
  if (object.connection.inReceivePost + object.connection.inDisconnect > 0) {
    violate('TERM-03', `a terminate of ${describe(object)} inside a receive or disconnect call`);
  }
}

function checkDependentsIncluded(object: ObjectRecord, named: ReadonlySet<ObjectRecord>): void {
  for (const dependent of object.dependents) {
    if (!named.has(dependent))
      violate('TERM-04', `a terminate of ${describe(object)}, on which ${describe(dependent)} depends`);
  }
}

function countOutstanding(operation: StateOperation, object: ObjectRecord, step: 1 | -1): void {
  if (operation === StateOperation.QUERY) object.queries += step;
  else if (operation === StateOperation.UPDATE) object.updates += step;
  else if (operation === StateOperation.INVALIDATE) {
    object.invalidates += step;
    object.invalidated = true;
  } else {
    object.life = Life.TERMINATING;
    object.connection.uploading = true;
  }
}

/** UPD-08: a path now depends on the neighbor that it hung below. */
function relink(record: BlockRecord, object: ObjectRecord): void {
  const above = record.parent?.object ?? null;
  if (object.layer !== OffloadLayer.PATH || above === null || above === object.parent) return;
  object.parent?.dependents.delete(object);
  object.parent = above;
  above.dependents.add(object);
}

function checkUnchanged(rule: VerifiedRule, before: object | null, now: object | null | undefined): void {
  const after = (now ?? null) as Readonly<Record<string, unknown>> | null;
  if (before === null && after === null) return;
  const changed =
    before === null || after === null || Object.entries(before).some(([member, value]) => after[member] !== value);
  if (changed) violate(rule, 'state that the driver below may not change has changed');
}

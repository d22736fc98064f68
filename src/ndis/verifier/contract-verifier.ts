import type { NdisBinding } from '../binding.ts';
import type { MiniportOffloadBlockList, OffloadBlockList, ProtocolOffloadBlockList } from '../block-list.ts';
import type { BytesConsumed } from '../characteristics.ts';
import type { ChimneyOffloadType, OffloadEvent, TcpOffloadEventType } from '../events.ts';
import type { MiniportAdapter } from '../miniport-adapter.ts';
import type { MiniportDriver } from '../miniport-driver.ts';
import type { NetBufferList } from '../net-buffer.ts';
import type { NdisOffloadHandle } from '../offload-handle.ts';
import type { OidRequest } from '../oid.ts';
import { DataRequest, StateOperation, stateOperationName } from '../operations.ts';
import type { ProtocolDriver } from '../protocol-driver.ts';
import type { NdisStatus } from '../status.ts';
import type { StatusIndication } from '../status-indication.ts';
import { checkReturned, completedRecord, handDown, namedConnection, release } from './data-requests.ts';
import {
  checkDisconnect,
  checkDisconnectCompleted,
  checkForward,
  checkForwardCompleted,
  noteDisconnect,
} from './disconnect.ts';
import { checkOffloadEvent, checkOffloadEventAnswer, enterTcpEvent, leaveTcpEvent } from './events.ts';
import { checkInitiate } from './initiate.ts';
import { announce, completeInitiate } from './initiate-complete.ts';
import { type BindingRecord, type ListRecord, Model, type ObjectRecord, TreeRecord } from './model.ts';
import {
  checkMayOffload,
  checkNothingOffloaded,
  checkOidAnswer,
  checkOidRequest,
  noteStatusIndication,
} from './oid.ts';
import {
  checkPost,
  checkReceiveCompleted,
  checkReturn,
  completingConnections,
  enterCompletion,
  enterIndication,
  indicatedConnection,
  leaveCompletion,
  leaveIndication,
  notePosted,
} from './receive.ts';
import { RegistrationRules } from './registration.ts';
import { SendChain } from './send.ts';
import { checkCompletion, checkStateOperation, completeStateOperation } from './state-operations.ts';
import { completeTerminate } from './terminate.ts';
import { recordTree } from './tree-shape.ts';
import { violate } from './verified-rules.ts';
import type { OptionalHandlers, Verifier } from './verifier.ts';

/** What is under way at an instant: for tests that nothing was left behind. */
export interface VerifierSummary {
  /** Objects offloaded or on their way. */
  readonly objects: number;
  /** State operations not completed. */
  readonly operations: number;
  /** Lists of data requests not completed. */
  readonly requests: number;
  /** Lists of chimney indications and of the ordinary path that were not returned. */
  readonly indicated: number;
}

/**
 * The verifier: checks the rules named in `verifiedRules` at every crossing and throws `RuleViolation` in the call that
 * breaks one. The state it keeps is bounded by what is outstanding.
 */
export class ContractVerifier implements Verifier {
  private readonly model = new Model();
  private readonly registration = new RegistrationRules();
  /** Lists of the data calls under way, innermost last. */
  private readonly calls: ListRecord[][] = [];

  summary(): VerifierSummary {
    const sum = { objects: 0, operations: 0, requests: 0, indicated: 0 };
    for (const record of this.model.allBindings()) {
      sum.objects += record.objects.size;
      sum.operations += record.trees.size;
      sum.requests += record.lists.size;
      sum.indicated += record.indicated.size + record.ordinary.size;
    }
    return sum;
  }

  setOptionsBegin(driver: MiniportDriver | ProtocolDriver): void {
    this.registration.setOptionsBegin(driver);
  }

  setOptionsEnd(driver: MiniportDriver | ProtocolDriver): void {
    this.registration.setOptionsEnd(driver);
  }

  optionalHandlers(driver: MiniportDriver | ProtocolDriver, table: OptionalHandlers): void {
    this.registration.optionalHandlers(driver, table);
  }

  initializeBegin(adapter: MiniportAdapter): void {
    this.registration.initializeBegin(adapter);
  }

  initializeEnd(adapter: MiniportAdapter, status: NdisStatus): void {
    this.registration.initializeEnd(adapter, status);
  }

  getOffloadHandlers(adapter: MiniportAdapter, type: ChimneyOffloadType): void {
    this.registration.getOffloadHandlers(adapter, type);
  }

  closeBinding(binding: NdisBinding): void {
    const record = this.model.bindingOf(binding);
    checkNothingOffloaded(record);
    const kept = record.indicated.size + record.ordinary.size;
    if (kept > 0) violate('RECV-46', `a binding to ${binding.adapter.name} was closed with ${kept} lists not returned`);
    this.model.removeBinding(binding);
  }

  haltAdapter(_adapter: MiniportAdapter): void {
    // All bindings are closed by now, and closing checked them (RECV-46).
  }

  oidRequest(binding: NdisBinding, request: OidRequest): void {
    checkOidRequest(this.model.bindingOf(binding), request);
  }

  oidRequestDone(binding: NdisBinding, request: OidRequest, status: NdisStatus): void {
    checkOidAnswer(this.model.bindingOf(binding), request, status);
  }

  stateCallBegin(operation: StateOperation, binding: NdisBinding, root: ProtocolOffloadBlockList): void {
    const record = this.model.bindingOf(binding);
    if (operation === StateOperation.INITIATE) checkMayOffload(record);
    if (record.trees.has(root)) violate('TREE-19', 'a tree was passed down while an operation on it is outstanding');
    const tree = new TreeRecord(operation);
    recordTree(this.model, tree, root as OffloadBlockList);
    if (operation === StateOperation.INITIATE) checkInitiate(this.model, record, tree);
    else checkStateOperation(tree);
    record.trees.set(root, tree);
  }

  stateCallEnd(_operation: StateOperation, binding: NdisBinding, root: MiniportOffloadBlockList): void {
    const tree = this.model.bindingOf(binding).trees.get(root);
    if (tree === undefined) return;
    tree.inCall = false;
    for (const block of tree.blocks) for (const send of block.object?.connection.sends ?? []) send.inCall = false;
  }

  stateCompleteBegin(operation: StateOperation, adapter: MiniportAdapter, root: MiniportOffloadBlockList): void {
    const name = stateOperationName(operation);
    const binding = root.sourceHandle;
    if (binding === null) violate('TREE-19', `the ${name} of a tree was completed that was not passed down`);
    if (binding.adapter !== adapter)
      violate('REG-15', `the ${name} of a tree was completed by ${adapter.name}, which never had it`);
    const record = this.model.bindingOf(binding);
    const tree = record.trees.get(root);
    if (tree === undefined || tree.operation !== operation) {
      violate('TREE-19', `the ${name} of a tree was completed that is not outstanding`);
    }
    checkCompletion(tree);
    if (operation === StateOperation.INITIATE) completeInitiate(this.model, record, tree);
    else if (operation === StateOperation.TERMINATE) completeTerminate(this.model, record, tree);
    else completeStateOperation(tree);
    record.trees.delete(root);
  }

  stateCompleteEnd(operation: StateOperation, binding: NdisBinding): void {
    if (operation === StateOperation.INITIATE) announce(this.model.bindingOf(binding));
  }

  dataCallBegin(
    request: DataRequest,
    binding: NdisBinding,
    handle: NdisOffloadHandle,
    list: NetBufferList,
    flags: number,
  ): void {
    const record = this.model.bindingOf(binding);
    const object = namedConnection(this.model, request, handle);
    this.checkRequest(request, object, list, flags);
    const records = handDown(record, request, object, list, flags);
    if (request === DataRequest.RECEIVE) notePosted(object, records);
    this.calls.push(records);
    countCall(object, request, 1);
  }

  dataCallEnd(
    request: DataRequest,
    _binding: NdisBinding,
    handle: NdisOffloadHandle,
    _list: NetBufferList,
    status: NdisStatus,
  ): void {
    const records = this.calls.pop() ?? [];
    const object = this.model.objectOf(handle);
    if (object !== null) {
      countCall(object, request, -1);
      if (request === DataRequest.DISCONNECT) noteDisconnect(object, records[0]?.flags ?? 0);
    }
    checkReturned(request, records, status);
  }

  dataCompleteBegin(request: DataRequest, adapter: MiniportAdapter, list: NetBufferList): void {
    const binding = adapter.chimneyBinding;
    if (binding === null) violate('REG-15', `a completion names ${adapter.name}, on which no offload is enabled`);
    const record = this.model.bindingOf(binding);
    const receiving = request === DataRequest.RECEIVE ? completingConnections(record, list) : null;
    const sends = request === DataRequest.SEND ? new SendChain() : null;
    for (let each: NetBufferList | null = list; each !== null; each = each.next) {
      const completed = completedRecord(record, request, each);
      if (sends !== null) sends.check(completed);
      else if (request === DataRequest.RECEIVE) checkReceiveCompleted(completed);
      else if (request === DataRequest.FORWARD) checkForwardCompleted(completed);
      else checkDisconnectCompleted(completed);
      release(record, completed);
    }
    if (receiving !== null) enterCompletion(record, receiving);
  }

  dataCompleteEnd(request: DataRequest, adapter: MiniportAdapter): void {
    const binding = adapter.chimneyBinding;
    if (request === DataRequest.RECEIVE && binding !== null) leaveCompletion(this.model.bindingOf(binding));
  }

  receiveIndicateBegin(handle: NdisOffloadHandle, list: NetBufferList, status: NdisStatus): void {
    enterIndication(indicatedConnection(this.model, handle, 'a receive indication'), list, status);
  }

  receiveIndicateEnd(
    handle: NdisOffloadHandle,
    list: NetBufferList,
    status: NdisStatus,
    bytesConsumed: BytesConsumed,
  ): void {
    const object = this.model.objectOf(handle);
    if (object !== null) leaveIndication(object, list, status, bytesConsumed.value);
  }

  receiveReturn(binding: NdisBinding, list: NetBufferList): void {
    checkReturn(this.model.bindingOf(binding), list);
  }

  tcpEventBegin(handle: NdisOffloadHandle, type: TcpOffloadEventType, information: number): void {
    enterTcpEvent(this.model, handle, type, information);
  }

  tcpEventEnd(handle: NdisOffloadHandle): void {
    leaveTcpEvent(this.model, handle);
  }

  offloadEventBegin(_adapter: MiniportAdapter, block: MiniportOffloadBlockList | null, code: OffloadEvent): void {
    checkOffloadEvent(this.model, block, code);
  }

  offloadEventEnd(_adapter: MiniportAdapter, block: MiniportOffloadBlockList | null, code: OffloadEvent): void {
    checkOffloadEventAnswer(block, code);
  }

  statusIndication(adapter: MiniportAdapter, indication: StatusIndication): void {
    noteStatusIndication(this.model, adapter.bindings, indication);
  }

  ordinaryReceive(binding: NdisBinding, list: NetBufferList): void {
    const record: BindingRecord = this.model.bindingOf(binding);
    for (let each: NetBufferList | null = list; each !== null; each = each.next) record.ordinary.add(each);
  }

  ordinaryReturn(binding: NdisBinding, list: NetBufferList): void {
    const record = this.model.bindingOf(binding);
    for (let each: NetBufferList | null = list; each !== null; each = each.next) {
      if (!record.ordinary.delete(each)) violate('RECV-38', 'a frame was returned that the host does not own');
    }
  }

  private checkRequest(request: DataRequest, object: ObjectRecord, list: NetBufferList, flags: number): void {
    const connection = object.connection;
    if (request === DataRequest.SEND) {
      if (connection.inSend > 0) violate('SEND-05', 'a send while another send call on the connection is in progress');
      return;
    }
    if (request === DataRequest.DISCONNECT) {
      checkDisconnect(object, list, flags);
      return;
    }
    if (request === DataRequest.RECEIVE && connection.inReceivePost > 0) {
      violate('RECV-03', 'a receive post while another one on the connection is in progress');
    }
    for (let each: NetBufferList | null = list; each !== null; each = each.next) {
      if (request === DataRequest.RECEIVE) checkPost(each);
      else checkForward(each);
    }
  }
}

function countCall(object: ObjectRecord, request: DataRequest, step: 1 | -1): void {
  const connection = object.connection;
  if (request === DataRequest.SEND) connection.inSend += step;
  else if (request === DataRequest.RECEIVE) connection.inReceivePost += step;
  else if (request === DataRequest.DISCONNECT) connection.inDisconnect += step;
}

/** A verifier for `new Ndis({ verifier })`. */
export function createVerifier(): ContractVerifier {
  return new ContractVerifier();
}

import { type ProtocolOffloadBlockList, walkBlocks } from './block-list.ts';
import type {
  ProviderChimneyOffloadGenericCharacteristics,
  ProviderChimneyOffloadTcpCharacteristics,
} from './characteristics.ts';
import { toMiniportForm } from './conversion.ts';
import type { TcpDisconnectFlag } from './events.ts';
import type { MiniportAdapter } from './miniport-adapter.ts';
import type { NdisServices } from './ndis.ts';
import type { NetBufferList } from './net-buffer.ts';
import type { NdisOffloadHandle } from './offload-handle.ts';
import { Oid, type OidRequest } from './oid.ts';
import { DataRequest, StateOperation } from './operations.ts';
import type { ProtocolDriver } from './protocol-driver.ts';
import { NdisStatus } from './status.ts';
import { RuleViolation } from './verifier/rule-violation.ts';

/**
 * A protocol driver's binding to one adapter: the NdisBindingHandle. Created by `ProtocolDriver.openAdapter`.
 *
 * State operations return PENDING when the tree was taken and will be completed, or NOT_SUPPORTED, with nothing called and
 * nothing changed, when chimney operations do not pass here: a driver did not register for them (REG-08), or connection
 * offload is not enabled for this binding (OID-01). (The contract's functions return nothing and leave that case open.)
 */
export class NdisBinding<B extends object = object> {
  readonly protocol: ProtocolDriver<B>;
  readonly adapter: MiniportAdapter;
  /** What the protocol's entry points receive first. */
  readonly protocolBindingContext: B;
  closed = false;
  private readonly services: NdisServices;

  constructor(services: NdisServices, protocol: ProtocolDriver<B>, adapter: MiniportAdapter, context: B) {
    this.services = services;
    this.protocol = protocol;
    this.adapter = adapter;
    this.protocolBindingContext = context;
  }

  /** Whether chimney operations pass through this binding now. */
  get chimneyEnabled(): boolean {
    return this.adapter.chimneyBinding === this;
  }

  /**
   * Offloads the new objects of a tree.
   *
   * @ddi NdisInitiateOffload
   */
  initiateOffload(root: ProtocolOffloadBlockList): NdisStatus {
    const provider = this.beginStateCall(StateOperation.INITIATE, root);
    if (provider === null) return NdisStatus.NOT_SUPPORTED;
    walkBlocks(root, (block) => {
      if (block.offloadHandle !== null) block.offloadHandle.ndisReserved = this;
    });
    const tree = toMiniportForm(root);
    provider.initiateOffload(this.adapter.miniportAdapterContext, tree);
    this.services.verifier?.stateCallEnd(StateOperation.INITIATE, this, tree);
    return NdisStatus.PENDING;
  }

  /**
   * Reads state into the structures that follow the blocks.
   *
   * @ddi NdisQueryOffloadState
   */
  queryOffloadState(root: ProtocolOffloadBlockList): NdisStatus {
    const provider = this.beginStateCall(StateOperation.QUERY, root);
    if (provider === null) return NdisStatus.NOT_SUPPORTED;
    const tree = toMiniportForm(root);
    provider.queryOffload(this.adapter.miniportAdapterContext, tree);
    this.services.verifier?.stateCallEnd(StateOperation.QUERY, this, tree);
    return NdisStatus.PENDING;
  }

  /**
   * Changes cached variables, and moves paths to another neighbor (UPD-08).
   *
   * @ddi NdisUpdateOffload
   */
  updateOffload(root: ProtocolOffloadBlockList): NdisStatus {
    const provider = this.beginStateCall(StateOperation.UPDATE, root);
    if (provider === null) return NdisStatus.NOT_SUPPORTED;
    const tree = toMiniportForm(root);
    provider.updateOffload(this.adapter.miniportAdapterContext, tree);
    this.services.verifier?.stateCallEnd(StateOperation.UPDATE, this, tree);
    return NdisStatus.PENDING;
  }

  /**
   * Stops sending on objects and all that depends on them (INV-04).
   *
   * @ddi NdisInvalidateOffload
   */
  invalidateOffload(root: ProtocolOffloadBlockList): NdisStatus {
    const provider = this.beginStateCall(StateOperation.INVALIDATE, root);
    if (provider === null) return NdisStatus.NOT_SUPPORTED;
    const tree = toMiniportForm(root);
    provider.invalidateOffload(this.adapter.miniportAdapterContext, tree);
    this.services.verifier?.stateCallEnd(StateOperation.INVALIDATE, this, tree);
    return NdisStatus.PENDING;
  }

  /**
   * Takes objects back.
   *
   * @ddi NdisTerminateOffload
   */
  terminateOffload(root: ProtocolOffloadBlockList): NdisStatus {
    const provider = this.beginStateCall(StateOperation.TERMINATE, root);
    if (provider === null) return NdisStatus.NOT_SUPPORTED;
    const tree = toMiniportForm(root);
    provider.terminateOffload(this.adapter.miniportAdapterContext, tree);
    this.services.verifier?.stateCallEnd(StateOperation.TERMINATE, this, tree);
    return NdisStatus.PENDING;
  }

  /**
   * Sends data on an offloaded connection. Returns PENDING; the lists are the target's until they are completed.
   *
   * @ddi NdisOffloadTcpSend
   */
  offloadTcpSend(handle: NdisOffloadHandle, list: NetBufferList): NdisStatus {
    this.services.verifier?.dataCallBegin(DataRequest.SEND, this, handle, list, 0);
    const context = contextOf(handle, 'INIT-07');
    const status = this.tcpProvider().tcpOffloadSend(this.adapter.miniportAdapterContext, context, list);
    this.services.verifier?.dataCallEnd(DataRequest.SEND, this, handle, list, status);
    return status;
  }

  /**
   * Posts receive requests. Returns PENDING.
   *
   * @ddi NdisOffloadTcpReceive
   */
  offloadTcpReceive(handle: NdisOffloadHandle, list: NetBufferList): NdisStatus {
    this.services.verifier?.dataCallBegin(DataRequest.RECEIVE, this, handle, list, 0);
    const context = contextOf(handle, 'INIT-07');
    const status = this.tcpProvider().tcpOffloadReceive(this.adapter.miniportAdapterContext, context, list);
    this.services.verifier?.dataCallEnd(DataRequest.RECEIVE, this, handle, list, status);
    return status;
  }

  /**
   * Hands segments over that reached the host: one whole TCP segment without IP header per list (FWD-02). Returns PENDING.
   *
   * @ddi NdisOffloadTcpForward
   */
  offloadTcpForward(handle: NdisOffloadHandle, list: NetBufferList): NdisStatus {
    this.services.verifier?.dataCallBegin(DataRequest.FORWARD, this, handle, list, 0);
    const context = contextOf(handle, 'INIT-07');
    const status = this.tcpProvider().tcpOffloadForward(this.adapter.miniportAdapterContext, context, list);
    this.services.verifier?.dataCallEnd(DataRequest.FORWARD, this, handle, list, status);
    return status;
  }

  /**
   * Closes the connection, with the last data for a graceful close and without any for an abortive one (DISC-02). Returns
   * PENDING.
   *
   * @ddi NdisOffloadTcpDisconnect
   */
  offloadTcpDisconnect(handle: NdisOffloadHandle, list: NetBufferList, flags: TcpDisconnectFlag): NdisStatus {
    this.services.verifier?.dataCallBegin(DataRequest.DISCONNECT, this, handle, list, flags);
    const context = contextOf(handle, 'INIT-07');
    const provider = this.tcpProvider();
    const status = provider.tcpOffloadDisconnect(this.adapter.miniportAdapterContext, context, list, flags);
    this.services.verifier?.dataCallEnd(DataRequest.DISCONNECT, this, handle, list, status);
    return status;
  }

  /**
   * Gives back lists that were indicated with data and accepted, or came as `bufferedData` of a terminate; any mix of
   * connections. Synchronous, cannot fail (RECV-45, spec/decisions.md 13).
   *
   * @ddi NdisOffloadTcpReceiveReturn
   */
  offloadTcpReceiveReturn(list: NetBufferList): void {
    this.services.verifier?.receiveReturn(this, list);
    this.tcpProvider().tcpOffloadReceiveReturn(this.adapter.miniportAdapterContext, list);
  }

  /**
   * Sends frames on the ordinary path.
   *
   * @ddi NdisSendNetBufferLists
   */
  sendNetBufferLists(list: NetBufferList): void {
    for (let each: NetBufferList | null = list; each !== null; each = each.next) each.sourceHandle = this;
    this.adapter.driver.characteristics.sendNetBufferLists(this.adapter.miniportAdapterContext, list);
  }

  /**
   * Gives back frames of the ordinary path.
   *
   * @ddi NdisReturnNetBufferLists
   */
  returnNetBufferLists(list: NetBufferList): void {
    this.services.verifier?.ordinaryReturn(this, list);
    this.adapter.driver.characteristics.returnNetBufferLists(this.adapter.miniportAdapterContext, list);
  }

  /**
   * Asks or sets. A status other than PENDING is final; after PENDING the protocol's `oidRequestComplete` is called.
   * NDIS answers the connection offload configuration and parameters itself (OID-08, spec/ddi.md 7).
   *
   * @ddi NdisOidRequest
   */
  oidRequest(request: OidRequest): NdisStatus {
    request.sourceHandle = this;
    this.services.verifier?.oidRequest(this, request);
    const status = this.answerOidRequest(request) ?? this.passOidRequest(request);
    if (status !== NdisStatus.PENDING) this.finishOidRequest(request, status);
    return status;
  }

  /** Applies the outcome of a request. For NDIS itself: called when the status is final. */
  finishOidRequest(request: OidRequest, status: NdisStatus): void {
    this.services.verifier?.oidRequestDone(this, request, status);
    request.status = status;
    if (request.requestType !== 'set' || status !== NdisStatus.SUCCESS) return;
    if (request.oid === Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS) {
      this.adapter.connectionOffloadParameters = request.information;
    } else if (request.oid === Oid.TCP_TASK_OFFLOAD) {
      const enables = request.information !== null && request.information.tasks.length > 0;
      if (enables && this.chimneyRegistered) this.adapter.chimneyBinding = this;
      else if (this.chimneyEnabled) this.adapter.chimneyBinding = null;
    }
  }

  /** @ddi NdisCloseAdapterEx */
  close(): void {
    if (this.closed) return;
    this.services.verifier?.closeBinding(this);
    this.closed = true;
    if (this.chimneyEnabled) this.adapter.chimneyBinding = null;
    const index = this.adapter.bindings.indexOf(this);
    if (index >= 0) this.adapter.bindings.splice(index, 1);
  }

  /** REG-08: both sides of the binding, and both edges of an intermediate driver below, registered. */
  private get chimneyRegistered(): boolean {
    return this.protocol.chimneyRegistered && this.adapter.driver.chimneyRegistered;
  }

  /** What NDIS answers without the driver; null when the driver is to be asked. */
  private answerOidRequest(request: OidRequest): NdisStatus | null {
    if (request.oid === Oid.TCP_TASK_OFFLOAD && request.requestType === 'set') {
      // OID-12: one protocol at a time.
      const owner = this.adapter.chimneyBinding;
      return owner !== null && owner !== this ? NdisStatus.FAILURE : null;
    }
    switch (request.oid) {
      case Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS:
        if (request.requestType === 'set') return null;
        request.information = this.adapter.connectionOffloadParameters;
        return request.information === null ? NdisStatus.NOT_SUPPORTED : NdisStatus.SUCCESS;
      case Oid.TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG:
        if (request.requestType === 'set') return NdisStatus.NOT_SUPPORTED;
        request.information = this.adapter.connectionOffload;
        return request.information === null ? NdisStatus.NOT_SUPPORTED : NdisStatus.SUCCESS;
      case Oid.TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES:
        if (request.requestType === 'set') return NdisStatus.NOT_SUPPORTED;
        request.information = this.adapter.hardwareConnectionOffload;
        return request.information === null ? NdisStatus.NOT_SUPPORTED : NdisStatus.SUCCESS;
      default:
        return null;
    }
  }

  private passOidRequest(request: OidRequest): NdisStatus {
    return this.adapter.driver.characteristics.oidRequest(this.adapter.miniportAdapterContext, request);
  }

  /** The target's table for a state operation; null when the operation does not pass. */
  private beginStateCall(
    operation: StateOperation,
    root: ProtocolOffloadBlockList,
  ): ProviderChimneyOffloadGenericCharacteristics | null {
    if (!this.chimneyRegistered) return null;
    this.services.verifier?.stateCallBegin(operation, this, root);
    if (!this.chimneyEnabled) return null;
    root.sourceHandle = this;
    return this.adapter.driver.genericProvider;
  }

  private tcpProvider(): ProviderChimneyOffloadTcpCharacteristics {
    const provider = this.adapter.driver.tcpProvider;
    if (provider === null) throw new RuleViolation('REG-03', 'the driver below registered no TCP provider table');
    return provider;
  }
}

/** The context value of an offloaded object; naming one that is not offloaded is a programming error. */
function contextOf(handle: NdisOffloadHandle, rule: string): object {
  const context = handle.miniportOffloadContext;
  if (context === null) throw new RuleViolation(rule, 'a data request names a connection that is not offloaded');
  return context;
}

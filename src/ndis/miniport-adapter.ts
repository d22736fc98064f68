import type { NdisBinding } from './binding.ts';
import type { MiniportOffloadBlockList, ProtocolOffloadBlockList } from './block-list.ts';
import { walkBlocks } from './block-list.ts';
import type { ClientChimneyOffloadGenericCharacteristics, TcpOffloadEventHandlers } from './characteristics.ts';
import { ReceiveFlag } from './characteristics.ts';
import { toMiniportForm, toProtocolForm } from './conversion.ts';
import { ChimneyOffloadType, type OffloadEvent } from './events.ts';
import type { MiniportDriver } from './miniport-driver.ts';
import type { NdisServices } from './ndis.ts';
import type { NetBufferList } from './net-buffer.ts';
import type { OidRequest, TcpConnectionOffload, TcpConnectionOffloadParameters } from './oid.ts';
import { StateOperation } from './operations.ts';
import { NdisStatus } from './status.ts';
import type { StatusIndication } from './status-indication.ts';
import { RuleViolation } from './verifier/rule-violation.ts';

/** What a miniport says about an adapter while it initializes it (NDIS_MINIPORT_ADAPTER_…_ATTRIBUTES). */
export interface MiniportAttributes<A extends object> {
  /** What the driver's entry points receive first. */
  readonly miniportAdapterContext: A;
  /** Current MAC address, 6 bytes. */
  readonly macAddress: Uint8Array;
  /** Largest IP datagram of a frame, bytes. */
  readonly mtuSize: number;
  /**
   * Task offload (NDIS_OFFLOAD): the adapter completes TCP checksums and cuts TCP segments of up to 64 KiB on the ordinary
   * path (`NetBufferList.tcpLargeSendMss`). Absent: it does neither.
   */
  readonly taskOffload?: boolean;
  /**
   * When a send on the ordinary path completes, nobody looks at its frames any more: the sender may write to their memory.
   * Absent: receivers of the frames may have kept views of them.
   */
  readonly copiesFrames?: boolean;
  /** Connection offload in force after start, and what the hardware could do; null when there is none. */
  readonly defaultConnectionOffload: TcpConnectionOffload | null;
  readonly hardwareConnectionOffload: TcpConnectionOffload | null;
}

/** Outcome of `getOffloadHandlers`. */
export type OffloadHandlersResult =
  | { readonly status: typeof NdisStatus.SUCCESS; readonly handlers: TcpOffloadEventHandlers }
  | { readonly status: typeof NdisStatus.NOT_SUPPORTED; readonly handlers: null };

/**
 * One adapter: the NdisMiniportHandle by which a miniport names itself in every call to NDIS. Created by
 * `MiniportDriver.initializeAdapter`. An intermediate driver's virtual adapter is one as well.
 */
export class MiniportAdapter<A extends object = object> {
  readonly driver: MiniportDriver<A>;
  readonly name: string;
  /** What `initializeAdapter` was given for the driver to read. */
  readonly configuration: unknown;
  readonly bindings: NdisBinding[] = [];
  /** The one binding whose protocol has connection offload enabled (OID-12). */
  chimneyBinding: NdisBinding | null = null;
  /** Settings of the last successful set of OID_TCP_CONNECTION_OFFLOAD_PARAMETERS (OID-08). */
  connectionOffloadParameters: TcpConnectionOffloadParameters | null = null;
  halted = false;
  private attributes: MiniportAttributes<A> | null = null;
  private currentConnectionOffload: TcpConnectionOffload | null = null;
  private hardwareCapabilities: TcpConnectionOffload | null = null;
  private readonly services: NdisServices;

  constructor(services: NdisServices, driver: MiniportDriver<A>, name: string, configuration: unknown) {
    this.services = services;
    this.driver = driver;
    this.name = name;
    this.configuration = configuration;
  }

  /** @ddi NdisMSetMiniportAttributes */
  setMiniportAttributes(attributes: MiniportAttributes<A>): void {
    this.attributes = attributes;
    this.currentConnectionOffload = attributes.defaultConnectionOffload;
    this.hardwareCapabilities = attributes.hardwareConnectionOffload;
  }

  /** Whether `setMiniportAttributes` was called. */
  get hasAttributes(): boolean {
    return this.attributes !== null;
  }

  /** The driver's context of this adapter. @throws Error before `setMiniportAttributes`. */
  get miniportAdapterContext(): A {
    return this.required().miniportAdapterContext;
  }

  /** MAC address, 6 bytes, not to be changed. @throws Error before `setMiniportAttributes`. */
  get macAddress(): Uint8Array {
    return this.required().macAddress;
  }

  /** Largest IP datagram, bytes. @throws Error before `setMiniportAttributes`. */
  get mtuSize(): number {
    return this.required().mtuSize;
  }

  /** Whether the adapter completes checksums and cuts segments. @throws Error before `setMiniportAttributes`. */
  get taskOffload(): boolean {
    return this.required().taskOffload === true;
  }

  /** Whether the memory of a frame is the sender's when its send completes. @throws Error before `setMiniportAttributes`. */
  get copiesFrames(): boolean {
    return this.required().copiesFrames === true;
  }

  /** Answer to OID_TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG; null when the adapter cannot offload. */
  get connectionOffload(): TcpConnectionOffload | null {
    return this.currentConnectionOffload;
  }

  /** Answer to OID_TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES. */
  get hardwareConnectionOffload(): TcpConnectionOffload | null {
    return this.hardwareCapabilities;
  }

  /**
   * The functions that the target calls for this chimney type, for it to check and copy (REG-09, REG-11). Anything but
   * TCP is NOT_SUPPORTED (REG-10).
   *
   * @ddi NdisMGetOffloadHandlers
   */
  getOffloadHandlers(type: ChimneyOffloadType): OffloadHandlersResult {
    this.services.verifier?.getOffloadHandlers(this, type);
    if (type !== ChimneyOffloadType.TCP) return { status: NdisStatus.NOT_SUPPORTED, handlers: null };
    return { status: NdisStatus.SUCCESS, handlers: this.services.eventHandlers };
  }

  /** @ddi NdisMInitiateOffloadComplete */
  initiateOffloadComplete(root: MiniportOffloadBlockList): void {
    const binding = this.beginCompletion(StateOperation.INITIATE, root);
    const tree = toProtocolForm(root);
    genericClientOf(binding).initiateOffloadComplete(binding.protocolBindingContext, tree);
    this.services.verifier?.stateCompleteEnd(StateOperation.INITIATE, binding);
  }

  /** @ddi NdisMQueryOffloadStateComplete */
  queryOffloadStateComplete(root: MiniportOffloadBlockList): void {
    const binding = this.beginCompletion(StateOperation.QUERY, root);
    const tree = toProtocolForm(root);
    genericClientOf(binding).queryOffloadComplete(binding.protocolBindingContext, tree);
    this.services.verifier?.stateCompleteEnd(StateOperation.QUERY, binding);
  }

  /** @ddi NdisMUpdateOffloadComplete */
  updateOffloadComplete(root: MiniportOffloadBlockList): void {
    const binding = this.beginCompletion(StateOperation.UPDATE, root);
    const tree = toProtocolForm(root);
    genericClientOf(binding).updateOffloadComplete(binding.protocolBindingContext, tree);
    this.services.verifier?.stateCompleteEnd(StateOperation.UPDATE, binding);
  }

  /** @ddi NdisMInvalidateOffloadComplete */
  invalidateOffloadComplete(root: MiniportOffloadBlockList): void {
    const binding = this.beginCompletion(StateOperation.INVALIDATE, root);
    const tree = toProtocolForm(root);
    genericClientOf(binding).invalidateOffloadComplete(binding.protocolBindingContext, tree);
    this.services.verifier?.stateCompleteEnd(StateOperation.INVALIDATE, binding);
  }

  /**
   * Objects whose terminate succeeded are gone: their handles are empty when the driver above is called.
   *
   * @ddi NdisMTerminateOffloadComplete
   */
  terminateOffloadComplete(root: MiniportOffloadBlockList): void {
    const binding = this.beginCompletion(StateOperation.TERMINATE, root);
    const tree = toProtocolForm(root);
    walkBlocks(tree, clearHandleOfTerminated);
    genericClientOf(binding).terminateOffloadComplete(binding.protocolBindingContext, tree);
    this.services.verifier?.stateCompleteEnd(StateOperation.TERMINATE, binding);
  }

  /**
   * The generic event. For NEIGHBOR_REACHABILITY_QUERY one block with the neighbor's stored handle and its three state
   * structures (NBR-09, spec/decisions.md 16); when the call returns, `cached.hostReachabilityDelta` is the host's answer
   * (NBR-11). Null for any other code (NBR-10).
   *
   * @ddi NdisMOffloadEventIndicate
   */
  offloadEventIndicate(block: MiniportOffloadBlockList | null, code: OffloadEvent): void {
    this.services.verifier?.offloadEventBegin(this, block, code);
    const binding = this.chimneyBinding;
    if (binding === null) throw new RuleViolation('REG-15', `no offload is enabled on the adapter ${this.name}`);
    const upper = block === null ? null : toProtocolForm(block);
    genericClientOf(binding).indicateOffloadEvent(binding.protocolBindingContext, upper, code);
    if (upper !== null) {
      const status = upper.status;
      toMiniportForm(upper).status = status;
    }
    this.services.verifier?.offloadEventEnd(this, block, code);
  }

  /**
   * Tells every protocol bound to the adapter. New capabilities that come with it are in force at once.
   *
   * @ddi NdisMIndicateStatusEx
   */
  indicateStatusEx(indication: StatusIndication): void {
    this.services.verifier?.statusIndication(this, indication);
    indication.sourceHandle = this;
    if (indication.statusCode === NdisStatus.OFFLOAD_RESUME && indication.statusBuffer !== null) {
      this.currentConnectionOffload = indication.statusBuffer;
    } else if (indication.statusCode === NdisStatus.TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES) {
      this.hardwareCapabilities = indication.statusBuffer;
    }
    for (const binding of [...this.bindings]) {
      binding.protocol.characteristics.statusEx(binding.protocolBindingContext, indication);
    }
  }

  /**
   * Frames for the host on the ordinary path. The protocol gives the lists back with `returnNetBufferLists`, unless
   * `flags` says RESOURCES. With several bindings all but the last get them as RESOURCES.
   *
   * @param count lists in the chain.
   * @param flags `ReceiveFlag` bits.
   * @ddi NdisMIndicateReceiveNetBufferLists
   */
  indicateReceiveNetBufferLists(list: NetBufferList, count: number, flags = 0): void {
    const last = this.bindings.length - 1;
    for (let i = 0; i < last; i++) {
      const binding = this.bindings[i] as NdisBinding;
      const characteristics = binding.protocol.characteristics;
      characteristics.receiveNetBufferLists(binding.protocolBindingContext, list, count, flags | ReceiveFlag.RESOURCES);
    }
    const owner = this.bindings[last];
    const lent = (flags & ReceiveFlag.RESOURCES) !== 0;
    if (owner === undefined) {
      // Nobody listens: the lists go straight back.
      if (!lent) this.driver.characteristics.returnNetBufferLists(this.miniportAdapterContext, list);
      return;
    }
    if (!lent) this.services.verifier?.ordinaryReceive(owner, list);
    owner.protocol.characteristics.receiveNetBufferLists(owner.protocolBindingContext, list, count, flags);
  }

  /**
   * Completes ordinary sends. A chain may mix lists of several bindings.
   *
   * @ddi NdisMSendNetBufferListsComplete
   */
  sendNetBufferListsComplete(list: NetBufferList): void {
    if (this.bindings.length === 1) {
      deliverSendComplete(this.bindings[0] as NdisBinding, list);
      return;
    }
    let head: NetBufferList | null = list;
    while (head !== null) {
      let tail: NetBufferList = head;
      while (tail.next !== null && tail.next.sourceHandle === head.sourceHandle) tail = tail.next;
      const rest: NetBufferList | null = tail.next;
      tail.next = null;
      const binding = head.sourceHandle;
      if (binding === null || binding.adapter !== this) {
        throw new RuleViolation('REG-15', `a send completed on the adapter ${this.name} was not sent through it`);
      }
      deliverSendComplete(binding, head);
      head = rest;
    }
  }

  /**
   * Finishes an OID request that the driver answered with PENDING.
   *
   * @ddi NdisMOidRequestComplete
   */
  oidRequestComplete(request: OidRequest, status: NdisStatus): void {
    const binding = request.sourceHandle;
    if (binding === null || binding.adapter !== this) {
      throw new RuleViolation('REG-15', `an OID request completed on the adapter ${this.name} was not made to it`);
    }
    binding.finishOidRequest(request, status);
    binding.protocol.characteristics.oidRequestComplete(binding.protocolBindingContext, request, status);
  }

  /**
   * Takes the adapter down: every protocol closes its binding, then the driver halts. All indicated lists must be back
   * (RECV-46).
   *
   * @throws Error when a protocol keeps its binding.
   */
  halt(): void {
    if (this.halted) return;
    for (const binding of [...this.bindings]) {
      binding.protocol.characteristics.unbindAdapter(binding.protocolBindingContext);
    }
    const open = this.bindings[0];
    if (open !== undefined) {
      throw new Error(`${open.protocol.characteristics.name} did not close its binding to ${this.name}`);
    }
    this.services.verifier?.haltAdapter(this);
    this.halted = true;
    const index = this.driver.adapters.indexOf(this);
    if (index >= 0) this.driver.adapters.splice(index, 1);
    this.driver.characteristics.halt(this.miniportAdapterContext);
  }

  /** Finds the binding that the tree came from. */
  private beginCompletion(operation: StateOperation, root: MiniportOffloadBlockList): NdisBinding {
    this.services.verifier?.stateCompleteBegin(operation, this, root);
    const binding = root.sourceHandle;
    if (binding === null || binding.adapter !== this) {
      throw new RuleViolation('REG-15', `a tree completed on the adapter ${this.name} was not passed to it`);
    }
    return binding;
  }

  private required(): MiniportAttributes<A> {
    if (this.attributes === null) throw new Error(`the adapter ${this.name} has no attributes yet`);
    return this.attributes;
  }
}

function deliverSendComplete(binding: NdisBinding, list: NetBufferList): void {
  binding.protocol.characteristics.sendNetBufferListsComplete(binding.protocolBindingContext, list);
}

function genericClientOf(binding: NdisBinding): ClientChimneyOffloadGenericCharacteristics {
  const client = binding.protocol.genericClient;
  if (client === null) throw new RuleViolation('REG-05', 'the driver above registered no generic client table');
  return client;
}

function clearHandleOfTerminated(block: ProtocolOffloadBlockList): void {
  const handle = block.offloadHandle;
  if (handle === null || block.status !== NdisStatus.SUCCESS) return;
  handle.miniportOffloadContext = null;
  handle.ndisReserved = null;
}

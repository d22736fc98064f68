/**
 * The tables of entry points that drivers register (spec/ddi.md 1): interfaces that a driver implements, with the
 * contract's function names less their Miniport or Protocol prefix. Entry points are called with their table as `this`.
 * `A` is the miniport's adapter context, `C` the context value of an offloaded object, `B` the protocol's binding
 * context: what the driver itself supplied comes back.
 */
import type { MiniportOffloadBlockList, ProtocolOffloadBlockList } from './block-list.ts';
import type { ChimneyOffloadType, OffloadEvent, TcpDisconnectFlag, TcpOffloadEventType } from './events.ts';
import type { MiniportAdapter } from './miniport-adapter.ts';
import type { MiniportDriver } from './miniport-driver.ts';
import type { NetBufferList } from './net-buffer.ts';
import type { NdisObjectHeader } from './object-header.ts';
import type { NdisOffloadHandle } from './offload-handle.ts';
import type { OidRequest } from './oid.ts';
import type { ProtocolDriver } from './protocol-driver.ts';
import type { NdisStatus } from './status.ts';
import type { StatusIndication } from './status-indication.ts';

/** Out parameter of a receive indication; the target keeps one and uses it again. */
export class BytesConsumed {
  value = 0;
}

/**
 * The five state operations of a target. Each stores the tree, returns, works, and completes later (INIT-01, QRY-01,
 * UPD-01, INV-01, TERM-01). Until its completion the tree belongs to the target.
 *
 * @ddi NDIS_PROVIDER_CHIMNEY_OFFLOAD_GENERIC_CHARACTERISTICS
 */
export interface ProviderChimneyOffloadGenericCharacteristics<A extends object = object> {
  readonly header: NdisObjectHeader;
  /** @ddi MiniportInitiateOffload (W_INITIATE_OFFLOAD_HANDLER) */
  initiateOffload(miniportAdapterContext: A, offloadBlockList: MiniportOffloadBlockList): void;
  /** @ddi MiniportTerminateOffload (W_TERMINATE_OFFLOAD_HANDLER) */
  terminateOffload(miniportAdapterContext: A, offloadBlockList: MiniportOffloadBlockList): void;
  /** @ddi MiniportUpdateOffload (W_UPDATE_OFFLOAD_HANDLER) */
  updateOffload(miniportAdapterContext: A, offloadBlockList: MiniportOffloadBlockList): void;
  /** @ddi MiniportInvalidateOffload (W_INVALIDATE_OFFLOAD_HANDLER) */
  invalidateOffload(miniportAdapterContext: A, offloadBlockList: MiniportOffloadBlockList): void;
  /** @ddi MiniportQueryOffload (W_QUERY_OFFLOAD_HANDLER) */
  queryOffload(miniportAdapterContext: A, offloadBlockList: MiniportOffloadBlockList): void;
}

/**
 * The five data functions of a target. The first four return PENDING and complete later (SEND-01, RECV-01, FWD-01,
 * DISC-01); the lists are the target's until then.
 *
 * @ddi NDIS_PROVIDER_CHIMNEY_OFFLOAD_TCP_CHARACTERISTICS
 */
export interface ProviderChimneyOffloadTcpCharacteristics<A extends object = object, C extends object = object> {
  readonly header: NdisObjectHeader;
  /** Always TCP (REG-03). */
  readonly offloadType: ChimneyOffloadType;
  /** @ddi MiniportTcpOffloadSend (W_TCP_OFFLOAD_SEND_HANDLER) */
  tcpOffloadSend(miniportAdapterContext: A, miniportOffloadContext: C, netBufferList: NetBufferList): NdisStatus;
  /** @ddi MiniportTcpOffloadReceive (W_TCP_OFFLOAD_RECEIVE_HANDLER) */
  tcpOffloadReceive(miniportAdapterContext: A, miniportOffloadContext: C, netBufferList: NetBufferList): NdisStatus;
  /** @ddi MiniportTcpOffloadDisconnect (W_TCP_OFFLOAD_DISCONNECT_HANDLER) */
  tcpOffloadDisconnect(
    miniportAdapterContext: A,
    miniportOffloadContext: C,
    netBufferList: NetBufferList,
    flags: TcpDisconnectFlag,
  ): NdisStatus;
  /** @ddi MiniportTcpOffloadForward (W_TCP_OFFLOAD_FORWARD_HANDLER) */
  tcpOffloadForward(miniportAdapterContext: A, miniportOffloadContext: C, netBufferList: NetBufferList): NdisStatus;
  /**
   * Gives back indicated lists, of any mix of connections; synchronous, cannot fail (RECV-45, spec/decisions.md 13).
   *
   * @ddi MiniportTcpOffloadReceiveReturn (W_TCP_OFFLOAD_RECEIVE_RETURN_HANDLER)
   */
  tcpOffloadReceiveReturn(miniportAdapterContext: A, netBufferList: NetBufferList): NdisStatus;
}

/**
 * Completions of the state operations and the generic event, for the driver above (REG-05). The tree comes back as the
 * pointer that was passed down, and is the driver's again.
 *
 * @ddi NDIS_CLIENT_CHIMNEY_OFFLOAD_GENERIC_CHARACTERISTICS
 */
export interface ClientChimneyOffloadGenericCharacteristics<B extends object = object> {
  readonly header: NdisObjectHeader;
  /** @ddi ProtocolInitiateOffloadComplete (INITIATE_OFFLOAD_COMPLETE_HANDLER) */
  initiateOffloadComplete(protocolBindingContext: B, offloadBlockList: ProtocolOffloadBlockList): void;
  /** @ddi ProtocolTerminateOffloadComplete (TERMINATE_OFFLOAD_COMPLETE_HANDLER) */
  terminateOffloadComplete(protocolBindingContext: B, offloadBlockList: ProtocolOffloadBlockList): void;
  /** @ddi ProtocolUpdateOffloadComplete (UPDATE_OFFLOAD_COMPLETE_HANDLER) */
  updateOffloadComplete(protocolBindingContext: B, offloadBlockList: ProtocolOffloadBlockList): void;
  /** @ddi ProtocolInvalidateOffloadComplete (INVALIDATE_OFFLOAD_COMPLETE_HANDLER) */
  invalidateOffloadComplete(protocolBindingContext: B, offloadBlockList: ProtocolOffloadBlockList): void;
  /** @ddi ProtocolQueryOffloadComplete (QUERY_OFFLOAD_COMPLETE_HANDLER) */
  queryOffloadComplete(protocolBindingContext: B, offloadBlockList: ProtocolOffloadBlockList): void;
  /**
   * NEIGHBOR_REACHABILITY_QUERY: one block with the neighbor's handle and all three classes; the driver answers by
   * rewriting `cached.hostReachabilityDelta` before it returns (NBR-11). Other codes: null.
   *
   * @ddi ProtocolIndicateOffloadEvent (INDICATE_OFFLOAD_EVENT_HANDLER)
   */
  indicateOffloadEvent(
    protocolBindingContext: B,
    offloadBlockList: ProtocolOffloadBlockList | null,
    indicationCode: OffloadEvent,
  ): void;
}

/**
 * Completions of the data functions, the TCP event and the receive indication, for the driver above (REG-06).
 * `offloadContext` is the driver's own handle of the connection.
 *
 * @ddi NDIS_CLIENT_CHIMNEY_OFFLOAD_TCP_CHARACTERISTICS
 */
export interface ClientChimneyOffloadTcpCharacteristics<B extends object = object> {
  readonly header: NdisObjectHeader;
  /** Always TCP (REG-06). */
  readonly offloadType: ChimneyOffloadType;
  /** @ddi ProtocolTcpOffloadSendComplete (TCP_OFFLOAD_SEND_COMPLETE_HANDLER) */
  tcpOffloadSendComplete(protocolBindingContext: B, netBufferList: NetBufferList): void;
  /** @ddi ProtocolTcpOffloadReceiveComplete (TCP_OFFLOAD_RECV_COMPLETE_HANDLER) */
  tcpOffloadReceiveComplete(protocolBindingContext: B, netBufferList: NetBufferList): void;
  /** @ddi ProtocolTcpOffloadDisconnectComplete (TCP_OFFLOAD_DISCONNECT_COMPLETE_HANDLER) */
  tcpOffloadDisconnectComplete(protocolBindingContext: B, netBufferList: NetBufferList): void;
  /** @ddi ProtocolTcpOffloadForwardComplete (TCP_OFFLOAD_FORWARD_COMPLETE_HANDLER) */
  tcpOffloadForwardComplete(protocolBindingContext: B, netBufferList: NetBufferList): void;
  /**
   * @param information a `TcpUploadReason` for RETRIEVE, bytes for SEND_BACKLOG_CHANGE, else 0 (EVT-06).
   * @ddi ProtocolTcpOffloadEvent (TCP_OFFLOAD_EVENT_HANDLER)
   */
  tcpOffloadEvent(offloadContext: NdisOffloadHandle, eventType: TcpOffloadEventType, information: number): void;
  /**
   * Data that no posted request took. Returns SUCCESS (all of it; the list is the host's until receive-return),
   * OFFLOAD_DATA_NOT_ACCEPTED (0 bytes) or OFFLOAD_DATA_PARTIALLY_ACCEPTED (some bytes), RECV-37 … RECV-39.
   *
   * @ddi ProtocolTcpOffloadReceiveIndicate (TCP_OFFLOAD_RECEIVE_INDICATE_HANDLER)
   */
  tcpOffloadReceiveIndicate(
    offloadContext: NdisOffloadHandle,
    netBufferList: NetBufferList,
    status: NdisStatus,
    bytesConsumed: BytesConsumed,
  ): NdisStatus;
}

/**
 * What a target calls, obtained once with `MiniportAdapter.getOffloadHandlers` and copied (REG-09, REG-11, REG-12). The
 * functions need no `this`. Completions name the adapter (REG-15), indications the stored handle (CTX-08).
 *
 * @ddi NDIS_TCP_OFFLOAD_EVENT_HANDLERS
 */
export interface TcpOffloadEventHandlers {
  readonly header: NdisObjectHeader;
  /** @ddi NdisTcpOffloadEventHandler (NDIS_TCP_OFFLOAD_EVENT_INDICATE) */
  readonly tcpOffloadEventHandler: (
    ndisOffloadHandle: NdisOffloadHandle,
    eventType: TcpOffloadEventType,
    information: number,
  ) => void;
  /** @ddi NdisTcpOffloadReceiveHandler (NDIS_TCP_OFFLOAD_RECEIVE_INDICATE) */
  readonly tcpOffloadReceiveHandler: (
    ndisOffloadHandle: NdisOffloadHandle,
    netBufferList: NetBufferList,
    status: NdisStatus,
    bytesConsumed: BytesConsumed,
  ) => NdisStatus;
  /** @ddi NdisTcpOffloadSendComplete (NDIS_TCP_OFFLOAD_SEND_COMPLETE) */
  readonly tcpOffloadSendComplete: TcpOffloadCompletion;
  /** @ddi NdisTcpOffloadReceiveComplete (NDIS_TCP_OFFLOAD_RECEIVE_COMPLETE) */
  readonly tcpOffloadReceiveComplete: TcpOffloadCompletion;
  /** @ddi NdisTcpOffloadDisconnectComplete (NDIS_TCP_OFFLOAD_DISCONNECT_COMPLETE) */
  readonly tcpOffloadDisconnectComplete: TcpOffloadCompletion;
  /** @ddi NdisTcpOffloadForwardComplete (NDIS_TCP_OFFLOAD_FORWARD_COMPLETE) */
  readonly tcpOffloadForwardComplete: TcpOffloadCompletion;
}

/** A completion of one or more lists of the same kind of request, in posting order. */
export type TcpOffloadCompletion = (ndisMiniportHandle: MiniportAdapter, netBufferList: NetBufferList) => void;

/** A miniport driver and its ordinary entry points. */
export interface MiniportDriverCharacteristics<A extends object = object> {
  /** For people. */
  readonly name: string;
  /**
   * Where a chimney-capable driver calls `setOptionalHandlers` twice (REG-01).
   *
   * @ddi MiniportSetOptions
   */
  setOptions?(driver: MiniportDriver<A>): void;
  /**
   * Brings an adapter up: the driver calls `adapter.setMiniportAttributes` and, when it can offload,
   * `adapter.getOffloadHandlers` (REG-09). Any status but SUCCESS means that there is no adapter.
   *
   * @ddi MiniportInitializeEx
   */
  initialize(adapter: MiniportAdapter<A>): NdisStatus;
  /** @ddi MiniportHaltEx */
  halt(miniportAdapterContext: A): void;
  /**
   * Frames to send on the ordinary path; completed later by `adapter.sendNetBufferListsComplete`.
   *
   * @ddi MiniportSendNetBufferLists
   */
  sendNetBufferLists(miniportAdapterContext: A, netBufferList: NetBufferList): void;
  /** @ddi MiniportReturnNetBufferLists */
  returnNetBufferLists(miniportAdapterContext: A, netBufferList: NetBufferList): void;
  /**
   * Answers at once, or returns PENDING and calls `adapter.oidRequestComplete` later. Unknown OIDs: NOT_SUPPORTED.
   *
   * @ddi MiniportOidRequest
   */
  oidRequest(miniportAdapterContext: A, request: OidRequest): NdisStatus;
}

/** Flags of an ordinary receive indication. */
export const ReceiveFlag = {
  /** NDIS_RECEIVE_FLAGS_RESOURCES: the lists are the miniport's again when the call returns; copy, and do not return. */
  RESOURCES: 2,
} as const;

/** A protocol driver and its ordinary entry points. */
export interface ProtocolDriverCharacteristics<B extends object = object> {
  /** For people. */
  readonly name: string;
  /**
   * Where a chimney-capable driver calls `setOptionalHandlers` twice (REG-04).
   *
   * @ddi ProtocolSetOptions
   */
  setOptions?(driver: ProtocolDriver<B>): void;
  /**
   * Frames received on the ordinary path. They are the protocol's until `binding.returnNetBufferLists`, unless flags
   * says RESOURCES.
   *
   * @param flags `ReceiveFlag` bits.
   * @ddi ProtocolReceiveNetBufferLists
   */
  receiveNetBufferLists(protocolBindingContext: B, netBufferList: NetBufferList, count: number, flags: number): void;
  /** @ddi ProtocolSendNetBufferListsComplete */
  sendNetBufferListsComplete(protocolBindingContext: B, netBufferList: NetBufferList): void;
  /** @ddi ProtocolStatusEx */
  statusEx(protocolBindingContext: B, indication: StatusIndication): void;
  /** @ddi ProtocolOidRequestComplete */
  oidRequestComplete(protocolBindingContext: B, request: OidRequest, status: NdisStatus): void;
  /**
   * The adapter goes away: the driver closes its binding before it returns.
   *
   * @ddi ProtocolUnbindAdapterEx
   */
  unbindAdapter(protocolBindingContext: B): void;
}

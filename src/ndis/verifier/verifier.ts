import type { NdisBinding } from '../binding.ts';
import type { MiniportOffloadBlockList, ProtocolOffloadBlockList } from '../block-list.ts';
import type {
  BytesConsumed,
  ClientChimneyOffloadGenericCharacteristics,
  ClientChimneyOffloadTcpCharacteristics,
  ProviderChimneyOffloadGenericCharacteristics,
  ProviderChimneyOffloadTcpCharacteristics,
} from '../characteristics.ts';
import type { ChimneyOffloadType, OffloadEvent, TcpOffloadEventType } from '../events.ts';
import type { MiniportAdapter } from '../miniport-adapter.ts';
import type { MiniportDriver } from '../miniport-driver.ts';
import type { NetBufferList } from '../net-buffer.ts';
import type { NdisOffloadHandle } from '../offload-handle.ts';
import type { OidRequest } from '../oid.ts';
import type { DataRequest, StateOperation } from '../operations.ts';
import type { ProtocolDriver } from '../protocol-driver.ts';
import type { NdisStatus } from '../status.ts';
import type { StatusIndication } from '../status-indication.ts';

/** A table that `setOptionalHandlers` takes. */
export type OptionalHandlers =
  | ProviderChimneyOffloadGenericCharacteristics
  | ProviderChimneyOffloadTcpCharacteristics
  | ClientChimneyOffloadGenericCharacteristics
  | ClientChimneyOffloadTcpCharacteristics;

/**
 * Watches every crossing. NDIS calls a hook before it passes a call on ("begin", or the plain name) and after the
 * driver returned ("end"). A hook throws `RuleViolation` when a rule was broken; the call is then not passed on.
 */
export interface Verifier {
  /** Around MiniportSetOptions or ProtocolSetOptions, and each table registered. */
  setOptionsBegin(driver: MiniportDriver | ProtocolDriver): void;
  setOptionsEnd(driver: MiniportDriver | ProtocolDriver): void;
  optionalHandlers(driver: MiniportDriver | ProtocolDriver, table: OptionalHandlers): void;

  /** Around MiniportInitializeEx. */
  initializeBegin(adapter: MiniportAdapter): void;
  initializeEnd(adapter: MiniportAdapter, status: NdisStatus): void;
  getOffloadHandlers(adapter: MiniportAdapter, type: ChimneyOffloadType): void;

  closeBinding(binding: NdisBinding): void;
  haltAdapter(adapter: MiniportAdapter): void;

  /** An OID request goes down; and its final status, also when it had been PENDING. */
  oidRequest(binding: NdisBinding, request: OidRequest): void;
  oidRequestDone(binding: NdisBinding, request: OidRequest, status: NdisStatus): void;

  /** A state operation goes down, before and after the miniport's entry point. The tree is in protocol form. */
  stateCallBegin(operation: StateOperation, binding: NdisBinding, root: ProtocolOffloadBlockList): void;
  stateCallEnd(operation: StateOperation, binding: NdisBinding, root: MiniportOffloadBlockList): void;
  /** Its completion, before and after the protocol's entry point. The tree is in miniport form at the beginning. */
  stateCompleteBegin(operation: StateOperation, adapter: MiniportAdapter, root: MiniportOffloadBlockList): void;
  stateCompleteEnd(operation: StateOperation, binding: NdisBinding): void;

  /** A data request goes down; `flags` only for a disconnect. */
  dataCallBegin(
    request: DataRequest,
    binding: NdisBinding,
    handle: NdisOffloadHandle,
    list: NetBufferList,
    flags: number,
  ): void;
  dataCallEnd(
    request: DataRequest,
    binding: NdisBinding,
    handle: NdisOffloadHandle,
    list: NetBufferList,
    status: NdisStatus,
  ): void;
  /** Its completion. After the end the lists may be in use again, so they are not passed. Ends come last in, first out. */
  dataCompleteBegin(request: DataRequest, adapter: MiniportAdapter, list: NetBufferList): void;
  dataCompleteEnd(request: DataRequest, adapter: MiniportAdapter): void;

  /** A chimney receive indication, and lists that come back from one. */
  receiveIndicateBegin(handle: NdisOffloadHandle, list: NetBufferList, status: NdisStatus): void;
  receiveIndicateEnd(
    handle: NdisOffloadHandle,
    list: NetBufferList,
    status: NdisStatus,
    bytesConsumed: BytesConsumed,
  ): void;
  receiveReturn(binding: NdisBinding, list: NetBufferList): void;

  tcpEventBegin(handle: NdisOffloadHandle, type: TcpOffloadEventType, information: number): void;
  tcpEventEnd(handle: NdisOffloadHandle): void;
  offloadEventBegin(adapter: MiniportAdapter, block: MiniportOffloadBlockList | null, code: OffloadEvent): void;
  offloadEventEnd(adapter: MiniportAdapter, block: MiniportOffloadBlockList | null, code: OffloadEvent): void;
  statusIndication(adapter: MiniportAdapter, indication: StatusIndication): void;

  /** The ordinary receive path: lists that went up to be kept, and lists that came back. */
  ordinaryReceive(binding: NdisBinding, list: NetBufferList): void;
  ordinaryReturn(binding: NdisBinding, list: NetBufferList): void;
}

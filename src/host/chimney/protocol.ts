/** The host stack as a protocol driver: its entry points, and where each of them leads. */

import type {
  ClientChimneyOffloadGenericCharacteristics,
  ClientChimneyOffloadTcpCharacteristics,
  ProtocolDriverCharacteristics,
} from '../../ndis/characteristics.ts';
import { ChimneyOffloadType } from '../../ndis/events.ts';
import type { NetBufferList } from '../../ndis/net-buffer.ts';
import { CLIENT_GENERIC_HEADER, CLIENT_TCP_HEADER } from '../../ndis/object-header.ts';
import type { OidRequest } from '../../ndis/oid.ts';
import type { NdisStatus } from '../../ndis/status.ts';
import type { StatusIndication } from '../../ndis/status-indication.ts';
import type { Chimney } from './chimney.ts';
import { complete } from './environment.ts';

/** The protocol binding context of a host stack: what the entry points need of it. */
export interface HostBinding {
  readonly chimney: () => Chimney;
  framesReceived(chain: NetBufferList, flags: number): void;
  framesSent(chain: NetBufferList): void;
  statusIndicated(indication: StatusIndication): void;
  oidRequestComplete(request: OidRequest, status: NdisStatus): void;
  /** The adapter goes away: the binding must be closed on return. */
  unbound(): void;
}

const GENERIC: ClientChimneyOffloadGenericCharacteristics<HostBinding> = {
  header: CLIENT_GENERIC_HEADER,
  initiateOffloadComplete: (_host, root) => complete(root),
  terminateOffloadComplete: (_host, root) => complete(root),
  updateOffloadComplete: (_host, root) => complete(root),
  invalidateOffloadComplete: (_host, root) => complete(root),
  queryOffloadComplete: (_host, root) => complete(root),
  indicateOffloadEvent: (host, block, code) => host.chimney().offloadEvent(block, code),
};

/** The handle of an indication leads to the connection, and NDIS does not name the binding: one table per stack. */
function tcpCharacteristics(chimney: () => Chimney): ClientChimneyOffloadTcpCharacteristics<HostBinding> {
  return {
    header: CLIENT_TCP_HEADER,
    offloadType: ChimneyOffloadType.TCP,
    tcpOffloadSendComplete: (host, list) => host.chimney().data.sendCompleted(list),
    tcpOffloadReceiveComplete: (host, list) => host.chimney().data.receiveCompleted(list),
    tcpOffloadDisconnectComplete: (host, list) => host.chimney().data.disconnectCompleted(list),
    tcpOffloadForwardComplete: (host, list) => host.chimney().data.forwardCompleted(list),
    tcpOffloadEvent: (handle, type, information) => chimney().tcpEvent(handle, type, information),
    tcpOffloadReceiveIndicate: (handle, list, _status, consumed) => chimney().receiveIndicated(handle, list, consumed),
  };
}

/** The characteristics of one host stack. `chimney` is asked for only when offload traffic comes. */
export function protocolCharacteristics(
  name: string,
  chimney: () => Chimney,
): ProtocolDriverCharacteristics<HostBinding> {
  return {
    name,
    setOptions(driver) {
      driver.setOptionalHandlers(GENERIC);
      driver.setOptionalHandlers(tcpCharacteristics(chimney));
    },
    receiveNetBufferLists: (host, chain, _count, flags) => host.framesReceived(chain, flags),
    sendNetBufferListsComplete: (host, chain) => host.framesSent(chain),
    statusEx: (host, indication) => host.statusIndicated(indication),
    oidRequestComplete: (host, request, status) => host.oidRequestComplete(request, status),
    unbindAdapter: (host) => host.unbound(),
  };
}

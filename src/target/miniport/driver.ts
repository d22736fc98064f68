/** The driver's tables (REG-01…03): entry points of the contract that find their adapter context and return at once. */
import {
  ChimneyOffloadType,
  type MiniportAdapter,
  type MiniportDriverCharacteristics,
  type MiniportOffloadBlockList,
  NdisStatus,
  type NetBufferList,
  type OidRequest,
  PROVIDER_GENERIC_HEADER,
  PROVIDER_TCP_HEADER,
  type ProviderChimneyOffloadGenericCharacteristics,
  type ProviderChimneyOffloadTcpCharacteristics,
  type TcpDisconnectFlag,
  type TcpOffloadEventHandlers,
} from '../../ndis/index.ts';
import type { MacAddress } from '../../wire/index.ts';
import type { Channel } from '../channel.ts';
import type { ToMiniport, ToNic } from '../messages.ts';
import type { OffloadContext } from './offload-context.ts';
import { connectionOffload, type TargetCapabilities } from './oid-requests.ts';
import { TargetMiniport } from './target-miniport.ts';

/** What the driver needs to know of an adapter: `MiniportAdapter.configuration`. */
export interface TargetConfiguration {
  readonly macAddress: MacAddress;
  /** Largest IP datagram, bytes. */
  readonly mtu: number;
  /** The link completes checksums and cuts segments. */
  readonly taskOffload: boolean;
  /** Nobody looks at the frames of a send any more when it completes. */
  readonly copiesFrames: boolean;
  readonly channel: Channel<ToNic, ToMiniport>;
  readonly capabilities: TargetCapabilities;
  /** Called with the adapter context once it exists. */
  readonly onInitialize: (miniport: TargetMiniport) => void;
}

const genericProvider: ProviderChimneyOffloadGenericCharacteristics<TargetMiniport> = {
  header: PROVIDER_GENERIC_HEADER,
  initiateOffload: (miniport, root: MiniportOffloadBlockList) => miniport.initiate(root),
  terminateOffload: (miniport, root) => miniport.state.terminate(root),
  updateOffload: (miniport, root) => miniport.state.update(root),
  invalidateOffload: (miniport, root) => miniport.state.invalidate(root),
  queryOffload: (miniport, root) => miniport.state.query(root),
};

const tcpProvider: ProviderChimneyOffloadTcpCharacteristics<TargetMiniport, OffloadContext> = {
  header: PROVIDER_TCP_HEADER,
  offloadType: ChimneyOffloadType.TCP,
  tcpOffloadSend: (miniport, context, list) => miniport.data.send(context, list),
  tcpOffloadReceive: (miniport, context, list) => miniport.data.receive(context, list),
  tcpOffloadDisconnect: (miniport, context, list, flags: TcpDisconnectFlag) =>
    miniport.data.disconnect(context, list, flags),
  tcpOffloadForward: (miniport, context, list) => miniport.data.forward(context, list),
  tcpOffloadReceiveReturn: (miniport, list) => miniport.data.receiveReturn(list),
};

/** The miniport driver of software targets. Each adapter is told apart by its configuration. */
export const targetDriver: MiniportDriverCharacteristics<TargetMiniport> = {
  name: 'software offload target',
  setOptions(driver) {
    driver.setOptionalHandlers(genericProvider);
    driver.setOptionalHandlers(tcpProvider as ProviderChimneyOffloadTcpCharacteristics<TargetMiniport>);
  },
  initialize(adapter: MiniportAdapter<TargetMiniport>): NdisStatus {
    const configuration = adapter.configuration as TargetConfiguration;
    const handlers = chimneyHandlers(adapter);
    if (handlers === null) return NdisStatus.FAILURE;
    const { channel, capabilities } = configuration;
    const miniport = new TargetMiniport(adapter, handlers, channel, capabilities);
    const offload = connectionOffload(capabilities);
    adapter.setMiniportAttributes({
      miniportAdapterContext: miniport,
      macAddress: configuration.macAddress.bytes,
      mtuSize: configuration.mtu,
      taskOffload: configuration.taskOffload,
      copiesFrames: configuration.copiesFrames,
      defaultConnectionOffload: offload,
      hardwareConnectionOffload: offload,
    });
    configuration.onInitialize(miniport);
    return NdisStatus.SUCCESS;
  },
  halt() {},
  sendNetBufferLists: (miniport, list: NetBufferList) => miniport.ordinary.send(list),
  returnNetBufferLists: (miniport, list: NetBufferList) => miniport.ordinary.return(list),
  oidRequest: (miniport, request: OidRequest) => miniport.oids.request(request),
};

/** REG-09, REG-11: asked once, checked, copied. */
function chimneyHandlers(adapter: MiniportAdapter<TargetMiniport>): TcpOffloadEventHandlers | null {
  const { handlers } = adapter.getOffloadHandlers(ChimneyOffloadType.TCP);
  if (handlers === null) return null;
  const { type, revision } = handlers.header;
  return type === ChimneyOffloadType.TCP && revision >= 1 ? { ...handlers } : null;
}

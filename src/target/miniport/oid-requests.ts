/** OID requests: capabilities, settings, statistics, power (spec/ddi.md 7). */
import {
  DevicePowerState,
  Encapsulation,
  type MiniportAdapter,
  NdisStatus,
  OffloadSetting,
  Oid,
  type OidRequest,
  type TaskOffloadList,
  TCP_CONNECTION_OFFLOAD_HEADER,
  type TcpConnectionOffload,
  type TcpConnectionOffloadParameters,
} from '../../ndis/index.ts';
import type { TcpParameters } from '../../tcp/index.ts';
import type { OffloadParameters, TargetStatistics, ToNic } from '../messages.ts';

/** What the target can do, as its owner configured it. */
export interface TargetCapabilities {
  readonly connections: number;
  readonly supportsExtension: boolean;
  /** Settings in force until the host sets its own: what a query reports. */
  readonly parameters: TcpParameters;
}

/** NDIS_TCP_CONNECTION_OFFLOAD for these capabilities. */
export function connectionOffload(capabilities: TargetCapabilities): TcpConnectionOffload {
  return {
    header: TCP_CONNECTION_OFFLOAD_HEADER,
    encapsulation: Encapsulation.IEEE_802_3,
    supportIPv4: true,
    supportIPv6: true,
    supportIPv6ExtensionHeaders: false,
    supportSack: true,
    congestionAlgorithm: 0,
    tcpConnectionOffloadCapacity: capabilities.connections,
    flags: 0,
    extensionRevision: capabilities.supportsExtension ? 1 : 0,
  };
}

export class OidRequests {
  capabilities: TargetCapabilities;
  /** Called when a set of OID_TCP_TASK_OFFLOAD switches the chimney on, with the extension that the host knows, or off. */
  private readonly onEnable: (enabled: boolean, extensionRevision: 0 | 1) => void;
  private readonly adapter: MiniportAdapter;
  private readonly post: (message: ToNic) => void;
  private readonly nextId: () => number;
  private readonly connectionCount: () => number;
  /** Statistics queries that the NIC has not answered. */
  private readonly queries = new Map<number, OidRequest>();
  /** Set-power requests that wait for the last terminate (PM-03). */
  private powerRequests: OidRequest[] = [];

  constructor(
    adapter: MiniportAdapter,
    post: (message: ToNic) => void,
    nextId: () => number,
    capabilities: TargetCapabilities,
    connectionCount: () => number,
    onEnable: (enabled: boolean, extensionRevision: 0 | 1) => void,
  ) {
    this.adapter = adapter;
    this.post = post;
    this.nextId = nextId;
    this.capabilities = capabilities;
    this.connectionCount = connectionCount;
    this.onEnable = onEnable;
  }

  request(request: OidRequest): NdisStatus {
    switch (request.oid) {
      case Oid.TCP_TASK_OFFLOAD:
        if (request.requestType === 'set') return this.setTaskOffload(request.information);
        request.information = this.taskOffload();
        return NdisStatus.SUCCESS;
      case Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS:
        // The query is answered by NDIS (OID-08).
        if (request.requestType === 'query') return NdisStatus.NOT_SUPPORTED;
        return this.setParameters(request.information);
      case Oid.TCP4_OFFLOAD_STATS:
      case Oid.TCP6_OFFLOAD_STATS:
      case Oid.IP4_OFFLOAD_STATS:
      case Oid.IP6_OFFLOAD_STATS:
        return this.statisticsRequest(request);
      case Oid.PNP_SET_POWER:
        return request.requestType === 'set' ? this.setPower(request) : NdisStatus.NOT_SUPPORTED;
      default:
        return NdisStatus.NOT_SUPPORTED;
    }
  }

  /** The NIC's counters have arrived (STAT-01). */
  statistics(request: number, statistics: TargetStatistics): void {
    const query = this.queries.get(request);
    if (query === undefined) return;
    this.queries.delete(request);
    if (query.requestType === 'query') {
      if (query.oid === Oid.IP4_OFFLOAD_STATS) query.information = statistics.ip4;
      else if (query.oid === Oid.IP6_OFFLOAD_STATS) query.information = statistics.ip6;
      else if (query.oid === Oid.TCP4_OFFLOAD_STATS) query.information = statistics.tcp4;
      else if (query.oid === Oid.TCP6_OFFLOAD_STATS) query.information = statistics.tcp6;
    }
    query.status = NdisStatus.SUCCESS;
    this.adapter.oidRequestComplete(query, NdisStatus.SUCCESS);
  }

  /** A terminate has completed: pending set-power requests finish with the last one (PM-02, PM-03). */
  terminated(): void {
    if (this.powerRequests.length === 0 || this.connectionCount() > 0) return;
    const requests = this.powerRequests;
    this.powerRequests = [];
    for (const request of requests) {
      request.status = NdisStatus.SUCCESS;
      this.adapter.oidRequestComplete(request, NdisStatus.SUCCESS);
    }
  }

  /** OID-02. */
  private taskOffload(): TaskOffloadList {
    const p = this.capabilities.parameters;
    return {
      version: 1,
      encapsulation: Encapsulation.IEEE_802_3,
      tasks: [
        {
          task: 'tcp-connection-offload',
          supportIp4: true,
          supportIp6: true,
          supportIp6ExtensionHeaders: false,
          supportSack: true,
          tcpConnectionOffloadCapacity: this.capabilities.connections,
          tcpFinWait2Ticks: p.finWait2Ticks,
          extensionRevision: this.capabilities.supportsExtension ? 1 : 0,
          ticksPerSecond: p.ticksPerSecond,
          tcpAckFrequency: p.ackFrequency,
          tcpDelayedAckTicks: p.delayedAckTicks,
          tcpMaximumRetransmissions: p.maximumRetransmissions,
          tcpDoubtReachabilityRetransmissions: p.doubtReachabilityRetransmissions,
          tcpSwsPreventionTicks: p.swsPreventionTicks,
          tcpDuplicateAckThreshold: p.duplicateAckThreshold,
          tcpPushTicks: p.pushTicks,
          nceStaleTicks: p.nceStaleTicks,
        },
      ],
    };
  }

  /** OID-10: what the list names is on, everything else is off. */
  private setTaskOffload(list: TaskOffloadList | null): NdisStatus {
    if (list === null) return NdisStatus.INVALID_DATA;
    const task = list.tasks.find((item) => item.task === 'tcp-connection-offload');
    if (task === undefined) {
      this.onEnable(false, 0);
      return NdisStatus.SUCCESS;
    }
    const parameters = offloadParameters(task);
    if (parameters === null) return NdisStatus.INVALID_DATA;
    this.post({ kind: 'parameters', parameters });
    this.onEnable(true, task.extensionRevision);
    return NdisStatus.SUCCESS;
  }

  /** OID-03…05, OID-09: only IEEE 802.3 frames are built here. */
  private setParameters(settings: TcpConnectionOffloadParameters | null): NdisStatus {
    if (settings === null) return NdisStatus.INVALID_DATA;
    for (const { enabled, encapsulationType } of [settings.encapsulation.ipv4, settings.encapsulation.ipv6]) {
      if (enabled === OffloadSetting.ON && encapsulationType !== Encapsulation.IEEE_802_3) {
        return NdisStatus.NOT_SUPPORTED;
      }
    }
    const parameters = offloadParameters(settings);
    if (parameters === null) return NdisStatus.INVALID_DATA;
    this.post({ kind: 'parameters', parameters });
    return NdisStatus.SUCCESS;
  }

  private statisticsRequest(request: OidRequest): NdisStatus {
    if (request.requestType === 'set') {
      const family = FAMILIES.get(request.oid);
      if (family !== undefined) this.post({ kind: 'statisticsReset', family });
      return NdisStatus.SUCCESS; // STAT-03
    }
    const id = this.nextId();
    this.queries.set(id, request);
    this.post({ kind: 'statisticsQuery', request: id });
    return NdisStatus.PENDING;
  }

  private setPower(request: OidRequest): NdisStatus {
    if (request.information === DevicePowerState.D0 || this.connectionCount() === 0) return NdisStatus.SUCCESS;
    this.powerRequests.push(request);
    return NdisStatus.PENDING;
  }
}

const FAMILIES: ReadonlyMap<Oid, 'ip4' | 'ip6' | 'tcp4' | 'tcp6'> = new Map([
  [Oid.IP4_OFFLOAD_STATS, 'ip4'],
  [Oid.IP6_OFFLOAD_STATS, 'ip6'],
  [Oid.TCP4_OFFLOAD_STATS, 'tcp4'],
  [Oid.TCP6_OFFLOAD_STATS, 'tcp6'],
]);

/** What the two structures share. */
type Settings = Pick<
  TcpConnectionOffloadParameters,
  | 'ticksPerSecond'
  | 'tcpAckFrequency'
  | 'tcpDelayedAckTicks'
  | 'tcpMaximumRetransmissions'
  | 'tcpDoubtReachabilityRetransmissions'
  | 'tcpSwsPreventionTicks'
  | 'tcpDuplicateAckThreshold'
  | 'tcpPushTicks'
  | 'nceStaleTicks'
>;

/** Null for a tick that is none of the three (OID-03). */
function offloadParameters(settings: Settings): OffloadParameters | null {
  const { ticksPerSecond } = settings;
  if (ticksPerSecond !== 10 && ticksPerSecond !== 100 && ticksPerSecond !== 1000) return null;
  return {
    ticksPerSecond,
    ackFrequency: settings.tcpAckFrequency,
    delayedAckTicks: settings.tcpDelayedAckTicks,
    maximumRetransmissions: settings.tcpMaximumRetransmissions,
    doubtReachabilityRetransmissions: settings.tcpDoubtReachabilityRetransmissions,
    swsPreventionTicks: settings.tcpSwsPreventionTicks,
    duplicateAckThreshold: settings.tcpDuplicateAckThreshold,
    pushTicks: settings.tcpPushTicks,
    nceStaleTicks: settings.nceStaleTicks,
  };
}

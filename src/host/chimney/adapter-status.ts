/**
 * What the adapter allows at the moment: its capabilities, and the pause, upload-all and resume indications (spec/
 * algorithms.md 15).
 */
import { TCP_CONNECTION_OFFLOAD_PARAMETERS_HEADER } from '../../ndis/object-header.ts';
import {
  Encapsulation,
  OffloadSetting,
  Oid,
  type OidRequest,
  oidQuery,
  oidSet,
  type TaskTcpConnectionOffload,
  type TcpConnectionOffloadParameters,
} from '../../ndis/oid.ts';
import { NdisStatus } from '../../ndis/status.ts';
import type { StatusIndication } from '../../ndis/status-indication.ts';
import type { TcpParameters } from '../../tcp/parameters.ts';
import { ETHERNET_HEADER_LENGTH } from '../../wire/index.ts';
import type { ChimneyEnvironment } from './environment.ts';

/**
 * `off`: no chimney here, or not yet enabled. `enabling`: OID requests are on their way. `running`: offloads may start.
 * `paused`: none may start until the adapter resumes (PAUSE-01).
 */
export type AdapterPhase = 'off' | 'enabling' | 'running' | 'paused';

/** Asked when the adapter wants everything back, or may be used again. */
export interface AdapterObserver {
  /** Take every connection back: the reason for the history. */
  uploadAll(reason: string): void;
  /** Offloads may start (again). */
  resumed(): void;
}

export class AdapterStatus {
  phase: AdapterPhase = 'off';
  /** The target takes and returns the state extension (spec/decisions.md 23). */
  supportsExtension = false;
  /** The target takes connections over IPv6. */
  supportsIpv6 = false;
  private readonly environment: ChimneyEnvironment;
  private readonly observer: AdapterObserver;
  private parametersSet = false;
  /** A pause came while OID requests were on their way. */
  private pausedMeanwhile = false;

  constructor(environment: ChimneyEnvironment, observer: AdapterObserver) {
    this.environment = environment;
    this.observer = observer;
  }

  /** Queries the capabilities and switches connection offload on (OID-01); also after a resume (PAUSE-06). */
  enable(): void {
    this.phase = 'enabling';
    this.pausedMeanwhile = false;
    this.environment.core.defer(() => this.request(oidQuery(Oid.TCP_TASK_OFFLOAD)));
  }

  /** The answer to a request that was pending. */
  oidRequestComplete(request: OidRequest, status: NdisStatus): void {
    this.environment.core.defer(() => this.answered(request, status));
  }

  /** An indication of the adapter (NdisMIndicateStatusEx). */
  indicated(indication: StatusIndication): void {
    const { core } = this.environment;
    switch (indication.statusCode) {
      case NdisStatus.OFFLOAD_PAUSE:
        this.pause();
        return;
      case NdisStatus.UPLOAD_ALL:
        this.pause();
        core.defer(() => this.observer.uploadAll('UPLOAD_ALL'));
        return;
      case NdisStatus.OFFLOAD_RESUME:
        this.enable();
        return;
      case NdisStatus.LINK_STATE:
        // The decision is the host's (TERM-28): its own retransmissions are as good as the target's on a dead link.
        if (!indication.statusBuffer.connected) core.defer(() => this.observer.uploadAll('link down'));
        return;
      default:
    }
  }

  /** No offload is to start until `enable`. */
  suspend(): void {
    this.pause();
  }

  private pause(): void {
    if (this.phase === 'enabling') this.pausedMeanwhile = true;
    else if (this.phase === 'running') this.phase = 'paused';
  }

  private request(request: OidRequest): void {
    const status = this.environment.binding.oidRequest(request);
    if (status !== NdisStatus.PENDING) this.answered(request, status);
  }

  private answered(request: OidRequest, status: NdisStatus): void {
    if (this.phase !== 'enabling') return;
    if (status !== NdisStatus.SUCCESS) {
      this.phase = 'off';
    } else if (request.oid === Oid.TCP_TASK_OFFLOAD && request.requestType === 'query') {
      this.capabilitiesKnown(request.information?.tasks[0] ?? null);
    } else if (request.oid === Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS) {
      this.parametersSet = true;
      this.enableTask();
    } else if (request.oid === Oid.TCP_TASK_OFFLOAD) {
      this.enabled();
    }
  }

  private capabilitiesKnown(task: TaskTcpConnectionOffload | null): void {
    if (task === null || !task.supportIp4) {
      this.phase = 'off';
      return;
    }
    this.supportsExtension = task.extensionRevision === 1;
    this.supportsIpv6 = task.supportIp6;
    // The tick must not change under connections that are offloaded: the parameters are set once.
    if (this.parametersSet) this.enableTask();
    else
      this.request(
        oidSet(
          Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS,
          parametersOf(this.environment.core.tcp.parameters, this.supportsIpv6),
        ),
      );
  }

  private enableTask(): void {
    const tasks = [taskOf(this.environment.core.tcp.parameters, this.supportsIpv6)];
    this.request(oidSet(Oid.TCP_TASK_OFFLOAD, { version: 1, encapsulation: Encapsulation.IEEE_802_3, tasks }));
  }

  private enabled(): void {
    this.phase = this.pausedMeanwhile ? 'paused' : 'running';
    if (this.phase === 'running') this.observer.resumed();
  }
}

/** NDIS_TCP_CONNECTION_OFFLOAD_PARAMETERS of our settings (OID-07). */
function parametersOf(parameters: TcpParameters, supportsIpv6: boolean): TcpConnectionOffloadParameters {
  const encapsulationType = Encapsulation.IEEE_802_3;
  return {
    header: TCP_CONNECTION_OFFLOAD_PARAMETERS_HEADER,
    encapsulation: {
      ipv4: { enabled: OffloadSetting.ON, encapsulationType, headerSize: ETHERNET_HEADER_LENGTH },
      ipv6: {
        enabled: supportsIpv6 ? OffloadSetting.ON : OffloadSetting.OFF,
        encapsulationType,
        headerSize: ETHERNET_HEADER_LENGTH,
      },
    },
    congestionAlgorithm: 0,
    ...sharedSettings(parameters),
  };
}

/** NDIS_TASK_TCP_CONNECTION_OFFLOAD that switches connection offload on. */
function taskOf(parameters: TcpParameters, supportIp6: boolean): TaskTcpConnectionOffload {
  return {
    task: 'tcp-connection-offload',
    supportIp4: true,
    supportIp6,
    supportIp6ExtensionHeaders: false,
    supportSack: true,
    tcpConnectionOffloadCapacity: 0,
    tcpFinWait2Ticks: parameters.finWait2Ticks,
    extensionRevision: 1,
    ...sharedSettings(parameters),
  };
}

function sharedSettings(parameters: TcpParameters) {
  return {
    ticksPerSecond: parameters.ticksPerSecond,
    tcpAckFrequency: parameters.ackFrequency,
    tcpDelayedAckTicks: parameters.delayedAckTicks,
    tcpMaximumRetransmissions: parameters.maximumRetransmissions,
    tcpDoubtReachabilityRetransmissions: parameters.doubtReachabilityRetransmissions,
    tcpSwsPreventionTicks: parameters.swsPreventionTicks,
    tcpDuplicateAckThreshold: parameters.duplicateAckThreshold,
    tcpPushTicks: parameters.pushTicks,
    nceStaleTicks: parameters.nceStaleTicks,
  };
}

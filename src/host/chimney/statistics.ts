/** The target's counters, which the host adds to its own (STAT-18). */
import { type IpOffloadStatistics, Oid, type OidRequest, oidQuery, type TcpOffloadStatistics } from '../../ndis/oid.ts';
import { NdisStatus } from '../../ndis/status.ts';
import type { ChimneyEnvironment } from './environment.ts';

/** Counters of the IPv4 and TCP traffic of offloaded connections; null when the adapter has none. */
export interface OffloadStatistics {
  readonly ip: IpOffloadStatistics | null;
  readonly tcp: TcpOffloadStatistics | null;
}

export class StatisticsQueries {
  private readonly environment: ChimneyEnvironment;
  private readonly pending = new Map<OidRequest, (status: NdisStatus) => void>();

  constructor(environment: ChimneyEnvironment) {
    this.environment = environment;
  }

  /** Asks for the counters; the answer comes from within `HostStack.advance`. */
  query(answer: (statistics: OffloadStatistics) => void): void {
    const ip = oidQuery(Oid.IP4_OFFLOAD_STATS);
    const tcp = oidQuery(Oid.TCP4_OFFLOAD_STATS);
    this.request(ip, (ipStatus) => {
      this.request(tcp, (tcpStatus) => {
        answer({
          ip: ipStatus === NdisStatus.SUCCESS ? ip.information : null,
          tcp: tcpStatus === NdisStatus.SUCCESS ? tcp.information : null,
        });
      });
    });
  }

  /** The adapter has answered; false when the request is none of ours. */
  complete(request: OidRequest, status: NdisStatus): boolean {
    const answered = this.pending.get(request);
    if (answered === undefined) return false;
    this.pending.delete(request);
    this.environment.core.defer(() => answered(status));
    return true;
  }

  private request(request: OidRequest, answered: (status: NdisStatus) => void): void {
    this.environment.core.defer(() => {
      this.pending.set(request, answered);
      const status = this.environment.binding.oidRequest(request);
      if (status !== NdisStatus.PENDING) this.complete(request, status);
    });
  }
}

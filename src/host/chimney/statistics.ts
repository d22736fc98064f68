/** The target's counters, which the host adds to its own (STAT-18). */
import { type IpOffloadStatistics, Oid, type OidRequest, oidQuery, type TcpOffloadStatistics } from '../../ndis/oid.ts';
import { NdisStatus } from '../../ndis/status.ts';
import type { ChimneyEnvironment } from './environment.ts';

/** Counters of the traffic of offloaded connections, of each family; null when the adapter has none. */
export interface OffloadStatistics {
  readonly ip: IpOffloadStatistics | null;
  readonly tcp: TcpOffloadStatistics | null;
  readonly ip6: IpOffloadStatistics | null;
  readonly tcp6: TcpOffloadStatistics | null;
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
    const ip6 = oidQuery(Oid.IP6_OFFLOAD_STATS);
    const tcp6 = oidQuery(Oid.TCP6_OFFLOAD_STATS);
    const requests: OidRequest[] = [ip, tcp, ip6, tcp6];
    const failed = new Set<OidRequest>();
    // One after the other: the adapter has one request of ours at a time.
    const next = (): void => {
      const request = requests.shift();
      if (request === undefined) {
        answer({
          ip: failed.has(ip) ? null : ip.information,
          tcp: failed.has(tcp) ? null : tcp.information,
          ip6: failed.has(ip6) ? null : ip6.information,
          tcp6: failed.has(tcp6) ? null : tcp6.information,
        });
        return;
      }
      this.request(request, (status) => {
        if (status !== NdisStatus.SUCCESS) failed.add(request);
        next();
      });
    };
    next();
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

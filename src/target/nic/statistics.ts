/** Counters of the offloaded traffic of one interface (STAT-01…17), of each family on its own. */
import type { IpOffloadStatistics, TcpOffloadStatistics } from '../../ndis/index.ts';
import { TcpState } from '../../tcp/index.ts';
import type { AddressFamily } from '../../wire/index.ts';
import type { TargetStatistics } from '../messages.ts';
import type { ConnectionContext } from './contexts.ts';

/** All zero. */
export function emptyIpStatistics(): IpOffloadStatistics {
  return {
    inReceives: 0,
    inOctets: 0,
    inDelivers: 0,
    outRequests: 0,
    outOctets: 0,
    inHeaderErrors: 0,
    inTruncatedPackets: 0,
    inDiscards: 0,
    outDiscards: 0,
    outNoRoutes: 0,
  };
}

/** All zero. */
export function emptyTcpStatistics(): TcpOffloadStatistics {
  return {
    inSegments: 0,
    outSegments: 0,
    currentlyEstablished: 0,
    resetEstablished: 0,
    retransmittedSegments: 0,
    inErrors: 0,
    outResets: 0,
  };
}

/** The counters of one family. */
export interface FamilyCounters {
  ip: IpOffloadStatistics;
  tcp: TcpOffloadStatistics;
}

function newCounters(): FamilyCounters {
  return { ip: emptyIpStatistics(), tcp: emptyTcpStatistics() };
}

/** Counters that the contract makes 32 bits wide; the others are 64 bits wide and never get there (STAT-04). */
const IP_ULONG = ['inHeaderErrors', 'inTruncatedPackets', 'inDiscards', 'outDiscards', 'outNoRoutes'] as const;
const TCP_ULONG = ['resetEstablished', 'retransmittedSegments', 'inErrors', 'outResets'] as const;

/**
 * Packets with corrupt headers go up the ordinary path uncounted, the preferred one of the two ways that the contract
 * leaves (STAT-11, STAT-16, STAT-17): so the error counters count none of them.
 */
export class NicStatistics {
  private ip4 = newCounters();
  private ip6 = newCounters();

  /** The counters of one family; not to be kept, because a reset replaces them. */
  of(family: AddressFamily): FamilyCounters {
    return family === 4 ? this.ip4 : this.ip6;
  }

  /** Back to zero, whatever the set carried (STAT-03). */
  reset(family: 'ip4' | 'ip6' | 'tcp4' | 'tcp6'): void {
    const counters = family === 'ip4' || family === 'tcp4' ? this.ip4 : this.ip6;
    if (family === 'ip4' || family === 'ip6') counters.ip = emptyIpStatistics();
    else counters.tcp = emptyTcpStatistics();
  }

  /** The four structures, with the gauges counted now (STAT-14). */
  snapshot(connections: Iterable<ConnectionContext>): TargetStatistics {
    const [ip4, tcp4] = copyOf(this.ip4);
    const [ip6, tcp6] = copyOf(this.ip6);
    for (const { cb, family } of connections) {
      const { state } = cb.delegated;
      if (state !== TcpState.ESTABLISHED && state !== TcpState.CLOSE_WAIT) continue;
      if (family === 4) tcp4.currentlyEstablished += 1;
      else tcp6.currentlyEstablished += 1;
    }
    return { ip4, tcp4, ip6, tcp6 };
  }
}

/** A copy with the narrow counters at their width. */
function copyOf(counters: FamilyCounters): [IpOffloadStatistics, TcpOffloadStatistics] {
  const ip = { ...counters.ip };
  const tcp = { ...counters.tcp };
  for (const key of IP_ULONG) ip[key] = ip[key] >>> 0;
  for (const key of TCP_ULONG) tcp[key] = tcp[key] >>> 0;
  return [ip, tcp];
}

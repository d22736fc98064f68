/** Counters of the offloaded traffic of one interface (STAT-01…17). IPv6 is not offloaded, so its counters stay zero. */
import type { IpOffloadStatistics, TcpOffloadStatistics } from '../../ndis/index.ts';
import { TcpState } from '../../tcp/index.ts';
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

/** Counters that the contract makes 32 bits wide; the others are 64 bits wide and never get there (STAT-04). */
const IP_ULONG = ['inHeaderErrors', 'inTruncatedPackets', 'inDiscards', 'outDiscards', 'outNoRoutes'] as const;
const TCP_ULONG = ['resetEstablished', 'retransmittedSegments', 'inErrors', 'outResets'] as const;

/**
 * Packets with corrupt headers go up the ordinary path uncounted, the preferred one of the two ways that the contract
 * leaves (STAT-11, STAT-16, STAT-17): so the error counters count none of them.
 */
export class NicStatistics {
  ip4 = emptyIpStatistics();
  tcp4 = emptyTcpStatistics();

  /** Back to zero, whatever the set carried (STAT-03). */
  reset(family: 'ip4' | 'ip6' | 'tcp4' | 'tcp6'): void {
    if (family === 'ip4') this.ip4 = emptyIpStatistics();
    else if (family === 'tcp4') this.tcp4 = emptyTcpStatistics();
  }

  /** The four structures, with the gauge counted now (STAT-14). */
  snapshot(connections: Iterable<ConnectionContext>): TargetStatistics {
    const ip4 = { ...this.ip4 };
    const tcp4 = { ...this.tcp4 };
    for (const key of IP_ULONG) ip4[key] = ip4[key] >>> 0;
    for (const key of TCP_ULONG) tcp4[key] = tcp4[key] >>> 0;
    for (const connection of connections) {
      const { state } = connection.cb.delegated;
      if (state === TcpState.ESTABLISHED || state === TcpState.CLOSE_WAIT) tcp4.currentlyEstablished += 1;
    }
    return { ip4, tcp4, ip6: emptyIpStatistics(), tcp6: emptyTcpStatistics() };
  }
}

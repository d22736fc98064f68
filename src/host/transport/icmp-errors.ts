/**
 * ICMP errors about our segments. An error is believed only when the quoted sequence number is in flight (RFC 5927
 * section 4.1). "Fragmentation needed" and "packet too big" lower the path MTU; of the other errors unreachables end an opening,
 * and the application hears of the rest (RFC 9293 section 3.9.2.2 MUST-54, MUST-56, SHLD-25, SHLD-26; RFC 5927 section 5.2, RFC 5461).
 */
import { after, atOrAfter, before } from '../../tcp/sequence.ts';
import { TcpState } from '../../tcp/state.ts';
import type { TcpDelegatedState } from '../../tcp/variables.ts';
import { DropReason } from '../../wire/index.ts';
import type { Connection } from '../connection.ts';
import type { HostCore } from '../core.ts';
import { IcmpError, type IcmpReceiver, type QuotedSegment } from '../path/icmp-error.ts';
import type { PathTable } from '../path/path-table.ts';
import type { Transport } from './transport.ts';

/** What the application hears of an error that ends nothing. */
const SOFT_ERRORS = {
  [IcmpError.HOST_UNREACHABLE]: 'host-unreachable',
  [IcmpError.PORT_UNREACHABLE]: 'port-unreachable',
  [IcmpError.TIME_EXCEEDED]: 'time-exceeded',
  [IcmpError.PARAMETER_PROBLEM]: 'parameter-problem',
} as const;

/** Asks the target for the delegated variables of an offloaded connection; null is the answer of a failed query. */
export type DelegatedQuery = (connection: Connection, answer: (state: TcpDelegatedState | null) => void) => void;

export class IcmpErrors implements IcmpReceiver {
  private readonly core: HostCore;
  private readonly transport: Transport;
  private readonly paths: PathTable;
  private readonly query: DelegatedQuery;

  constructor(core: HostCore, transport: Transport, paths: PathTable, query: DelegatedQuery) {
    this.core = core;
    this.transport = transport;
    this.paths = paths;
    this.query = query;
  }

  icmpError(error: IcmpError, segment: QuotedSegment, pathMtu: number): void {
    const { source, sourcePort, destination, destinationPort, sequence } = segment;
    const connection = this.transport.connections.find(source, sourcePort, destination, destinationPort);
    const ownership = connection?.ownership ?? null;
    if (connection === null || ownership === null) {
      this.core.drops.count(DropReason.ICMP_STALE);
    } else if (ownership.owner === 'offloaded') {
      this.checkInTarget(connection, error, sequence, pathMtu);
    } else if (ownership.owner === 'host') {
      if (isInFlight(ownership.cb.delegated, sequence)) this.obey(connection, error, pathMtu);
      else this.core.drops.count(DropReason.ICMP_STALE);
    }
    // While the connection moves nobody can tell; the router repeats itself.
  }

  private obey(connection: Connection, error: IcmpError, pathMtu: number): void {
    if (error === IcmpError.PACKET_TOO_BIG) {
      if (connection.path !== null) this.paths.reduceMtu(connection.path, pathMtu);
      return;
    }
    const { unreachableEndsOpening } = this.core.tcp.parameters.arrival;
    const isUnreachable =
      error === IcmpError.PORT_UNREACHABLE || (error === IcmpError.HOST_UNREACHABLE && unreachableEndsOpening);
    if (connection.state !== TcpState.SYN_SENT || !isUnreachable) connection.report(SOFT_ERRORS[error]);
    else this.transport.end(connection, error === IcmpError.PORT_UNREACHABLE ? 'ECONNREFUSED' : 'EHOSTUNREACH');
  }

  /** The target has the sequence numbers of an offloaded connection: it is asked, one question at a time. */
  private checkInTarget(connection: Connection, error: IcmpError, sequence: number, pathMtu: number): void {
    if (connection.queryInFlight) return;
    this.query(connection, (state) => {
      if (state === null) return;
      // The answer is later than the error: what was in flight may just have been acknowledged.
      const recent = (state.sndUna - Math.max(state.maxSndWnd, 0xffff)) | 0;
      if (after(sequence, recent) && before(sequence, state.sndMax)) {
        this.obey(connection, error, pathMtu);
      } else {
        this.core.drops.count(DropReason.ICMP_STALE);
      }
    });
  }
}

function isInFlight(state: TcpDelegatedState, sequence: number): boolean {
  return atOrAfter(sequence, state.sndUna) && before(sequence, state.sndMax);
}

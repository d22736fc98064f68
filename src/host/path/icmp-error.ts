/** What an ICMP error of either family says about one of our segments. */
import type { IpAddress } from '../../wire/index.ts';

/** Kinds of errors that mean something to a connection. */
export const IcmpError = {
  /** "Fragmentation needed" or "packet too big". */
  PACKET_TOO_BIG: 0,
  HOST_UNREACHABLE: 1,
  PORT_UNREACHABLE: 2,
  TIME_EXCEEDED: 3,
  PARAMETER_PROBLEM: 4,
} as const;
export type IcmpError = (typeof IcmpError)[keyof typeof IcmpError];

/** The start of the segment that an error quotes: once sent by us. */
export interface QuotedSegment {
  /** Ours. */
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  /** int32. */
  readonly sequence: number;
}

/** Where errors go. The quoted segment is not validated against the connection yet. `pathMtu` 0: not that error. */
export interface IcmpReceiver {
  icmpError(error: IcmpError, segment: QuotedSegment, pathMtu: number): void;
}

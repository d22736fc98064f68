/** Multicast Listener Discovery version 2: queries of routers, and what listeners report (RFC 3810). */

import { availableBytes, readInt32, readUint16, writeUint16 } from './bytes.ts';
import { DropReason } from './drop-reason.ts';
import { finishIcmpv6Checksum, Icmpv6Type } from './icmpv6.ts';
import { IpAddress } from './ip-address.ts';

/** ff02::16, all routers that understand reports of version 2. */
export const ALL_MLDV2_ROUTERS = IpAddress.fromWords(6, 0xff020000, 0, 0, 0x16);

/** Kinds of records (RFC 3810 section 5.2.12). */
export const MldRecordType = { MODE_IS_EXCLUDE: 2, CHANGE_TO_EXCLUDE: 4 } as const;

/** Bytes of a query, and of the part that version 1 has. */
const QUERY_LENGTH = 24;
const REPORT_LENGTH = 8;
const RECORD_LENGTH = 20;

/**
 * A hop-by-hop options header with a router alert (RFC 2711): every MLD datagram has it in front (RFC 3810 section 5). Its
 * first byte names ICMPv6.
 */
export const ROUTER_ALERT_HEADER: readonly number[] = [58, 0, 5, 2, 0, 0, 1, 0];

/** One parsed query: a reusable object. */
export class MldQuery {
  /** Longest time after which a listener answers, milliseconds. */
  maximumResponse = 0;
  /** The group that is asked about; unspecified for all of them. */
  group: IpAddress = IpAddress.fromWords(6, 0);
}

/** Parses a query whose checksum was verified (RFC 3810 section 5.1); `into` is complete only on `DropReason.NONE`. */
export function parseMldQuery(buffer: Uint8Array, offset: number, length: number, into: MldQuery): DropReason {
  if (availableBytes(buffer, offset, length) < QUERY_LENGTH) return DropReason.ICMP_TRUNCATED;
  if (buffer[offset] !== Icmpv6Type.LISTENER_QUERY) return DropReason.ICMP_TYPE;
  const code = readUint16(buffer, offset + 4);
  // A floating point number above 32767 (section 5.1.3).
  const exponent = (code >>> 12) & 7;
  into.maximumResponse = code < 0x8000 ? code : ((code & 0x0fff) | 0x1000) << (exponent + 3);
  into.group = IpAddress.fromWords(
    6,
    readInt32(buffer, offset + 8),
    readInt32(buffer, offset + 12),
    readInt32(buffer, offset + 16),
    readInt32(buffer, offset + 20),
  );
  return DropReason.NONE;
}

/** Bytes of a report about so many groups. */
export function mldReportLength(groups: number): number {
  return REPORT_LENGTH + groups * RECORD_LENGTH;
}

/** Writes a report that all sources of these groups are listened to, and returns its length in bytes (RFC 3810 section 5.2). */
export function writeMldReport(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  recordType: number,
  groups: readonly IpAddress[],
): number {
  const length = mldReportLength(groups.length);
  buffer.fill(0, offset, offset + length);
  buffer[offset] = Icmpv6Type.LISTENER_REPORT_V2;
  writeUint16(buffer, offset + 6, groups.length);
  let at = offset + REPORT_LENGTH;
  for (const group of groups) {
    buffer[at] = recordType;
    buffer.set(group.bytes, at + 4);
    at += RECORD_LENGTH;
  }
  finishIcmpv6Checksum(buffer, offset, length, source, ALL_MLDV2_ROUTERS);
  return length;
}

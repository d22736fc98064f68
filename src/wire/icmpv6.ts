/** ICMPv6: echo, and the errors that quote a datagram (RFC 4443). Neighbor Discovery is in `ndp.ts`. */

import { availableBytes, readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';
import { addSums, finishChecksum, pseudoHeaderSum, sumBytes } from './checksum.ts';
import { DropReason } from './drop-reason.ts';
import type { IpAddress } from './ip-address.ts';
import { IpProtocol } from './ipv4.ts';
import { IPV6_HEADER_LENGTH, IPV6_MINIMUM_MTU, Ipv6Header, parseIpv6Fields } from './ipv6.ts';

/** ICMPv6 message types (RFC 4443, RFC 4861, RFC 3810). */
export const Icmpv6Type = {
  DESTINATION_UNREACHABLE: 1,
  PACKET_TOO_BIG: 2,
  TIME_EXCEEDED: 3,
  PARAMETER_PROBLEM: 4,
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  LISTENER_QUERY: 130,
  ROUTER_SOLICITATION: 133,
  ROUTER_ADVERTISEMENT: 134,
  NEIGHBOR_SOLICITATION: 135,
  NEIGHBOR_ADVERTISEMENT: 136,
  REDIRECT: 137,
  LISTENER_REPORT_V2: 143,
} as const;

/** Codes of `DESTINATION_UNREACHABLE` (RFC 4443 section 3.1). */
export const Icmpv6UnreachableCode = {
  NO_ROUTE: 0,
  ADMINISTRATIVELY_PROHIBITED: 1,
  BEYOND_SCOPE: 2,
  ADDRESS: 3,
  PORT: 4,
  SOURCE_POLICY: 5,
  REJECT_ROUTE: 6,
} as const;

/** Codes of `TIME_EXCEEDED` (RFC 4443 section 3.3). */
export const Icmpv6TimeExceededCode = { HOP_LIMIT: 0, REASSEMBLY: 1 } as const;

/** Bytes of the header in front of echo data or of the offending datagram. */
export const ICMPV6_HEADER_LENGTH = 8;

/** Bytes of the offending datagram that an error may quote: the error must fit the least MTU (RFC 4443 section 2.4 (c)). */
export const ICMPV6_MAXIMUM_QUOTATION = IPV6_MINIMUM_MTU - IPV6_HEADER_LENGTH - ICMPV6_HEADER_LENGTH;

/** Types up to this one are errors (RFC 4443 section 2.1). */
const LAST_ERROR_TYPE = 127;

/** One parsed ICMPv6 message: a reusable object, all fields primitive. */
export class Icmpv6Message {
  /** See `Icmpv6Type`. */
  type = 0;
  code = 0;
  /** Identifier of an echo message; meaningless otherwise. */
  identifier = 0;
  /** Sequence number of an echo message; meaningless otherwise. */
  sequence = 0;
  /** MTU of "packet too big", bytes, 0…2^32 - 1; pointer of "parameter problem"; otherwise meaningless. */
  parameter = 0;
  /** Where the echo data, or the datagram inside an error, starts in the buffer. */
  payloadOffset = 0;
  /** Bytes of echo data or embedded datagram. */
  payloadLength = 0;

  /** Whether this is an error: known or not, it embeds a datagram (RFC 4443 section 2.1). */
  get isError(): boolean {
    return this.type <= LAST_ERROR_TYPE;
  }
}

/** What the start of a TCP segment inside an ICMPv6 error says about the connection that it belongs to. */
export class Icmpv6EmbeddedSegment {
  /** The header of the datagram that we once sent; its payload may be cut off. */
  readonly ip = new Ipv6Header();
  /** Our port. */
  sourcePort = 0;
  /** The peer's port. */
  destinationPort = 0;
  /** Sequence number, int32: must be in flight for the error to be believed (RFC 5927 section 4.1). */
  sequence = 0;
}

/**
 * Parses the ICMPv6 message in `buffer[offset … offset + length)` and verifies its checksum, which covers the pseudo header
 * (RFC 4443 section 2.3): `pseudoHeader` is its partial sum for `length` bytes of ICMPv6. All types are parsed. `into` is
 * complete only when the result is `DropReason.NONE`.
 */
export function parseIcmpv6(
  buffer: Uint8Array,
  offset: number,
  length: number,
  pseudoHeader: number,
  into: Icmpv6Message,
): DropReason {
  const available = availableBytes(buffer, offset, length);
  // The shortest messages have four bytes behind the checksum, all of them.
  if (available < ICMPV6_HEADER_LENGTH || available > 0xffff) return DropReason.ICMP_TRUNCATED;
  if (addSums(sumBytes(buffer, offset, available), pseudoHeader) !== 0xffff) return DropReason.ICMP_CHECKSUM;
  into.type = buffer[offset];
  into.code = buffer[offset + 1];
  into.identifier = readUint16(buffer, offset + 4);
  into.sequence = readUint16(buffer, offset + 6);
  into.parameter = readInt32(buffer, offset + 4) >>> 0;
  into.payloadOffset = offset + ICMPV6_HEADER_LENGTH;
  into.payloadLength = available - ICMPV6_HEADER_LENGTH;
  return DropReason.NONE;
}

/**
 * Parses the datagram inside an ICMPv6 error (`payloadOffset`, `payloadLength` of an `Icmpv6Message`): the IPv6 header and
 * the first 8 bytes behind it, read as the start of a TCP header. We send TCP without extension headers, so what quotes any
 * is not ours: `into.ip.protocol` says whether it is TCP.
 */
export function parseIcmpv6EmbeddedSegment(
  buffer: Uint8Array,
  offset: number,
  length: number,
  into: Icmpv6EmbeddedSegment,
): DropReason {
  const available = availableBytes(buffer, offset, length);
  if (available < IPV6_HEADER_LENGTH + 8) return DropReason.ICMP_EMBEDDED;
  if (parseIpv6Fields(buffer, offset, into.ip) !== DropReason.NONE) return DropReason.ICMP_EMBEDDED;
  const at = offset + IPV6_HEADER_LENGTH;
  into.sourcePort = readUint16(buffer, at);
  into.destinationPort = readUint16(buffer, at + 2);
  into.sequence = readInt32(buffer, at + 4);
  return DropReason.NONE;
}

/**
 * Fills the checksum of the ICMPv6 message of `length` bytes that lies at `offset`, with 0 in its checksum field or not
 * (RFC 4443 section 2.3).
 */
export function finishIcmpv6Checksum(
  buffer: Uint8Array,
  offset: number,
  length: number,
  source: IpAddress,
  destination: IpAddress,
): void {
  writeUint16(buffer, offset + 2, 0);
  const pseudoHeader = pseudoHeaderSum(source, destination, IpProtocol.ICMPV6, length);
  writeUint16(buffer, offset + 2, finishChecksum(addSums(sumBytes(buffer, offset, length), pseudoHeader)));
}

/** Writes an echo request or reply with the given data and returns its length in bytes. */
export function writeIcmpv6Echo(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  type: typeof Icmpv6Type.ECHO_REQUEST | typeof Icmpv6Type.ECHO_REPLY,
  identifier: number,
  sequence: number,
  data: Uint8Array,
): number {
  buffer[offset] = type;
  buffer[offset + 1] = 0;
  writeUint16(buffer, offset + 4, identifier);
  writeUint16(buffer, offset + 6, sequence);
  buffer.set(data, offset + ICMPV6_HEADER_LENGTH);
  const length = ICMPV6_HEADER_LENGTH + data.length;
  finishIcmpv6Checksum(buffer, offset, length, source, destination);
  return length;
}

/**
 * Writes an ICMPv6 error about `datagram` (from its IPv6 header on, at most `ICMPV6_MAXIMUM_QUOTATION` bytes) and returns
 * its length in bytes.
 *
 * @param parameter MTU of "packet too big", pointer of "parameter problem", otherwise 0
 */
export function writeIcmpv6Error(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  type: number,
  code: number,
  parameter: number,
  datagram: Uint8Array,
): number {
  buffer[offset] = type;
  buffer[offset + 1] = code;
  writeInt32(buffer, offset + 4, parameter);
  buffer.set(datagram, offset + ICMPV6_HEADER_LENGTH);
  const length = ICMPV6_HEADER_LENGTH + datagram.length;
  finishIcmpv6Checksum(buffer, offset, length, source, destination);
  return length;
}

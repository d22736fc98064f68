/** ICMP for IPv4: echo, destination unreachable with the next-hop MTU, time exceeded (RFC 792, RFC 1191). */

import { availableBytes, readInt32, readUint16, writeUint16 } from './bytes.ts';
import { internetChecksum, sumBytes } from './checksum.ts';
import { DropReason } from './drop-reason.ts';
import { IPV4_HEADER_LENGTH, Ipv4Header, parseIpv4Fields } from './ipv4.ts';

/** ICMP message types (RFC 792). */
export const Icmpv4Type = {
  ECHO_REPLY: 0,
  DESTINATION_UNREACHABLE: 3,
  SOURCE_QUENCH: 4,
  REDIRECT: 5,
  ECHO_REQUEST: 8,
  TIME_EXCEEDED: 11,
  PARAMETER_PROBLEM: 12,
} as const;

/** Codes of `DESTINATION_UNREACHABLE` (RFC 792, RFC 1812 section 5.2.7.1). */
export const UnreachableCode = {
  NETWORK: 0,
  HOST: 1,
  PROTOCOL: 2,
  PORT: 3,
  FRAGMENTATION_NEEDED: 4,
  SOURCE_ROUTE_FAILED: 5,
  ADMINISTRATIVELY_PROHIBITED: 13,
} as const;

/** Bytes of the ICMP header in front of echo data or of the offending datagram. */
export const ICMPV4_HEADER_LENGTH = 8;
/** Bytes of the offending datagram's payload that every ICMP error carries at least (RFC 792). */
export const ICMPV4_QUOTED_PAYLOAD = 8;

/** One parsed ICMP message: a reusable object, all fields primitive. */
export class Icmpv4Message {
  /** See `Icmpv4Type`. */
  type = 0;
  code = 0;
  /** Identifier of an echo message; meaningless otherwise. */
  identifier = 0;
  /** Sequence number of an echo message; meaningless otherwise. */
  sequence = 0;
  /** Next-hop MTU of "fragmentation needed", bytes; 0 from routers older than RFC 1191, and in other messages. */
  nextHopMtu = 0;
  /** Where the echo data, or the datagram inside an error, starts in the buffer. */
  payloadOffset = 0;
  /** Bytes of echo data or embedded datagram. */
  payloadLength = 0;

  /** Whether this is one of the errors that embed a datagram. */
  get isError(): boolean {
    return (
      this.type === Icmpv4Type.DESTINATION_UNREACHABLE ||
      this.type === Icmpv4Type.SOURCE_QUENCH ||
      this.type === Icmpv4Type.REDIRECT ||
      this.type === Icmpv4Type.TIME_EXCEEDED ||
      this.type === Icmpv4Type.PARAMETER_PROBLEM
    );
  }

  /** Whether a router says that a packet with DF was too large (RFC 1191 section 4). */
  get isFragmentationNeeded(): boolean {
    return this.type === Icmpv4Type.DESTINATION_UNREACHABLE && this.code === UnreachableCode.FRAGMENTATION_NEEDED;
  }
}

/** What the start of a TCP segment inside an ICMP error says about the connection that it belongs to. */
export class EmbeddedSegment {
  /** The header of the datagram that we once sent; its total length may exceed the quoted bytes. */
  readonly ip = new Ipv4Header();
  /** Our port. */
  sourcePort = 0;
  /** The peer's port. */
  destinationPort = 0;
  /** Sequence number, int32: must be in flight for the error to be believed (RFC 5927 section 4.1). */
  sequence = 0;
}

/**
 * Parses the ICMP message in `buffer[offset … offset + length)` and verifies its checksum. All types are parsed; those
 * without a handler are the caller's to count. `into` is complete only when the result is `DropReason.NONE`.
 */
export function parseIcmpv4(buffer: Uint8Array, offset: number, length: number, into: Icmpv4Message): DropReason {
  const available = availableBytes(buffer, offset, length);
  if (available < ICMPV4_HEADER_LENGTH || available > 0xffff) return DropReason.ICMP_TRUNCATED;
  if (sumBytes(buffer, offset, available) !== 0xffff) return DropReason.ICMP_CHECKSUM;
  into.type = buffer[offset];
  into.code = buffer[offset + 1];
  into.identifier = readUint16(buffer, offset + 4);
  into.sequence = readUint16(buffer, offset + 6);
  into.nextHopMtu = into.isFragmentationNeeded ? into.sequence : 0;
  into.payloadOffset = offset + ICMPV4_HEADER_LENGTH;
  into.payloadLength = available - ICMPV4_HEADER_LENGTH;
  return DropReason.NONE;
}

/**
 * Parses the datagram inside an ICMP error (`payloadOffset`, `payloadLength` of an `Icmpv4Message`): the IPv4 header and the
 * first 8 bytes of its payload, read as the start of a TCP header. `into.ip.protocol` says whether it is TCP at all. A
 * later fragment has no ports and yields `ICMP_EMBEDDED`, as does a quotation that is too short.
 */
export function parseEmbeddedSegment(
  buffer: Uint8Array,
  offset: number,
  length: number,
  into: EmbeddedSegment,
): DropReason {
  const available = availableBytes(buffer, offset, length);
  if (available < IPV4_HEADER_LENGTH + ICMPV4_QUOTED_PAYLOAD) return DropReason.ICMP_EMBEDDED;
  if (parseIpv4Fields(buffer, offset, available, into.ip) !== DropReason.NONE) return DropReason.ICMP_EMBEDDED;
  if (into.ip.headerLength + ICMPV4_QUOTED_PAYLOAD > available || into.ip.fragmentOffset !== 0) {
    return DropReason.ICMP_EMBEDDED;
  }
  const at = into.ip.payloadOffset;
  into.sourcePort = readUint16(buffer, at);
  into.destinationPort = readUint16(buffer, at + 2);
  into.sequence = readInt32(buffer, at + 4);
  return DropReason.NONE;
}

/**
 * Writes an ICMP message whose data is already in place behind its 8-byte header, checksum included.
 *
 * @param word0 the 16 bits after the checksum: identifier of an echo, 0 in an error
 * @param word1 the next 16 bits: sequence number of an echo, next-hop MTU of "fragmentation needed", otherwise 0
 * @param dataLength bytes of echo data or of the offending datagram
 * @returns the length of the message in bytes
 */
function finishMessage(
  buffer: Uint8Array,
  offset: number,
  type: number,
  code: number,
  word0: number,
  word1: number,
  dataLength: number,
): number {
  buffer[offset] = type;
  buffer[offset + 1] = code;
  writeUint16(buffer, offset + 2, 0);
  writeUint16(buffer, offset + 4, word0);
  writeUint16(buffer, offset + 6, word1);
  const length = ICMPV4_HEADER_LENGTH + dataLength;
  writeUint16(buffer, offset + 2, internetChecksum(buffer, offset, length));
  return length;
}

/** Writes an echo request or reply with the given data and returns its length in bytes. */
export function writeIcmpv4Echo(
  buffer: Uint8Array,
  offset: number,
  type: typeof Icmpv4Type.ECHO_REQUEST | typeof Icmpv4Type.ECHO_REPLY,
  identifier: number,
  sequence: number,
  data: Uint8Array,
): number {
  buffer.set(data, offset + ICMPV4_HEADER_LENGTH);
  return finishMessage(buffer, offset, type, 0, identifier, sequence, data.length);
}

/**
 * Writes an ICMP error about `datagram` (from its IPv4 header on) and returns its length in bytes.
 *
 * @param nextHopMtu for "fragmentation needed" (RFC 1191 section 4), otherwise 0
 * @param datagram what is quoted: callers pass the IPv4 header and at least 8 bytes, at most 548 (RFC 1812 section 4.3.2.3)
 */
export function writeIcmpv4Error(
  buffer: Uint8Array,
  offset: number,
  type: number,
  code: number,
  nextHopMtu: number,
  datagram: Uint8Array,
): number {
  buffer.set(datagram, offset + ICMPV4_HEADER_LENGTH);
  return finishMessage(buffer, offset, type, code, 0, nextHopMtu, datagram.length);
}

/** IPv4 headers (RFC 791, RFC 1122 section 3.2). */

import { availableBytes, readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';
import { internetChecksum, sumBytes } from './checksum.ts';
import { DropReason } from './drop-reason.ts';

/** IP protocol numbers (IANA). */
export const IpProtocol = { ICMPV4: 1, TCP: 6, UDP: 17, ICMPV6: 58 } as const;

/** Bytes of an IPv4 header without options. */
export const IPV4_HEADER_LENGTH = 20;
/** The largest total length of an IPv4 packet, bytes. */
export const IPV4_MAXIMUM_TOTAL_LENGTH = 65535;

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;

/** The parsed, or about to be written, header of one IPv4 packet: one reusable object, all fields primitive. */
export class Ipv4Header {
  /** Source address, int32. */
  source = 0;
  /** Destination address, int32. */
  destination = 0;
  /** DSCP and ECN: the whole second byte (RFC 2474, RFC 3168). */
  typeOfService = 0;
  /** 0…65535. */
  identification = 0;
  dontFragment = false;
  moreFragments = false;
  /** Where this fragment's payload belongs in the whole, bytes (a multiple of 8). */
  fragmentOffset = 0;
  /** Time to live, 0…255. */
  ttl = 64;
  /** IP protocol number, see `IpProtocol`. */
  protocol = 0;
  /** Header bytes, options included: 20…60. */
  headerLength = IPV4_HEADER_LENGTH;
  /** Header and payload, bytes. */
  totalLength = IPV4_HEADER_LENGTH;
  /** Where the payload starts in the buffer that was parsed, bytes. Unused when writing. */
  payloadOffset = 0;
  /** Payload bytes, without link-layer padding. Unused when writing. */
  payloadLength = 0;

  /** Whether the header carries options. */
  get hasOptions(): boolean {
    return this.headerLength > IPV4_HEADER_LENGTH;
  }

  /** Whether the packet is part of a fragmented one. */
  get isFragment(): boolean {
    return this.moreFragments || this.fragmentOffset !== 0;
  }
}

/**
 * Parses the IPv4 header at `offset` and verifies its checksum (RFC 1122 section 3.2.1.2). `length` is what the link
 * delivered; bytes beyond the total length are padding. Options are skipped, fragments recognised and left to the caller.
 * `into` is complete only when the result is `DropReason.NONE`.
 */
export function parseIpv4(buffer: Uint8Array, offset: number, length: number, into: Ipv4Header): DropReason {
  const available = availableBytes(buffer, offset, length);
  if (available < IPV4_HEADER_LENGTH) return DropReason.IPV4_TRUNCATED;
  const reason = parseIpv4Fields(buffer, offset, available, into);
  if (reason !== DropReason.NONE) return reason;
  if (into.totalLength < into.headerLength || into.totalLength > available) return DropReason.IPV4_TOTAL_LENGTH;
  if (sumBytes(buffer, offset, into.headerLength) !== 0xffff) return DropReason.IPV4_CHECKSUM;
  return DropReason.NONE;
}

/**
 * Reads the fields of a header of which at least 20 bytes are there, without verifying total length and checksum: what
 * `parseIpv4` starts with, and all that can be asked of the truncated datagram inside an ICMP error.
 */
export function parseIpv4Fields(buffer: Uint8Array, offset: number, available: number, into: Ipv4Header): DropReason {
  const first = buffer[offset];
  if (first >>> 4 !== 4) return DropReason.IPV4_VERSION;
  const headerLength = (first & 0x0f) << 2;
  if (headerLength < IPV4_HEADER_LENGTH) return DropReason.IPV4_HEADER_LENGTH;
  if (headerLength > available) return DropReason.IPV4_TRUNCATED;
  const fragment = readUint16(buffer, offset + 6);
  into.headerLength = headerLength;
  into.typeOfService = buffer[offset + 1];
  into.totalLength = readUint16(buffer, offset + 2);
  into.identification = readUint16(buffer, offset + 4);
  into.dontFragment = (fragment & DONT_FRAGMENT) !== 0;
  into.moreFragments = (fragment & MORE_FRAGMENTS) !== 0;
  into.fragmentOffset = (fragment & 0x1fff) << 3;
  into.ttl = buffer[offset + 8];
  into.protocol = buffer[offset + 9];
  into.source = readInt32(buffer, offset + 12);
  into.destination = readInt32(buffer, offset + 16);
  into.payloadOffset = offset + headerLength;
  into.payloadLength = into.totalLength - headerLength;
  return DropReason.NONE;
}

/**
 * Writes a header without options, checksum included, and returns its length (20 bytes). Reads every field of `header` but
 * the lengths of header and payload; `totalLength` is the caller's to set, 20…65535.
 */
export function writeIpv4(header: Ipv4Header, buffer: Uint8Array, offset: number): number {
  buffer[offset] = 0x45;
  buffer[offset + 1] = header.typeOfService;
  writeUint16(buffer, offset + 2, header.totalLength);
  writeUint16(buffer, offset + 4, header.identification);
  const fragment =
    (header.dontFragment ? DONT_FRAGMENT : 0) |
    (header.moreFragments ? MORE_FRAGMENTS : 0) |
    (header.fragmentOffset >>> 3);
  writeUint16(buffer, offset + 6, fragment);
  buffer[offset + 8] = header.ttl;
  buffer[offset + 9] = header.protocol;
  writeUint16(buffer, offset + 10, 0);
  writeInt32(buffer, offset + 12, header.source);
  writeInt32(buffer, offset + 16, header.destination);
  writeUint16(buffer, offset + 10, internetChecksum(buffer, offset, IPV4_HEADER_LENGTH));
  return IPV4_HEADER_LENGTH;
}

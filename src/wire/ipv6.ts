/** IPv6 headers and the chain of extension headers behind them (RFC 8200). */

import { availableBytes, readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';
import { DropReason } from './drop-reason.ts';
import { IpAddress } from './ip-address.ts';

/** Bytes of the IPv6 header without extension headers. */
export const IPV6_HEADER_LENGTH = 40;
/** Largest payload of a datagram without the jumbo option, bytes: extension headers and all that follows (RFC 8200 section 3). */
export const IPV6_MAXIMUM_PAYLOAD = 65535;
/** Bytes of a Fragment header (RFC 8200 section 4.5). */
export const IPV6_FRAGMENT_HEADER_LENGTH = 8;
/** What every link must carry, bytes (RFC 8200 section 5). */
export const IPV6_MINIMUM_MTU = 1280;

/** Next Header values of the extension headers that are understood here (RFC 8200 section 4.1). */
export const Ipv6Extension = {
  HOP_BY_HOP: 0,
  ROUTING: 43,
  FRAGMENT: 44,
  /** No Next Header (RFC 8200 section 4.7). */
  NONE: 59,
  DESTINATION: 60,
} as const;

/** More headers than this are nobody's honest datagram (RFC 8504 section 5.3). */
const MAXIMUM_EXTENSIONS = 8;
/** Options of one header that are looked at (RFC 8504 section 5.3). */
const MAXIMUM_OPTIONS = 8;

const PAD1 = 0;
const PADN = 1;

/** Code of an ICMPv6 "parameter problem" that the sender of a datagram is owed (RFC 4443 section 3.4); -1: none. */
export const ParameterProblemCode = {
  NONE: -1,
  ERRONEOUS_FIELD: 0,
  UNRECOGNIZED_NEXT_HEADER: 1,
  UNRECOGNIZED_OPTION: 2,
  /** RFC 7112 section 5. */
  INCOMPLETE_CHAIN: 3,
} as const;

/** The parsed, or about to be written, header of one IPv6 datagram: one reusable object, all fields primitive. */
export class Ipv6Header {
  /** Source address, four int32 words in network order. */
  source0 = 0;
  source1 = 0;
  source2 = 0;
  source3 = 0;
  /** Destination address, four int32 words in network order. */
  destination0 = 0;
  destination1 = 0;
  destination2 = 0;
  destination3 = 0;
  /** DSCP and ECN (RFC 2474, RFC 3168). */
  trafficClass = 0;
  /** 20 bits (RFC 6437). */
  flowLabel = 0;
  /** 0…255. */
  hopLimit = 64;
  /** Next Header of the last header that was understood: the upper-layer protocol, see `IpProtocol`. When writing, the
   * Next Header field itself. */
  protocol = 0;
  /** Bytes after the 40 of the header: extension headers and payload. */
  bodyLength = 0;
  /** Header and extension headers, bytes; up to and with the Fragment header in a fragment. */
  headerLength = IPV6_HEADER_LENGTH;
  /** Whether there is any extension header. */
  hasExtensions = false;
  /** Whether the datagram is part of a fragmented one; an atomic fragment (RFC 6946) is not. */
  isFragment = false;
  moreFragments = false;
  /** Where this fragment's payload belongs in the whole, bytes (a multiple of 8). */
  fragmentOffset = 0;
  /** Identification of the Fragment header, int32. */
  identification = 0;
  /** Where the Fragment header starts, bytes from the start of the IPv6 header; 0 without one. */
  fragmentHeader = 0;
  /** Where the Next Header byte lies that names the Fragment header, bytes from the start of the IPv6 header. */
  fragmentHeaderNamedAt = 0;
  /** Where the payload starts in the buffer that was parsed, bytes: behind all extension headers. */
  payloadOffset = 0;
  /** Payload bytes. */
  payloadLength = 0;
  /** What the sender is to be told about a datagram that was dropped: see `ParameterProblemCode`. */
  problemCode = -1;
  /** The byte that the problem is about, from the start of the IPv6 header. */
  problemPointer = 0;
  /** The problem is told even when the datagram came to a group (RFC 4443 section 2.4 (e.3)). */
  problemToGroups = false;

  /** Header, extension headers and payload, bytes. */
  get totalLength(): number {
    return IPV6_HEADER_LENGTH + this.bodyLength;
  }
}

/**
 * Parses the IPv6 header at `offset` and walks its extension headers (RFC 8200 section 4). `length` is what the link
 * delivered; bytes beyond the payload length are padding. Routing headers are skipped when they ask for nothing more;
 * options are skipped, or the datagram is dropped, as their type says. The walk ends at the upper-layer header, at a
 * Fragment header that is not atomic, or at a header that is not understood, which `protocol` names. `into` is complete
 * only when the result is `DropReason.NONE`; otherwise `problemCode` says whether the sender is to be told.
 */
export function parseIpv6(buffer: Uint8Array, offset: number, length: number, into: Ipv6Header): DropReason {
  into.problemCode = ParameterProblemCode.NONE;
  const available = availableBytes(buffer, offset, length);
  if (available < IPV6_HEADER_LENGTH) return DropReason.IPV6_TRUNCATED;
  const reason = parseIpv6Fields(buffer, offset, into);
  if (reason !== DropReason.NONE) return reason;
  if (into.totalLength > available) return DropReason.IPV6_PAYLOAD_LENGTH;
  return walk(buffer, offset, offset + into.totalLength, into);
}

/**
 * Reads the fields of a header of which 40 bytes are there, without looking at the payload length and what follows: what
 * `parseIpv6` starts with.
 */
export function parseIpv6Fields(buffer: Uint8Array, offset: number, into: Ipv6Header): DropReason {
  const first = readInt32(buffer, offset);
  if (first >>> 28 !== 6) return DropReason.IPV6_VERSION;
  into.trafficClass = (first >>> 20) & 0xff;
  into.flowLabel = first & 0xfffff;
  into.bodyLength = readUint16(buffer, offset + 4);
  into.protocol = buffer[offset + 6];
  into.hopLimit = buffer[offset + 7];
  into.source0 = readInt32(buffer, offset + 8);
  into.source1 = readInt32(buffer, offset + 12);
  into.source2 = readInt32(buffer, offset + 16);
  into.source3 = readInt32(buffer, offset + 20);
  into.destination0 = readInt32(buffer, offset + 24);
  into.destination1 = readInt32(buffer, offset + 28);
  into.destination2 = readInt32(buffer, offset + 32);
  into.destination3 = readInt32(buffer, offset + 36);
  into.headerLength = IPV6_HEADER_LENGTH;
  into.hasExtensions = false;
  into.isFragment = false;
  into.moreFragments = false;
  into.fragmentOffset = 0;
  into.identification = 0;
  into.fragmentHeader = 0;
  into.fragmentHeaderNamedAt = 0;
  into.payloadOffset = offset + IPV6_HEADER_LENGTH;
  into.payloadLength = into.bodyLength;
  return DropReason.NONE;
}

/** Goes from header to header. Each is at least 8 bytes long, and their number is limited: the walk ends. */
function walk(buffer: Uint8Array, start: number, end: number, into: Ipv6Header): DropReason {
  let at = start + IPV6_HEADER_LENGTH;
  let namedAt = start + 6;
  let next = into.protocol;
  for (let count = 0; isExtension(next); count += 1) {
    into.hasExtensions = true;
    if (count === MAXIMUM_EXTENSIONS) return DropReason.IPV6_EXTENSION;
    if (at + 8 > end) return DropReason.IPV6_EXTENSION;
    // Hop-by-hop options stand first or not at all (RFC 8200 section 4.1).
    if (next === Ipv6Extension.HOP_BY_HOP && count > 0) {
      return problem(into, DropReason.IPV6_EXTENSION, ParameterProblemCode.UNRECOGNIZED_NEXT_HEADER, namedAt - start);
    }
    if (next === Ipv6Extension.FRAGMENT) {
      readFragmentHeader(buffer, at, start, namedAt, into);
      namedAt = at;
      next = buffer[at];
      at += IPV6_FRAGMENT_HEADER_LENGTH;
      if (into.isFragment) break;
      continue;
    }
    const length = (buffer[at + 1] + 1) << 3;
    if (at + length > end) return DropReason.IPV6_EXTENSION;
    const reason =
      next === Ipv6Extension.ROUTING
        ? checkRouting(buffer, at, start, into)
        : checkOptions(buffer, at, length, start, into);
    if (reason !== DropReason.NONE) return reason;
    namedAt = at;
    next = buffer[at];
    at += length;
  }
  into.protocol = next;
  into.headerLength = at - start;
  into.payloadOffset = at;
  into.payloadLength = end - at;
  into.problemPointer = namedAt - start;
  return DropReason.NONE;
}

/** Whether a Next Header value names an extension header that is walked over. */
function isExtension(next: number): boolean {
  return (
    next === Ipv6Extension.HOP_BY_HOP ||
    next === Ipv6Extension.DESTINATION ||
    next === Ipv6Extension.ROUTING ||
    next === Ipv6Extension.FRAGMENT
  );
}

function readFragmentHeader(buffer: Uint8Array, at: number, start: number, namedAt: number, into: Ipv6Header): void {
  const field = readUint16(buffer, at + 2);
  into.fragmentOffset = field & 0xfff8;
  into.moreFragments = (field & 1) !== 0;
  into.identification = readInt32(buffer, at + 4);
  into.isFragment = into.moreFragments || into.fragmentOffset !== 0;
  into.fragmentHeader = at - start;
  into.fragmentHeaderNamedAt = namedAt - start;
}

/** Routes that are still to be taken are nobody's business here (RFC 8200 section 4.4, RFC 5095). */
function checkRouting(buffer: Uint8Array, at: number, start: number, into: Ipv6Header): DropReason {
  if (buffer[at + 3] === 0) return DropReason.NONE;
  return problem(into, DropReason.IPV6_EXTENSION, ParameterProblemCode.ERRONEOUS_FIELD, at + 2 - start);
}

/** Walks the options of a hop-by-hop or destination options header (RFC 8200 section 4.2). */
function checkOptions(buffer: Uint8Array, at: number, length: number, start: number, into: Ipv6Header): DropReason {
  const end = at + length;
  let options = 0;
  for (let option = at + 2; option < end; ) {
    const type = buffer[option];
    if (type === PAD1) {
      option += 1;
      continue;
    }
    if (option + 2 > end || option + 2 + buffer[option + 1] > end) return DropReason.IPV6_EXTENSION;
    if (type !== PADN) {
      options += 1;
      if (options > MAXIMUM_OPTIONS) return DropReason.IPV6_EXTENSION;
      // The two highest bits say what becomes of a datagram with an option that is not recognized.
      const action = type >>> 6;
      if (action === 1) return DropReason.IPV6_OPTION;
      if (action > 1) {
        into.problemToGroups = action === 2;
        return problem(into, DropReason.IPV6_OPTION, ParameterProblemCode.UNRECOGNIZED_OPTION, option - start);
      }
    }
    option += 2 + buffer[option + 1];
  }
  return DropReason.NONE;
}

function problem(into: Ipv6Header, reason: DropReason, code: number, pointer: number): DropReason {
  if (code !== ParameterProblemCode.UNRECOGNIZED_OPTION) into.problemToGroups = false;
  into.problemCode = code;
  into.problemPointer = pointer;
  return reason;
}

/**
 * Writes a header and returns its length (40 bytes). Reads addresses, traffic class, flow label, hop limit, `protocol` as
 * Next Header and `bodyLength`, 0…65535.
 */
export function writeIpv6(header: Ipv6Header, buffer: Uint8Array, offset: number): number {
  const first = (6 << 28) | ((header.trafficClass & 0xff) << 20) | (header.flowLabel & 0xfffff);
  writeInt32(buffer, offset, first);
  writeUint16(buffer, offset + 4, header.bodyLength);
  buffer[offset + 6] = header.protocol;
  buffer[offset + 7] = header.hopLimit;
  writeInt32(buffer, offset + 8, header.source0);
  writeInt32(buffer, offset + 12, header.source1);
  writeInt32(buffer, offset + 16, header.source2);
  writeInt32(buffer, offset + 20, header.source3);
  writeInt32(buffer, offset + 24, header.destination0);
  writeInt32(buffer, offset + 28, header.destination1);
  writeInt32(buffer, offset + 32, header.destination2);
  writeInt32(buffer, offset + 36, header.destination3);
  return IPV6_HEADER_LENGTH;
}

/** One of the addresses of a parsed header, as an object of its own. */
export function addressOfIpv6(header: Ipv6Header, which: 'source' | 'destination'): IpAddress {
  return which === 'source'
    ? IpAddress.fromWords(6, header.source0, header.source1, header.source2, header.source3)
    : IpAddress.fromWords(6, header.destination0, header.destination1, header.destination2, header.destination3);
}

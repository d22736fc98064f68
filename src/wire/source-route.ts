/**
 * The loose and strict source routes of IPv4 (RFC 791 section 3.1, RFC 1122 section 3.2.1.8 (c)): the way of a datagram over
 * gateways that its sender names, and the way back that its receiver reads from it.
 */

import { readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';
import { internetChecksum } from './checksum.ts';
import type { FrameBuffers } from './frame.ts';
import { IpAddress } from './ip-address.ts';
import { IPV4_HEADER_LENGTH } from './ipv4.ts';

/** Option types of RFC 791. */
const END_OF_LIST = 0;
const NO_OPERATION = 1;
const LOOSE_SOURCE_ROUTE = 131;
const STRICT_SOURCE_ROUTE = 137;

/** Type, length and pointer in front of the addresses, bytes. */
const OPTION_HEADER_LENGTH = 3;
/** The pointer of a route of which nothing has been used yet: it counts from 1, at the option's type. */
const FIRST_POINTER = 4;

/** Gateways that fit into the 40 bytes of IPv4 options, with the destination behind the first of them. */
export const MAXIMUM_GATEWAYS = 9;

/** The gateways that a datagram visits in this order before its destination: 1…9 IPv4 addresses. */
export interface SourceRoute {
  readonly gateways: readonly IpAddress[];
  /** Nothing else lies between them. */
  readonly strict: boolean;
}

/** Whether two routes, or none, are the same. */
export function isSameRoute(a: SourceRoute | null, b: SourceRoute | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.strict !== b.strict || a.gateways.length !== b.gateways.length) return false;
  return a.gateways.every((gateway, index) => gateway.equals(b.gateways[index]));
}

/** Bytes that the route adds to the IPv4 header: a multiple of 4. */
export function sourceRouteLength(route: SourceRoute): number {
  return (OPTION_HEADER_LENGTH + route.gateways.length * 4 + 3) & ~3;
}

/** Where the source route option of an IPv4 header starts in `buffer`; -1 when there is none, or none that can be read. */
export function findSourceRoute(buffer: Uint8Array, offset: number, headerLength: number): number {
  const end = offset + headerLength;
  let at = offset + IPV4_HEADER_LENGTH;
  while (at < end && buffer[at] !== END_OF_LIST) {
    if (buffer[at] === NO_OPERATION) {
      at++;
      continue;
    }
    const length = at + 1 < end ? buffer[at + 1] : 0;
    if (length < 2 || at + length > end) return -1;
    if (buffer[at] === LOOSE_SOURCE_ROUTE || buffer[at] === STRICT_SOURCE_ROUTE) {
      return length >= OPTION_HEADER_LENGTH && (length - OPTION_HEADER_LENGTH) % 4 === 0 ? at : -1;
    }
    at += length;
  }
  return -1;
}

/** Whether the datagram with the option at `option` has visited every address of its route: it is where it was to go. */
export function isCompleted(buffer: Uint8Array, option: number): boolean {
  return buffer[option + 2] > buffer[option + 1];
}

/** The way back: the gateways that a completed route has recorded, the last one first; null when it has recorded none. */
export function returnRoute(buffer: Uint8Array, option: number): SourceRoute | null {
  const gateways: IpAddress[] = [];
  for (let at = option + buffer[option + 1] - 4; at >= option + OPTION_HEADER_LENGTH; at -= 4) {
    gateways.push(IpAddress.fromWords(4, readInt32(buffer, at)));
  }
  return gateways.length === 0 ? null : { gateways, strict: buffer[option] === STRICT_SOURCE_ROUTE };
}

/** The last address of a route that is not completed: where the datagram goes in the end. Int32. */
export function finalDestination(buffer: Uint8Array, option: number): number {
  return readInt32(buffer, option + buffer[option + 1] - 4);
}

/**
 * A copy of a frame with an IPv4 datagram without options that takes the route: its header names the first gateway, and the
 * option the others with the destination behind them. The checksum of the segment stays what it is, since it covers the
 * destination proper (RFC 9293 section 3.9.2.1).
 *
 * @param linkLength bytes in front of the IPv4 header
 */
export function withSourceRoute(
  buffers: FrameBuffers,
  frame: Uint8Array,
  linkLength: number,
  route: SourceRoute,
): Uint8Array {
  const added = sourceRouteLength(route);
  const options = linkLength + IPV4_HEADER_LENGTH;
  const longer = buffers.allocate(frame.length + added);
  longer.set(frame.subarray(0, options), 0);
  longer.set(frame.subarray(options), options + added);
  const { gateways, strict } = route;
  longer[options] = strict ? STRICT_SOURCE_ROUTE : LOOSE_SOURCE_ROUTE;
  longer[options + 1] = OPTION_HEADER_LENGTH + gateways.length * 4;
  longer[options + 2] = FIRST_POINTER;
  const addresses = options + OPTION_HEADER_LENGTH;
  for (let i = 1; i < gateways.length; i++) longer.set(gateways[i].bytes, addresses + (i - 1) * 4);
  writeInt32(longer, addresses + (gateways.length - 1) * 4, readInt32(frame, linkLength + 16));
  longer.set(gateways[0].bytes, linkLength + 16);
  longer[linkLength] = 0x40 | ((IPV4_HEADER_LENGTH + added) >> 2);
  writeUint16(longer, linkLength + 2, readUint16(frame, linkLength + 2) + added);
  writeUint16(longer, linkLength + 10, 0);
  writeUint16(longer, linkLength + 10, internetChecksum(longer, linkLength, IPV4_HEADER_LENGTH + added));
  return longer;
}

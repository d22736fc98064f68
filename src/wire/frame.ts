/** Building whole frames: where their memory comes from, and the one way in which TCP segments get their headers. */

import { pseudoHeaderSum } from './checksum.ts';
import { EtherType, ethernetHeaderLength, writeEthernet } from './ethernet.ts';
import type { AddressFamily, IpAddress } from './ip-address.ts';
import { IPV4_HEADER_LENGTH, IPV4_MAXIMUM_TOTAL_LENGTH, IpProtocol, Ipv4Header, writeIpv4 } from './ipv4.ts';
import { IPV6_HEADER_LENGTH, IPV6_MAXIMUM_PAYLOAD, Ipv6Header, writeIpv6 } from './ipv6.ts';
import { finishTcpChecksum, leaveTcpChecksum, tcpHeaderLength, writeTcp } from './tcp.ts';
import type { TcpHeader } from './tcp-header.ts';

/** Bytes of one slab of `FrameBuffers`. */
export const SLAB_BYTES = 256 * 1024;

/** Longer frames have slabs of their own size: segments that a link will cut. They come many at a time, or not at all. */
const LARGEST_SMALL = 16 * 1024;
const LARGE_SLAB_BYTES = 1024 * 1024;

/** Frames above a quarter of a large slab get a buffer of their own: they would waste too much of the slab's rest. */
const LARGEST_SHARED = LARGE_SLAB_BYTES / 4;

/** Room for the largest IP packet with tagged Ethernet header, and the misalignment: a buffer that is used again. */
const REUSED_BYTES = 65_535 + 20;
/** Most buffers kept for use again: a window of large segments. */
const MAXIMUM_SPARE = 64;

/**
 * Frames start at 2 modulo 8. The 14 or 18 bytes of an Ethernet header then put the IP header, the TCP header and the payload
 * on multiples of 4, where checksums and copies are fastest.
 */
const FRAME_MISALIGNMENT = 2;

/**
 * Carves frames out of slabs. Memory is not used twice: whoever gets a frame may keep the view for as long as he likes, and
 * the garbage collector frees a slab after its last frame. The exception is a large segment whose owner says, by
 * `release`, that nobody has kept a view of it. One instance per stack; no locking.
 */
export class FrameBuffers {
  /** Reused by `buildTcpFrame` of the same owner; holds nothing between calls. */
  readonly scratchIpv4 = new Ipv4Header();
  /** As `scratchIpv4`. */
  readonly scratchIpv6 = new Ipv6Header();
  #slab = new ArrayBuffer(0);
  #next = 0;
  #largeSlab = new ArrayBuffer(0);
  #nextLarge = 0;
  /** Somebody releases large segments: they get buffers that can be used again. */
  #reuses = false;
  readonly #spare: ArrayBuffer[] = [];

  /** A zeroed view of `length` bytes that belongs to the caller. */
  allocate(length: number): Uint8Array {
    if (length > LARGEST_SMALL) return this.#allocateLarge(length);
    let start = this.#next;
    if (start + length > this.#slab.byteLength) {
      this.#slab = new ArrayBuffer(SLAB_BYTES);
      start = FRAME_MISALIGNMENT;
    }
    this.#next = ((start + length + 7 - FRAME_MISALIGNMENT) & ~7) + FRAME_MISALIGNMENT;
    return new Uint8Array(this.#slab, start, length);
  }

  /** A view of `length` bytes with any content that belongs to the caller, until he gives it to `release`. */
  allocateSegment(length: number): Uint8Array {
    if (length <= LARGEST_SMALL || !this.#reuses || length + FRAME_MISALIGNMENT > REUSED_BYTES) {
      return this.allocate(length);
    }
    const buffer = this.#spare.pop() ?? new ArrayBuffer(REUSED_BYTES);
    return new Uint8Array(buffer, FRAME_MISALIGNMENT, length);
  }

  /**
   * Takes back the memory of a frame that `buildTcpFrame` has built with these buffers, to use it again. Nobody may look at
   * the frame, or a part of it, from then on. Small ones are left to the garbage collector.
   */
  release(frame: Uint8Array): void {
    if (frame.length <= LARGEST_SMALL) return;
    this.#reuses = true;
    const buffer = frame.buffer as ArrayBuffer;
    if (buffer.byteLength === REUSED_BYTES && this.#spare.length < MAXIMUM_SPARE) this.#spare.push(buffer);
  }

  #allocateLarge(length: number): Uint8Array {
    if (length > LARGEST_SHARED) {
      return new Uint8Array(new ArrayBuffer(FRAME_MISALIGNMENT + length), FRAME_MISALIGNMENT, length);
    }
    let start = this.#nextLarge;
    if (start + length > this.#largeSlab.byteLength) {
      this.#largeSlab = new ArrayBuffer(LARGE_SLAB_BYTES);
      start = FRAME_MISALIGNMENT;
    }
    this.#nextLarge = ((start + length + 7 - FRAME_MISALIGNMENT) & ~7) + FRAME_MISALIGNMENT;
    return new Uint8Array(this.#largeSlab, start, length);
  }
}

/** Where a connection's frames go and what their headers say; one object per path, shared by its connections. */
export interface FrameRoute {
  /** Six bytes of the next hop's MAC address. */
  destination: Uint8Array;
  /** Six bytes of the MAC address that we send from. */
  source: Uint8Array;
  /** 0: no tag, unless `userPriority` is not 0 (VLAN-08, VLAN-09, VLAN-10). */
  vlanId: number;
  /** 802.1p priority, 0…7. */
  userPriority: number;
  /** Both addresses are of one family. */
  sourceAddress: IpAddress;
  destinationAddress: IpAddress;
  /** Time to live (IPv4) or hop limit (IPv6). */
  ttl: number;
  /** DSCP and ECN bits. */
  typeOfService: number;
  /** IPv6 flow label, 20 bits (RFC 6437); meaningless for IPv4 (STATE-17). */
  flowLabel: number;
}

/** Bytes that wait to be sent, wherever they lie (a send queue of caller's buffers, an MDL chain). */
export interface PayloadSource {
  /** Copies `length` bytes from `offset` of the source to `targetOffset` of `target`. */
  copyTo(offset: number, length: number, target: Uint8Array, targetOffset: number): void;
}

/** Bytes of an IP header without options. */
export function ipHeaderLength(family: AddressFamily): number {
  return family === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH;
}

/** Bytes of a frame that `buildTcpFrame` adds to the TCP header and payload, for this route. */
export function routeHeaderLength(route: FrameRoute): number {
  return ethernetHeaderLength(route.vlanId, route.userPriority) + ipHeaderLength(route.destinationAddress.family);
}

/**
 * Builds the frame of one TCP segment, checksums filled, DF set over IPv4: headers are written and the payload copied
 * once, straight into the frame. The frame belongs to the caller.
 *
 * @param identification IPv4 identification, 0…65535; IPv6 has none without a Fragment header
 * @param header the TCP header; `headerLength` is set
 * @param payload may be null when `payloadLength` is 0
 * @param payloadOffset where the segment's bytes start in `payload`
 * @param leaveChecksum leave the TCP checksum to the link: see `leaveTcpChecksum`
 * @throws RangeError when the addresses are of two families, or header and payload exceed 65,535 bytes: both are bugs of the
 *   caller
 */
export function buildTcpFrame(
  buffers: FrameBuffers,
  route: FrameRoute,
  identification: number,
  header: TcpHeader,
  payload: PayloadSource | null,
  payloadOffset: number,
  payloadLength: number,
  leaveChecksum = false,
): Uint8Array {
  const { sourceAddress, destinationAddress, vlanId, userPriority } = route;
  const { family } = destinationAddress;
  if (sourceAddress.family !== family) throw new RangeError(`no route: ${sourceAddress} to ${destinationAddress}`);
  const linkLength = ethernetHeaderLength(vlanId, userPriority);
  const segmentLength = tcpHeaderLength(header) + payloadLength;
  const totalLength = ipHeaderLength(family) + segmentLength;
  if (family === 4 ? totalLength > IPV4_MAXIMUM_TOTAL_LENGTH : segmentLength > IPV6_MAXIMUM_PAYLOAD) {
    throw new RangeError(`an IPv${family} packet of ${totalLength} bytes`);
  }
  const frame = buffers.allocateSegment(linkLength + totalLength);
  const etherType = family === 4 ? EtherType.IPV4 : EtherType.IPV6;
  writeEthernet(frame, 0, route.destination, route.source, etherType, vlanId, userPriority);
  const tcpOffset =
    linkLength +
    (family === 4
      ? writeRouteIpv4(buffers.scratchIpv4, route, identification, totalLength, frame, linkLength)
      : writeRouteIpv6(buffers.scratchIpv6, route, segmentLength, frame, linkLength));
  const headerLength = writeTcp(header, frame, tcpOffset);
  if (payload !== null && payloadLength > 0) {
    payload.copyTo(payloadOffset, payloadLength, frame, tcpOffset + headerLength);
  }
  const pseudoHeader = pseudoHeaderSum(sourceAddress, destinationAddress, IpProtocol.TCP, segmentLength);
  if (leaveChecksum) leaveTcpChecksum(frame, tcpOffset, pseudoHeader);
  else finishTcpChecksum(frame, tcpOffset, segmentLength, pseudoHeader);
  return frame;
}

function writeRouteIpv4(
  ip: Ipv4Header,
  route: FrameRoute,
  identification: number,
  totalLength: number,
  frame: Uint8Array,
  offset: number,
): number {
  ip.source = route.sourceAddress.word0;
  ip.destination = route.destinationAddress.word0;
  ip.typeOfService = route.typeOfService;
  ip.identification = identification;
  ip.dontFragment = true;
  ip.ttl = route.ttl;
  ip.protocol = IpProtocol.TCP;
  ip.totalLength = totalLength;
  return writeIpv4(ip, frame, offset);
}

function writeRouteIpv6(
  ip: Ipv6Header,
  route: FrameRoute,
  bodyLength: number,
  frame: Uint8Array,
  offset: number,
): number {
  setIpv6Addresses(ip, route.sourceAddress, route.destinationAddress);
  ip.trafficClass = route.typeOfService;
  ip.flowLabel = route.flowLabel;
  ip.hopLimit = route.ttl;
  ip.protocol = IpProtocol.TCP;
  ip.bodyLength = bodyLength;
  return writeIpv6(ip, frame, offset);
}

/** Puts two IPv6 addresses into a header that is about to be written. */
export function setIpv6Addresses(ip: Ipv6Header, source: IpAddress, destination: IpAddress): void {
  ip.source0 = source.word0;
  ip.source1 = source.word1;
  ip.source2 = source.word2;
  ip.source3 = source.word3;
  ip.destination0 = destination.word0;
  ip.destination1 = destination.word1;
  ip.destination2 = destination.word2;
  ip.destination3 = destination.word3;
}

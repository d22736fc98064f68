/** Building whole frames: where their memory comes from, and the one way in which TCP segments get their headers. */

import { pseudoHeaderSumIpv4 } from './checksum.ts';
import { EtherType, ethernetHeaderLength, writeEthernet } from './ethernet.ts';
import type { IpAddress } from './ip-address.ts';
import { IPV4_HEADER_LENGTH, IPV4_MAXIMUM_TOTAL_LENGTH, IpProtocol, Ipv4Header, writeIpv4 } from './ipv4.ts';
import { finishTcpChecksum, tcpHeaderLength, writeTcp } from './tcp.ts';
import type { TcpHeader } from './tcp-header.ts';

/** Bytes of one slab of `FrameBuffers`. */
export const SLAB_BYTES = 256 * 1024;

/** Frames above a quarter of a slab get a buffer of their own: they would waste too much of the slab's rest. */
const LARGEST_SHARED = SLAB_BYTES / 4;

/**
 * Frames start at 2 modulo 8. The 14 or 18 bytes of an Ethernet header then put the IP header, the TCP header and the payload
 * on multiples of 4, where checksums and copies are fastest.
 */
const FRAME_MISALIGNMENT = 2;

/**
 * Carves frames out of slabs. Memory is never used twice: whoever gets a frame may keep the view for as long as he likes, and
 * the garbage collector frees a slab after its last frame. One instance per stack; no locking, no release.
 */
export class FrameBuffers {
  /** Reused by `buildTcpFrame` of the same owner; holds nothing between calls. */
  readonly scratchIpv4 = new Ipv4Header();
  #slab = new ArrayBuffer(0);
  #next = 0;

  /** A zeroed view of `length` bytes that belongs to the caller. */
  allocate(length: number): Uint8Array {
    if (length > LARGEST_SHARED) {
      return new Uint8Array(new ArrayBuffer(FRAME_MISALIGNMENT + length), FRAME_MISALIGNMENT, length);
    }
    let start = this.#next;
    if (start + length > this.#slab.byteLength) {
      this.#slab = new ArrayBuffer(SLAB_BYTES);
      start = FRAME_MISALIGNMENT;
    }
    this.#next = ((start + length + 7 - FRAME_MISALIGNMENT) & ~7) + FRAME_MISALIGNMENT;
    return new Uint8Array(this.#slab, start, length);
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
  sourceAddress: IpAddress;
  destinationAddress: IpAddress;
  /** Time to live (IPv4) or hop limit (IPv6). */
  ttl: number;
  /** DSCP and ECN bits. */
  typeOfService: number;
}

/** Bytes that wait to be sent, wherever they lie (a send queue of caller's buffers, an MDL chain). */
export interface PayloadSource {
  /** Copies `length` bytes from `offset` of the source to `targetOffset` of `target`. */
  copyTo(offset: number, length: number, target: Uint8Array, targetOffset: number): void;
}

/** Bytes of a frame that `buildTcpFrame` adds to the TCP header and payload, for this route. */
export function routeHeaderLength(route: FrameRoute): number {
  return ethernetHeaderLength(route.vlanId, route.userPriority) + IPV4_HEADER_LENGTH;
}

/**
 * Builds the frame of one TCP segment over IPv4, DF set, both checksums filled: headers are written and the payload copied
 * once, straight into the frame. The frame belongs to the caller.
 *
 * @param identification IPv4 identification, 0…65535
 * @param header the TCP header; `headerLength` is set
 * @param payload may be null when `payloadLength` is 0
 * @param payloadOffset where the segment's bytes start in `payload`
 * @throws RangeError when the addresses are not IPv4, or header and payload exceed 65,535 bytes: both are bugs of the caller
 */
export function buildTcpFrame(
  buffers: FrameBuffers,
  route: FrameRoute,
  identification: number,
  header: TcpHeader,
  payload: PayloadSource | null,
  payloadOffset: number,
  payloadLength: number,
): Uint8Array {
  const { sourceAddress, destinationAddress, vlanId, userPriority } = route;
  if (sourceAddress.family !== 4 || destinationAddress.family !== 4) {
    throw new RangeError(`no IPv4 route: ${sourceAddress} to ${destinationAddress}`);
  }
  const linkLength = ethernetHeaderLength(vlanId, userPriority);
  const segmentLength = tcpHeaderLength(header) + payloadLength;
  const totalLength = IPV4_HEADER_LENGTH + segmentLength;
  if (totalLength > IPV4_MAXIMUM_TOTAL_LENGTH) throw new RangeError(`an IPv4 packet of ${totalLength} bytes`);
  const frame = buffers.allocate(linkLength + totalLength);
  writeEthernet(frame, 0, route.destination, route.source, EtherType.IPV4, vlanId, userPriority);

  const ip = buffers.scratchIpv4;
  ip.source = sourceAddress.word0;
  ip.destination = destinationAddress.word0;
  ip.typeOfService = route.typeOfService;
  ip.identification = identification;
  ip.dontFragment = true;
  ip.ttl = route.ttl;
  ip.protocol = IpProtocol.TCP;
  ip.totalLength = totalLength;
  writeIpv4(ip, frame, linkLength);

  const tcpOffset = linkLength + IPV4_HEADER_LENGTH;
  const headerLength = writeTcp(header, frame, tcpOffset);
  if (payload !== null && payloadLength > 0) {
    payload.copyTo(payloadOffset, payloadLength, frame, tcpOffset + headerLength);
  }
  const pseudoHeader = pseudoHeaderSumIpv4(ip.source, ip.destination, IpProtocol.TCP, segmentLength);
  finishTcpChecksum(frame, tcpOffset, segmentLength, pseudoHeader);
  return frame;
}

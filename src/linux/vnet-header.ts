/**
 * struct virtio_net_hdr (virtio 1.3 section 5.1.6): what stands before each frame of a TAP opened with IFF_VNET_HDR. Says
 * which work on the frame is still to be done, or was not: the checksum, and cutting into segments.
 */
import { EtherType, IpProtocol, readUint16, VLAN_TAG_LENGTH } from '../wire/index.ts';
import { LITTLE_ENDIAN } from './ffi.ts';

/** Bytes of the header, without the count of merged buffers that only virtio devices have. */
export const VNET_HEADER_LENGTH = 10;

/** `flags`: the checksum field holds the sum of the pseudo header only; the checksum was verified. */
const NEEDS_CSUM = 1;
const DATA_VALID = 2;

/** `gso_type`. */
const GSO_NONE = 0;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;

const ETHERNET_HEADER_LENGTH = 14;
const IPV6_HEADER_LENGTH = 40;
const TCP_CHECKSUM_OFFSET = 16;

/** Whether the receiver need not verify the checksum of the frame behind the header. */
export function checksumIsGood(header: Uint8Array): boolean {
  return (header[0] & (NEEDS_CSUM | DATA_VALID)) !== 0;
}

/** Fills the header with what says: nothing to be done. */
export function writePlainHeader(target: Uint8Array): void {
  target.fill(0, 0, VNET_HEADER_LENGTH);
}

/**
 * Fills the header for a TCP segment whose checksum is to be completed, and whose text is to be cut into pieces of at most
 * `segmentSize` bytes. A frame without a TCP segment at the start of its first IP header is described as one to be left alone.
 *
 * @param target its first 10 bytes are written
 * @param frame an Ethernet frame, perhaps with one tag
 */
export function writeSegmentedHeader(target: Uint8Array, frame: Uint8Array, segmentSize: number): void {
  writePlainHeader(target);
  let etherType = readUint16(frame, 12);
  let networkOffset = ETHERNET_HEADER_LENGTH;
  if (etherType === EtherType.VLAN) {
    etherType = readUint16(frame, 16);
    networkOffset += VLAN_TAG_LENGTH;
  }
  let segmentOffset: number;
  if (etherType === EtherType.IPV4) {
    if (frame[networkOffset + 9] !== IpProtocol.TCP) return;
    segmentOffset = networkOffset + ((frame[networkOffset] & 0x0f) << 2);
  } else {
    if (frame[networkOffset + 6] !== IpProtocol.TCP) return;
    segmentOffset = networkOffset + IPV6_HEADER_LENGTH;
  }
  const headerLength = segmentOffset + ((frame[segmentOffset + 12] >>> 4) << 2);
  target[0] = NEEDS_CSUM;
  writeNative16(target, 6, segmentOffset);
  writeNative16(target, 8, TCP_CHECKSUM_OFFSET);
  if (frame.length - headerLength <= segmentSize) {
    target[1] = GSO_NONE;
    return;
  }
  target[1] = etherType === EtherType.IPV4 ? GSO_TCPV4 : GSO_TCPV6;
  writeNative16(target, 2, headerLength);
  writeNative16(target, 4, segmentSize);
}

/** The fields have the machine's byte order. */
function writeNative16(target: Uint8Array, offset: number, value: number): void {
  target[offset + (LITTLE_ENDIAN ? 0 : 1)] = value & 0xff;
  target[offset + (LITTLE_ENDIAN ? 1 : 0)] = value >>> 8;
}

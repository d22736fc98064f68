/** Cutting datagrams of our own into fragments: ICMP answers that are larger than the link takes. TCP never needs it. */
import {
  ETHERNET_HEADER_LENGTH,
  type FrameBuffers,
  IPV4_HEADER_LENGTH,
  IPV6_FRAGMENT_HEADER_LENGTH,
  IPV6_HEADER_LENGTH,
  Ipv6Extension,
  internetChecksum,
  writeInt32,
  writeUint16,
} from '../../wire/index.ts';

const IP = ETHERNET_HEADER_LENGTH;
const MORE_FRAGMENTS = 0x2000;

/**
 * The fragments of the datagram in an untagged frame of ours, without IP options (RFC 791 section 3.2, RFC 8200 section
 * 4.5); the frame itself when it fits.
 *
 * @param mtu largest datagram, bytes
 * @param identification from the host's half of the space (IPID-02)
 */
export function fragmentsOf(
  buffers: FrameBuffers,
  frame: Uint8Array,
  family: 4 | 6,
  mtu: number,
  identification: number,
): Uint8Array[] {
  if (frame.length - IP <= mtu) return [frame];
  const headerLength = family === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH;
  const overhead = family === 4 ? headerLength : headerLength + IPV6_FRAGMENT_HEADER_LENGTH;
  const step = (mtu - overhead) & ~7;
  const from = IP + headerLength;
  const fragments: Uint8Array[] = [];
  for (let at = from; at < frame.length; at += step) {
    const end = Math.min(at + step, frame.length);
    const fragment = buffers.allocate(IP + overhead + end - at);
    fragment.set(frame.subarray(0, from));
    fragment.set(frame.subarray(at, end), IP + overhead);
    const isLast = end === frame.length;
    if (family === 4) writeIpv4Fields(fragment, at - from, isLast, identification);
    else writeIpv6Fields(fragment, at - from, isLast, identification);
    fragments.push(fragment);
  }
  return fragments;
}

function writeIpv4Fields(fragment: Uint8Array, offset: number, isLast: boolean, identification: number): void {
  writeUint16(fragment, IP + 2, fragment.length - IP);
  writeUint16(fragment, IP + 4, identification);
  writeUint16(fragment, IP + 6, (offset >>> 3) | (isLast ? 0 : MORE_FRAGMENTS));
  writeUint16(fragment, IP + 10, 0);
  writeUint16(fragment, IP + 10, internetChecksum(fragment, IP, IPV4_HEADER_LENGTH));
}

function writeIpv6Fields(fragment: Uint8Array, offset: number, isLast: boolean, identification: number): void {
  const at = IP + IPV6_HEADER_LENGTH;
  writeUint16(fragment, IP + 4, fragment.length - at);
  fragment[at] = fragment[IP + 6];
  fragment[at + 1] = 0;
  fragment[IP + 6] = Ipv6Extension.FRAGMENT;
  writeUint16(fragment, at + 2, offset | (isLast ? 0 : 1));
  writeInt32(fragment, at + 4, identification);
}

/**
 * The Internet checksum (RFC 1071): sums over any byte range, composed from partial sums.
 *
 * A *partial sum* is the one's complement sum of the 16-bit big-endian words of a range, folded to 0…0xffff; ranges of even
 * length compose by `addSums`. The checksum field holds the complement of the sum of everything (`finishChecksum`), and a
 * range that contains its own checksum is right when its sum is 0xffff.
 *
 * Long ranges are summed many words at a time in the machine's byte order: the sum does not depend on it except for a final swap
 * of its two bytes (RFC 1071 section 2 (B)).
 */

import { loadVectorSum, type SumFunction } from './checksum-vector.ts';
import { sumWordwise } from './checksum-words.ts';
import type { IpAddress } from './ip-address.ts';
import { finishChecksum, foldSum } from './sum.ts';

export { addSums, finishChecksum, swapSum } from './sum.ts';

/** Ranges shorter than this are summed byte by byte: everything else costs more to begin with. */
const LONG_RANGE = 96;

/** How long ranges are summed: by SIMD where the engine has it. Decided when the first one comes. */
let sumLong: SumFunction | null = null;

/**
 * The partial sum of `bytes[offset … offset + length)`; an odd last byte counts as the high half of a word. The range must
 * lie inside `bytes`; at most 256 KiB.
 */
export function sumBytes(bytes: Uint8Array, offset: number, length: number): number {
  if (length < LONG_RANGE) return sumShort(bytes, offset, length);
  sumLong ??= loadVectorSum() ?? sumWordwise;
  return sumLong(bytes, offset, length);
}

/** The Internet checksum of a range that stands alone (IPv4 header, ICMPv4 message). */
export function internetChecksum(bytes: Uint8Array, offset: number, length: number): number {
  return finishChecksum(sumBytes(bytes, offset, length));
}

/** Byte by byte: the fastest for a header, and the slowest for everything longer. */
function sumShort(bytes: Uint8Array, offset: number, length: number): number {
  const end = offset + length;
  let sum = 0;
  let at = offset;
  for (; at + 1 < end; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  if (at < end) sum += bytes[at] << 8;
  return foldSum(sum);
}

/**
 * The partial sum of the IPv4 pseudo header (RFC 9293 section 3.1).
 *
 * @param source source address, int32
 * @param destination destination address, int32
 * @param protocol the IP protocol number
 * @param length bytes of the TCP segment or UDP datagram, header included
 */
export function pseudoHeaderSumIpv4(source: number, destination: number, protocol: number, length: number): number {
  return foldSum(
    (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length,
  );
}

/** The partial sum of the pseudo header for addresses of either family (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export function pseudoHeaderSum(source: IpAddress, destination: IpAddress, protocol: number, length: number): number {
  if (source.family === 4) return pseudoHeaderSumIpv4(source.word0, destination.word0, protocol, length);
  return foldSum(halves(source) + halves(destination) + protocol + (length >>> 16) + (length & 0xffff));
}

function halves(address: IpAddress): number {
  const { word0, word1, word2, word3 } = address;
  return (
    (word0 >>> 16) +
    (word0 & 0xffff) +
    (word1 >>> 16) +
    (word1 & 0xffff) +
    (word2 >>> 16) +
    (word2 & 0xffff) +
    (word3 >>> 16) +
    (word3 & 0xffff)
  );
}

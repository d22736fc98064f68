/**
 * The Internet checksum (RFC 1071): sums over any byte range, composed from partial sums.
 *
 * A *partial sum* is the one's complement sum of the 16-bit big-endian words of a range, folded to 0…0xffff; ranges of even
 * length compose by `addSums`. The checksum field holds the complement of the sum of everything (`finishChecksum`), and a
 * range that contains its own checksum is right when its sum is 0xffff.
 *
 * Long ranges are summed in 32-bit machine words: the sum does not depend on byte order except for a final swap of its two
 * bytes (RFC 1071 section 2 (B)), so words are read as they lie in memory.
 */

import type { IpAddress } from './ip-address.ts';

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Ranges shorter than this are summed byte by byte: looking up the word view costs more. */
const WORD_THRESHOLD = 48;

/**
 * Word views over the array buffers summed last. Frames are carved from few slabs, so that a handful of entries hits nearly
 * always; creating a typed array per checksum would cost as much as summing 300 bytes.
 */
const VIEW_CACHE_SIZE = 4;
const NO_BUFFER = new ArrayBuffer(0);
const cachedBuffers: ArrayBufferLike[] = new Array<ArrayBufferLike>(VIEW_CACHE_SIZE).fill(NO_BUFFER);
const cachedWords: Uint32Array[] = new Array<Uint32Array>(VIEW_CACHE_SIZE).fill(new Uint32Array(0));
let cacheVictim = 0;

/** Buffers above this size are not kept alive by the cache. */
const MAXIMUM_CACHED_BYTES = 1 << 20;

/** A word view over `buffer` of at least `count` words (a resizable buffer may have grown since its view was cached). */
function wordsOf(buffer: ArrayBufferLike, count: number): Uint32Array {
  for (let index = 0; index < VIEW_CACHE_SIZE; index += 1) {
    if (cachedBuffers[index] === buffer && cachedWords[index].length >= count) return cachedWords[index];
  }
  const words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2);
  if (buffer.byteLength <= MAXIMUM_CACHED_BYTES) {
    cachedBuffers[cacheVictim] = buffer;
    cachedWords[cacheVictim] = words;
    cacheVictim = (cacheVictim + 1) % VIEW_CACHE_SIZE;
  }
  return words;
}

/** Swaps the two bytes of a partial sum: what a range contributes when it starts at an odd offset of the whole. */
export function swapSum(sum: number): number {
  return ((sum & 0xff) << 8) | (sum >>> 8);
}

/** The sum of two partial sums, folded. */
export function addSums(a: number, b: number): number {
  const sum = a + b;
  return (sum & 0xffff) + (sum >>> 16);
}

/** What goes into a checksum field for the partial sum of everything that it covers (with 0 in the field itself). */
export function finishChecksum(sum: number): number {
  return ~sum & 0xffff;
}

/**
 * The partial sum of `bytes[offset … offset + length)`; an odd last byte counts as the high half of a word. The range must
 * lie inside `bytes`; at most 256 KiB.
 */
export function sumBytes(bytes: Uint8Array, offset: number, length: number): number {
  return length < WORD_THRESHOLD ? sumShort(bytes, offset, length) : sumLong(bytes, offset, length);
}

/** The Internet checksum of a range that stands alone (IPv4 header, ICMPv4 message). */
export function internetChecksum(bytes: Uint8Array, offset: number, length: number): number {
  return finishChecksum(sumBytes(bytes, offset, length));
}

function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

function sumShort(bytes: Uint8Array, offset: number, length: number): number {
  const end = offset + length;
  let sum = 0;
  let at = offset;
  for (; at + 1 < end; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  if (at < end) sum += bytes[at] << 8;
  return fold(sum);
}

/** Sums in memory order: bytes at even addresses of the array buffer are low halves on a little-endian machine. */
function sumLong(bytes: Uint8Array, offset: number, length: number): number {
  const start = bytes.byteOffset + offset;
  const head = -start & 3;
  const wordCount = (length - head) >>> 2;
  const first = (start + head) >>> 2;
  const words = wordsOf(bytes.buffer, first + wordCount);
  const tail = offset + head + (wordCount << 2);
  const sum =
    sumWords(words, first, first + wordCount) +
    sumInMemoryOrder(bytes, offset, head, start & 1) +
    sumInMemoryOrder(bytes, tail, offset + length - tail, 0);
  const folded = fold((sum & 0xffff) + (sum >>> 16));
  // Memory order is network order when exactly one of these holds: the machine is big-endian, the range starts at an odd address.
  return LITTLE_ENDIAN === ((start & 1) === 0) ? swapSum(folded) : folded;
}

/** Sums at most 3 bytes of which the first lies at an address of the given parity. */
function sumInMemoryOrder(bytes: Uint8Array, offset: number, count: number, parity: number): number {
  let sum = 0;
  for (let index = 0; index < count; index += 1) {
    const isLowHalf = LITTLE_ENDIAN === (((parity + index) & 1) === 0);
    sum += isLowHalf ? bytes[offset + index] : bytes[offset + index] << 8;
  }
  return sum;
}

/**
 * The sum of the 16-bit halves of `words[from … to)`, at most 65,536 words, folded to below 2^18.
 *
 * `all` sums whole words modulo 2^32 and `high` the high halves; the sum of the low halves is below 2^32, so that it is
 * `all - high * 2^16` modulo 2^32. That takes three operations a word, and all of them stay int32.
 */
function sumWords(words: Uint32Array, from: number, to: number): number {
  let all = 0;
  let high = 0;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    const a = words[at] | 0;
    const b = words[at + 1] | 0;
    const c = words[at + 2] | 0;
    const d = words[at + 3] | 0;
    const e = words[at + 4] | 0;
    const f = words[at + 5] | 0;
    const g = words[at + 6] | 0;
    const h = words[at + 7] | 0;
    all = (all + (((a + b) | 0) + ((c + d) | 0))) | 0;
    all = (all + (((e + f) | 0) + ((g + h) | 0))) | 0;
    high = (high + (((a >>> 16) + (b >>> 16)) | 0) + (((c >>> 16) + (d >>> 16)) | 0)) | 0;
    high = (high + (((e >>> 16) + (f >>> 16)) | 0) + (((g >>> 16) + (h >>> 16)) | 0)) | 0;
  }
  for (; at < to; at += 1) {
    const word = words[at] | 0;
    all = (all + word) | 0;
    high = (high + (word >>> 16)) | 0;
  }
  const low = (all - (high << 16)) | 0;
  return (low & 0xffff) + (low >>> 16) + (high & 0xffff) + (high >>> 16);
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
  return fold((source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length);
}

/** The partial sum of the pseudo header for addresses of either family (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export function pseudoHeaderSum(source: IpAddress, destination: IpAddress, protocol: number, length: number): number {
  if (source.family === 4) return pseudoHeaderSumIpv4(source.word0, destination.word0, protocol, length);
  return fold(halves(source) + halves(destination) + protocol + (length >>> 16) + (length & 0xffff));
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

/** Sums of long byte ranges in 32-bit words, for engines without WebAssembly SIMD. */

import { foldSum, swapSum } from './sum.ts';

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

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

/**
 * The partial sum of `bytes[offset … offset + length)`, at least 3 bytes and at most 256 KiB. Sums in memory order: bytes at even
 * addresses of the array buffer are low halves on a little-endian machine.
 */
export function sumWordwise(bytes: Uint8Array, offset: number, length: number): number {
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
  const folded = foldSum((sum & 0xffff) + (sum >>> 16));
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

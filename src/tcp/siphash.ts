/** SipHash-2-4 (Aumasson and Bernstein, 2012), a keyed hash for short inputs, on 32-bit halves: no BigInt. */

/** Working variables v0…v3 as pairs of int32, low half first. */
const V0 = 0;
const V1 = 2;
const V2 = 4;
const V3 = 6;

/** One key. `hash` leaves the 64-bit result in `low` and `high`. */
export class SipHash {
  /** Bits 0…31 of the last hash, int32. */
  low = 0;
  /** Bits 32…63 of the last hash, int32. */
  high = 0;
  /** k0 and k1, low halves first. */
  private readonly key = new Int32Array(4);
  private readonly v = new Int32Array(8);

  /** The 128-bit key as four words in little-endian order: the first has key bytes 0…3. */
  constructor(word0: number, word1: number, word2: number, word3: number) {
    this.key[0] = word0;
    this.key[1] = word1;
    this.key[2] = word2;
    this.key[3] = word3;
  }

  /** Hashes the first `length` bytes of a buffer. */
  hash(bytes: Uint8Array, length: number): void {
    const { v } = this;
    this.initialize();
    const whole = length & ~7;
    for (let offset = 0; offset < whole; offset += 8) {
      this.compress(littleEndian(bytes, offset, 4), littleEndian(bytes, offset + 4, 4));
    }
    const rest = length - whole;
    const low = littleEndian(bytes, whole, Math.min(rest, 4));
    const high = littleEndian(bytes, whole + 4, Math.max(rest - 4, 0));
    this.compress(low, high | (length << 24));
    v[V2] ^= 0xff;
    for (let round = 0; round < 4; round += 1) sipRound(v);
    this.low = v[V0] ^ v[V1] ^ v[V2] ^ v[V3];
    this.high = v[V0 + 1] ^ v[V1 + 1] ^ v[V2 + 1] ^ v[V3 + 1];
  }

  /** The constants are "somepseudorandomlygeneratedbytes". */
  private initialize(): void {
    const { v, key } = this;
    v[V0] = key[0] ^ 0x70736575;
    v[V0 + 1] = key[1] ^ 0x736f6d65;
    v[V1] = key[2] ^ 0x6e646f6d;
    v[V1 + 1] = key[3] ^ 0x646f7261;
    v[V2] = key[0] ^ 0x6e657261;
    v[V2 + 1] = key[1] ^ 0x6c796765;
    v[V3] = key[2] ^ 0x79746573;
    v[V3 + 1] = key[3] ^ 0x74656462;
  }

  private compress(low: number, high: number): void {
    const { v } = this;
    v[V3] ^= low;
    v[V3 + 1] ^= high;
    sipRound(v);
    sipRound(v);
    v[V0] ^= low;
    v[V0 + 1] ^= high;
  }
}

/** Up to four bytes as a little-endian int32. */
function littleEndian(bytes: Uint8Array, offset: number, count: number): number {
  let word = 0;
  for (let index = 0; index < count; index += 1) word |= bytes[offset + index] << (index * 8);
  return word;
}

function sipRound(v: Int32Array): void {
  add(v, V0, V1);
  rotateXor(v, V1, 13, V0);
  swap(v, V0);
  add(v, V2, V3);
  rotateXor(v, V3, 16, V2);
  add(v, V0, V3);
  rotateXor(v, V3, 21, V0);
  add(v, V2, V1);
  rotateXor(v, V1, 17, V2);
  swap(v, V2);
}

/** v[a] += v[b], 64 bits. */
function add(v: Int32Array, a: number, b: number): void {
  const low = (v[a] >>> 0) + (v[b] >>> 0);
  v[a] = low;
  v[a + 1] += v[b + 1] + (low > 0xffffffff ? 1 : 0);
}

/** v[a] = rotate left(v[a], bits) ^ v[b], 64 bits; 0 < bits < 32. */
function rotateXor(v: Int32Array, a: number, bits: number, b: number): void {
  const low = v[a];
  const high = v[a + 1];
  v[a] = ((low << bits) | (high >>> (32 - bits))) ^ v[b];
  v[a + 1] = ((high << bits) | (low >>> (32 - bits))) ^ v[b + 1];
}

/** Rotates by 32 bits. */
function swap(v: Int32Array, a: number): void {
  const low = v[a];
  v[a] = v[a + 1];
  v[a + 1] = low;
}

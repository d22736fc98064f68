/** Mutations of byte strings that know nothing of what the bytes mean. */
import type { Random } from '../../src/link/index.ts';

/** Values at the edges of what fields hold. */
const EDGES_8 = [0, 1, 2, 4, 5, 6, 7, 8, 15, 16, 20, 40, 60, 127, 128, 254, 255];
const EDGES_16 = [0, 1, 7, 8, 20, 40, 127, 128, 255, 256, 576, 1280, 1460, 1500, 0x7fff, 0x8000, 0xfffe, 0xffff];
const EDGES_32 = [0, 1, -1, 0x7fffffff, -0x80000000, 0xffff, 0x10000, 1460];

/** What mutations may use beside the input itself. */
export interface MutationMaterial {
  readonly random: Random;
  readonly dictionary: readonly Uint8Array[];
  /** Another input of the corpus. */
  other(): Uint8Array;
}

export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A copy of `input` with one to eight changes. */
export function mutateBytes(input: Uint8Array, material: MutationMaterial): Uint8Array {
  let result: Uint8Array = input.slice();
  const changes = 1 << material.random.below(4);
  for (let change = 0; change < changes; change++) result = changeBytes(result, material);
  return result;
}

function changeBytes(bytes: Uint8Array, material: MutationMaterial): Uint8Array {
  const { random } = material;
  if (bytes.length === 0) return insertion(bytes, material);
  const at = random.below(bytes.length);
  switch (random.below(12)) {
    case 0:
      bytes[at] ^= 1 << random.below(8);
      return bytes;
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
      bytes[at] = EDGES_8[random.below(EDGES_8.length)];
      return bytes;
    case 3:
      bytes[at] += random.below(33) - 16;
      return bytes;
    case 4:
      return write(bytes, at, 2, EDGES_16[random.below(EDGES_16.length)]);
    case 5:
      return write(bytes, at, 4, EDGES_32[random.below(EDGES_32.length)]);
    case 6:
      return write(bytes, at, 2, read16(bytes, at) + random.below(33) - 16);
    case 7:
      return insertion(bytes, material);
    case 8: {
      const length = 1 + random.below(Math.min(32, bytes.length - at));
      return concatenate(bytes.subarray(0, at), bytes.subarray(at + length));
    }
    case 9: {
      const length = 1 + random.below(Math.min(32, bytes.length - at));
      bytes.copyWithin(random.below(bytes.length), at, at + length);
      return bytes;
    }
    case 10:
      return random.below(4) === 0 ? splice(bytes, material) : bytes.slice(0, at);
    default:
      return overwrite(bytes, at, material);
  }
}

function insertion(bytes: Uint8Array, material: MutationMaterial): Uint8Array {
  const { random, dictionary } = material;
  const at = random.below(bytes.length + 1);
  let piece: Uint8Array;
  if (dictionary.length > 0 && random.below(2) === 0) piece = dictionary[random.below(dictionary.length)];
  else if (bytes.length > 0 && random.below(2) === 0) {
    const from = random.below(bytes.length);
    piece = bytes.slice(from, from + 1 + random.below(32));
  } else piece = Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256));
  return concatenate(bytes.subarray(0, at), piece, bytes.subarray(at));
}

function overwrite(bytes: Uint8Array, at: number, { random, dictionary }: MutationMaterial): Uint8Array {
  if (dictionary.length === 0) {
    bytes[at] = random.below(256);
    return bytes;
  }
  const word = dictionary[random.below(dictionary.length)];
  bytes.set(word.subarray(0, bytes.length - at), at);
  return bytes;
}

/** The beginning of one input and the end of another. */
export function splice(bytes: Uint8Array, { random, other }: MutationMaterial): Uint8Array {
  const second = other();
  return concatenate(
    bytes.subarray(0, random.below(bytes.length + 1)),
    second.subarray(random.below(second.length + 1)),
  );
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | (bytes[at + 1] ?? 0);
}

/** Writes the low bytes of `value`, big-endian, as far as they fit. */
function write(bytes: Uint8Array, at: number, width: number, value: number): Uint8Array {
  for (let index = 0; index < width && at + index < bytes.length; index++) {
    bytes[at + index] = value >>> (8 * (width - 1 - index));
  }
  return bytes;
}

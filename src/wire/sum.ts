/** Arithmetic on partial sums of the Internet checksum: one's complement sums of 16-bit big-endian words, 0…0xffff. */

/** Folds a sum of up to 2^32 - 1 into 16 bits. */
export function foldSum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
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

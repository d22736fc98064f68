/**
 * Network-order (big-endian) integers in byte arrays.
 *
 * Plain shifts over a `Uint8Array` are as fast as a `DataView` and need no second object per buffer. None of these checks
 * bounds: callers have compared lengths before.
 */

/** The 16 bits at `offset`, 0…65535. */
export function readUint16(buffer: Uint8Array, offset: number): number {
  return (buffer[offset] << 8) | buffer[offset + 1];
}

/** The 32 bits at `offset` as int32. */
export function readInt32(buffer: Uint8Array, offset: number): number {
  return (buffer[offset] << 24) | (buffer[offset + 1] << 16) | (buffer[offset + 2] << 8) | buffer[offset + 3];
}

/** Writes the low 16 bits of `value`. */
export function writeUint16(buffer: Uint8Array, offset: number, value: number): void {
  buffer[offset] = value >>> 8;
  buffer[offset + 1] = value;
}

/** Writes the 32 bits of `value` (int32 or uint32 alike). */
export function writeInt32(buffer: Uint8Array, offset: number, value: number): void {
  buffer[offset] = value >>> 24;
  buffer[offset + 1] = value >>> 16;
  buffer[offset + 2] = value >>> 8;
  buffer[offset + 3] = value;
}

/**
 * How many of the `length` bytes at `offset` really lie inside `buffer`: `length` itself for a sane caller, less (down to
 * 0) for a range that leaves the buffer. Parsers start with it, so that no later read can leave the buffer.
 */
export function availableBytes(buffer: Uint8Array, offset: number, length: number): number {
  if (offset < 0 || length <= 0) return 0;
  const rest = buffer.length - offset;
  if (rest <= 0) return 0;
  return Math.min(length, rest);
}

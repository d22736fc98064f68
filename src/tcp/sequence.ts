/**
 * Sequence number arithmetic (RFC 9293 section 3.4): int32 values compared by wrapping subtraction, so that they stay
 * small integers in the engine and never become doubles.
 */

/** a < b in sequence space. */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** a > b in sequence space. */
export function after(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/** a <= b in sequence space. */
export function atOrBefore(a: number, b: number): boolean {
  return ((a - b) | 0) <= 0;
}

/** a >= b in sequence space. */
export function atOrAfter(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0;
}

/** Bytes from `from` up to `to`; negative when `to` is before `from`. */
export function distance(from: number, to: number): number {
  return (to - from) | 0;
}

/** The later of two sequence numbers. */
export function latest(a: number, b: number): number {
  return ((a - b) | 0) >= 0 ? a : b;
}

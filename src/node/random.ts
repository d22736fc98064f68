/** Random numbers for the pure rooms. */
import { randomFillSync } from 'node:crypto';

const POOL = 256;

/** A source of cryptographically strong int32 numbers (initial sequence numbers, ports and keys depend on it). */
export function createRandomInt32(): () => number {
  const pool = new Int32Array(POOL);
  let next = POOL;
  return () => {
    if (next === POOL) {
      randomFillSync(pool);
      next = 0;
    }
    return pool[next++];
  };
}

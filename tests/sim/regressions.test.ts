import { describe, expect, it } from 'vitest';
import { runSimulation } from '../../src/sim/index.ts';

/** Seeds beyond the thousand that failed once, with what they found. */
const REGRESSIONS: readonly (readonly [number, string])[] = [];

describe('seeds that failed once', () => {
  for (const [seed, what] of REGRESSIONS) {
    it(`${seed}: ${what}`, () => {
      expect(runSimulation(seed).seed).toBe(seed);
    });
  }
});

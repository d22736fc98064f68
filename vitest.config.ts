import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts', 'examples/**/*.test.ts'],
    // A test that hangs is a failure; the long simulations say for themselves how long they may take.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Concurrent tests of one file: as many connections of the interoperation matrix at a time as a wire has.
    maxConcurrency: 100,
    // `.skip` and `.only` hide gaps: nothing may land with them (see tests/house.test.ts).
    allowOnly: false,
  },
});

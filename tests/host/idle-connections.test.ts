import { describe, expect, it } from 'vitest';
import { measureHeld } from '../../bench/memory.ts';

const CONNECTIONS = 2_000;

/**
 * Bytes of heap and buffers per end, twice what the benchmark finds with 100,000: what is there once weighs more with few,
 * and timers that a busy machine lets expire leave more behind.
 */
const MOST = {
  'owned by the host': 3_500,
  'owned by the host, after a byte each way': 3_800,
  offloaded: 5_800,
  'offloaded, after a byte each way': 6_000,
};

describe('connections that stand still', () => {
  it('occupy little, carry bytes when asked to, and close in good order', async () => {
    const held = await measureHeld(CONNECTIONS);
    for (const { what, bytesPerEnd } of held.memory) expect(bytesPerEnd, what).toBeLessThan(MOST[what]);
    expect(held.endsClosed).toBe(2 * CONNECTIONS);
  });
});

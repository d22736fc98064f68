import { describe, expect, test } from 'vitest';
import { ConnectionHash } from '../../src/tcp/initial-sequence.ts';

const A = Uint8Array.of(10, 0, 0, 1);
const B = Uint8Array.of(10, 0, 0, 2);

function hashWith(seed: number): ConnectionHash {
  let state = seed;
  return new ConnectionHash(() => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state;
  });
}

describe('ConnectionHash', () => {
  test('RFC 6528: the clock adds one every four microseconds, through every wrap (RFC 9293 MUST-8)', () => {
    const hash = hashWith(1);
    for (const now of [0, 4 * 2 ** 31 - 4, 4 * 2 ** 32 - 4, 1_700_000_000_000_000]) {
      const before = hash.initialSequence(A, 40000, B, 80, now);
      expect(before).toBe(before | 0);
      expect((hash.initialSequence(A, 40000, B, 80, now + 3) - before) | 0).toBe(now % 4 === 0 ? 0 : 1);
      expect((hash.initialSequence(A, 40000, B, 80, now + 4) - before) | 0).toBe(1);
      expect((hash.initialSequence(A, 40000, B, 80, now + 1_000_000) - before) | 0).toBe(250_000);
    }
  });

  test('RFC 6528: every part of the four-tuple and of the key changes the offset (RFC 9293 SHLD-1, MUST-9)', () => {
    const hash = hashWith(1);
    const values = [
      hash.initialSequence(A, 40000, B, 80, 0),
      hash.initialSequence(B, 40000, A, 80, 0),
      hash.initialSequence(A, 40001, B, 80, 0),
      hash.initialSequence(A, 40000, B, 81, 0),
      hash.initialSequence(A, 80, B, 40000, 0),
      hash.initialSequence(A, 40000 ^ 256, B, 80, 0),
      hash.initialSequence(A, 40000, A, 80, 0),
      hashWith(2).initialSequence(A, 40000, B, 80, 0),
      hash.initialSequence(new Uint8Array(16).fill(1), 40000, new Uint8Array(16).fill(2), 80, 0),
    ];
    expect(new Set(values).size).toBe(values.length);
  });

  test('RFC 7323 appendix B.2: the timestamp offset belongs to the endpoints and tells nothing of the sequence number', () => {
    const hash = hashWith(1);
    const offset = hash.timestampOffset(A, 40000, B, 80);
    expect(offset).toBe(offset | 0);
    expect(hash.timestampOffset(A, 40000, B, 80)).toBe(offset);
    expect(hash.timestampOffset(A, 40001, B, 80)).not.toBe(offset);
    expect(hash.initialSequence(A, 40000, B, 80, 0)).not.toBe(offset);
  });

  test('RFC 6056 algorithm 3: the port offset depends on both addresses and the remote port', () => {
    const hash = hashWith(1);
    const offset = hash.portOffset(A, B, 80);
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset).toBeLessThan(2 ** 32);
    const others = [hash.portOffset(B, A, 80), hash.portOffset(A, B, 81), hashWith(3).portOffset(A, B, 80)];
    expect(new Set([offset, ...others]).size).toBe(4);
    expect(hash.portOffset(A, B, 80)).toBe(offset);
  });

  test('offsets spread over the whole space', () => {
    const hash = hashWith(7);
    const buckets = new Array<number>(16).fill(0);
    for (let port = 0; port < 16_000; port += 1) buckets[hash.initialSequence(A, port, B, 80, 0) >>> 28] += 1;
    for (const count of buckets) {
      expect(count).toBeGreaterThan(800);
      expect(count).toBeLessThan(1200);
    }
  });
});

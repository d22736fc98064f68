/** SYN cookies (RFC 4987 section 3.6). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CookieEnds,
  cookieSackPermitted,
  cookieTimestamp,
  cookieWindowScale,
  SynCookies,
} from '../../src/tcp/syn-cookie.ts';
import { seededRandom } from './pair.ts';

const SLOT = 64_000_000;

const ends: CookieEnds = {
  local: Uint8Array.of(192, 0, 2, 1),
  localPort: 80,
  remote: Uint8Array.of(198, 51, 100, 7),
  remotePort: 40_000,
};

describe('SYN cookies', () => {
  it('bring back the largest segment size that does not exceed the announced one', () => {
    const cookies = new SynCookies(seededRandom(1));
    const sizes: [number, number][] = [
      [40, 48],
      [48, 48],
      [535, 256],
      [536, 536],
      [1459, 1440],
      [1460, 1460],
      [8939, 1460],
      [65_495, 8940],
    ];
    for (const [announced, kept] of sizes) {
      const cookie = cookies.make(ends, 12_345, announced, 5);
      expect(cookies.segmentSize(ends, 12_345, cookie, 100)).toBe(kept);
    }
  });

  it('are good for their slot and the next one, whatever the sequence number, in both families', () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    const anyInt = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const slot = fc.integer({ min: 0, max: 600 });
    fc.assert(
      fc.property(address, anyInt, slot, (remote, sequence, begun) => {
        const cookies = new SynCookies(seededRandom(2));
        const there = { ...ends, remote, local: remote.map((byte) => byte ^ 1) };
        const now = begun * SLOT;
        const cookie = cookies.make(there, sequence, 1460, now);
        expect(cookies.segmentSize(there, sequence, cookie, now + SLOT - 1)).toBe(1460);
        expect(cookies.segmentSize(there, sequence, cookie, now + 2 * SLOT - 1)).toBe(1460);
        expect(cookies.segmentSize(there, sequence, cookie, now + 2 * SLOT)).toBe(0);
        // After four and a half hours the slots have come round: the time of the last cookie tells.
        expect(cookies.segmentSize(there, sequence, cookie, now + 256 * SLOT)).toBe(0);
      }),
    );
  });

  it('are bound to both ends, both ports and the sequence number of the SYN', () => {
    const cookies = new SynCookies(seededRandom(3));
    const cookie = cookies.make(ends, 1, 1460, 0);
    expect(cookies.segmentSize(ends, 2, cookie, 0)).toBe(0);
    for (const other of [
      { ...ends, localPort: 81 },
      { ...ends, remotePort: 40_001 },
      { ...ends, local: Uint8Array.of(192, 0, 2, 2) },
      { ...ends, remote: Uint8Array.of(198, 51, 100, 8) },
    ]) {
      expect(cookies.segmentSize(other, 1, cookie, 0)).toBe(0);
    }
    expect(new SynCookies(seededRandom(4)).segmentSize(ends, 1, cookie, 0)).toBe(0);
  });

  it('cannot be guessed: none of a hundred thousand forged ones passes', () => {
    const random = seededRandom(5);
    const cookies = new SynCookies(random);
    const honest = cookies.make(ends, 1, 1460, 0);
    let passed = 0;
    for (let i = 0; i < 100_000; i++) if (cookies.segmentSize(ends, 1, random(), 0) > 0) passed++;
    for (let i = 8; i < 10_000; i++) if (cookies.segmentSize(ends, 1, honest + i, 0) > 0) passed++;
    expect(passed).toBe(0);
  });

  it('draws no key before it is needed', () => {
    let drawn = 0;
    const cookies = new SynCookies(() => drawn++);
    expect(cookies.segmentSize(ends, 1, 1, 0)).toBe(0);
    expect(drawn).toBe(0);
  });
});

describe('timestamps of SYN cookies', () => {
  it('say what the SYN offered, and are never ahead of the clock (RFC 7323 section 5)', () => {
    const anyInt = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(anyInt, fc.integer({ min: -1, max: 14 }), fc.boolean(), (clock, scale, sack) => {
        const timestamp = cookieTimestamp(clock, scale, sack);
        expect(cookieWindowScale(timestamp)).toBe(scale);
        expect(cookieSackPermitted(timestamp)).toBe(sack);
        const behind = (clock - timestamp) | 0;
        expect(behind).toBeGreaterThanOrEqual(0);
        expect(behind).toBeLessThan(64 + 64);
      }),
    );
  });
});

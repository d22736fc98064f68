import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReassemblyQueue } from '../../src/tcp/reassembly-queue.ts';
import { TcpHeader } from '../../src/wire/tcp-header.ts';

/** `length` bytes of a stream in which the byte at position p is a function of p, in a buffer of their own. */
function stream(position: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => ((position + index) * 31 + 7) & 0xff);
}

function hold(queue: ReassemblyQueue, base: number, position: number, length: number): number {
  return queue.insert((base + position) | 0, stream(position, length), 0, length);
}

function take(queue: ReassemblyQueue, rcvNxt: number): number[] {
  const bytes: number[] = [];
  const count = queue.takeContiguous(rcvNxt, (buffer, offset, length) => {
    bytes.push(...buffer.subarray(offset, offset + length));
  });
  expect(count).toBe(bytes.length);
  return bytes;
}

function sackBlocks(queue: ReassemblyQueue, maximum = 4): [number, number][] {
  const header = new TcpHeader();
  queue.fillSackBlocks(header, maximum);
  return Array.from({ length: header.sackCount }, (_, i) => [header.sackLeft[i], header.sackRight[i]]);
}

describe('ReassemblyQueue', () => {
  test('RFC-08: a segment ahead of a gap is held until the gap is filled', () => {
    const queue = new ReassemblyQueue(16);
    expect(queue.isEmpty).toBe(true);
    expect(hold(queue, 0, 100, 50)).toBe(50);
    expect(queue.isEmpty).toBe(false);
    expect(queue.bytes).toBe(50);
    expect(take(queue, 0)).toEqual([]);
    expect(take(queue, 100)).toEqual([...stream(100, 50)]);
    expect(queue.isEmpty).toBe(true);
    expect(queue.bytes).toBe(0);
  });

  test('bytes before RCV.NXT are trimmed or dropped', () => {
    const queue = new ReassemblyQueue(16);
    hold(queue, 0, 100, 50);
    hold(queue, 0, 200, 50);
    expect(take(queue, 120)).toEqual([...stream(120, 30)]);
    expect(take(queue, 300)).toEqual([]);
    expect(queue.isEmpty).toBe(true);
    expect(queue.bytes).toBe(0);
  });

  test('bytes already held win, and the new segment fills the gaps only', () => {
    const queue = new ReassemblyQueue(16);
    queue.insert(10, Uint8Array.of(1, 1), 0, 2);
    queue.insert(14, Uint8Array.of(2, 2), 0, 2);
    expect(queue.insert(8, new Uint8Array(10).fill(9), 0, 10)).toBe(6);
    expect(take(queue, 8)).toEqual([9, 9, 1, 1, 9, 9, 2, 2, 9, 9]);
  });

  test('a duplicate stores nothing', () => {
    const queue = new ReassemblyQueue(16);
    hold(queue, 0, 10, 20);
    expect(hold(queue, 0, 10, 20)).toBe(0);
    expect(hold(queue, 0, 15, 5)).toBe(0);
    expect(queue.insert(15, new Uint8Array(4), 0, 0)).toBe(0);
    expect(queue.bytes).toBe(20);
  });

  test('runs across 2^31 and 2^32 stay in order', () => {
    for (const base of [0x7fffffff - 10, -10, 0x7fffff00, -0x80000000]) {
      const queue = new ReassemblyQueue(16);
      hold(queue, base, 20, 10);
      hold(queue, base, 0, 10);
      hold(queue, base, 10, 10);
      expect(sackBlocks(queue)).toEqual([[base | 0, (base + 30) | 0]]);
      expect(take(queue, base | 0)).toEqual([...stream(0, 30)]);
    }
  });

  test('RFC 2018 section 4: the newest block first, then those reported most recently', () => {
    const queue = new ReassemblyQueue(16);
    for (const position of [100, 300, 500, 700, 900]) hold(queue, 0, position, 100);
    expect(sackBlocks(queue)).toEqual([
      [900, 1000],
      [700, 800],
      [500, 600],
      [300, 400],
    ]);
    hold(queue, 0, 400, 50);
    expect(sackBlocks(queue, 3)).toEqual([
      [300, 450],
      [900, 1000],
      [700, 800],
    ]);
    // A duplicate triggers an ACK too, whose first block names the run that holds it.
    hold(queue, 0, 100, 10);
    expect(sackBlocks(queue, 2)).toEqual([
      [100, 200],
      [300, 450],
    ]);
    // Filling a hole leaves one block for both neighbors.
    hold(queue, 0, 800, 100);
    expect(sackBlocks(queue)).toEqual([
      [700, 1000],
      [100, 200],
      [300, 450],
      [500, 600],
    ]);
  });

  test('blocks follow a D-SACK block that the header already has', () => {
    const queue = new ReassemblyQueue(16);
    hold(queue, 0, 100, 10);
    const header = new TcpHeader();
    header.sackLeft[0] = 5;
    header.sackRight[0] = 6;
    header.sackCount = 1;
    queue.fillSackBlocks(header, 3);
    expect(header.sackCount).toBe(2);
    expect([header.sackLeft[1], header.sackRight[1]]).toEqual([100, 110]);
  });

  test('the example of RFC 2018 section 5, case 3: every second of eight segments is lost', () => {
    const queue = new ReassemblyQueue(16);
    hold(queue, 0, 6000, 500);
    expect(sackBlocks(queue)).toEqual([[6000, 6500]]);
    hold(queue, 0, 7000, 500);
    expect(sackBlocks(queue)).toEqual([
      [7000, 7500],
      [6000, 6500],
    ]);
    hold(queue, 0, 8000, 500);
    expect(sackBlocks(queue)).toEqual([
      [8000, 8500],
      [7000, 7500],
      [6000, 6500],
    ]);
    // The fourth segment arrives late, then the second.
    hold(queue, 0, 6500, 500);
    expect(sackBlocks(queue)).toEqual([
      [6000, 7500],
      [8000, 8500],
    ]);
    expect(take(queue, 6000)).toHaveLength(1500);
    expect(sackBlocks(queue)).toEqual([[8000, 8500]]);
  });

  test('beyond the limit the highest bytes go first', () => {
    const queue = new ReassemblyQueue(3);
    for (const position of [100, 300, 500]) hold(queue, 0, position, 10);
    expect(hold(queue, 0, 700, 10)).toBe(0);
    expect(hold(queue, 0, 200, 10)).toBe(10);
    expect(queue.segments().map((segment) => segment.sequence)).toEqual([100, 200, 300]);
    expect(queue.bytes).toBe(30);
    expect(sackBlocks(queue)).toEqual([
      [200, 210],
      [300, 310],
      [100, 110],
    ]);
  });

  test('a segment that spans many holes at the limit keeps its low bytes', () => {
    const queue = new ReassemblyQueue(4);
    for (const position of [10, 20, 30, 40]) queue.insert(position, stream(position, 5), 0, 5);
    const whole = stream(0, 60);
    const stored = queue.insert(0, whole, 0, 60);
    expect(stored).toBeGreaterThan(0);
    const bytes = take(queue, 0);
    expect(bytes).toEqual([...stream(0, bytes.length)]);
    expect(bytes.length).toBeGreaterThanOrEqual(10);
  });

  test('a small view is copied, a large one is not, and tiny neighbors share a piece', () => {
    const queue = new ReassemblyQueue(16);
    const slab = new Uint8Array(4096).fill(1);
    queue.insert(0, slab, 100, 10);
    slab.fill(2);
    for (let index = 0; index < 1000; index += 1) queue.insert(10 + index, slab, index, 1);
    expect(queue.segments()).toHaveLength(1);
    const own = new Uint8Array(100);
    queue.insert(5000, own, 20, 60);
    const [first, second] = queue.segments();
    expect(first.bytes.buffer).not.toBe(slab.buffer);
    expect([...first.bytes]).toEqual([...new Array(10).fill(1), ...new Array(1000).fill(2)]);
    expect(second.bytes.buffer).toBe(own.buffer);
  });

  test('segments and restore carry the content over', () => {
    const queue = new ReassemblyQueue(16);
    for (const position of [50, 10, 30, 20]) hold(queue, -25, position, 10);
    const copy = new ReassemblyQueue(16);
    copy.restore(queue.segments());
    expect(copy.bytes).toBe(queue.bytes);
    expect(take(copy, -15)).toEqual([...stream(10, 30)]);
    copy.clear();
    expect(copy.isEmpty).toBe(true);
    expect(copy.bytes).toBe(0);
    expect(sackBlocks(copy)).toEqual([]);
    expect(take(queue, -15)).toEqual([...stream(10, 30)]);
  });

  test('agrees with a map of bytes for any arrival, anywhere in sequence space', () => {
    const segment = fc.record({ at: fc.nat(400), length: fc.integer({ min: 1, max: 60 }), fill: fc.nat(255) });
    const base = fc.oneof(fc.constantFrom(-200, 0x7fffffff - 200, 0, -0x80000000), fc.integer());
    const slab = fc.boolean();
    fc.assert(
      fc.property(base, slab, fc.array(segment, { maxLength: 60 }), fc.nat(460), (start, inSlab, segments, rcvNxt) => {
        const queue = new ReassemblyQueue(1000);
        const model = new Map<number, number>();
        for (const { at, length, fill } of segments) {
          const buffer = new Uint8Array(inSlab ? 4096 : length + 3).fill(fill);
          let fresh = 0;
          for (let position = at; position < at + length; position += 1) {
            if (model.has(position)) continue;
            model.set(position, fill);
            fresh += 1;
          }
          expect(queue.insert((start + at) | 0, buffer, 3, length)).toBe(fresh);
          buffer.fill(0, 0, 3);
          expect(queue.bytes).toBe(model.size);
          // The newest block is the maximal run around this segment.
          let left = at;
          let right = at + length;
          while (model.has(left - 1)) left -= 1;
          while (model.has(right)) right += 1;
          expect(sackBlocks(queue, 1)).toEqual([[(start + left) | 0, (start + right) | 0]]);
        }
        const held = queue
          .segments()
          .flatMap((s) => [...s.bytes].map((byte, i) => [(s.sequence - start + i) | 0, byte]));
        expect(held).toEqual([...model].sort((a, b) => a[0] - b[0]));
        const expected: number[] = [];
        for (let position = rcvNxt; model.has(position); position += 1) expected.push(model.get(position) as number);
        expect(take(queue, (start + rcvNxt) | 0)).toEqual(expected);
        const kept = [...model.keys()].filter((position) => position >= rcvNxt + expected.length);
        expect(queue.bytes).toBe(kept.length);
      }),
    );
  });

  test('never exceeds its limit nor loses the stream under any arrival', () => {
    const segment = fc.record({ at: fc.nat(400), length: fc.integer({ min: 1, max: 40 }), large: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(segment, { maxLength: 60 }), (limit, segments) => {
        const queue = new ReassemblyQueue(limit);
        for (const { at, length, large } of segments) {
          const before = queue.bytes;
          const slab = new Uint8Array(large ? length : 4096);
          slab.set(stream(at, length));
          const stored = queue.insert(at, slab, 0, length);
          const held = queue.segments();
          expect(held.length).toBeLessThanOrEqual(limit);
          expect(held.reduce((sum, s) => sum + s.bytes.length, 0)).toBe(queue.bytes);
          expect(queue.bytes).toBeLessThanOrEqual(before + stored);
          for (let i = 0; i < held.length; i += 1) {
            expect([...held[i].bytes]).toEqual([...stream(held[i].sequence, held[i].bytes.length)]);
            if (i > 0) expect(held[i].sequence).toBeGreaterThanOrEqual(held[i - 1].sequence + held[i - 1].bytes.length);
          }
        }
      }),
    );
  });

  test('one-byte holes from above stay bounded', () => {
    const limit = 4096;
    const queue = new ReassemblyQueue(limit);
    const slab = new Uint8Array(65536);
    for (let index = 0; index < 50_000; index += 1) queue.insert(1_000_000 - index * 2, slab, index, 1);
    expect(queue.bytes).toBe(limit);
    for (let index = 0; index < 50_000; index += 1) queue.insert(2_000_000 + index * 2, slab, index, 1);
    expect(queue.bytes).toBe(limit);
    expect(queue.segments()).toHaveLength(limit);
  });

  test('sequence numbers further apart than the caller may give neither hang nor throw', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer(), fc.integer({ min: 1, max: 1000 })), { maxLength: 50 }),
        (segments) => {
          const queue = new ReassemblyQueue(8);
          const buffer = new Uint8Array(1000);
          for (const [sequence, length] of segments) queue.insert(sequence, buffer, 0, length);
          expect(queue.segments().length).toBeLessThanOrEqual(8);
          queue.takeContiguous(segments.length === 0 ? 0 : segments[0][0], () => {});
          expect(queue.bytes).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });
});

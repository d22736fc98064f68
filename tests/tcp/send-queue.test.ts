import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SendQueue } from '../../src/tcp/send-queue.ts';

function bytesFrom(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (start + index) & 0xff);
}

function read(queue: SendQueue, offset: number, length: number): number[] {
  const target = new Uint8Array(length);
  queue.copyTo(offset, length, target, 0);
  return [...target];
}

describe('SendQueue', () => {
  test('a new queue is empty', () => {
    const queue = new SendQueue();
    expect(queue.length).toBe(0);
    expect(queue.chunks()).toEqual([]);
    queue.release(5);
    expect(queue.length).toBe(0);
  });

  test('chunks are kept by reference, empty ones not at all', () => {
    const queue = new SendQueue();
    const first = bytesFrom(0, 3);
    queue.append(first);
    queue.append(new Uint8Array(0));
    queue.append(bytesFrom(3, 2));
    expect(queue.length).toBe(5);
    expect(queue.chunks()).toHaveLength(2);
    expect(queue.chunks()[0]).toBe(first);
  });

  test('a copy crosses chunks and lands where asked', () => {
    const queue = new SendQueue();
    for (let index = 0; index < 10; index += 1) queue.append(bytesFrom(index * 3, 3));
    const target = new Uint8Array(12);
    queue.copyTo(4, 10, target, 1);
    expect([...target]).toEqual([0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0]);
  });

  test('release in the middle of a chunk trims what is left', () => {
    const queue = new SendQueue();
    queue.append(bytesFrom(0, 100));
    queue.append(bytesFrom(100, 50));
    queue.release(70);
    expect(queue.length).toBe(80);
    expect(queue.chunks().map((chunk) => chunk.length)).toEqual([30, 50]);
    expect(read(queue, 0, 1)).toEqual([70]);
    queue.release(30);
    expect(queue.chunks().map((chunk) => chunk.length)).toEqual([50]);
    queue.release(1000);
    expect(queue.length).toBe(0);
    expect(queue.chunks()).toEqual([]);
  });

  test('ranges that are not queued, or do not fit, are refused', () => {
    const queue = new SendQueue();
    queue.append(bytesFrom(0, 10));
    expect(() => queue.copyTo(5, 6, new Uint8Array(10), 0)).toThrow(RangeError);
    expect(() => queue.copyTo(-1, 2, new Uint8Array(10), 0)).toThrow(RangeError);
    expect(() => queue.copyTo(0, 10, new Uint8Array(10), 1)).toThrow(RangeError);
    expect(() => queue.copyTo(10, 0, new Uint8Array(0), 0)).not.toThrow();
  });

  test('stream positions pass 2^31 and 2^32 unnoticed', () => {
    const queue = new SendQueue();
    const big = new Uint8Array(1 << 28);
    for (let round = 0; round < 20; round += 1) {
      queue.append(big);
      queue.append(bytesFrom(round, 4));
      expect(read(queue, big.length, 4)).toEqual([...bytesFrom(round, 4)]);
      queue.release(big.length);
      expect(read(queue, 1, 3)).toEqual([...bytesFrom(round + 1, 3)]);
      queue.release(4);
      expect(queue.length).toBe(0);
    }
  });

  test('agrees with a flat array under any sequence of operations', () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), size: fc.nat(90) }),
      fc.record({ kind: fc.constant('release' as const), size: fc.nat(200) }),
      fc.record({ kind: fc.constant('copy' as const), size: fc.nat(120), at: fc.nat(1000) }),
      fc.record({ kind: fc.constant('clear' as const), size: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
        const queue = new SendQueue();
        let model: number[] = [];
        let next = 0;
        for (const step of operations) {
          if (step.kind === 'append') {
            const chunk = bytesFrom(next, step.size);
            next += step.size;
            queue.append(chunk);
            model.push(...chunk);
          } else if (step.kind === 'release') {
            queue.release(step.size);
            model = model.slice(step.size);
          } else if (step.kind === 'copy') {
            const offset = model.length === 0 ? 0 : step.at % model.length;
            const length = Math.min(step.size, model.length - offset);
            expect(read(queue, offset, length)).toEqual(model.slice(offset, offset + length));
          } else if (model.length > 500) {
            queue.clear();
            model = [];
          }
          expect(queue.length).toBe(model.length);
        }
        expect(queue.chunks().flatMap((chunk) => [...chunk])).toEqual(model);
        expect(read(queue, 0, model.length)).toEqual(model);
      }),
    );
  });

  test('sequential access over many small chunks needs no search', () => {
    const queue = new SendQueue();
    const chunks = 20_000;
    for (let index = 0; index < chunks; index += 1) queue.append(bytesFrom(index, 3));
    for (let offset = 0; offset + 7 <= chunks * 3; offset += 7) {
      const bytes = read(queue, offset, 7);
      const index = Math.floor(offset / 3);
      expect(bytes[0]).toBe((index + (offset % 3)) & 0xff);
    }
    for (let index = 0; index < chunks; index += 1) queue.release(3);
    expect(queue.chunks()).toEqual([]);
  });
});

/** What waits in the NIC for the host. */
import { describe, expect, it } from 'vitest';
import { ReceiveQueue } from '../../src/target/nic/receive-queue.ts';

describe('ReceiveQueue of the NIC', () => {
  it('a stream of single bytes that nobody reads costs little more than its bytes', () => {
    const queue = new ReceiveQueue();
    for (let i = 0; i < 100_000; i++) queue.append(new Uint8Array(60).fill(i).subarray(59), i % 2 === 0);
    const chunks = queue.peek(queue.length);
    const memory = [...new Set(chunks.map((chunk) => chunk.buffer))].reduce((sum, each) => sum + each.byteLength, 0);
    expect(memory).toBeLessThan(110_000);
    expect(chunks.length).toBeLessThan(100);
    const bytes = chunks.flatMap((chunk) => [...chunk]);
    expect(bytes.length).toBe(100_000);
    expect(bytes.every((byte, i) => byte === (i & 0xff))).toBe(true);
  });

  it('knows the PSH mark of the last byte when small views share a chunk', () => {
    const queue = new ReceiveQueue();
    const into: Uint8Array[] = [];
    for (const push of [true, true, false]) queue.append(Uint8Array.of(1, 2), push);
    while (queue.length > 0) queue.take(100, into);
    expect(queue.takenPush).toBe(false);
    for (const push of [false, false, true]) queue.append(Uint8Array.of(3, 4), push);
    expect(queue.take(1, into)).toBe(1);
    expect(queue.takenPush).toBe(false);
    while (queue.length > 0) queue.take(100, into);
    expect(queue.takenPush).toBe(true);
    queue.append(Uint8Array.of(5), false);
    queue.append(Uint8Array.of(6), false);
    queue.markLast(true);
    while (queue.length > 0) queue.take(100, into);
    expect(queue.takenPush).toBe(true);
    expect(into.flatMap((chunk) => [...chunk])).toEqual([1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4, 5, 6]);
  });
});

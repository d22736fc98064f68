import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DelayQueue } from '../../src/link/delay-queue.ts';

/** The frame with a number in it. */
function numbered(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

function numberOf(frame: Uint8Array): number {
  return (frame[0] << 8) | frame[1];
}

describe('DelayQueue', () => {
  test('yields frames by time, then by order of entry, whatever the mixture of pushes and shifts', () => {
    const operation = fc.oneof(
      { weight: 3, arbitrary: fc.record({ time: fc.nat(20), isLate: fc.boolean() }) },
      { weight: 2, arbitrary: fc.constant(null) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const queue = new DelayQueue();
        const model: { time: number; order: number }[] = [];
        let pushed = 0;
        for (const step of operations) {
          if (step !== null) {
            queue.push(step.time, numbered(pushed), step.isLate);
            model.push({ time: step.time, order: pushed });
            model.sort((a, b) => a.time - b.time || a.order - b.order);
            pushed += 1;
          } else if (model.length > 0) {
            expect(numberOf(queue.shift())).toBe(model.shift()?.order);
          }
          expect(queue.length).toBe(model.length);
          expect(queue.pushed).toBe(pushed);
          expect(queue.firstTime()).toBe(model[0]?.time ?? Number.POSITIVE_INFINITY);
          expect(queue.firstOrder()).toBe(model[0]?.order ?? Number.POSITIVE_INFINITY);
        }
        while (model.length > 0) expect(numberOf(queue.shift())).toBe(model.shift()?.order);
      }),
    );
  });

  test('grows around the end of its ring', () => {
    const queue = new DelayQueue();
    for (let index = 0; index < 10; index += 1) queue.push(index, numbered(index), false);
    for (let index = 0; index < 10; index += 1) queue.shift();
    for (let index = 10; index < 1000; index += 1) queue.push(index, numbered(index), false);
    for (let index = 10; index < 1000; index += 1) expect(numberOf(queue.shift())).toBe(index);
    expect(queue.length).toBe(0);
  });
});

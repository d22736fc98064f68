import { describe, expect, test } from 'vitest';
import { Random } from '../../src/link/index.ts';

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.int32());
}

describe('Random', () => {
  test('the same seed gives the same numbers, another seed others', () => {
    expect(draw(new Random(7), 50)).toEqual(draw(new Random(7), 50));
    expect(draw(new Random(7), 50)).not.toEqual(draw(new Random(8), 50));
    expect(draw(new Random(7), 50)).not.toEqual(draw(new Random(7 + 2 ** 40), 50));
  });

  test('numbers stay what they are: recorded seeds must not lose their meaning', () => {
    expect(draw(new Random(1), 4)).toMatchInlineSnapshot(`
      [
        393288148,
        -2120864283,
        -480208205,
        2092745082,
      ]
    `);
    expect(draw(new Random(1).fork(), 2)).toMatchInlineSnapshot(`
      [
        -1723913035,
        885864669,
      ]
    `);
  });

  test('fractions are uniform', () => {
    const random = new Random(3);
    const buckets = new Array<number>(10).fill(0);
    for (let index = 0; index < 100_000; index += 1) buckets[Math.floor(random.fraction() * 10)] += 1;
    // Ten standard deviations of a bucket are about 950.
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(950);
  });

  test('bounds are kept and reached', () => {
    const random = new Random(5);
    const seen = new Set<number>();
    for (let index = 0; index < 1000; index += 1) seen.add(random.below(6));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('certain and impossible events', () => {
    const random = new Random(9);
    const before = draw(new Random(9), 1)[0];
    for (let index = 0; index < 100; index += 1) expect(random.chance(0)).toBe(false);
    // An impossible event has drawn nothing.
    expect(random.int32()).toBe(before);
    for (let index = 0; index < 100; index += 1) expect(random.chance(1)).toBe(true);
  });

  test('a fork does not depend on what its parent yields later', () => {
    const parent = new Random(11);
    const fork = parent.fork();
    draw(parent, 10);
    expect(draw(fork, 5)).toEqual(draw(new Random(11).fork(), 5));
  });
});

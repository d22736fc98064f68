/** The sections of the benchmark measure something, however short the time: that they still run, not how fast. */
import { describe, expect, it } from 'vitest';
import { type Measured, SECTIONS } from '../../bench/sections.ts';

const MILLISECONDS = 40;

async function measure(name: string): Promise<Measured> {
  const section = SECTIONS.find((each) => each.name === name);
  if (section === undefined) throw new Error(`no section ${name}`);
  return await section.measure(MILLISECONDS);
}

/** All numbers in plain data. */
function numbersOf(data: unknown): number[] {
  if (typeof data === 'number') return [data];
  return typeof data === 'object' && data !== null ? Object.values(data).flatMap(numbersOf) : [];
}

describe('the benchmark', () => {
  it.each(['engine', 'throughput', 'moves', 'connections'])('measures %s', async (name) => {
    const { data, rows } = await measure(name);
    expect(rows.length).toBeGreaterThan(0);
    const numbers = numbersOf(data);
    expect(numbers.length).toBeGreaterThan(0);
    // On a busy machine nothing may have happened within the time.
    for (const number of numbers) expect(number).not.toBeLessThan(0);
  });

  it.each(['kernel', 'kernel-connections'])('measures %s, or says why it cannot', async (name) => {
    const { data, rows } = await measure(name);
    if (!Array.isArray(data)) {
      expect(rows).toEqual([[expect.any(String), expect.stringMatching(/^not measured: ./)]]);
      return;
    }
    // Three links, two directions.
    expect(rows).toHaveLength(6);
    for (const number of numbersOf(data)) expect(number).not.toBeLessThan(0);
  });
});

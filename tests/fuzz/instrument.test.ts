/** Counters in JavaScript: the code does what it did, and tells where it was. */
import { describe, expect, it } from 'vitest';

/** The script is JavaScript: this is what it exports. */
interface Instrumenter {
  instrument(text: string, firstPlace: number): { text: string; next: number };
}

const { instrument } = (await import(
  new URL('../../scripts/fuzz/instrument.mjs', import.meta.url).href
)) as Instrumenter;

const SAMPLE = `#!/usr/bin/env node
export function classify(n, options = n > 5 ? { big: true } : null) {
  if (n < 0) return 'negative';
  else if (n === 0) { return 'zero'; }
  for (let i = 0; i < n; i++) if (i === 3) break; else continue;
  switch (n) {
    case 1:
    case 2:
      return 'few';
    case 3: {
      return 'three';
    }
    default:
  }
  const text = options?.big && (n > 7 || n === 6) ? 'huge' : 'many';
  const wrap = (value) => ({ value: value ?? 'none' });
  do n--; while (n > 0);
  try { if (n === 0) throw new Error(text); } catch { return wrap(text).value; } finally { n = 0; }
}
export class Counter { #n = 0; step = () => this.#n++; get n() { return this.#n; } static of = async () => new Counter(); }
`;

async function load(text: string) {
  return (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as {
    classify(n: number): string;
    Counter: { of(): Promise<{ step(): number; n: number }> };
  };
}

describe('instrumented code', () => {
  it('does the same, and counts every place once', async () => {
    const { text, next } = instrument(SAMPLE, 10);
    expect(next).toBeGreaterThan(30);
    const counters = new Uint8Array(256);
    globalThis.__edges = counters;
    const [plain, counting] = [await load(SAMPLE), await load(text)];
    for (const n of [-1, 0, 1, 2, 3, 4, 6, 7, 9]) expect(counting.classify(n)).toBe(plain.classify(n));
    const counter = await counting.Counter.of();
    counter.step();
    expect(counter.n).toBe(1);
    // All but the right side of `??`, and the branch in which n is not 0 after the loop.
    const silent = Array.from({ length: next - 10 }, (_, index) => index + 10).filter((place) => counters[place] === 0);
    expect(silent.length).toBe(2);
    expect([...counters.subarray(0, 10), ...counters.subarray(next)].every((count) => count === 0)).toBe(true);
  });

  it('leaves a module without code as it is', () => {
    const text = 'export const a = 1;\n';
    expect(instrument(text, 5)).toEqual({ text, next: 5 });
  });
});

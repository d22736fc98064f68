/**
 * Which parts of the code an execution reached, and how often. The code under test counts in `globalThis.__edges`, one byte
 * per place (`scripts/fuzz/instrument.mjs`); code that is not instrumented counts nothing.
 */

/** Counts fall into classes, one bit each: 1, 2, 3, 4–7, 8–15, 16–31, 32–127, 128 and more. */
const CLASSES = Uint8Array.from({ length: 256 }, (_, count) => {
  if (count <= 2) return count;
  if (count === 3) return 4;
  if (count < 8) return 8;
  if (count < 16) return 16;
  if (count < 32) return 32;
  return count < 128 ? 64 : 128;
});

export class Coverage {
  private readonly counters: Uint8Array;
  private readonly words: Int32Array;
  /** Classes of each counter that some execution has reached. */
  private readonly known: Uint8Array;

  /** @param counters what the code under test counts in; its length is a multiple of 4 */
  constructor(counters: Uint8Array) {
    this.counters = counters;
    this.words = new Int32Array(counters.buffer, counters.byteOffset, counters.length >>> 2);
    this.known = new Uint8Array(counters.length);
  }

  /** Before an execution. */
  clear(): void {
    this.counters.fill(0);
  }

  /** Whether the execution since `clear` reached something, or so often, as none before; remembers it. */
  hasNews(): boolean {
    const { counters, words, known } = this;
    let news = false;
    for (let word = 0; word < words.length; word++) {
      if (words[word] === 0) continue;
      for (let at = word << 2; at < (word << 2) + 4; at++) {
        const bit = CLASSES[counters[at]];
        if ((known[at] & bit) === bit) continue;
        known[at] |= bit;
        news = true;
      }
    }
    return news;
  }

  /** What the execution since `clear` reached, as counter × 256 + class. */
  features(): Set<number> {
    const features = new Set<number>();
    for (let at = 0; at < this.counters.length; at++) {
      if (this.counters[at] !== 0) features.add(at * 256 + CLASSES[this.counters[at]]);
    }
    return features;
  }

  /** Places that some execution has reached. */
  get reached(): number {
    return this.known.reduce((sum, classes) => sum + (classes === 0 ? 0 : 1), 0);
  }

  /** Places that there are. */
  get places(): number {
    return this.counters.length;
  }
}

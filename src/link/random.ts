/** Random numbers that depend on a seed alone: the same in every engine and on every machine. */

/**
 * xoshiro128** 1.1 (Blackman and Vigna, 2018), seeded through splitmix32. Good enough for simulation, useless for secrets.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any integer up to 2^53; its low and its high bits both count */
  constructor(seed: number) {
    let state = (seed | 0) ^ Math.imul(Math.floor(seed / 0x1_0000_0000) | 0, 0x85eb_ca6b);
    const splitmix = (): number => {
      state = (state + 0x9e37_79b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0_aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a_2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.#a = splitmix();
    this.#b = splitmix();
    this.#c = splitmix();
    // All four words zero is the one state that the generator never leaves.
    this.#d = splitmix() | 1;
  }

  /** 32 random bits as int32. */
  int32(): number {
    const times5 = Math.imul(this.#b, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** 0 ≤ x < 1 with 32 bits of resolution. */
  fraction(): number {
    return (this.int32() >>> 0) / 0x1_0000_0000;
  }

  /** An integer 0 ≤ x < `bound`, `bound` up to 2^32. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** True with the given probability. A probability of 0 or less draws no number. */
  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  /** A generator of its own, independent of what this one yields later. */
  fork(): Random {
    return new Random((this.int32() >>> 0) + (this.int32() & 0x1f_ffff) * 0x1_0000_0000);
  }
}

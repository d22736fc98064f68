/** Reads numbers from an input; beyond its end everything is 0. */
export class InputReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    return this.at < this.bytes.length ? this.bytes[this.at++] : 0;
  }

  u16(): number {
    return (this.u8() << 8) | this.u8();
  }

  int32(): number {
    return (this.u16() << 16) | this.u16();
  }

  /** 0 … bound − 1, `bound` at most 65,536. */
  below(bound: number): number {
    return (bound <= 256 ? this.u8() : this.u16()) % bound;
  }

  /** One of the given values. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  /** A distance from a variable at which mistakes live: mostly small, now and then anywhere. */
  nearby(): number {
    const kind = this.u8();
    if (kind < 96) return (this.u8() << 24) >> 28;
    if (kind < 176) return (this.u16() << 16) >> 16;
    if (kind < 232) return ((this.u16() << 16) >> 16) * 4;
    return this.int32();
  }

  /** The next `length` bytes, fewer at the end; a view. */
  take(length: number): Uint8Array {
    const from = this.at;
    this.at = Math.min(this.bytes.length, from + length);
    return this.bytes.subarray(from, this.at);
  }

  /** All that is left; a view. */
  rest(): Uint8Array {
    return this.take(this.remaining);
  }
}

/** A map from addresses of both families, for what is looked up now and then; segments have tables of their own. */
import type { IpAddress } from '../wire/index.ts';

export class AddressMap<T> {
  private readonly ipv4 = new Map<number, T>();
  private readonly ipv6 = new Map<string, T>();

  get size(): number {
    return this.ipv4.size + this.ipv6.size;
  }

  /** Entries of one family. */
  sizeOf(family: 4 | 6): number {
    return family === 4 ? this.ipv4.size : this.ipv6.size;
  }

  get(address: IpAddress): T | undefined {
    return address.family === 4 ? this.ipv4.get(address.word0) : this.ipv6.get(keyOf(address));
  }

  set(address: IpAddress, value: T): void {
    if (address.family === 4) this.ipv4.set(address.word0, value);
    else this.ipv6.set(keyOf(address), value);
  }

  delete(address: IpAddress): boolean {
    return address.family === 4 ? this.ipv4.delete(address.word0) : this.ipv6.delete(keyOf(address));
  }

  clear(): void {
    this.ipv4.clear();
    this.ipv6.clear();
  }

  /** All values, those of IPv4 first, each family in the order of insertion. */
  *values(): IterableIterator<T> {
    yield* this.ipv4.values();
    yield* this.ipv6.values();
  }

  /** Values of one family, in the order of insertion. */
  valuesOf(family: 4 | 6): IterableIterator<T> {
    return family === 4 ? this.ipv4.values() : this.ipv6.values();
  }
}

function keyOf({ word0, word1, word2, word3 }: IpAddress): string {
  return `${word0},${word1},${word2},${word3}`;
}

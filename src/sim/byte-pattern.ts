/** The bytes of a stream, known at every position without being kept. */
import { Random } from '../link/index.ts';

const TABLE_SIZE = 8192;
const TABLE = makeTable();

function makeTable(): Uint8Array {
  const random = new Random(0x0c41_b0d7);
  const table = new Uint8Array(TABLE_SIZE);
  for (let index = 0; index < TABLE_SIZE; index += 1) table[index] = random.int32();
  return table;
}

/** An endless stream of bytes that look random; another key gives another stream. */
export class BytePattern {
  private readonly key: number;

  constructor(key: number) {
    this.key = key >>> 0;
  }

  /** A new array with the `length` bytes from `position` on. */
  bytes(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index += 1) bytes[index] = this.at(position + index);
    return bytes;
  }

  /** Index of the first of `bytes` that is not the one at `position` and on; -1 when all are. */
  mismatch(position: number, bytes: Uint8Array): number {
    for (let index = 0; index < bytes.length; index += 1) {
      if (bytes[index] !== this.at(position + index)) return index;
    }
    return -1;
  }

  private at(position: number): number {
    return (
      TABLE[(position + this.key) & (TABLE_SIZE - 1)] ^ (Math.imul((position >>> 13) + this.key, 0x9e37_79b1) >>> 24)
    );
  }
}

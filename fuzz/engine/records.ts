/**
 * Inputs that are sequences: each record is an operation (1 byte), a length (2 bytes, big-endian) and so many bytes. Any bytes
 * are a sequence of records: the last one takes what there is.
 */

export interface InputRecord {
  /** 0…255: what it means is the target's business. */
  readonly operation: number;
  readonly bytes: Uint8Array;
}

const HEADER = 3;
const LARGEST = 0xffff;

/** Splits an input; the records are views into it. */
export function readRecords(input: Uint8Array): InputRecord[] {
  const records: InputRecord[] = [];
  let at = 0;
  while (at + HEADER <= input.length) {
    const length = (input[at + 1] << 8) | input[at + 2];
    const end = Math.min(input.length, at + HEADER + length);
    records.push({ operation: input[at], bytes: input.subarray(at + HEADER, end) });
    at = end;
  }
  return records;
}

/** Joins records to an input. Records longer than 65,535 bytes are cut. */
export function writeRecords(records: readonly InputRecord[]): Uint8Array {
  const lengths = records.map(({ bytes }) => Math.min(bytes.length, LARGEST));
  const input = new Uint8Array(lengths.reduce((sum, length) => sum + HEADER + length, 0));
  let at = 0;
  for (const [index, { operation, bytes }] of records.entries()) {
    const length = lengths[index];
    input[at] = operation;
    input[at + 1] = length >>> 8;
    input[at + 2] = length & 0xff;
    input.set(bytes.subarray(0, length), at + HEADER);
    at += HEADER + length;
  }
  return input;
}

/** Mutations of sequences of records: of their order, and of single records. */
import { type MutationMaterial, mutateBytes } from './mutate-bytes.ts';
import { type InputRecord, readRecords, writeRecords } from './records.ts';

/** Longer sequences are not made. */
const MOST_RECORDS = 200;

/** A copy of `input` with one to four changes, each a sequence of records again. */
export function mutateRecords(input: Uint8Array, material: MutationMaterial): Uint8Array {
  const records = readRecords(input);
  const changes = 1 << material.random.below(3);
  for (let change = 0; change < changes; change++) changeRecords(records, material);
  return writeRecords(records.slice(0, MOST_RECORDS));
}

function changeRecords(records: InputRecord[], material: MutationMaterial): void {
  const { random } = material;
  if (records.length === 0) {
    records.push(...readRecords(material.other()));
    return;
  }
  const at = random.below(records.length);
  const record = records[at];
  switch (random.below(10)) {
    case 0:
      records.splice(at, 1 + random.below(4));
      return;
    case 1:
      records.splice(random.below(records.length + 1), 0, ...records.slice(at, at + 1 + random.below(4)));
      return;
    case 2: {
      const second = random.below(records.length);
      records[at] = records[second];
      records[second] = record;
      return;
    }
    case 3: {
      const others = readRecords(material.other());
      const from = random.below(others.length + 1);
      records.splice(random.below(records.length + 1), 0, ...others.slice(from, from + 1 + random.below(8)));
      return;
    }
    case 4:
      records[at] = { operation: random.below(256), bytes: record.bytes };
      return;
    case 5:
      records.length = at + 1;
      return;
    default:
      records[at] = { operation: record.operation, bytes: mutateBytes(record.bytes, material) };
  }
}

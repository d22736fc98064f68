/** The recorded inputs: `fuzz/corpus/TARGET/`, one file each. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files of inputs that once failed begin so: they stay whatever they reach. */
export const FOUND = 'found-';

export interface RecordedInput {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** The inputs in a folder, by name; none when there is no folder. */
export function readCorpus(folder: string): RecordedInput[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((file) => ({ file, bytes: new Uint8Array(readFileSync(join(folder, file))) }));
}

/** The name of an input without one. */
export function nameOf(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 12);
}

/** Makes the folder hold these inputs, and those that once failed. */
export function writeCorpus(folder: string, inputs: readonly Uint8Array[]): void {
  mkdirSync(folder, { recursive: true });
  const kept = new Set(inputs.map(nameOf));
  for (const file of readdirSync(folder)) if (!file.startsWith(FOUND) && !kept.has(file)) rmSync(join(folder, file));
  for (const input of inputs) writeFileSync(join(folder, nameOf(input)), input);
}

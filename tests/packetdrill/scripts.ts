/** Our own scripts, by their path below tests/packetdrill/scripts. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PersonalityName } from '../../src/packetdrill/index.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), 'scripts');

export interface OwnScript {
  readonly name: string;
  readonly text: string;
  /** The directory says for which stack it was written. */
  readonly personality: PersonalityName;
}

/** All scripts. */
export function ownScripts(): readonly OwnScript[] {
  const find = (directory: string): string[] =>
    readdirSync(directory).flatMap((entry) => {
      const path = join(directory, entry);
      return statSync(path).isDirectory() ? find(path) : [path];
    });
  return find(root)
    .filter((path) => path.endsWith('.pkt'))
    .sort()
    .map((path) => {
      const name = relative(root, path);
      const directory = name.split('/')[0];
      const personality = directory === 'linux' || directory === 'bsd' ? directory : 'default';
      return { name, text: readFileSync(path, 'utf8'), personality };
    });
}

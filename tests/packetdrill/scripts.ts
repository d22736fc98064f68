/** Our own scripts, by their path below tests/packetdrill/scripts. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), 'scripts');

/** All scripts: name and text. */
export function ownScripts(): readonly { readonly name: string; readonly text: string }[] {
  const find = (directory: string): string[] =>
    readdirSync(directory).flatMap((entry) => {
      const path = join(directory, entry);
      return statSync(path).isDirectory() ? find(path) : [path];
    });
  return find(root)
    .filter((path) => path.endsWith('.pkt'))
    .sort()
    .map((path) => ({ name: relative(root, path), text: readFileSync(path, 'utf8') }));
}

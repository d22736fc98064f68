/**
 * Marks: ids of rules and requirements that sources and tests name in their comments and titles. What the tables of
 * `npm run rules` and `npm run requirements` have in common.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './prepare.mjs';

/** Files below a directory whose names end with one of `suffixes`. */
export function files(directory, suffixes = ['.ts']) {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) return files(path, suffixes);
    return suffixes.some((suffix) => path.endsWith(suffix)) ? [path] : [];
  });
}

/**
 * Id → files that name it. `idsIn(text)` lists the ids that a text names, repetitions included.
 *
 * @returns a map in which every id of `ids` has a set of paths relative to the project, in sorted order; ids that are named
 *   and not in `ids` appear too
 */
export function mentions(paths, ids, idsIn) {
  const found = new Map(ids.map((id) => [id, new Set()]));
  for (const path of [...paths].sort()) {
    for (const id of idsIn(readFileSync(path, 'utf8'))) {
      if (!found.has(id)) found.set(id, new Set());
      found.get(id).add(relative(root, path));
    }
  }
  return found;
}

/** Paths as a cell of a table shows them. */
export function cell(paths) {
  return [...paths].map((path) => path.replace(/^(src|tests)\//, '')).join('<br>');
}

/** Writes a generated page, or with `--check` on the command line ends with exit code 1 when the file says something else. */
export function writePage(name, text, command) {
  const target = join(root, 'docs', name);
  if (!process.argv.includes('--check')) {
    writeFileSync(target, text);
  } else if (readFileSync(target, 'utf8') !== text) {
    console.error(`docs/${name} is stale: run ${command}.`);
    process.exit(1);
  }
}

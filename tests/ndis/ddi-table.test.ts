import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as ndis from '../../src/ndis/index.ts';
import * as variables from '../../src/tcp/variables.ts';

interface Row {
  readonly section: string;
  /** Function or structure, and the pointer type of a callback. */
  readonly names: readonly string[];
  readonly symbols: readonly string[];
  readonly state: string;
}

const root = new URL('../../', import.meta.url);
const rows = parseTables(readFileSync(new URL('docs/ddi.md', root), 'utf8'));
const code = [...sourcesOf('src/ndis/'), readFileSync(new URL('src/tcp/variables.ts', root), 'utf8')].join('\n');
const exported: Readonly<Record<string, unknown>> = { ...variables, ...ndis };

function sourcesOf(folder: string): string[] {
  const url = new URL(folder, root);
  const names = readdirSync(url).filter((name) => name.endsWith('.ts'));
  return names.map((name) => readFileSync(new URL(name, url), 'utf8'));
}

function parseTables(text: string): Row[] {
  let section = '';
  const found: Row[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('## ')) section = line.slice(3).replace(/ \(.*/, '');
    const cells = line.split('|').map((cell) => cell.trim());
    if (cells.length !== 5 || cells[1] === 'DDI name' || cells[1]?.startsWith('---')) continue;
    found.push({
      section,
      names: (cells[1] ?? '').split(/[ ()]+/).filter((name) => name !== ''),
      symbols: [...(cells[2] ?? '').matchAll(/`([\w.]+)`/g)].map((match) => match[1] as string),
      state: cells[3] ?? '',
    });
  }
  return found;
}

/** The text of an exported class or interface, to the brace in the first column that ends it. */
function declarationOf(name: string): string | null {
  return new RegExp(`export (?:class|interface) ${name}\\b[\\s\\S]*?\\n}`).exec(code)?.[0] ?? null;
}

function exists(symbol: string): boolean {
  const [owner, member] = symbol.split('.') as [string, string | undefined];
  if (member === undefined) {
    return owner in exported || declarationOf(owner) !== null || new RegExp(`export type ${owner}\\b`).test(code);
  }
  const value = exported[owner];
  if (typeof value === 'function') return member in (value.prototype as object);
  return new RegExp(`\\n  (?:readonly )?${member}[(:]`).test(declarationOf(owner) ?? '');
}

function count(section: string): number {
  return rows.filter((row) => row.section === section).length;
}

describe('docs/ddi.md', () => {
  it('lists the 45 functions and callbacks and the 21 structures, each once', () => {
    expect(count('Functions') + count('Callbacks')).toBe(45);
    expect(count('Structures')).toBe(21);
    const names = rows.flatMap((row) => row.names);
    expect(new Set(names).size).toBe(names.length);
  });

  it('lists the pages of the contract', () => {
    const rules = readFileSync(new URL('spec/rules.yaml', root), 'utf8');
    const pages = (prefix: string): Set<string> =>
      new Set(
        [...rules.matchAll(new RegExp(`${prefix}-ndischimney-_?(\\w+)`, 'g'))].map((match) => match[1] as string),
      );
    const listed = new Set(rows.flatMap((row) => row.names).map((name) => name.toLowerCase()));
    for (const prefix of ['nf', 'nc', 'ns']) {
      expect([...pages(prefix)].filter((page) => !listed.has(page))).toEqual([]);
    }
  });

  it('names a state that the table explains', () => {
    for (const row of rows) expect(['here', 'later']).toContain(row.state);
  });

  for (const row of rows.filter((each) => each.state === 'here')) {
    it(`${row.names[0]} is ${row.symbols.join(', ')}`, () => {
      expect(row.symbols.length).toBeGreaterThan(0);
      for (const symbol of row.symbols) expect([symbol, exists(symbol)]).toEqual([symbol, true]);
    });
  }

  it('agrees with the @ddi tags: every function and callback has one', () => {
    const tagged = new Set([...code.matchAll(/@ddi (\w+)/g)].map((match) => match[1] as string));
    const functions = rows.filter((row) => row.section === 'Functions' || row.section === 'Callbacks');
    expect(functions.map((row) => row.names[0]).filter((name) => !tagged.has(name as string))).toEqual([]);
  });
});

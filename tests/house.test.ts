/** The house plan, held by a test: who may import whom, what may touch Node, how large a file may grow. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'src');

/** Room → rooms it may import (docs/architecture.md). Its own files are always allowed. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  wire: [],
  tcp: ['wire'],
  ndis: ['tcp'],
  target: ['ndis', 'tcp', 'wire'],
  host: ['ndis', 'tcp', 'wire'],
  link: ['wire', 'trace'],
  trace: ['ndis', 'wire'],
  node: ['host', 'link', 'target', 'ndis', 'tcp', 'wire', 'trace'],
  linux: ['ndis', 'link', 'wire'],
  net: ['host', 'node', 'wire', 'ndis', 'tcp'],
  sim: ['host', 'link', 'target', 'ndis', 'tcp', 'wire', 'trace'],
  packetdrill: ['host', 'link', 'target', 'ndis', 'tcp', 'wire', 'trace'],
  cli: ['packetdrill', 'host', 'link', 'target', 'ndis', 'tcp', 'wire', 'trace', 'node', 'linux', 'net', 'sim'],
};

/** Rooms that run unchanged in a browser. */
const PURE = ['wire', 'tcp', 'ndis', 'target', 'host', 'link', 'trace', 'sim', 'packetdrill'];

const LINE_LIMIT = 600;

function files(directory: string, suffix: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) return name === 'node_modules' || name === 'dist' ? [] : files(path, suffix);
    return path.endsWith(suffix) ? [path] : [];
  });
}

function imports(text: string): { specifier: string; typeOnly: boolean }[] {
  const found: { specifier: string; typeOnly: boolean }[] = [];
  for (const match of text.matchAll(/(?:^|\n)\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]/g)) {
    found.push({ specifier: match[2], typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/(?:^|\n)\s*import\s+['"]([^'"]+)['"]/g))
    found.push({ specifier: match[1], typeOnly: false });
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g))
    found.push({ specifier: match[1], typeOnly: false });
  return found;
}

const room = (path: string) => relative(source, path).split('/')[0];

describe('the house', () => {
  const all = files(source, '.ts');

  it('has rooms that the plan knows', () => {
    const rooms = new Set(all.map(room).filter((name) => !name.endsWith('.ts')));
    for (const name of rooms) expect(Object.keys(MAY_IMPORT), `src/${name}`).toContain(name);
  });

  it('imports point down', () => {
    const wrong: string[] = [];
    for (const path of all) {
      const from = room(path);
      if (from.endsWith('.ts')) continue; // src/index.ts gathers the public surface
      for (const { specifier } of imports(readFileSync(path, 'utf8'))) {
        if (!specifier.startsWith('.')) continue;
        const to = room(resolve(dirname(path), specifier));
        if (to !== from && !MAY_IMPORT[from].includes(to)) wrong.push(`${relative(root, path)} imports ${specifier}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('ndis takes nothing but types and constants from tcp', () => {
    const wrong = files(join(source, 'ndis'), '.ts').filter((path) =>
      imports(readFileSync(path, 'utf8')).some(
        ({ specifier }) => specifier.includes('/tcp/') && !/\/tcp\/(variables|state|parameters)\.ts$/.test(specifier),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps Node out of the pure rooms', () => {
    const wrong: string[] = [];
    for (const path of all.filter((p) => PURE.includes(room(p)))) {
      const text = readFileSync(path, 'utf8');
      for (const { specifier } of imports(text))
        if (!specifier.startsWith('.')) wrong.push(`${relative(root, path)}: ${specifier}`);
      const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
      const globals =
        /\b(?:Buffer\.\w|process\.\w|setTimeout|setInterval|setImmediate|queueMicrotask|Date\.now|performance\.now|Math\.random)/;
      const hit = globals.exec(code);
      if (hit !== null) wrong.push(`${relative(root, path)}: ${hit[0]}`);
    }
    expect(wrong).toEqual([]);
  });

  it('has no import cycles within or between files', () => {
    const graph = new Map<string, string[]>();
    for (const path of all) {
      const targets = imports(readFileSync(path, 'utf8'))
        .filter(({ specifier, typeOnly }) => specifier.startsWith('.') && !typeOnly)
        .map(({ specifier }) => resolve(dirname(path), specifier));
      graph.set(path, targets);
    }
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: string[]): void => {
      const at = trail.indexOf(path);
      if (at >= 0) {
        cycles.push(
          trail
            .slice(at)
            .concat(path)
            .map((p) => relative(root, p))
            .join(' → '),
        );
        return;
      }
      if (done.has(path)) return;
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it(`has no file over ${LINE_LIMIT} lines`, () => {
    const long = [...all, ...files(join(root, 'tests'), '.ts')]
      .map((path) => [relative(root, path), readFileSync(path, 'utf8').split('\n').length] as const)
      .filter(([, lines]) => lines > LINE_LIMIT);
    expect(long).toEqual([]);
  });

  it('hides no gap behind skipped tests or suppressed types', () => {
    const gaps = [...all, ...files(join(root, 'tests'), '.ts'), ...files(join(root, 'examples'), '.ts')].filter(
      (path) =>
        path !== fileURLToPath(import.meta.url) &&
        /\b(?:it|test|describe)\.(?:skip|todo|only)\b|@ts-ignore|@ts-expect-error|\bas any\b|\bTODO\b|\bFIXME\b/.test(
          readFileSync(path, 'utf8'),
        ),
    );
    expect(gaps.map((path) => relative(root, path))).toEqual([]);
  });
});

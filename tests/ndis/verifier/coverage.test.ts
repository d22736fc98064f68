import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { verifiedRules } from '../../../src/ndis/index.ts';

function sources(folder: URL): string {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('\n');
}

function idsIn(text: string, pattern: RegExp): Set<string> {
  return new Set([...text.matchAll(pattern)].map((match) => match[1] as string));
}

describe('the list of verified rules', () => {
  const rules = new Set<string>(verifiedRules);

  it('names rules of the contract, each once', () => {
    const contract = parse(readFileSync(new URL('../../../spec/rules.yaml', import.meta.url), 'utf8')) as unknown;
    const text = JSON.stringify(contract);
    expect(rules.size).toBe(verifiedRules.length);
    for (const rule of rules) expect([rule, text.includes(`"${rule}"`)]).toEqual([rule, true]);
  });

  it('names exactly the rules that the verifier can report', () => {
    const code = sources(new URL('../../../src/ndis/verifier/', import.meta.url)).replace(
      /export const verifiedRules[^;]*;/,
      '',
    );
    const reported = idsIn(code, /'([A-Z]+(?:-[A-Z0-9]+)*-\d\d)'/g);
    expect([...rules].sort()).toEqual([...reported].sort());
  });

  it('has a test that provokes each', () => {
    const tests = sources(new URL('./', import.meta.url));
    const provoked = idsIn(tests, /'([A-Z]+-\d\d)'/g);
    expect([...rules].filter((rule) => !provoked.has(rule))).toEqual([]);
  });
});

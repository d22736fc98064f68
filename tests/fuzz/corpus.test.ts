/** Inputs that fuzzing found interesting, and those that once failed: nothing throws, hangs or breaks what must hold. */
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readCorpus } from '../../fuzz/engine/corpus.ts';
import { execute } from '../../fuzz/engine/target.ts';
import { targets } from '../../fuzz/targets/index.ts';

const corpus = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'fuzz', 'corpus');
const MEBIBYTE = 1024 * 1024;

describe('recorded inputs', () => {
  it.each(targets.map((target) => [target.name, target] as const))('%s takes its own', (name, target) => {
    const inputs = readCorpus(join(corpus, name));
    expect(inputs.length).toBeGreaterThan(0);
    for (const { file, bytes } of inputs) {
      try {
        execute(target, bytes);
      } catch (error) {
        throw new Error(`fuzz/corpus/${name}/${file}`, { cause: error });
      }
    }
  });

  it.each(targets.map((target) => [target.name, target] as const))(
    '%s takes its seeds, one after the other',
    (_, target) => {
      const subject = target.start();
      for (const input of target.seeds()) subject.feed(input);
      subject.finish();
    },
  );

  it('are of known targets, and few bytes', () => {
    const names = readdirSync(corpus);
    expect(names.sort()).toEqual(targets.map(({ name }) => name).sort());
    const files = names.flatMap((name) => readdirSync(join(corpus, name)).map((file) => join(corpus, name, file)));
    expect(files.reduce((sum, file) => sum + statSync(file).size, 0)).toBeLessThan(2 * MEBIBYTE);
  });
});

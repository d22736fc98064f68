/** The fuzzer itself: it finds what was hidden on purpose. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FOUND, nameOf, readCorpus, writeCorpus } from '../../fuzz/engine/corpus.ts';
import { Coverage } from '../../fuzz/engine/coverage.ts';
import { endure, GROWTH_LIMIT } from '../../fuzz/engine/endurance.ts';
import { Engine, type Finding } from '../../fuzz/engine/engine.ts';
import { readRecords, writeRecords } from '../../fuzz/engine/records.ts';
import { bytesOfText, check, type FuzzTarget, type InputShape, stateless } from '../../fuzz/engine/target.ts';
import { runTarget } from '../../fuzz/supervisor.ts';
import { Random } from '../../src/link/index.ts';

const counters = new Uint8Array(16);

const WORDS = ['to', 'be', 'or', 'not'];

/** Four steps that an input must take one after the other, in the terms of its shape. */
const STEPS: Record<InputShape, (input: Uint8Array, at: number) => boolean> = {
  bytes: (input, at) => input[at] === 0xa0 + at,
  records: (input, at) => readRecords(input)[at]?.bytes[0] === 0xa0 + at,
  text: (input, at) => new TextDecoder().decode(input).split(/\s+/)[at] === WORDS[at],
};

/** Fails for inputs that take all four steps: far too many to guess at once, easy one after the other. */
function planted(shape: InputShape): FuzzTarget {
  return stateless(
    {
      name: 'planted',
      covers: 'a planted mistake',
      shape,
      maximumLength: 60,
      dictionary: [...WORDS, 'that', 'is', 'the', 'question'].map(bytesOfText),
      seeds: () => [bytesOfText('hello you there now and')],
    },
    (input) => {
      for (let at = 0; at < 4; at++) {
        if (!STEPS[shape](input, at)) return;
        counters[at]++;
      }
      check(false, 'planted');
    },
  );
}

function engineFor(target: FuzzTarget, findings: Finding[], now: () => number = () => 0): Engine {
  const engine = new Engine({
    target,
    coverage: new Coverage(counters),
    random: new Random(1),
    now,
    onFinding: (finding) => findings.push(finding),
  });
  for (const seed of target.seeds()) engine.offer(seed);
  return engine;
}

describe('the engine', () => {
  it.each(['bytes', 'records', 'text'] as const)(
    'finds a mistake behind four comparisons, by coverage: %s',
    (shape) => {
      const findings: Finding[] = [];
      const engine = engineFor(planted(shape), findings);
      engine.offer(new Uint8Array(8)); // nothing new: not kept
      expect(engine.corpus.length).toBe(0);
      for (let step = 0; step < 300_000 && findings.length === 0; step++) engine.step();
      expect(findings.map(({ kind }) => kind)).toEqual(['throw']);
      const { input } = findings[0];
      expect([0, 1, 2, 3].every((at) => STEPS[shape](input, at))).toBe(true);
      expect(findings[0].message).toContain('planted');
    },
  );

  it('reports one cause once, and keeps the smallest inputs that reach everything', () => {
    const findings: Finding[] = [];
    const engine = engineFor(planted('bytes'), findings);
    const failing = Uint8Array.of(0xa0, 0xa1, 0xa2, 0xa3);
    engine.offer(failing);
    engine.offer(Uint8Array.of(...failing, 1));
    expect(findings.length).toBe(1);
    engine.offer(Uint8Array.of(0xa0, 9, 9, 9));
    engine.offer(Uint8Array.of(0xa0, 0xa1, 9, 9));
    engine.offer(Uint8Array.of(0xa0));
    expect(engine.corpus.length).toBe(2);
    expect(engine.distilled()).toEqual([Uint8Array.of(0xa0, 9, 9, 9), Uint8Array.of(0xa0, 0xa1, 9, 9)]);
  });

  it('reports what is slow, unless it was the machine', () => {
    const findings: Finding[] = [];
    let now = 0;
    let cost = 5000;
    const target = stateless({ name: 'slow', covers: '', shape: 'bytes', maximumLength: 9, seeds: () => [] }, () => {
      now += cost;
      cost = Math.max(cost, 0);
    });
    const engine = engineFor(target, findings, () => now);
    engine.offer(Uint8Array.of(1));
    expect(findings.map(({ kind }) => kind)).toEqual(['slow']);
    const once: Finding[] = [];
    const other = engineFor(
      stateless({ name: 'once', covers: '', shape: 'bytes', maximumLength: 9, seeds: () => [] }, () => {
        now += cost;
        cost = 0;
      }),
      once,
      () => now,
    );
    other.offer(Uint8Array.of(1));
    expect(once).toEqual([]);
  });

  it('splits and joins sequences of records, whatever the bytes', () => {
    const records = [
      { operation: 1, bytes: Uint8Array.of(1, 2, 3) },
      { operation: 255, bytes: new Uint8Array(0) },
    ];
    expect(readRecords(writeRecords(records))).toEqual(records);
    expect(readRecords(Uint8Array.of(7, 0xff, 0xff, 1, 2))).toEqual([{ operation: 7, bytes: Uint8Array.of(1, 2) }]);
    expect(readRecords(Uint8Array.of(7, 0))).toEqual([]);
  });

  it('notices a subject that grows', () => {
    let now = 0;
    const kept: Uint8Array[] = [];
    const target: FuzzTarget = {
      ...planted('bytes'),
      start: () => ({
        feed: (input) => {
          kept.push(new Uint8Array(100_000 + input.length));
        },
        finish() {},
      }),
    };
    const heap = (): number => kept.reduce((sum, { length }) => sum + length, 0);
    const { feeds, heapBefore, heapAfter } = endure(target, [Uint8Array.of(1)], 300, () => now++, heap);
    expect(feeds).toBeGreaterThan(200);
    expect(heapAfter - heapBefore).toBeGreaterThan(GROWTH_LIMIT);
  });
});

describe('files and workers', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'chimney-fuzz-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const options = () => ({
    target: 'planted',
    covers: '',
    milliseconds: 1,
    seed: 1,
    places: 0,
    corpus: join(folder, 'corpus'),
    findings: join(folder, 'findings'),
    record: true,
    onProgress() {},
  });

  it('a corpus keeps what once failed, and forgets what is not interesting any more', () => {
    const corpus = join(folder, 'corpus');
    const [a, b, c] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
    writeCorpus(corpus, [a, b]);
    writeCorpus(join(folder, 'other'), []);
    expect(readCorpus(join(folder, 'other'))).toEqual([]);
    expect(readCorpus(join(folder, 'absent'))).toEqual([]);
    writeCorpus(corpus, [b, c]);
    expect(readCorpus(corpus).map(({ file }) => file)).toEqual([nameOf(b), nameOf(c)].sort());
    expect(FOUND).toBe('found-');
  });

  it('an execution without end is ended, and its input kept', async () => {
    const code = `
      import { workerData } from 'node:worker_threads';
      const watched = new Int32Array(workerData.watch, 0, 2);
      new Uint8Array(workerData.watch, 8).set([1, 2, 3]);
      watched[1] = 3;
      watched[0] = 1;
      for (;;);`;
    const worker = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
    const report = await runTarget({ ...options(), worker, hangMilliseconds: 300 });
    expect(report.findings.map(({ kind }) => kind)).toEqual(['hang']);
    expect([...readFileSync(report.findings[0].file ?? '')]).toEqual([1, 2, 3]);
  });

  it('a worker that breaks is a finding', async () => {
    const worker = new URL(`data:text/javascript,${encodeURIComponent('throw new Error("broken")')}`);
    const report = await runTarget({ ...options(), worker });
    expect(report.findings.map(({ kind, message }) => [kind, /broken/.test(message)])).toEqual([['crash', true]]);
  });
});

/** What a worker does: it fuzzes one target, in a thread of its own so that an endless loop can be ended from outside. */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { Random } from '../src/link/index.ts';
import { readCorpus } from './engine/corpus.ts';
import { Coverage } from './engine/coverage.ts';
import { endure, GROWTH_LIMIT } from './engine/endurance.ts';
import { Engine } from './engine/engine.ts';
import { WATCH_EXECUTIONS, WATCH_INPUT, WATCH_LENGTH, type WorkerData, type WorkerMessage } from './messages.ts';
import { targets } from './targets/index.ts';

const PROGRESS_MILLISECONDS = 2_000;
/** The clock is asked once in so many steps. */
const STEPS = 50;
/** Executions, and share of the time, before the heap is measured for the first time: until then code is compiled. */
const WARM_UP = 2_000;
const WARM_UP_SHARE = 0.3;
/** Share of the time for one subject that is fed again and again. */
const ENDURANCE_SHARE = 0.05;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes in use, buffers included. */
function heap(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function say(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

/** @param counters what the instrumented code counts in */
export function search(data: WorkerData, counters: Uint8Array): void {
  const target = targets.find(({ name }) => name === data.target);
  if (target === undefined) throw new Error(`there is no target ${data.target}`);
  const coverage = new Coverage(counters);
  const watched = new Int32Array(data.watch, 0, 2);
  const watchedInput = new Uint8Array(data.watch, WATCH_INPUT);
  const engine = new Engine({
    target,
    coverage,
    random: new Random(data.seed),
    now: () => performance.now(),
    onExecution: (input) => {
      watchedInput.set(input.length <= watchedInput.length ? input : input.subarray(0, watchedInput.length));
      watched[WATCH_LENGTH] = input.length;
      Atomics.add(watched, WATCH_EXECUTIONS, 1);
    },
    onFinding: ({ kind, message, input }) => say({ kind: 'finding', finding: kind, message, input }),
  });
  const begun = performance.now();
  const end = begun + data.milliseconds * (1 - ENDURANCE_SHARE);
  const seeds = target.seeds();
  for (const input of [...seeds, ...readCorpus(data.corpus).map(({ bytes }) => bytes)]) engine.offer(input);
  let heapBefore = -1;
  let nextProgress = begun;
  for (let now = performance.now(); now < end; now = performance.now()) {
    for (let step = 0; step < STEPS; step++) engine.step();
    const isWarm = engine.executions > WARM_UP && now - begun > data.milliseconds * WARM_UP_SHARE;
    if (heapBefore < 0 && isWarm) heapBefore = heap() - sizeOf(engine.corpus);
    if (now < nextProgress) continue;
    nextProgress = now + PROGRESS_MILLISECONDS;
    say({ kind: 'progress', executions: engine.executions, reached: coverage.reached, corpus: engine.corpus.length });
  }
  const heapAfter = heap() - sizeOf(engine.corpus);
  if (heapBefore < 0) heapBefore = heapAfter;
  const corpus = engine.distilled();
  // A feed belongs to no single execution: only silence for long is a hang.
  const beat = (): number => {
    Atomics.add(watched, WATCH_EXECUTIONS, 1);
    return performance.now();
  };
  const endurance = endure(target, corpus, data.milliseconds * ENDURANCE_SHARE, beat, heap);
  for (const [what, before, after] of [
    [`${engine.executions} executions`, heapBefore, heapAfter],
    [`${endurance.feeds} inputs to one subject`, endurance.heapBefore, endurance.heapAfter],
  ] as const) {
    if (after - before <= GROWTH_LIMIT) continue;
    say({ kind: 'finding', finding: 'growth', message: `${before} bytes became ${after} by ${what}`, input: null });
  }
  say({
    kind: 'done',
    // Seeds are offered at every beginning: they need not be recorded.
    corpus: corpus.filter((input) => !seeds.includes(input)),
    report: {
      target: target.name,
      covers: target.covers,
      seconds: Math.round((performance.now() - begun) / 1000),
      executions: engine.executions,
      reached: coverage.reached,
      places: data.places,
      corpusAfter: corpus.length,
      heapBefore,
      heapAfter,
      feeds: endurance.feeds,
      feedHeapBefore: endurance.heapBefore,
      feedHeapAfter: endurance.heapAfter,
    },
  });
}

/** What the engine itself keeps, about. */
function sizeOf(corpus: readonly Uint8Array[]): number {
  const perInput = 200;
  return corpus.reduce((sum, input) => sum + input.length + perInput, 0);
}

/** Runs one target in a worker, and ends the worker when an execution does not end. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { nameOf, readCorpus, writeCorpus } from './engine/corpus.ts';
import {
  type FindingReport,
  type TargetReport,
  WATCH_BYTES,
  WATCH_EXECUTIONS,
  WATCH_INPUT,
  WATCH_LENGTH,
  type WorkerData,
  type WorkerMessage,
} from './messages.ts';

export interface RunOptions {
  readonly target: string;
  readonly covers: string;
  readonly milliseconds: number;
  readonly seed: number;
  readonly places: number;
  /** Recorded inputs, and where findings are written. */
  readonly corpus: string;
  readonly findings: string;
  /** Whether the recorded corpus is brought up to date at the end. */
  readonly record: boolean;
  readonly worker: URL;
  /** By default 20 s. */
  readonly hangMilliseconds?: number;
  onProgress(executions: number, reached: number, corpus: number): void;
}

/** An execution that takes longer does not end, milliseconds. */
const HANG_MILLISECONDS = 20_000;
const LOOK_MILLISECONDS = 200;

export async function runTarget(options: RunOptions): Promise<TargetReport> {
  const watch = new SharedArrayBuffer(WATCH_BYTES);
  const watched = new Int32Array(watch, 0, 2);
  const { target, milliseconds, seed, places, corpus, hangMilliseconds = HANG_MILLISECONDS } = options;
  const corpusBefore = readCorpus(corpus).length;
  const workerData: WorkerData = { target, milliseconds, seed, places, corpus, watch };
  const worker = new Worker(options.worker, { workerData });
  const findings: FindingReport[] = [];
  const record = (kind: FindingReport['kind'], message: string, input: Uint8Array | null): void => {
    findings.push({ kind, message, file: input === null ? null : keep(options.findings, kind, input) });
  };
  const begun = Date.now();
  let report: Omit<TargetReport, 'findings' | 'corpusBefore'> | null = null;
  await new Promise<void>((resolve) => {
    let seen = -1;
    let since = Date.now();
    const timer = setInterval(() => {
      const executions = Atomics.load(watched, WATCH_EXECUTIONS);
      if (executions !== seen) {
        seen = executions;
        since = Date.now();
      } else if (Date.now() - since > hangMilliseconds) {
        const length = Math.min(watched[WATCH_LENGTH], WATCH_BYTES - WATCH_INPUT);
        const input = executions === 0 ? null : new Uint8Array(watch, WATCH_INPUT, length).slice();
        record('hang', `no end after ${hangMilliseconds / 1000} s`, input);
        void worker.terminate();
      }
    }, LOOK_MILLISECONDS);
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'finding') record(message.finding, message.message, message.input);
      else if (message.kind === 'progress') options.onProgress(message.executions, message.reached, message.corpus);
      else {
        report = message.report;
        if (options.record) writeCorpus(corpus, message.corpus);
      }
    });
    worker.on('error', (error) => record('crash', error.stack ?? error.message, null));
    worker.on('exit', () => {
      clearInterval(timer);
      resolve();
    });
  });
  const nothing = {
    target,
    covers: options.covers,
    seconds: Math.round((Date.now() - begun) / 1000),
    executions: Atomics.load(watched, WATCH_EXECUTIONS),
    reached: 0,
    places,
    corpusAfter: corpusBefore,
    heapBefore: 0,
    heapAfter: 0,
    feeds: 0,
    feedHeapBefore: 0,
    feedHeapAfter: 0,
  };
  if (report === null && findings.length === 0) record('crash', 'the worker ended without a report', null);
  return { ...(report ?? nothing), corpusBefore, findings };
}

function keep(folder: string, kind: string, input: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${kind}-${nameOf(input)}`);
  writeFileSync(file, input);
  return file;
}

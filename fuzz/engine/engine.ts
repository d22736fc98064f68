/** The search: takes an input of the corpus, changes it, runs it, and keeps it when it reached something new. */
import type { Random } from '../../src/link/index.ts';
import type { Coverage } from './coverage.ts';
import { type MutationMaterial, mutateBytes } from './mutate-bytes.ts';
import { mutateRecords } from './mutate-records.ts';
import { mutateText } from './mutate-text.ts';
import { execute, type FuzzTarget } from './target.ts';

/** An input for which something did not hold. */
export interface Finding {
  readonly kind: 'throw' | 'slow';
  readonly message: string;
  readonly input: Uint8Array;
}

export interface EngineOptions {
  readonly target: FuzzTarget;
  readonly coverage: Coverage;
  readonly random: Random;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Called before each execution with what will be executed. */
  readonly onExecution?: (input: Uint8Array) => void;
  readonly onFinding: (finding: Finding) => void;
  /** Executions that take longer are findings, if they do so twice; milliseconds. */
  readonly slowMilliseconds?: number;
}

/** Attempts to shorten one input that is to be kept. */
const TRIM_ATTEMPTS = 48;

/** Findings with the same cause are reported once; further causes are not looked for. */
const MOST_FINDINGS = 20;

const MUTATIONS = { bytes: mutateBytes, records: mutateRecords, text: mutateText } as const;

export class Engine {
  /** Inputs that reached something new when they were found, oldest first. */
  readonly corpus: Uint8Array[] = [];
  executions = 0;
  private readonly options: EngineOptions;
  private readonly material: MutationMaterial;
  private readonly causes = new Set<string>();

  constructor(options: EngineOptions) {
    this.options = options;
    const { random, target } = options;
    this.material = { random, dictionary: target.dictionary, other: () => this.choose() };
  }

  /** Runs an input and keeps it if it reached something new. */
  offer(input: Uint8Array): void {
    const { coverage } = this.options;
    if (!this.run(input) || !coverage.hasNews()) return;
    this.corpus.push(input);
  }

  /** One step of the search. */
  step(): void {
    const { target, coverage, random } = this.options;
    const shape = random.below(16) === 0 ? 'bytes' : target.shape;
    const input = MUTATIONS[shape](this.choose(), this.material).slice(0, target.maximumLength);
    if (!this.run(input)) return;
    if (coverage.hasNews()) this.corpus.push(this.trimmed(input));
  }

  /** The smallest inputs of the corpus that reach every place that the whole corpus reaches. */
  distilled(): Uint8Array[] {
    const reached = new Set<number>();
    const kept: Uint8Array[] = [];
    for (const input of [...this.corpus].sort((a, b) => a.length - b.length)) {
      if (!this.run(input)) continue;
      let isNew = false;
      for (const feature of this.options.coverage.features()) {
        const place = feature >>> 8;
        if (reached.has(place)) continue;
        reached.add(place);
        isNew = true;
      }
      if (isNew) kept.push(input);
    }
    return kept;
  }

  /** Newer inputs are chosen more often. */
  private choose(): Uint8Array {
    const { corpus } = this;
    const { random } = this.options;
    if (corpus.length === 0) return new Uint8Array(0);
    const newest = Math.max(1, corpus.length >>> 3);
    const from = random.below(2) === 0 ? corpus.length - newest : 0;
    return corpus[from + random.below(corpus.length - from)];
  }

  /** Removes pieces as long as the same new features are reached. */
  private trimmed(input: Uint8Array): Uint8Array {
    const { coverage } = this.options;
    const wanted = coverage.features();
    let best = input;
    let piece = input.length >>> 1;
    for (let attempt = 0, at = 0; attempt < TRIM_ATTEMPTS && piece > 0; attempt++) {
      if (at >= best.length) {
        piece >>>= 1;
        at = 0;
        continue;
      }
      const shorter = new Uint8Array(Math.max(0, best.length - piece));
      shorter.set(best.subarray(0, Math.min(at, shorter.length)));
      if (at + piece < best.length) shorter.set(best.subarray(at + piece), at);
      const reached = this.run(shorter) ? coverage.features() : new Set<number>();
      if ([...wanted].every((feature) => reached.has(feature))) best = shorter;
      else at += piece;
    }
    return best;
  }

  /** Whether the input was taken as it should be; what is wrong is reported. */
  private run(input: Uint8Array): boolean {
    const { coverage, target, now, onExecution, slowMilliseconds = 1000 } = this.options;
    onExecution?.(input);
    this.executions++;
    coverage.clear();
    const begun = now();
    try {
      execute(target, input);
    } catch (error) {
      this.report('throw', messageOf(error), causeOf(error), input);
      return false;
    }
    if (now() - begun <= slowMilliseconds) return true;
    // The machine may have been busy: only what is slow again is slow.
    const again = now();
    execute(target, input);
    const milliseconds = now() - again;
    if (milliseconds > slowMilliseconds) this.report('slow', `took ${Math.round(milliseconds)} ms`, 'slow', input);
    return false;
  }

  private report(kind: Finding['kind'], message: string, cause: string, input: Uint8Array): void {
    if (this.causes.has(cause) || this.causes.size >= MOST_FINDINGS) return;
    this.causes.add(cause);
    this.options.onFinding({ kind, message, input });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Where it was thrown, and with which words but for the numbers in them. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at ')) ?? '';
  return `${error.message.replace(/\d+/g, '#')} ${place}`;
}

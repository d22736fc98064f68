/** What a worker that fuzzes one target, and the main thread that watches it, say to each other. */

export interface WorkerData {
  readonly target: string;
  readonly milliseconds: number;
  readonly seed: number;
  /** Where the recorded inputs are. */
  readonly corpus: string;
  /** Counters of the instrumented code; 0 when it is not. */
  readonly places: number;
  /** `WATCH_…`: what is being executed, for whoever has to end it. */
  readonly watch: SharedArrayBuffer;
}

/** Layout of `WorkerData.watch`: two int32, then the input. */
export const WATCH_EXECUTIONS = 0;
export const WATCH_LENGTH = 1;
export const WATCH_INPUT = 8;
export const WATCH_BYTES = WATCH_INPUT + 128 * 1024;

export interface TargetReport {
  readonly target: string;
  readonly covers: string;
  readonly seconds: number;
  readonly executions: number;
  /** Places of the instrumented code that were reached, of all that there are. */
  readonly reached: number;
  readonly places: number;
  /** Inputs in the recorded corpus before, and after. */
  readonly corpusBefore: number;
  readonly corpusAfter: number;
  /** Heap in use after garbage collection, bytes: after the first inputs, at the end. */
  readonly heapBefore: number;
  readonly heapAfter: number;
  /** The same for one subject that was fed many inputs. */
  readonly feeds: number;
  readonly feedHeapBefore: number;
  readonly feedHeapAfter: number;
  readonly findings: readonly FindingReport[];
}

export interface FindingReport {
  readonly kind: 'throw' | 'slow' | 'hang' | 'growth' | 'crash';
  readonly message: string;
  /** Where the input was written; null when there is no single one. */
  readonly file: string | null;
}

export type WorkerMessage =
  | {
      readonly kind: 'finding';
      readonly finding: 'throw' | 'slow' | 'growth';
      readonly message: string;
      readonly input: Uint8Array | null;
    }
  | { readonly kind: 'progress'; readonly executions: number; readonly reached: number; readonly corpus: number }
  | {
      readonly kind: 'done';
      readonly report: Omit<TargetReport, 'findings' | 'corpusBefore'>;
      readonly corpus: readonly Uint8Array[];
    };

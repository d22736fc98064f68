/** Where a worker begins: it makes the counters first, because instrumented code looks for them when it is loaded. */
import { workerData } from 'node:worker_threads';
import type { WorkerData } from './messages.ts';

const data = workerData as WorkerData;
const counters = new Uint8Array(Math.max(4, (data.places + 3) & ~3));
globalThis.__edges = counters;
const { search } = await import('./search.ts');
search(data, counters);

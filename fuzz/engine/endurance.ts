/** Whether memory grows: over many executions, and within one subject that is fed again and again. */
import type { FuzzTarget } from './target.ts';

/** More than this is growth, bytes: compiled code and type feedback come and go. */
export const GROWTH_LIMIT = 6 * 1024 * 1024;

export interface EnduranceResult {
  readonly feeds: number;
  /** Heap in use after garbage collection, bytes: when a third of the time was over, and at the end. */
  readonly heapBefore: number;
  readonly heapAfter: number;
}

/**
 * Feeds one subject with the inputs, in turn, for some time.
 *
 * @param heap bytes in use after garbage collection
 * @param now milliseconds
 */
export function endure(
  target: FuzzTarget,
  inputs: readonly Uint8Array[],
  milliseconds: number,
  now: () => number,
  heap: () => number,
): EnduranceResult {
  const subject = target.start();
  const begun = now();
  let feeds = 0;
  let heapBefore = -1;
  for (let elapsed = 0; elapsed < milliseconds && inputs.length > 0; elapsed = now() - begun) {
    subject.feed(inputs[feeds % inputs.length]);
    feeds++;
    if (heapBefore < 0 && elapsed > milliseconds / 3 && feeds >= inputs.length) heapBefore = heap();
  }
  const heapAfter = heap();
  subject.finish();
  return { feeds, heapBefore: heapBefore < 0 ? heapAfter : heapBefore, heapAfter };
}

/** Small pieces share memory; what was returned before never changes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Gatherer } from '../../src/wire/index.ts';

describe('Gatherer', () => {
  it('keeps every byte in order, and the views that it has returned', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 700 }), { minLength: 1 }), (pieces) => {
        const gatherer = new Gatherer();
        const queue: Uint8Array[] = [pieces[0]];
        const seen: { view: Uint8Array; copy: Uint8Array }[] = [];
        for (const piece of pieces.slice(1)) {
          const gathered = gatherer.add(queue[queue.length - 1], piece);
          if (gathered !== null && gathered.length > piece.length) queue[queue.length - 1] = gathered;
          else queue.push(gathered ?? piece);
          expect(gathered === null).toBe(piece.length >= 512);
          if (gathered !== null) seen.push({ view: gathered, copy: gathered.slice() });
        }
        expect(queue.flatMap((view) => [...view])).toEqual(pieces.flatMap((piece) => [...piece]));
        for (const { view, copy } of seen) expect(view).toEqual(copy);
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advanceNetBufferDataStart,
  advanceNetBufferList,
  contiguousBytes,
  copyFromNetBuffer,
  copyIntoNetBuffer,
  countNetBufferLists,
  dataLengthOf,
  lastNetBufferList,
  linkNetBufferLists,
  Mdl,
  NdisStatus,
  NetBuffer,
  NetBufferList,
  NetBufferListPool,
  netBufferListOf,
  netBufferListsOf,
  viewsOfNetBuffer,
  viewsOfNetBufferList,
} from '../../src/ndis/index.ts';

function concatenate(views: readonly Uint8Array[]): number[] {
  return views.flatMap((view) => [...view]);
}

/** Chunk sizes, some of them empty, filled with consecutive numbers. */
const chunksArbitrary = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 6 }).map((sizes) => {
  let next = 0;
  return sizes.map((size) => Uint8Array.from({ length: size }, () => next++));
});

describe('NET_BUFFER', () => {
  it('advances over any chain as if the bytes lay in one piece', () => {
    fc.assert(
      fc.property(chunksArbitrary, fc.nat(), fc.nat(), (chunks, first, second) => {
        const all = concatenate(chunks);
        const buffer = netBufferListOf(chunks).firstNetBuffer;
        const one = first % (all.length + 1);
        const two = second % (all.length - one + 1);
        advanceNetBufferDataStart(buffer, one);
        advanceNetBufferDataStart(buffer, two);
        const left = all.slice(one + two);
        expect(buffer.dataLength).toBe(left.length);
        expect(concatenate(viewsOfNetBuffer(buffer))).toEqual(left);
        expect([...contiguousBytes(buffer)]).toEqual(left);
      }),
    );
  });

  it('copies any range out and in', () => {
    fc.assert(
      fc.property(chunksArbitrary, fc.nat(), fc.nat(), fc.nat(), (chunks, start, from, count) => {
        const all = concatenate(chunks);
        const buffer = netBufferListOf(chunks).firstNetBuffer;
        const advanced = start % (all.length + 1);
        advanceNetBufferDataStart(buffer, advanced);
        const left = all.slice(advanced);
        const offset = from % (left.length + 1);
        const length = count % 12;
        const wanted = left.slice(offset, offset + length);
        const target = new Uint8Array(length + 3);
        expect(copyFromNetBuffer(buffer, offset, length, target, 2)).toBe(wanted.length);
        expect([...target.subarray(2, 2 + wanted.length)]).toEqual(wanted);
        const source = Uint8Array.from({ length: length + 1 }, (_, i) => 200 + i);
        expect(copyIntoNetBuffer(buffer, offset, source, 1, length)).toBe(wanted.length);
        const expected = left.map((byte, i) => (i >= offset && i < offset + wanted.length ? 201 + i - offset : byte));
        expect(concatenate(viewsOfNetBuffer(buffer))).toEqual(expected);
      }),
    );
  });

  it('uses views, not copies', () => {
    const bytes = new Uint8Array([1, 2, 3, 4]);
    const buffer = netBufferListOf(bytes).firstNetBuffer;
    expect(viewsOfNetBuffer(buffer)[0]).toBe(bytes);
    advanceNetBufferDataStart(buffer, 1);
    expect(contiguousBytes(buffer).buffer).toBe(bytes.buffer);
  });

  it('refuses to advance beyond its data, or backwards', () => {
    const list = netBufferListOf(new Uint8Array(4));
    expect(() => advanceNetBufferDataStart(list.firstNetBuffer, 5)).toThrow(RangeError);
    expect(() => advanceNetBufferDataStart(list.firstNetBuffer, -1)).toThrow(RangeError);
    expect(() => advanceNetBufferList(list, 5)).toThrow(RangeError);
  });

  it('advances the buffers of a list one after another (SEND-14)', () => {
    const list = new NetBufferList(new NetBuffer(new Mdl(new Uint8Array([1, 2, 3]))));
    list.firstNetBuffer.next = new NetBuffer(new Mdl(new Uint8Array([4, 5, 6])));
    advanceNetBufferList(list, 4);
    expect(list.firstNetBuffer.dataLength).toBe(0);
    expect(dataLengthOf(list)).toBe(2);
    expect(concatenate(viewsOfNetBufferList(list))).toEqual([5, 6]);
  });
});

describe('NET_BUFFER_LIST chains', () => {
  it('links, counts and iterates in order, even when the lists are relinked meanwhile', () => {
    const lists = [1, 2, 3].map((size) => netBufferListOf(new Uint8Array(size)));
    const head = linkNetBufferLists(lists);
    expect(countNetBufferLists(head)).toBe(3);
    expect(lastNetBufferList(lists[0] as NetBufferList)).toBe(lists[2]);
    const seen: NetBufferList[] = [];
    for (const list of netBufferListsOf(head)) {
      seen.push(list);
      list.next = null;
    }
    expect(seen).toEqual(lists);
    expect(linkNetBufferLists([])).toBeNull();
    expect(countNetBufferLists(null)).toBe(0);
  });

  it('describes no bytes at all', () => {
    const list = netBufferListOf([]);
    expect(dataLengthOf(list)).toBe(0);
    expect(viewsOfNetBuffer(list.firstNetBuffer)).toEqual([]);
  });
});

describe('NET_BUFFER_LIST pools', () => {
  it('gives out lists with one buffer over the bytes, as new, again and again (REG-14)', () => {
    const pool = new NetBufferListPool();
    const first = pool.allocate(new Uint8Array([1, 2]));
    first.status = NdisStatus.FAILURE;
    first.tcpReceiveNoPush = true;
    first.context = {};
    first.next = netBufferListOf(new Uint8Array(1));
    advanceNetBufferDataStart(first.firstNetBuffer, 2);
    pool.free(first);
    expect(pool.outstanding).toBe(0);
    const again = pool.allocate(new Uint8Array([7, 8, 9]));
    expect(again).toBe(first);
    expect(again.firstNetBuffer.next).toBeNull();
    expect([...contiguousBytes(again.firstNetBuffer)]).toEqual([7, 8, 9]);
    const fresh = new NetBufferListPool().allocate(new Uint8Array([7, 8, 9]));
    fresh.poolHandle = again.poolHandle;
    expect(again).toEqual(fresh);
    expect(pool.outstanding).toBe(1);
  });

  it('refuses a list freed twice or of another pool', () => {
    const pool = new NetBufferListPool();
    const list = pool.allocate(new Uint8Array(1));
    expect(() => new NetBufferListPool().free(list)).toThrow(/pool/);
    pool.free(list);
    expect(() => pool.free(list)).toThrow(/twice/);
    expect(() => pool.free(netBufferListOf(new Uint8Array(1)))).toThrow();
  });

  it('frees a chain', () => {
    const pool = new NetBufferListPool();
    const head = linkNetBufferLists([1, 2, 3].map((size) => pool.allocate(new Uint8Array(size))));
    pool.freeChain(head);
    expect(pool.outstanding).toBe(0);
  });
});

/** Work on the used bytes of NET_BUFFERs: advance, walk, copy. Offsets count used bytes, from 0 at the data start. */
import type { Mdl, NetBuffer, NetBufferList } from './net-buffer.ts';

/**
 * Moves the data start of a buffer forward: its first `bytes` used bytes no longer count as data (SEND-14, RECV-31). No
 * memory is freed: this is the form with a NULL FreeMdl.
 *
 * @param bytes 0 … `dataLength`.
 * @throws RangeError for any other count: no driver can have moved it.
 * @ddi NdisAdvanceNetBufferDataStart
 */
export function advanceNetBufferDataStart(buffer: NetBuffer, bytes: number): void {
  if (bytes < 0 || bytes > buffer.dataLength) {
    throw new RangeError(`cannot advance a NET_BUFFER of ${buffer.dataLength} bytes by ${bytes}`);
  }
  buffer.dataLength -= bytes;
  let mdl = buffer.currentMdl;
  let offset = buffer.currentMdlOffset + bytes;
  // At the very end the position may stay one past the last descriptor, as there is no next one.
  while (offset >= mdl.bytes.length && mdl.next !== null) {
    offset -= mdl.bytes.length;
    mdl = mdl.next;
  }
  buffer.currentMdl = mdl;
  buffer.currentMdlOffset = offset;
}

/** Advances the buffers of a list one after another by `bytes` in all; bytes beyond its end are a RangeError. */
export function advanceNetBufferList(list: NetBufferList, bytes: number): void {
  let left = bytes;
  for (let buffer: NetBuffer | null = list.firstNetBuffer; buffer !== null && left > 0; buffer = buffer.next) {
    const step = Math.min(left, buffer.dataLength);
    advanceNetBufferDataStart(buffer, step);
    left -= step;
  }
  if (left > 0) throw new RangeError(`cannot advance a NET_BUFFER_LIST by ${left} bytes more than it has`);
}

/** The used bytes of a buffer as views, in order, without empty ones. Nothing is copied. */
export function viewsOfNetBuffer(buffer: NetBuffer): Uint8Array[] {
  const views: Uint8Array[] = [];
  let left = buffer.dataLength;
  let offset = buffer.currentMdlOffset;
  for (let mdl: Mdl | null = buffer.currentMdl; mdl !== null && left > 0; mdl = mdl.next) {
    const take = Math.min(left, mdl.bytes.length - offset);
    if (take > 0) {
      views.push(take === mdl.bytes.length ? mdl.bytes : mdl.bytes.subarray(offset, offset + take));
      left -= take;
    }
    offset = 0;
  }
  return views;
}

/** The used bytes of all buffers of a list as views, in order. */
export function viewsOfNetBufferList(list: NetBufferList): Uint8Array[] {
  if (list.firstNetBuffer.next === null) return viewsOfNetBuffer(list.firstNetBuffer);
  const views: Uint8Array[] = [];
  for (let buffer: NetBuffer | null = list.firstNetBuffer; buffer !== null; buffer = buffer.next) {
    views.push(...viewsOfNetBuffer(buffer));
  }
  return views;
}

/** All used bytes in one piece: a view when they lie in one descriptor, else a copy. For frames and for cold paths. */
export function contiguousBytes(buffer: NetBuffer): Uint8Array {
  const start = buffer.currentMdlOffset;
  const end = start + buffer.dataLength;
  if (end <= buffer.currentMdl.bytes.length) return buffer.currentMdl.bytes.subarray(start, end);
  const copy = new Uint8Array(buffer.dataLength);
  copyFromNetBuffer(buffer, 0, copy.length, copy, 0);
  return copy;
}

/**
 * Copies up to `length` used bytes, from `offset` on, into `target` at `targetOffset`. Returns how many there were.
 */
export function copyFromNetBuffer(
  buffer: NetBuffer,
  offset: number,
  length: number,
  target: Uint8Array,
  targetOffset: number,
): number {
  let left = Math.min(length, buffer.dataLength - offset);
  if (left <= 0) return 0;
  const total = left;
  let to = targetOffset;
  let mdl: Mdl | null = buffer.currentMdl;
  let from = buffer.currentMdlOffset + offset;
  while (left > 0 && mdl !== null) {
    const available = mdl.bytes.length - from;
    if (available <= 0) {
      from -= mdl.bytes.length;
    } else {
      const take = Math.min(left, available);
      target.set(mdl.bytes.subarray(from, from + take), to);
      to += take;
      left -= take;
      from = 0;
    }
    mdl = mdl.next;
  }
  return total - left;
}

/**
 * Copies up to `length` bytes of `source`, from `sourceOffset` on, over the used bytes from `offset` on. Returns how
 * many fitted. The data start does not move.
 */
export function copyIntoNetBuffer(
  buffer: NetBuffer,
  offset: number,
  source: Uint8Array,
  sourceOffset: number,
  length: number,
): number {
  let left = Math.min(length, buffer.dataLength - offset);
  if (left <= 0) return 0;
  const total = left;
  let from = sourceOffset;
  let mdl: Mdl | null = buffer.currentMdl;
  let to = buffer.currentMdlOffset + offset;
  while (left > 0 && mdl !== null) {
    const room = mdl.bytes.length - to;
    if (room <= 0) {
      to -= mdl.bytes.length;
    } else {
      const take = Math.min(left, room);
      mdl.bytes.set(source.subarray(from, from + take), to);
      from += take;
      left -= take;
      to = 0;
    }
    mdl = mdl.next;
  }
  return total - left;
}

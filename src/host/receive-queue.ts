/** Bytes received in order that the application has not read: views of frames, or of buffers that a target filled. */
import { Gatherer } from '../wire/index.ts';

export class ReceiveQueue {
  /** Null while nothing is unread, as it is on most connections most of the time. */
  private chunks: Uint8Array[] | null = null;
  private head = 0;
  private bytes = 0;
  /** Made for the first chunk that must wait behind another. */
  private gatherer: Gatherer | null = null;

  /** Unread bytes. */
  get length(): number {
    return this.bytes;
  }

  /** Pieces in which they are kept. */
  get pieces(): number {
    return this.chunks === null ? 0 : this.chunks.length - this.head;
  }

  /** Appends bytes; the view is kept, or copied when it is small and must wait behind others. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.append(chunk);
    this.bytes += chunk.length;
  }

  /** Takes the next chunk, at most `limit` bytes of it, or null. */
  shift(limit = Number.POSITIVE_INFINITY): Uint8Array | null {
    const { chunks } = this;
    if (chunks === null || limit <= 0) return null;
    const chunk = chunks[this.head];
    if (chunk.length > limit) {
      chunks[this.head] = chunk.subarray(limit);
      this.bytes -= limit;
      return chunk.subarray(0, limit);
    }
    this.head++;
    this.bytes -= chunk.length;
    if (this.head === chunks.length) {
      this.clear();
    } else if (this.head >= 64) {
      this.chunks = chunks.slice(this.head);
      this.head = 0;
    }
    return chunk;
  }

  /** Takes everything, in order. */
  takeAll(): Uint8Array[] {
    const all = this.chunks?.slice(this.head) ?? [];
    this.clear();
    return all;
  }

  clear(): void {
    this.chunks = null;
    this.head = 0;
    this.bytes = 0;
    this.gatherer = null;
  }

  private append(chunk: Uint8Array): void {
    const { chunks } = this;
    if (chunks === null) {
      this.chunks = [chunk];
      return;
    }
    this.gatherer ??= new Gatherer();
    const newest = chunks.length - 1;
    const gathered = this.gatherer.add(chunks[newest], chunk);
    if (gathered === null) chunks.push(chunk);
    else if (gathered.length > chunk.length) chunks[newest] = gathered;
    else chunks.push(gathered);
  }
}

/** Bytes received in order that the application has not read: views of frames, or of buffers that a target filled. */
import { Gatherer } from '../wire/index.ts';

export class ReceiveQueue {
  private chunks: Uint8Array[] = [];
  private head = 0;
  private bytes = 0;
  private readonly gatherer = new Gatherer();

  /** Unread bytes. */
  get length(): number {
    return this.bytes;
  }

  /** Appends bytes; the view is kept, or copied when it is small and must wait behind others. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.append(chunk);
    this.bytes += chunk.length;
  }

  /** Takes the next chunk, at most `limit` bytes of it, or null. */
  shift(limit = Number.POSITIVE_INFINITY): Uint8Array | null {
    if (this.head === this.chunks.length || limit <= 0) return null;
    const chunk = this.chunks[this.head];
    if (chunk.length > limit) {
      this.chunks[this.head] = chunk.subarray(limit);
      this.bytes -= limit;
      return chunk.subarray(0, limit);
    }
    this.head++;
    this.bytes -= chunk.length;
    if (this.head === this.chunks.length) {
      this.clear();
    } else if (this.head >= 64) {
      this.chunks = this.chunks.slice(this.head);
      this.head = 0;
    }
    return chunk;
  }

  /** Takes everything, in order. */
  takeAll(): Uint8Array[] {
    const all = this.chunks.slice(this.head);
    this.clear();
    return all;
  }

  clear(): void {
    this.chunks = [];
    this.head = 0;
    this.bytes = 0;
    this.gatherer.clear();
  }

  private append(chunk: Uint8Array): void {
    const { chunks } = this;
    const newest = chunks.length - 1;
    const gathered = newest < this.head ? null : this.gatherer.add(chunks[newest], chunk);
    if (gathered === null) chunks.push(chunk);
    else if (gathered.length > chunk.length) chunks[newest] = gathered;
    else chunks.push(gathered);
  }
}

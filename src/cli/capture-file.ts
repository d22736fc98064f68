/** The file of a capture: bytes are gathered and written in large pieces. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { describeSystemError, UsageError } from './errors.ts';

/** Bytes gathered before they are written. */
const FLUSH_BYTES = 1 << 20;

export class CaptureFile {
  /** Why the file is incomplete; null while everything could be written. */
  failure: string | null = null;
  private readonly path: string;
  private readonly file: number;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private isClosed = false;

  /** @throws UsageError when the file cannot be made */
  constructor(path: string) {
    this.path = path;
    try {
      this.file = openSync(path, 'w');
    } catch (error) {
      // A file that is to be made is missing only when its directory is.
      const concerning = (error as NodeJS.ErrnoException).code === 'ENOENT' ? dirname(path) : path;
      throw new UsageError(`The capture cannot be written: ${describeSystemError(error, concerning)}`);
    }
  }

  /** Whether more can be written. */
  get writable(): boolean {
    return !this.isClosed && this.failure === null;
  }

  /** Adds bytes; they must not change afterwards. What comes after a failure, or after `close`, is dropped. */
  append(bytes: Uint8Array): void {
    if (!this.writable) return;
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    if (this.pendingBytes >= FLUSH_BYTES) this.flush();
  }

  close(): void {
    if (this.isClosed) return;
    this.flush();
    this.isClosed = true;
    closeSync(this.file);
  }

  private flush(): void {
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.file, bytes, at);
    } catch (error) {
      // The traffic goes on: what the disk has no room for is no reason to drop a connection.
      this.failure ??= `The capture is incomplete: ${describeSystemError(error, this.path)}`;
    }
  }
}

/** Records what passes a link. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { CapturePort, type LinkPort } from '../link/index.ts';
import { PcapngWriter } from '../trace/index.ts';
import { describeSystemError, UsageError } from './errors.ts';

/** Bytes gathered before they are written to the file. */
const FLUSH_BYTES = 1 << 18;

/** A pcapng file with one interface. */
export class LinkCapture {
  /** The link, as its user is to see it. */
  readonly port: LinkPort;
  /** Why the file is incomplete; null while everything could be written. */
  failure: string | null = null;
  private readonly file: number;
  private readonly path: string;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;

  /** @throws UsageError when the file cannot be made */
  constructor(link: LinkPort, path: string, now: () => number) {
    this.path = path;
    try {
      this.file = openSync(path, 'w');
    } catch (error) {
      throw new UsageError(`The capture cannot be written: ${describeSystemError(error, path)}`);
    }
    const writer = new PcapngWriter((bytes) => this.append(bytes), {
      application: 'chimney',
      epochMicroseconds: Date.now() * 1_000 - now(),
    });
    this.port = new CapturePort(link, writer.addInterface(link.name, 'the link of the host'), now);
  }

  close(): void {
    this.flush();
    closeSync(this.file);
  }

  private append(bytes: Uint8Array): void {
    if (this.failure !== null) return;
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    if (this.pendingBytes >= FLUSH_BYTES) this.flush();
  }

  private flush(): void {
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.file, bytes, at);
    } catch (error) {
      this.failure ??= `The capture is incomplete: ${describeSystemError(error, this.path)}`;
    }
  }
}

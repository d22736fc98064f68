/** A pcapng file with an interface per host. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { FrameFate } from '../link/index.ts';
import { type PcapngInterface, PcapngWriter } from '../trace/index.ts';
import { describeSystemError, UsageError } from './errors.ts';

/** Bytes gathered before they are written to the file. */
const FLUSH_BYTES = 1 << 20;

const FATE_COMMENTS: Readonly<Record<FrameFate, string | null>> = {
  sent: null,
  lost: 'lost on the wire',
  duplicated: 'doubled by the wire',
  reordered: 'delayed by the wire: others overtake it',
  corrupted: 'damaged on the wire (shown as it was sent)',
  'queue-full': 'dropped: the queue of the wire was full',
  'too-large': 'dropped: larger than the MTU of the wire',
};

/**
 * Records every frame once, on the interface of the host that sends it and at the time when it is sent: one file holds
 * both hosts without showing any packet twice. What the wire does to a frame, and what a move means for it, stands in
 * its comment.
 */
export class Capture {
  private readonly file: number;
  private readonly writer: PcapngWriter;
  private readonly interfaces: Readonly<Record<'client' | 'server', PcapngInterface>>;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private closed = false;
  private readonly path: string;
  /** Why the file is incomplete; null while everything could be written. */
  failure: string | null = null;
  /** Says what is going on with the connection when a host sends a frame; null when nothing is. */
  annotate: ((host: 'client' | 'server') => string | null) | null = null;

  /** @throws UsageError when the file cannot be made */
  constructor(path: string, nowMicroseconds: number) {
    this.path = path;
    try {
      this.file = openSync(path, 'w');
    } catch (error) {
      // A file that is to be made is missing only when its directory is.
      const concerning = (error as NodeJS.ErrnoException).code === 'ENOENT' ? dirname(path) : path;
      throw new UsageError(`The capture cannot be written: ${describeSystemError(error, concerning)}`);
    }
    this.writer = new PcapngWriter((bytes) => this.append(bytes), {
      application: 'chimney',
      comment: 'Each packet is shown once, on the interface of the host that sent it.',
      epochMicroseconds: Date.now() * 1_000 - nowMicroseconds,
    });
    this.interfaces = {
      client: this.writer.addInterface('client', 'the client host'),
      server: this.writer.addInterface('server', 'the server host, whose connections move'),
    };
  }

  get packets(): number {
    return this.writer.packets;
  }

  record(timeMicroseconds: number, host: 'client' | 'server', frame: Uint8Array, fate: FrameFate): void {
    if (this.closed || this.failure !== null) return;
    const remarks = [this.annotate?.(host) ?? null, FATE_COMMENTS[fate]].filter((remark) => remark !== null);
    const comment = remarks.length === 0 ? null : remarks.join('; ');
    this.interfaces[host].record(timeMicroseconds, 'outbound', frame, comment);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.flush();
    closeSync(this.file);
  }

  private append(bytes: Uint8Array): void {
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
      // The transfer goes on: what the disk has no room for is no reason to drop a connection.
      this.failure ??= `The capture is incomplete: ${describeSystemError(error, this.path)}`;
    }
  }
}

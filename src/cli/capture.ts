/** A pcapng file with an interface per host. */
import type { FrameFate } from '../link/index.ts';
import { type PcapngInterface, PcapngWriter } from '../trace/index.ts';
import { CaptureFile } from './capture-file.ts';

const FATE_COMMENTS: Readonly<Record<FrameFate, string | null>> = {
  sent: null,
  lost: 'lost on the wire',
  duplicated: 'doubled by the wire',
  reordered: 'delayed by the wire: others overtake it',
  corrupted: 'damaged on the wire (shown as it was sent)',
  marked: 'marked "congestion experienced" by the wire (shown as it was sent)',
  'queue-full': 'dropped: the queue of the wire was full',
  'too-large': 'dropped: larger than the MTU of the wire',
};

/**
 * Records every frame once, on the interface of the host that sends it and at the time when it is sent: one file holds
 * both hosts without showing any packet twice. What the wire does to a frame, and what a move means for it, stands in
 * its comment.
 */
export class Capture {
  private readonly file: CaptureFile;
  private readonly writer: PcapngWriter;
  private readonly interfaces: Readonly<Record<'client' | 'server', PcapngInterface>>;
  /** Says what is going on with the connection when a host sends a frame; null when nothing is. */
  annotate: ((host: 'client' | 'server') => string | null) | null = null;

  /** @throws UsageError when the file cannot be made */
  constructor(path: string, nowMicroseconds: number) {
    this.file = new CaptureFile(path);
    this.writer = new PcapngWriter((bytes) => this.file.append(bytes), {
      application: 'chimney',
      comment: 'Each packet is shown once, on the interface of the host that sent it.',
      epochMicroseconds: Date.now() * 1_000 - nowMicroseconds,
    });
    this.interfaces = {
      client: this.writer.addInterface('client', 'the client host'),
      server: this.writer.addInterface('server', 'the server host, whose connections move'),
    };
  }

  /** Why the file is incomplete; null while everything could be written. */
  get failure(): string | null {
    return this.file.failure;
  }

  get packets(): number {
    return this.writer.packets;
  }

  record(timeMicroseconds: number, host: 'client' | 'server', frame: Uint8Array, fate: FrameFate): void {
    if (!this.file.writable) return;
    const remarks = [this.annotate?.(host) ?? null, FATE_COMMENTS[fate]].filter((remark) => remark !== null);
    const comment = remarks.length === 0 ? null : remarks.join('; ');
    this.interfaces[host].record(timeMicroseconds, 'outbound', frame, comment);
  }

  close(): void {
    this.file.close();
  }
}

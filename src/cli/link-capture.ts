/** Records what passes a link. */
import { CapturePort, type LinkPort } from '../link/index.ts';
import { PcapngWriter } from '../trace/index.ts';
import { CaptureFile } from './capture-file.ts';

/** A pcapng file with one interface. */
export class LinkCapture {
  /** The link, as its user is to see it. */
  readonly port: LinkPort;
  private readonly file: CaptureFile;

  /** @throws UsageError when the file cannot be made */
  constructor(link: LinkPort, path: string, now: () => number) {
    this.file = new CaptureFile(path);
    const writer = new PcapngWriter((bytes) => this.file.append(bytes), {
      application: 'chimney',
      epochMicroseconds: Date.now() * 1_000 - now(),
    });
    this.port = new CapturePort(link, writer.addInterface(link.name, 'the link of the host'), now);
  }

  /** Why the file is incomplete; null while everything could be written. */
  get failure(): string | null {
    return this.file.failure;
  }

  close(): void {
    this.file.close();
  }
}

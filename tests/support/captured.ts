/** What passes a link, recorded, and read by Wireshark: no packet of ours may look wrong to it. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CapturePort, type LinkPort } from '../../src/link/index.ts';
import { PcapngWriter } from '../../src/trace/index.ts';
import { hasProgram } from './debian.ts';

const CHECKSUMS = ['ip', 'tcp', 'udp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
const WRONG = [
  '_ws.malformed',
  ...['ip', 'tcp', 'udp', 'icmp', 'icmpv6'].map((name) => `${name}.checksum.status == 0`),
  // Options that a stack must not send, or whose length is none.
  'tcp.option.len.invalid',
  'tcp.options.wscale.shift.invalid',
].join(' || ');

/** Segments carry bytes that mean nothing: no dissector above TCP is to look for meaning. */
const PLAIN = ['-d', 'tcp.port==1-65535,data', '-o', 'tcp.desegment_tcp_streams:FALSE'];

/** Packets of a capture in which Wireshark finds fault, one line each; without tshark (not in CI) none. */
export function faultsIn(path: string, only = ''): string {
  if (!hasProgram('tshark')) return '';
  const filter = only === '' ? WRONG : `${only} && (${WRONG})`;
  return execFileSync('tshark', [...CHECKSUMS, ...PLAIN, '-r', path, '-Y', filter], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 26,
  });
}

/** Records what passes a link into a file, for as long as a test runs. */
export class Captured {
  /** The link, as its user is to see it. */
  readonly port: LinkPort;
  packets = 0;
  private readonly directory = mkdtempSync(join(tmpdir(), 'chimney-capture-'));
  private readonly path = join(this.directory, 'link.pcapng');
  private readonly file = openSync(this.path, 'w');

  /** @param link one that passes whole frames: those of a link with offloads have no checksums yet */
  constructor(link: LinkPort, now: () => number) {
    const writer = new PcapngWriter((bytes) => void writeSync(this.file, bytes), {
      application: 'chimney',
      epochMicroseconds: 0,
    });
    const recorder = writer.addInterface(link.name, '');
    const record: typeof recorder.record = (...packet) => {
      this.packets++;
      recorder.record(...packet);
    };
    this.port = new CapturePort(link, { record }, now);
  }

  /** What Wireshark finds wrong. @param only a display filter of the packets to look at, all when left out */
  faults(only = ''): string {
    return faultsIn(this.path, only);
  }

  close(): void {
    closeSync(this.file);
    rmSync(this.directory, { recursive: true });
  }
}

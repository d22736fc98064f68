/** The capture of a demonstration: read by our own reader, and by tshark. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DemoReport } from '../../src/cli/demo-report.ts';
import { type Capture, readPcapng } from '../../src/trace/pcapng-reader.ts';
import {
  DropReason,
  EthernetHeader,
  EtherType,
  IpProtocol,
  Ipv4Header,
  parseEthernet,
  parseIpv4,
  parseTcp,
  pseudoHeaderSumIpv4,
  TcpHeader,
  verifyTcpChecksum,
} from '../../src/wire/index.ts';
import { chimney } from '../support/cli.ts';
import { hasProgram } from '../support/debian.ts';

const CLEAN = ['--loss', '0', '--reorder', '0', '--duplicate', '0'];

let directory: string;
let withTshark: boolean;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'chimney-'));
  withTshark = hasProgram('tshark');
}, 300_000);
afterAll(() => rmSync(directory, { recursive: true }));

async function record(
  name: string,
  ...args: string[]
): Promise<{ report: DemoReport; path: string; capture: Capture }> {
  const path = join(directory, `${name}.pcapng`);
  const { code, stdout, stderr } = await chimney('demo', '--json', '--pcap', path, '--moves', '10', ...args);
  expect([code, stderr]).toEqual([0, '']);
  return { report: JSON.parse(stdout) as DemoReport, path, capture: readPcapng(readFileSync(path)) };
}

/** Why our own parsers would drop a frame, checksums included; TCP and ARP are all that there should be. */
function dropReason(frame: Uint8Array): DropReason {
  const ethernet = new EthernetHeader();
  const ip = new Ipv4Header();
  let reason = parseEthernet(frame, 0, frame.length, ethernet);
  if (reason !== DropReason.NONE || ethernet.etherType === EtherType.ARP) return reason;
  reason = parseIpv4(frame, ethernet.payloadOffset, frame.length - ethernet.payloadOffset, ip);
  if (reason !== DropReason.NONE) return reason;
  if (ip.protocol !== IpProtocol.TCP) return DropReason.ETHERNET_TYPE;
  reason = parseTcp(frame, ip.payloadOffset, ip.payloadLength, new TcpHeader());
  if (reason !== DropReason.NONE) return reason;
  const sum = pseudoHeaderSumIpv4(ip.source, ip.destination, IpProtocol.TCP, ip.payloadLength);
  const isRight = verifyTcpChecksum(frame, ip.payloadOffset, ip.payloadLength, sum);
  return isRight ? DropReason.NONE : DropReason.TCP_CHECKSUM;
}

/** A line for each packet of a demonstration, bytes. */
const LONGEST_LISTING = 64 * 1024 ** 2;

/** The numbers of the packets that a display filter lets through, checksums verified. */
function tshark(path: string, filter: string): string[] {
  const options = ['-o', 'ip.check_checksum:TRUE', '-o', 'tcp.check_checksum:TRUE'];
  const fields = ['-T', 'fields', '-e', 'frame.number', '-e', '_ws.col.Info'];
  // A warning about running as root is not ours.
  const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
  const text = execFileSync('tshark', ['-r', path, ...options, '-Y', filter, ...fields], {
    encoding: 'utf8',
    stdio,
    maxBuffer: LONGEST_LISTING,
  });
  return text.split('\n').filter((line) => line !== '');
}

/** What no packet may show. Checksum status 0 is bad. */
const WRONG = '_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || tcp.analysis.ack_lost_segment';

describe('the capture of a demonstration', () => {
  it('has an interface per host, both ways of traffic, rising times, and remarks around every move', async () => {
    const { capture } = await record('remarks', '--size', '2MiB', ...CLEAN);
    expect(capture.error).toBeNull();
    expect(capture.interfaces.map(({ name, linkType }) => [name, linkType])).toEqual([
      ['client', 1],
      ['server', 1],
    ]);
    const { packets } = capture;
    expect(packets.length).toBeGreaterThan(1_000);
    expect(new Set(packets.map(({ interfaceId }) => interfaceId))).toEqual(new Set([0, 1]));
    for (let i = 1; i < packets.length; i++) {
      expect(packets[i].timestamp >= packets[i - 1].timestamp).toBe(true);
    }
    const comments = packets.flatMap((packet) => packet.comments);
    for (let move = 1; move <= 10; move++) {
      for (const way of ['down', 'up']) {
        expect(
          comments.some((comment) => comment.includes(`move ${move} ${way}: `)),
          `move ${move} ${way}`,
        ).toBe(true);
      }
    }
  });

  it('is well-formed, with right checksums, and repeats nothing on a wire that loses nothing', async () => {
    const { path, capture, report } = await record('clean', '--size', '8MiB', ...CLEAN);
    expect(capture.packets.map(({ frame }) => dropReason(frame)).filter((r) => r !== DropReason.NONE)).toEqual([]);
    expect(report.retransmissions.total).toBe(0);
    if (!withTshark) return;
    expect(tshark(path, WRONG)).toEqual([]);
    expect(tshark(path, 'tcp.analysis.retransmission || tcp.analysis.lost_segment')).toEqual([]);
    expect(tshark(path, 'tcp || arp').length).toBe(capture.packets.length);
  });

  it('shows no retransmission on a bad wire that the report does not explain', async () => {
    const { path, capture, report } = await record(
      'bad',
      '--size',
      '4MiB',
      '--loss',
      '0.02',
      '--reorder',
      '0.02',
      '--duplicate',
      '0.01',
    );
    expect(capture.packets.map(({ frame }) => dropReason(frame)).filter((r) => r !== DropReason.NONE)).toEqual([]);
    const comments = capture.packets.flatMap((packet) => packet.comments).join('\n');
    expect(comments).toMatch(/lost on the wire/);
    expect(comments).toMatch(/doubled by the wire/);
    const { total, explainedByWire } = report.retransmissions;
    expect(total).toBeGreaterThan(0);
    expect(explainedByWire).toBe(total);
    if (!withTshark) return;
    expect(tshark(path, WRONG)).toEqual([]);
    // Every retransmission of tshark's analysis is one of the report.
    const seen = tshark(path, 'tcp.analysis.retransmission || tcp.analysis.out_of_order');
    expect(seen.length).toBeLessThanOrEqual(total);
    expect(seen.length).toBeGreaterThan(0);
  });
});

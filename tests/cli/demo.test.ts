import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DemoReport } from '../../src/cli/demo-report.ts';
import { chimney } from '../support/cli.ts';
import { noise } from '../support/streams.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'chimney-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs the demonstration and checks what has to hold for every run. */
async function demo(moves: number, ...args: string[]): Promise<DemoReport> {
  const { code, stdout, stderr } = await chimney('demo', '--json', '--moves', `${moves}`, ...args);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as DemoReport;
  expect(report.sha256.received).toBe(report.sha256.sent);
  expect(report.moves).toEqual({ down: moves, up: moves, refused: 0 });
  expect([report.resets, report.lostBytes, report.duplicatedBytes]).toEqual([0, 0, 0]);
  const { total, replacingLost, explainedByWire, causedByMoves, unexplained } = report.retransmissions;
  expect(explainedByWire + causedByMoves + unexplained).toBe(total);
  expect(replacingLost).toBeLessThanOrEqual(explainedByWire);
  const { p50, p99, max } = report.moveMicroseconds;
  expect(p50).toBeLessThanOrEqual(p99);
  expect(p99).toBeLessThanOrEqual(max);
  expect(max > 0).toBe(moves > 0);
  expect(report.seconds).toBeGreaterThan(0);
  return report;
}

describe('chimney demo', () => {
  it('prints a report for people', async () => {
    const { code, stdout, stderr } = await chimney('demo', '--size', '2MiB', '--moves', '5', '--loss', '0');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Serving noise \(2\.0 MiB\) over HTTP on a connection that moves 5 times$/m);
    expect(stdout).toMatch(/^ {2}bytes +2097152 \(2\.0 MiB\) in [\d.]+ s, \d+ Mbit\/s$/m);
    expect(stdout).toMatch(/^ {2}SHA-256 received [0-9a-f]{64} {2}equal$/m);
    expect(stdout).toMatch(/^ {2}moves +5 down, 5 up of 5 each, 0 refused$/m);
    expect(stdout).toMatch(/^ {2}bytes lost +0, duplicated 0$/m);
  });

  it('moves fifty times each way by default', async () => {
    const { code, stdout } = await chimney('demo', '--size', '8MiB', '--json');
    const report = JSON.parse(stdout) as DemoReport;
    expect(code).toBe(0);
    expect(report.bytes).toBe(8 * 1024 ** 2);
    expect(report.moves).toEqual({ down: 50, up: 50, refused: 0 });
  });

  it('retransmits nothing on a perfect wire', async () => {
    const report = await demo(20, '--size', '8MiB', '--loss', '0', '--reorder', '0', '--duplicate', '0');
    expect(report.impairedFrames).toBe(0);
    expect(report.retransmissions.total).toBe(0);
  });

  it.each([
    ['a bad wire', ['--loss', '0.02', '--reorder', '0.02', '--duplicate', '0.01', '--size', '4MiB']],
    [
      'a very bad wire',
      ['--loss', '0.1', '--reorder', '0.1', '--duplicate', '0.1', '--size', '256KiB', '--delay', '1ms'],
    ],
    ['reordering alone', ['--loss', '0', '--reorder', '0.3', '--duplicate', '0', '--size', '4MiB']],
    ['doubling alone', ['--loss', '0', '--reorder', '0', '--duplicate', '0.5', '--size', '4MiB']],
    ['no delay', ['--delay', '0ms', '--size', '4MiB']],
    ['a long delay', ['--delay', '50ms', '--size', '1MiB']],
    ['a narrow wire', ['--bandwidth', '20Mbit', '--size', '2MiB']],
    ['small packets', ['--mtu', '576', '--size', '2MiB']],
    ['jumbo frames', ['--mtu', '9000', '--size', '8MiB']],
    ['the largest packets', ['--mtu', '65535', '--size', '16MiB']],
    ['another seed', ['--seed', '2147483647', '--size', '2MiB']],
  ])('arrives whole on %s', async (_name, args) => {
    await demo(10, ...args);
  });

  it('serves no moves at all', async () => {
    const report = await demo(0, '--size', '1MiB');
    expect(report.moveMicroseconds).toEqual({ p50: 0, p99: 0, max: 0 });
  });

  it.each([0, 1, 1_000_003])('serves a file of %i bytes', async (size) => {
    const path = join(directory, `file-${size}`);
    const bytes = noise(size);
    writeFileSync(path, bytes);
    const report = await demo(5, path);
    expect(report.bytes).toBe(size);
    expect(report.sha256.sent).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('serves the same noise for the same seed', async () => {
    const hashes = [];
    for (const seed of ['7', '7', '8']) hashes.push((await demo(1, '--size', '100KB', '--seed', seed)).sha256.sent);
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[2]).not.toBe(hashes[0]);
  });

  it('says what a target without room has refused, and that bytes arrived all the same', async () => {
    const { code, stdout, stderr } = await chimney('demo', '--json', '--size', '1MiB', '--target-connections', '0');
    expect(code).toBe(1);
    const report = JSON.parse(stdout) as DemoReport;
    expect(report.moves).toEqual({ down: 0, up: 0, refused: 100 });
    expect(report.sha256.received).toBe(report.sha256.sent);
    expect(stderr).toMatch(/^chimney: The offload target took .*NDIS_STATUS_OFFLOAD_TCP_ENTRIES.*\n$/);
  });
});

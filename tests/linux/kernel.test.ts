/** Our TCP against that of the Linux kernel, over a TAP: byte-exact in both directions, with and without offloads. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { churn } from '../../src/cli/churn.ts';
import { ImpairedPort } from '../../src/link/index.ts';
import { connect, Server, type Socket } from '../../src/net/index.ts';
import {
  HOST_ADDRESS,
  HOST_ADDRESS_6,
  hasKernel,
  KERNEL_ADDRESS,
  KERNEL_ADDRESS_6,
  TapHost,
  type TapHostOptions,
} from '../support/namespace.ts';
import { noise, readAll } from '../support/streams.ts';

const PORT = 8000;
const MEBIBYTE = 1024 * 1024;

/** A peer in the kernel's TCP: sends its standard input, prints what it receives, closes each half when it is done. */
const CLIENT = `
const socket = require('node:net').connect({ host: process.argv[1], port: +process.argv[2], allowHalfOpen: true });
process.stdin.pipe(socket);
socket.pipe(process.stdout);
`;
const SERVER = `
const server = require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
  server.close();
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
});
server.listen(+process.argv[1], () => process.stderr.write('listening'));
`;

let tap: TapHost | null = null;

function open(options: TapHostOptions): TapHost {
  tap = new TapHost(options);
  return tap;
}

afterEach(async () => {
  await tap?.close();
  tap = null;
});

/** The next connection that a server of ours accepts. */
function accept(host: TapHost): Promise<Socket> {
  return new Promise((resolve) => {
    const server = new Server(host.host, { allowHalfOpen: true }, (socket) => {
      server.close();
      resolve(socket);
    });
    server.listen(PORT);
  });
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Sends and receives at once; compares both streams. */
async function exchange(
  socket: Socket,
  peer: Promise<{ stdout: Buffer; stderr: string; code: number | null }>,
  sent: Buffer,
  expected: Buffer,
): Promise<void> {
  const received = readAll(socket);
  socket.end(sent);
  const [{ stdout, stderr, code }, bytes] = await Promise.all([peer, received]);
  expect(stderr.replace('listening', '')).toBe('');
  expect(code).toBe(0);
  expect(sha256(bytes)).toBe(sha256(expected));
  expect(sha256(stdout)).toBe(sha256(sent));
}

function expectCleanKernel(host: TapHost): void {
  expect(host.namespace.counter('TcpInCsumErrors')).toBe(0);
  expect(host.namespace.counter('TcpInErrs')).toBe(0);
  expect(host.namespace.counter('IpInHdrErrors')).toBe(0);
}

describe.runIf(hasKernel())('against the kernel', () => {
  for (const [offload, ours6] of [
    [true, false],
    [false, false],
    [true, true],
    [false, true],
  ]) {
    const [hostAddress, kernelAddress] = ours6 ? [HOST_ADDRESS_6, KERNEL_ADDRESS_6] : [HOST_ADDRESS, KERNEL_ADDRESS];
    const family = ours6 ? 'IPv6' : 'IPv4';
    const name = `${family}, ${offload ? 'class A (checksum and segmentation offload)' : 'class B (no offload)'}`;

    it(`${name}: the kernel opens, both send 16 MiB`, async () => {
      const host = open({ offload });
      const [ours, theirs] = [noise(16 * MEBIBYTE), noise(16 * MEBIBYTE)];
      const accepted = accept(host);
      const peer = host.namespace.run('node', ['-e', CLIENT, hostAddress, String(PORT)], theirs);
      await exchange(await accepted, peer, ours, theirs);
      expectCleanKernel(host);
      expect(host.host.adapter.drops).toEqual({});
      // Segments as large as an IP packet can be, or frames of the MTU.
      const { bytesReceived, framesReceived, bytesSent, framesSent } = host.link.counters;
      expect(bytesReceived).toBeGreaterThan(16 * MEBIBYTE);
      expect(bytesSent).toBeGreaterThan(16 * MEBIBYTE);
      if (offload) {
        expect(framesReceived).toBeLessThan((16 * MEBIBYTE) / 1500);
        expect(framesSent).toBeLessThan((16 * MEBIBYTE) / 1500);
      } else {
        expect(bytesReceived / framesReceived).toBeLessThanOrEqual(1514);
        // What came as frames of the MTU goes up in larger pieces.
        expect(host.host.stack.statistics.framesReceived).toBeLessThan(framesReceived);
        expect(bytesSent / framesSent).toBeLessThanOrEqual(1514);
      }
    });

    it(`${name}: we open, both send 16 MiB while the connection moves`, async () => {
      const host = open({ offload });
      const [ours, theirs] = [noise(16 * MEBIBYTE), noise(16 * MEBIBYTE)];
      const child = host.namespace.start('node', ['-e', SERVER, String(PORT)]);
      child.stdin?.on('error', () => {});
      child.stdin?.end(theirs);
      const listening = new Promise<void>((resolve) => child.stderr?.once('data', () => resolve()));
      const stdout = readAll(child.stdout as Readable);
      const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
      await listening;
      const socket = connect(host.host, { host: kernelAddress, port: PORT, allowHalfOpen: true });
      const counts = { down: 0, up: 0, refused: 0 };
      socket.once('connect', () => churn(socket, counts));
      const peer = stdout.then(async (bytes) => ({ stdout: bytes, stderr: '', code: await exited }));
      await exchange(socket, peer, ours, theirs);
      expect(counts.down).toBeGreaterThan(2);
      expect(counts.up).toBeGreaterThan(1);
      expectCleanKernel(host);
      expect(host.host.stack.tcpStatistics.outResets).toBe(0);
    });
  }

  it('answers echo requests', async () => {
    const host = open({ offload: true });
    const { code, stdout } = await host.namespace.run('ping', ['-c', '3', '-i', '0.2', '-s', '1400', HOST_ADDRESS]);
    expect(stdout.toString()).toContain('3 received');
    expect(code).toBe(0);
  });

  it('loses, reorders and doubles frames, and no byte', async () => {
    const impaired = (settings: object) => (link: TapHost['link'], runtime: TapHost['runtime']) => {
      const port = new ImpairedPort(link, { ...settings, now: () => runtime.now() });
      runtime.add(port);
      return port;
    };
    const direction = { loss: 0.02, reorder: 0.01, duplicate: 0.01, corrupt: 0.005 };
    const host = open({
      offload: false,
      wrap: impaired({ seed: 7, outgoing: direction, incoming: direction }),
    });
    const [ours, theirs] = [noise(2 * MEBIBYTE), noise(2 * MEBIBYTE)];
    const accepted = accept(host);
    const peer = host.namespace.run('node', ['-e', CLIENT, HOST_ADDRESS, String(PORT)], theirs);
    const socket = await accepted;
    const counts = { down: 0, up: 0, refused: 0 };
    churn(socket, counts);
    await exchange(socket, peer, ours, theirs);
    expect(counts.down).toBeGreaterThan(1);
  });

  it('serves 200 connections at once', async () => {
    const host = open({ offload: true });
    const body = noise(64 * 1024);
    let accepted = 0;
    const server = new Server(host.host, {}, (socket) => {
      accepted++;
      socket.on('error', () => {});
      socket.resume();
      socket.end(body);
    });
    server.listen(PORT);
    const script = `
      const net = require('node:net');
      const { createHash } = require('node:crypto');
      let open = 200;
      const sums = new Set();
      for (let i = 0; i < 200; i++) {
        const hash = createHash('sha256');
        net.connect(${PORT}, '${HOST_ADDRESS}').on('data', (d) => hash.update(d)).on('end', () => {
          sums.add(hash.digest('hex'));
          if (--open === 0) console.log([...sums].join());
        }).on('error', (e) => { console.log(e.message); process.exit(1); });
      }`;
    const { stdout, code } = await host.namespace.run('node', ['-e', script]);
    expect(stdout.toString().trim()).toBe(sha256(body));
    expect(code).toBe(0);
    expect(accepted).toBe(200);
    expectCleanKernel(host);
    server.close();
  });
});

/**
 * Bytes to and from the kernel's TCP in another network namespace: our stack over a TAP, and `node:net` over a veth pair in
 * the same run. The peer is a process with `node:net`.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { openTap } from '../src/linux/index.ts';
import { Server } from '../src/net/index.ts';
import { Host, NodeRuntime } from '../src/node/index.ts';

/** One measurement. */
export interface KernelThroughput {
  /**
   * A: the kernel cuts and joins segments and sums checksums; B: MTU 1500, no offload; the veth pair has all offloads of
   * the kernel.
   */
  readonly link: 'TAP, class A' | 'TAP, class B' | 'node:net over veth';
  /** As the measured process sees it. */
  readonly direction: 'receive' | 'send';
  readonly megabitsPerSecond: number;
  /** Of the measured process: what its kernel part did for it included. */
  readonly cpuSecondsPerGigabyte: number;
  /** Throughput, divided by that of `node:net` in the same direction. */
  readonly ofNodeNet: number;
}

const PORT = 5001;
const OURS = '10.78.0.2';
const THEIRS = '10.78.0.1';
const CHUNK = Buffer.alloc(64 * 1024, 1);

/** argv: role, address, port, milliseconds. */
const PEER = `
const [role, host, port, time] = process.argv.slice(1);
const chunk = Buffer.alloc(256 * 1024, 7);
const socket = require('node:net').connect({ host, port: +port }, () => {
  if (role === 'sink') socket.resume();
  else {
    const write = () => { while (socket.write(chunk)); };
    socket.on('drain', write);
    write();
  }
});
socket.on('error', () => process.exit(0));
setTimeout(() => process.exit(0), +time);
`;

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Why this cannot be measured here; null when it can. */
function whyNot(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return 'there is no /dev/net/tun';
  }
  return spawnSync('ip', ['-V']).error === undefined ? null : 'needs the command ip (package iproute2)';
}

/** Measures both directions on all links. A sentence says why it was not possible. */
export async function measureKernel(milliseconds: number): Promise<KernelThroughput[] | string> {
  const reason = whyNot();
  if (reason !== null) return reason;
  const namespace = `chimney-bench-${process.pid}`;
  ip('netns', 'add', namespace);
  try {
    const veth = await overVeth(namespace, milliseconds);
    const results = [
      ...(await overTap('TAP, class A', true, namespace, milliseconds)),
      ...(await overTap('TAP, class B', false, namespace, milliseconds)),
      ...veth,
    ];
    return results.map((result) => {
      const base = veth.find(({ direction }) => direction === result.direction) ?? result;
      return { ...result, ofNodeNet: result.megabitsPerSecond / base.megabitsPerSecond };
    });
  } finally {
    ip('netns', 'del', namespace);
  }
}

async function overTap(
  name: KernelThroughput['link'],
  offload: boolean,
  namespace: string,
  milliseconds: number,
): Promise<KernelThroughput[]> {
  const runtime = new NodeRuntime();
  const link = openTap(`cb${process.pid}`, { offload });
  runtime.add(link);
  giveAway(link.name, namespace);
  const host = new Host({
    name: 'bench',
    runtime,
    link,
    address: OURS,
    prefixLength: 24,
    macAddress: '02:00:00:00:00:02',
    offloadPolicy: 'never',
  });
  let accept: (socket: Duplex) => void = () => {};
  const server = new Server(host, {}, (socket) => accept(socket));
  server.listen(PORT);
  const accepted = (): Promise<Duplex> =>
    new Promise((resolve) => {
      accept = resolve;
    });
  try {
    return await bothDirections(name, accepted, namespace, milliseconds);
  } finally {
    server.close();
    host.close();
    runtime.close();
    await link.close();
  }
}

async function overVeth(namespace: string, milliseconds: number): Promise<KernelThroughput[]> {
  const [near, far] = [`cv${process.pid}`, `cw${process.pid}`];
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
  try {
    giveAway(far, namespace);
    ip('address', 'add', `${OURS}/24`, 'dev', near);
    ip('link', 'set', near, 'up');
    let accept: (socket: Duplex) => void = () => {};
    const server = createServer((socket) => accept(socket));
    await new Promise<void>((resolve) => server.listen(PORT, OURS, resolve));
    const accepted = (): Promise<Duplex> =>
      new Promise((resolve) => {
        accept = resolve;
      });
    try {
      return await bothDirections('node:net over veth', accepted, namespace, milliseconds);
    } finally {
      server.close();
    }
  } finally {
    ip('link', 'del', near);
  }
}

/** Puts the peer's end of a link into the namespace. */
function giveAway(name: string, namespace: string): void {
  ip('link', 'set', name, 'netns', namespace);
  ip('-n', namespace, 'address', 'add', `${THEIRS}/24`, 'dev', name);
  ip('-n', namespace, 'link', 'set', name, 'up');
}

async function bothDirections(
  link: KernelThroughput['link'],
  accepted: () => Promise<Duplex>,
  namespace: string,
  milliseconds: number,
): Promise<KernelThroughput[]> {
  const results: KernelThroughput[] = [];
  for (const direction of ['receive', 'send'] as const) {
    const socketComes = accepted();
    const peer = startPeer(namespace, direction === 'receive' ? 'source' : 'sink', milliseconds);
    const gone = new Promise<void>((resolve) => peer.once('close', () => resolve()));
    const socket = await socketComes;
    results.push({ link, direction, ofNodeNet: 1, ...(await measure(socket, direction, milliseconds)) });
    socket.destroy();
    peer.kill('SIGKILL');
    await gone;
  }
  return results;
}

function startPeer(namespace: string, role: 'source' | 'sink', milliseconds: number): ChildProcess {
  const time = String(60_000 + 2 * milliseconds);
  const args = ['netns', 'exec', namespace, process.execPath, '-e', PEER, role, OURS, String(PORT), time];
  return spawn('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Counts what passes the socket, after a quarter of the time for the windows to open. */
async function measure(
  socket: Duplex,
  direction: KernelThroughput['direction'],
  milliseconds: number,
): Promise<Pick<KernelThroughput, 'megabitsPerSecond' | 'cpuSecondsPerGigabyte'>> {
  let bytes = 0;
  socket.on('error', () => {});
  if (direction === 'receive') {
    socket.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length;
    });
  } else {
    const written = (): void => {
      bytes += CHUNK.length;
    };
    const write = (): void => {
      while (!socket.destroyed && socket.write(CHUNK, written));
    };
    socket.on('drain', write);
    write();
  }
  await elapsed(milliseconds / 4);
  const [before, begun, cpu] = [bytes, performance.now(), process.cpuUsage()];
  await elapsed(milliseconds);
  const moved = bytes - before;
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    megabitsPerSecond: (moved * 8) / 1e6 / seconds,
    cpuSecondsPerGigabyte: (user + system) / 1e6 / (moved / 1e9),
  };
}

function elapsed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

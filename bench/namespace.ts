/**
 * The kernel's TCP in another network namespace, and two ways to it: a TAP with our stack at this end, and a veth pair with
 * the kernel's at both. Peers are processes with `node:net`.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { openTap } from '../src/linux/index.ts';
import { createNet } from '../src/net/index.ts';
import { Host, NodeRuntime } from '../src/node/index.ts';

/**
 * A: the kernel cuts and joins segments and sums checksums; B: MTU 1500, no offload; the veth pair has all offloads of the
 * kernel.
 */
export type LinkName = 'TAP, class A' | 'TAP, class B' | 'node:net over veth';

export const LINKS: readonly LinkName[] = ['TAP, class A', 'TAP, class B', 'node:net over veth'];

/** Our address, and that of the kernel in the namespace. */
export const OURS = '10.78.0.2';
export const THEIRS = '10.78.0.1';

/** What the measurements use of a `node:net`. */
export interface Sockets {
  /** Listens at our end; resolves once connections can come. */
  listen(port: number, accept: (socket: Duplex) => void): Promise<{ close(): void }>;
  connect(host: string, port: number, connected: () => void): Duplex;
}

/** Why none of this can be measured here; null when it can. */
export function whyNot(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return 'there is no /dev/net/tun';
  }
  return spawnSync('ip', ['-V']).error === undefined ? null : 'needs the command ip (package iproute2)';
}

/** Makes a namespace, and removes it when `use` is done. */
export async function withNamespace<T>(use: (namespace: string) => Promise<T>): Promise<T> {
  const namespace = `chimney-bench-${process.pid}`;
  ip('netns', 'add', namespace);
  try {
    return await use(namespace);
  } finally {
    ip('netns', 'del', namespace);
  }
}

/** Connects us with the namespace over a link, and takes the link down when `use` is done. */
export function withLink<T>(name: LinkName, namespace: string, use: (sockets: Sockets) => Promise<T>): Promise<T> {
  return name === 'node:net over veth' ? overVeth(namespace, use) : overTap(name === 'TAP, class A', namespace, use);
}

async function overTap<T>(offload: boolean, namespace: string, use: (sockets: Sockets) => Promise<T>): Promise<T> {
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
  const net = createNet(host);
  try {
    return await use({
      listen: (port, accept) =>
        new Promise((resolve) => {
          const server = net.createServer({}, accept);
          server.listen(port, () => resolve(server));
        }),
      connect: (address, port, connected) => net.connect({ host: address, port }, connected),
    });
  } finally {
    host.close();
    runtime.close();
    await link.close();
  }
}

async function overVeth<T>(namespace: string, use: (sockets: Sockets) => Promise<T>): Promise<T> {
  const [near, far] = [`cv${process.pid}`, `cw${process.pid}`];
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
  try {
    giveAway(far, namespace);
    ip('address', 'add', `${OURS}/24`, 'dev', near);
    ip('link', 'set', near, 'up');
    return await use({
      listen: (port, accept) =>
        new Promise((resolve) => {
          const server = createServer(accept);
          server.listen({ port, host: OURS, backlog: 511 }, () => resolve(server));
        }),
      connect: (address, port, connected) => connect({ host: address, port }, connected),
    });
  } finally {
    ip('link', 'del', near);
  }
}

/** A process in the namespace that runs a program of ours. */
export class Peer {
  private readonly child: ChildProcess;
  private readonly gone: Promise<void>;

  /**
   * @param program CommonJS; `process.argv` has the arguments from index 1 on
   * @param milliseconds after which it ends by itself, should nobody be there to stop it
   */
  constructor(namespace: string, program: string, args: readonly (string | number)[], milliseconds: number) {
    const bounded = `setTimeout(() => process.exit(0), ${milliseconds});${program}`;
    const command = ['netns', 'exec', namespace, process.execPath, '-e', bounded, ...args.map(String)];
    this.child = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.gone = new Promise((resolve) => this.child.once('close', () => resolve()));
  }

  /** Resolves when the program has printed something. */
  async ready(): Promise<void> {
    await this.during(new Promise((resolve) => this.child.stdout?.once('data', resolve)));
  }

  /** Waits for something that the peer brings about. @throws Error when it ends before */
  async during<T>(promise: Promise<T>): Promise<T> {
    const ended = this.gone.then((): never => {
      throw new Error('the process at the other end has ended');
    });
    return await Promise.race([promise, ended]);
  }

  /** CPU seconds that the process has used so far, what the kernel did in its calls included. */
  cpuSeconds(): number {
    // The name may contain blanks, and ends with the last parenthesis; utime and stime are fields 14 and 15 of all.
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / USER_HZ;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.gone;
  }
}

/** Clock ticks per second of /proc, the same on all architectures that Node runs on. */
const USER_HZ = 100;

/** Puts the peer's end of a link into the namespace. */
function giveAway(name: string, namespace: string): void {
  ip('link', 'set', name, 'netns', namespace);
  ip('-n', namespace, 'address', 'add', `${THEIRS}/24`, 'dev', name);
  ip('-n', namespace, 'link', 'set', name, 'up');
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

export function elapsed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What was used between two moments, of our process and of a peer. */
export class Usage {
  private readonly peer: Peer;
  private readonly begun = performance.now();
  private readonly own = process.cpuUsage();
  private readonly peerBefore: number;

  constructor(peer: Peer) {
    this.peer = peer;
    this.peerBefore = peer.cpuSeconds();
  }

  get seconds(): number {
    return (performance.now() - this.begun) / 1_000;
  }

  /** Of our process: what its kernel part did for it included. */
  get cpuSeconds(): number {
    const { user, system } = process.cpuUsage(this.own);
    return (user + system) / 1e6;
  }

  get peerCpuSeconds(): number {
    return this.peer.cpuSeconds() - this.peerBefore;
  }
}

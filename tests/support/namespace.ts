/** A network namespace of the kernel with a TAP in it, for tests against the kernel's TCP. They remove what they make. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { LinkPort } from '../../src/link/index.ts';
import { type DeviceLink, openTap } from '../../src/linux/index.ts';
import { Host, type HostOptions, NodeRuntime } from '../../src/node/index.ts';
import { hasProgram } from './debian.ts';

/** Our address and the kernel's. Each test has a namespace of its own, so that all may use the same. */
export const HOST_ADDRESS = '10.77.0.2';
export const KERNEL_ADDRESS = '10.77.0.1';
export const HOST_ADDRESS_6 = 'fd00:77::2';
export const KERNEL_ADDRESS_6 = 'fd00:77::1';

/** Why TAPs and namespaces cannot be had here; null when they can. */
function whyNot(): string | null {
  if (process.platform !== 'linux') return 'this is not Linux';
  if (process.getuid?.() !== 0) return 'they need root';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return 'there is no /dev/net/tun';
  }
  if (!hasProgram('ip', 'iproute2')) return 'there is no ip command';
  if (!hasProgram('ping', 'iputils-ping')) return 'there is no ping command';
  if (!hasProgram('sysctl', 'procps')) return 'there is no sysctl command';
  if (!hasProgram('curl')) return 'there is no curl command';
  const probe = `chimney-probe-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (made.status !== 0) return `namespaces cannot be made (${made.stderr.trim()})`;
  execFileSync('ip', ['netns', 'del', probe]);
  return null;
}

/**
 * Whether the tests against the kernel can run. Elsewhere than in the continuous integration they may be missing, and say so.
 *
 * @throws Error in the continuous integration, when they cannot
 */
export function hasKernel(): boolean {
  const reason = whyNot();
  if (reason === null) return true;
  if (process.env['CI'] === 'true')
    throw new Error(`These tests need TAP interfaces and network namespaces: ${reason}.`);
  console.warn(`NOT TESTED against the kernel: ${reason}.`);
  return false;
}

/** Names of counters of packets that were malformed, damaged, or for nobody here. */
const COMPLAINT = /CsumError|InErr|HdrError|AddrError|UnknownProto|Truncated|ReasmFails|TooBig|InvalidOption/;

/** Counters as the files in /proc/net show them: `Group: names` above `Group: values`, or `name value`. */
function* countersOf(text: string): Generator<readonly [string, number]> {
  const lines = text.trim().split('\n');
  for (let at = 0; at < lines.length; at++) {
    const fields = lines[at].trim().split(/\s+/);
    if (!fields[0].endsWith(':')) {
      yield [fields[0], Number(fields[1])];
      continue;
    }
    const values = lines[++at].trim().split(/\s+/);
    for (let i = 1; i < fields.length; i++) yield [fields[0].replace(':', '') + fields[i], Number(values[i])];
  }
}

let made = 0;

/** Names that no other test has: interfaces have at most 15 characters. */
export function uniqueName(prefix: string): string {
  made++;
  return `${prefix}${process.pid.toString(36)}${made.toString(36)}`;
}

/** What a command printed. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A network namespace. */
export class Namespace {
  readonly name = `chimney-test-${uniqueName('')}`;
  private readonly children = new Set<ChildProcess>();

  constructor() {
    execFileSync('ip', ['netns', 'add', this.name]);
    this.ip('link', 'set', 'lo', 'up');
  }

  /** Runs `ip` inside. */
  ip(...args: string[]): string {
    return execFileSync('ip', ['-n', this.name, ...args], { encoding: 'utf8' });
  }

  /** Changes a setting of the kernel inside, for example `net.ipv4.tcp_sack`. */
  sysctl(name: string, value: number): void {
    execFileSync('ip', ['netns', 'exec', this.name, 'sysctl', '-qw', `${name}=${value}`]);
  }

  /** Starts a program inside; it is ended with the namespace. */
  start(command: string, args: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, command, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.children.add(child);
    child.once('close', () => this.children.delete(child));
    return child;
  }

  /** Runs a program inside to its end, with this as its input. */
  run(command: string, args: readonly string[], input?: Uint8Array): Promise<CommandResult> {
    const child = this.start(command, args);
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    return resultOf(child);
  }

  /** A counter of the kernel, for example `TcpInCsumErrors`. */
  counter(name: string): number {
    const text = execFileSync('ip', ['netns', 'exec', this.name, 'cat', '/proc/net/snmp', '/proc/net/netstat'], {
      encoding: 'utf8',
    });
    for (const [known, value] of countersOf(text)) if (known === name) return value;
    throw new Error(`the kernel has no counter ${name}`);
  }

  /** The TCP sockets of the kernel that are neither listening nor in TIME-WAIT, as `ss` prints them. */
  sockets(): string[] {
    const args = ['netns', 'exec', this.name, 'ss', '-Htan', 'exclude', 'listening', 'exclude', 'time-wait'];
    return execFileSync('ip', args, { encoding: 'utf8' })
      .trim()
      .split('\n')
      .filter((line) => line !== '');
  }

  /** The counters of packets that the kernel found wrong in any way, as far as they are not 0. */
  complaints(): Record<string, number> {
    const files = ['/proc/net/snmp', '/proc/net/netstat', '/proc/net/snmp6'];
    const text = execFileSync('ip', ['netns', 'exec', this.name, 'cat', ...files], { encoding: 'utf8' });
    const found: Record<string, number> = {};
    for (const [name, value] of countersOf(text)) if (value !== 0 && COMPLAINT.test(name)) found[name] = value;
    return found;
  }

  /** Ends what runs inside, and removes it. */
  close(): void {
    for (const child of this.children) child.kill('SIGKILL');
    spawnSync('ip', ['netns', 'del', this.name]);
  }
}

/** Gathers what a child prints until it ends. */
export function resultOf(child: ChildProcess): Promise<CommandResult> {
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout?.on('data', (bytes: Buffer) => stdout.push(bytes));
  child.stderr?.on('data', (bytes) => {
    stderr += bytes;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
  });
}

/** How a TAP host is made. */
export interface TapHostOptions {
  /** Class A (the kernel segments and sums) or class B (MTU 1500, nothing is offloaded). */
  readonly offload: boolean;
  readonly host?: Partial<HostOptions>;
  /** Wraps the TAP: impairments, captures. */
  readonly wrap?: (link: DeviceLink, runtime: NodeRuntime) => LinkPort;
}

/** A host of ours on a TAP whose other end is in a namespace of its own. */
export class TapHost {
  readonly namespace = new Namespace();
  readonly runtime = new NodeRuntime();
  readonly link: DeviceLink;
  readonly host: Host;

  constructor(options: TapHostOptions) {
    const name = uniqueName('ct');
    this.link = openTap(name, { offload: options.offload, coalesce: options.wrap === undefined });
    moveInto(this.namespace, name);
    this.runtime.add(this.link);
    this.host = new Host({
      name: 'host',
      runtime: this.runtime,
      link: options.wrap?.(this.link, this.runtime) ?? this.link,
      address: HOST_ADDRESS,
      prefixLength: 24,
      addresses: [{ address: HOST_ADDRESS_6, prefixLength: 64 }],
      duplicateAddressProbes: 0,
      macAddress: '02:00:00:00:00:02',
      offloadPolicy: 'never',
      verify: true,
      ...options.host,
    });
    // What the tests wait for happens on the link.
    this.runtime.ref();
  }

  async close(): Promise<void> {
    this.host.close();
    this.runtime.close();
    await this.link.close();
    this.namespace.close();
  }
}

/** Gives the kernel's end of an interface to a namespace, with the kernel's address. */
export function moveInto(namespace: Namespace, interfaceName: string): void {
  execFileSync('ip', ['link', 'set', interfaceName, 'netns', namespace.name]);
  configureKernelEnd(namespace, interfaceName);
}

/** Gives the kernel's end of an interface that is in the namespace the kernel's address. */
export function configureKernelEnd(namespace: Namespace, interfaceName: string): void {
  namespace.ip('address', 'add', `${KERNEL_ADDRESS}/24`, 'dev', interfaceName);
  // Without detection of duplicates, which takes a second.
  namespace.ip('address', 'add', `${KERNEL_ADDRESS_6}/64`, 'dev', interfaceName, 'nodad');
  namespace.ip('link', 'set', interfaceName, 'up');
}

/** Whether the interface exists in this namespace of ours. */
export function interfaceExists(name: string): boolean {
  return spawnSync('ip', ['link', 'show', name], { stdio: 'ignore' }).status === 0;
}

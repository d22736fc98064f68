/**
 * `chimney --link stream:…` on the network of qemu, as `-netdev stream` has it: a machine without a guest whose hub joins the
 * socket to a TAP, and so to the kernel of a namespace.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { faultsIn } from '../support/captured.ts';
import { MAIN } from '../support/cli.ts';
import { sha256 } from '../support/connection-end.mjs';
import { requireProgram } from '../support/debian.ts';
import {
  type CommandResult,
  configureKernelEnd,
  HOST_ADDRESS,
  HOST_ADDRESS_6,
  hasKernel,
  Namespace,
  resultOf,
} from '../support/namespace.ts';
import { noise, until } from '../support/streams.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** The smallest of Debian's; the machine has no processor anyway. */
const QEMU = 'qemu-system-sparc';
const TAP = 'qemu0';
const INSTALL_MILLISECONDS = 300_000;

let namespace: Namespace;
let chimney: ChildProcess | null = null;

afterEach(() => {
  chimney?.kill('SIGKILL');
  namespace.close();
});

async function startQemu(socket: string, role: 'server=on' | 'server=off'): Promise<void> {
  const netdev = (id: string, kind: string): string[] => [
    ...['-netdev', `${kind},id=${id}`],
    ...['-netdev', `hubport,id=${id}-port,hubid=0,netdev=${id}`],
  ];
  const qemu = namespace.start(QEMU, [
    ...['-M', 'none', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'none'],
    ...netdev('stream', `stream,${role},addr.type=unix,addr.path=${socket}`),
    ...netdev('tap', `tap,ifname=${TAP},script=no,downscript=no,vnet_hdr=off`),
  ]);
  let said = '';
  qemu.stderr?.on('data', (text) => {
    said += text;
  });
  await until(() => {
    if (qemu.exitCode !== null) throw new Error(`qemu does not run: ${said}`);
    return existsSync(socket) && namespace.ip('-o', 'link').includes(TAP);
  });
  configureKernelEnd(namespace, TAP);
}

function serve(
  directory: string,
  link: string,
  pcap: string,
): { listening: Promise<unknown>; result: Promise<CommandResult> } {
  const addresses = ['--address', `${HOST_ADDRESS}/24`, '--address', `${HOST_ADDRESS_6}/64`];
  const args = ['serve', directory, '--link', `stream:${link}`, ...addresses, '--churn', '--pcap', pcap];
  const child = spawn(process.execPath, [MAIN, ...args]);
  chimney = child;
  return { listening: new Promise((resolve) => child.stdout.once('data', resolve)), result: resultOf(child) };
}

describe.runIf(hasKernel())('on the network of qemu', () => {
  beforeAll(() => requireProgram(QEMU), INSTALL_MILLISECONDS);

  for (const [who, role, prefix] of [
    ['qemu listens', 'server=on', ''],
    ['we listen', 'server=off', 'listen:'],
  ] as const) {
    it(`${who}: curl downloads over IPv4 and IPv6 while the connections move`, async () => {
      namespace = new Namespace();
      const directory = temporaryDirectory();
      const [socket, pcap] = [join(directory, 'socket'), join(directory, 'link.pcapng')];
      const file = noise(8 << 20);
      writeFileSync(join(directory, 'file'), file);
      if (role === 'server=on') await startQemu(socket, role);
      const { listening, result } = serve(directory, prefix + socket, pcap);
      await listening;
      if (role === 'server=off') await startQemu(socket, role);
      // An address of IPv6 is ours after a second in which nobody else has claimed it.
      const patience = ['--retry', '20', '--retry-all-errors', '--retry-delay', '1'];
      for (const address of [HOST_ADDRESS, `[${HOST_ADDRESS_6}]`]) {
        const args = ['-sSfg', ...patience, '-o', join(directory, 'got'), `http://${address}/file`];
        const { code, stderr } = await namespace.run('curl', args);
        expect(code, stderr).toBe(0);
        expect(sha256(readFileSync(join(directory, 'got')))).toBe(sha256(file));
      }
      expect(namespace.complaints()).toEqual({});
      chimney?.kill('SIGINT');
      const { code, stdout, stderr } = await result;
      expect([code, stderr]).toEqual([0, '']);
      expect(Number(/target (\d+) times/.exec(stdout.toString())?.[1])).toBeGreaterThan(0);
      expect(faultsIn(pcap, 'eth.src == 02:00:0a:4d:00:02')).toBe('');
    });
  }
});

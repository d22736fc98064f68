/**
 * `chimney --link stream:…` behind passt, in the place of a virtual machine: passt gives it the network of a namespace by
 * sockets, and none of the two has any privilege.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { faultsIn } from '../support/captured.ts';
import { MAIN } from '../support/cli.ts';
import { sha256 } from '../support/connection-end.mjs';
import { requireProgram } from '../support/debian.ts';
import { type CommandResult, hasKernel, Namespace, resultOf } from '../support/namespace.ts';
import { noise, until } from '../support/streams.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const MEBIBYTE = 1024 * 1024;

/** The guest of passt has the addresses of the machine, and its routers; what goes to a router goes to the loopback. */
const ADDRESSES = ['192.0.2.10/24', '2001:db8::10/64'];
const ROUTERS = ['192.0.2.1', '2001:db8::1'];

/** The port of the namespace that passt forwards to ours. */
const FORWARDED_PORT = 8080;
const ECHO_PORT = 7007;

const NOBODY = 65_534;
const INSTALL_MILLISECONDS = 300_000;

let namespace: Namespace;
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  namespace.close();
});

/** A namespace with what passt wants: an interface with addresses and default routes. Resolves to passt's socket. */
async function startPasst(): Promise<{ socket: string; directory: string }> {
  namespace = new Namespace();
  namespace.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1');
  for (const name of ['eth0', 'eth1']) namespace.ip('link', 'set', name, 'up');
  for (const address of ADDRESSES) {
    const isReady = address.includes(':') ? ['nodad'] : [];
    namespace.ip('address', 'add', address, 'dev', 'eth0', ...isReady);
  }
  for (const router of ROUTERS) namespace.ip('route', 'add', 'default', 'via', router, 'dev', 'eth0');
  const directory = temporaryDirectory();
  chmodSync(directory, 0o777);
  const socket = join(directory, 'passt');
  // Without router advertisements: their addresses would be probed in the middle of a connection, and passt, which sends to
  // whatever address its guest has used last, would send its segments to the one that the probes came from.
  const options = ['-u', 'none', '--no-ra', '-t', `${FORWARDED_PORT}:80`];
  const passt = namespace.start('passt', ['-f', '-s', socket, ...options]);
  let said = '';
  passt.stderr?.on('data', (text) => {
    said += text;
  });
  passt.stdout?.resume();
  await until(() => {
    if (passt.exitCode !== null) throw new Error(`passt does not run: ${said}`);
    return existsSync(socket);
  });
  return { socket, directory };
}

/** Runs `chimney ARGS` on passt's socket as a user who may do nothing. */
function chimney(socket: string, ...args: string[]): { child: ChildProcess; result: Promise<CommandResult> } {
  const link = ['--link', `stream:${socket}`, ...ADDRESSES.flatMap((address) => ['--address', address])];
  const routers = ROUTERS.flatMap((router) => ['--router', router]);
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const child = spawn('setpriv', [...user, process.execPath, MAIN, ...args, ...link, ...routers]);
  children.push(child);
  child.stdin.on('error', () => {});
  return { child, result: resultOf(child) };
}

describe.runIf(hasKernel())('behind passt', () => {
  beforeAll(() => requireProgram('passt'), INSTALL_MILLISECONDS);

  it('curl comes in, over IPv4 and IPv6, while the connections move', async () => {
    const { socket, directory } = await startPasst();
    const file = noise(8 * MEBIBYTE);
    writeFileSync(join(directory, 'file'), file);
    const pcap = join(directory, 'link.pcapng');
    const serving = chimney(socket, 'serve', directory, '--churn', '--pcap', pcap);
    await new Promise((resolve) => serving.child.stdout?.once('data', resolve));
    // passt learns the addresses of its guest by what the guest sends, and does not repeat a SYN to one that is not up yet.
    // It has accepted for its guest by then, so that only the silence tells.
    const patience = [
      '--speed-limit',
      '1',
      '--speed-time',
      '2',
      '--retry',
      '20',
      '--retry-all-errors',
      '--retry-delay',
      '1',
    ];
    for (const address of ['127.0.0.1', '[::1]']) {
      const url = `http://${address}:${FORWARDED_PORT}`;
      const got = join(directory, 'got');
      const down = await namespace.run('curl', ['-sSfg', ...patience, '-o', got, `${url}/file`]);
      expect(down.code, down.stderr).toBe(0);
      expect(sha256(readFileSync(got))).toBe(sha256(file));
      const up = await namespace.run('curl', ['-sSfg', ...patience, '-T', got, `${url}/copy`]);
      expect(up.code, up.stderr).toBe(0);
      expect(sha256(readFileSync(join(directory, 'copy')))).toBe(sha256(file));
    }
    serving.child.kill('SIGINT');
    const { code, stdout, stderr } = await serving.result;
    expect([code, stderr]).toEqual([0, '']);
    const [, down, up] = /target (\d+) times, came back (\d+) times/.exec(stdout.toString()) ?? [];
    expect(Number(down)).toBeGreaterThan(0);
    expect(Number(up)).toBeGreaterThan(0);
    expect(faultsIn(pcap, 'eth.src == 02:00:c0:00:02:0a')).toBe('');
  });

  it('connections go out, over IPv4 and IPv6', async () => {
    const { socket } = await startPasst();
    const bytes = noise(4 * MEBIBYTE);
    // The echo ends first: the passt of Debian 12 repeats bytes that a half closed guest has acknowledged.
    const script = `
      let waiting = 2;
      const echo = (socket) => {
        let length = 0;
        socket.on('data', (bytes) => {
          length += bytes.length;
          socket.write(bytes);
          if (length === ${bytes.length}) socket.end();
        });
      };
      for (const host of ['127.0.0.1', '::1'])
        require('node:net').createServer({ allowHalfOpen: true }, echo).listen(${ECHO_PORT}, host, () => {
          if (--waiting === 0) process.stderr.write('ready');
        });`;
    const server = namespace.start(process.execPath, ['-e', script]);
    await new Promise((resolve) => server.stderr?.once('data', resolve));
    for (const router of ROUTERS) {
      const { child, result } = chimney(socket, 'connect', router, String(ECHO_PORT));
      child.stdin?.write(bytes);
      let received = 0;
      child.stdout?.on('data', (chunk) => {
        received += chunk.length;
        if (received === bytes.length) child.stdin?.end();
      });
      const { code, stdout, stderr } = await result;
      expect([code, stderr]).toEqual([0, '']);
      expect(sha256(stdout)).toBe(sha256(bytes));
    }
  });
});

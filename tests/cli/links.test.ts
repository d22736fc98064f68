/** `chimney serve`, `connect` and `listen` on links, as `npm test` has built them. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { readPcapng } from '../../src/trace/pcapng-reader.ts';
import { faultsIn } from '../support/captured.ts';
import { chimney, MAIN } from '../support/cli.ts';
import {
  type CommandResult,
  HOST_ADDRESS,
  HOST_ADDRESS_6,
  hasKernel,
  interfaceExists,
  KERNEL_ADDRESS,
  moveInto,
  Namespace,
  resultOf,
  uniqueName,
} from '../support/namespace.ts';
import { noise } from '../support/streams.ts';

const MEBIBYTE = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), 'chimney-links-'));
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Running {
  readonly child: ChildProcess;
  readonly result: Promise<CommandResult>;
}

/** Starts `chimney ARGS` with an open standard input; it is killed after the test. */
function start(...args: string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {});
  cleanups.push(() => void child.kill('SIGKILL'));
  return { child, result: resultOf(child) };
}

/** Waits for a line of output or of errors. */
function said({ child, result }: Running, pattern: RegExp): Promise<void> {
  const heard = new Promise<void>((resolve) => {
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (bytes) => {
        text += bytes;
        if (pattern.test(text)) resolve();
      });
    }
  });
  const ended = result.then(({ stderr }) => {
    throw new Error(`it ended early: ${stderr}`);
  });
  ended.catch(() => {});
  return Promise.race([heard, ended]);
}

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; !done(); i++) {
    if (i > 1000) throw new Error('it never happened');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function namespace(): Namespace {
  const made = new Namespace();
  cleanups.push(() => made.close());
  return made;
}

const onTap = (name: string): string[] => ['--link', `tap:${name}`, '--address', `${HOST_ADDRESS}/24`];

describe.runIf(hasKernel())('on a TAP', () => {
  for (const variant of [['--churn'], ['--churn', '--no-segmentation'], ['--offload', 'always']]) {
    it(`serve ${variant.join(' ')}: curl downloads and uploads in another namespace`, async () => {
      const peer = namespace();
      const tap = uniqueName('ct');
      const file = noise(20 * MEBIBYTE);
      writeFileSync(join(directory, 'file'), file);
      const serving = start('serve', directory, ...onTap(tap), '--address', `${HOST_ADDRESS_6}/64`, ...variant);
      await said(serving, /^listening http:\/\/10\.77\.0\.2\nlistening http:\/\/\[fd00:77::2\]$/m);
      moveInto(peer, tap);
      const downloads = await Promise.all(
        [HOST_ADDRESS, HOST_ADDRESS, `[${HOST_ADDRESS_6}]`, `[${HOST_ADDRESS_6}]`].map((address) =>
          peer.run('curl', ['-sS', '-g', `http://${address}/file`]),
        ),
      );
      for (const { stdout, stderr } of downloads) {
        expect(stderr).toBe('');
        expect(sha256(stdout)).toBe(sha256(file));
      }
      await peer.run('curl', ['-sS', '-T', join(directory, 'file'), `http://${HOST_ADDRESS}/copy`]);
      expect(sha256(readFileSync(join(directory, 'copy')))).toBe(sha256(file));
      expect(peer.complaints()).toEqual({});
      serving.child.kill('SIGINT');
      const { code, stdout } = await serving.result;
      expect(code).toBe(0);
      const [, down, up] = /target (\d+) times, came back (\d+) times/.exec(stdout.toString()) ?? [];
      expect(Number(down)).toBeGreaterThan(0);
      if (variant.includes('--churn')) expect(Number(up)).toBeGreaterThan(0);
      peer.close();
      expect(interfaceExists(tap)).toBe(false);
    });
  }

  it('connect and listen: standard input to standard output, each half closing for itself', async () => {
    const peer = namespace();
    const [ours, theirs] = [noise(3 * MEBIBYTE), noise(2 * MEBIBYTE)];
    const script = `
      const server = require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
        server.close();
        process.stdin.pipe(socket);
        socket.pipe(process.stdout);
      }).listen(9, () => process.stderr.write('ready'));`;
    const kernel = peer.start('node', ['-e', script]);
    const ready = new Promise((resolve) => kernel.stderr?.once('data', resolve));
    const received = resultOf(kernel);
    await ready;
    const tap = uniqueName('ct');
    const pcap = join(directory, 'link.pcapng');
    const connecting = start('connect', KERNEL_ADDRESS, '9', ...onTap(tap), '--pcap', pcap);
    await until(() => interfaceExists(tap));
    moveInto(peer, tap);
    connecting.child.stdin?.end(ours);
    kernel.stdin?.end(theirs);
    const { code, stdout, stderr } = await connecting.result;
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(sha256(stdout)).toBe(sha256(theirs));
    expect(sha256((await received).stdout)).toBe(sha256(ours));
    const capture = readPcapng(readFileSync(pcap));
    expect(capture.error).toBe(null);
    expect(capture.packets.length).toBeGreaterThan((5 * MEBIBYTE) / 1460);
    // What is captured is what crosses the wire: whole frames with checksums.
    expect(Math.max(...capture.packets.map(({ frame }) => frame.length))).toBe(1514);
    expect(faultsIn(pcap)).toBe('');
  });

  it('listen: the kernel connects', async () => {
    const peer = namespace();
    const tap = uniqueName('ct');
    const [ours, theirs] = [noise(MEBIBYTE), noise(MEBIBYTE)];
    const listening = start('listen', '9', ...onTap(tap));
    await said(listening, /listening on port 9/);
    moveInto(peer, tap);
    listening.child.stdin?.end(ours);
    const script = `
      const socket = require('node:net').connect({ port: 9, host: '${HOST_ADDRESS}', allowHalfOpen: true });
      process.stdin.pipe(socket);
      socket.pipe(process.stdout);`;
    const kernel = await peer.run('node', ['-e', script], theirs);
    expect(sha256(kernel.stdout)).toBe(sha256(ours));
    const { code, stdout } = await listening.result;
    expect(code).toBe(0);
    expect(sha256(stdout)).toBe(sha256(theirs));
    expect(interfaceExists(tap)).toBe(false);
  });

  it('the interface vanishes with a process that is killed', async () => {
    const tap = uniqueName('ct');
    const serving = start('serve', directory, ...onTap(tap));
    await said(serving, /^listening/m);
    expect(interfaceExists(tap)).toBe(true);
    serving.child.kill('SIGKILL');
    await serving.result;
    await until(() => !interfaceExists(tap));
  });

  it('ends with a sentence when the interface is deleted', async () => {
    const tap = uniqueName('ct');
    const serving = start('serve', directory, ...onTap(tap));
    await said(serving, /^listening/m);
    execFileSync('ip', ['link', 'del', tap]);
    const { code, stderr } = await serving.result;
    expect(stderr).toBe(`chimney: The interface ${tap} is gone: somebody has deleted it.\n`);
    expect(code).toBe(1);
  });

  it('says why a connection cannot be opened', async () => {
    const peer = namespace();
    const tap = uniqueName('ct');
    const refused = start('connect', KERNEL_ADDRESS, '9', ...onTap(tap));
    await until(() => interfaceExists(tap));
    moveInto(peer, tap);
    const { code, stderr } = await refused.result;
    expect(stderr).toBe('chimney: The peer refuses the connection (ECONNREFUSED): nobody listens on that port.\n');
    expect(code).toBe(1);
    const { code: unreachable, stderr: sentence } = await chimney(
      'connect',
      '192.0.2.1',
      '9',
      ...onTap(uniqueName('ct')),
    );
    expect(sentence).toContain('EHOSTUNREACH');
    expect(unreachable).toBe(1);
  });

  it('says why a link cannot be opened, and leaves nothing behind', async () => {
    const tap = uniqueName('ct');
    const serving = start('serve', directory, ...onTap(tap));
    await said(serving, /^listening/m);
    const wrong: [string[], RegExp][] = [
      [onTap(tap), /in use by another process/],
      [onTap('lo'), /lo is an interface already, and no tap/],
      [onTap('a/b'), /no name of an interface/],
      [['--link', `macvtap:${tap}x`, '--address', '10.77.0.2/24'], /There is no interface/],
      [['--link', 'stream:/nowhere/socket', '--address', '10.77.0.2/24'], /does not exist/],
      [['--link', 'bus:0', '--address', '10.77.0.2/24'], /Use tap:NAME/],
      [['--link', `tap:${tap}`], /needs an address/],
      [['--link', `tap:${tap}`, '--address', '10.77.0.2'], /Use ADDRESS\/PREFIX/],
      [['--link', `tap:${tap}`, '--address', '10.77.0.2/33'], /Use ADDRESS\/PREFIX/],
      [['--address', '10.77.0.2/24'], /belong to a link/],
      [[...onTap(uniqueName('ct')), '--mtu', '65536'], /whole number/],
      [[...onTap(uniqueName('ct')), '--pcap', '/nowhere/file'], /capture cannot be written/],
    ];
    for (const [args, pattern] of wrong) {
      const { code, stderr, stdout } = await chimney('serve', directory, ...args);
      expect(stderr, args.join(' ')).toMatch(pattern);
      expect(code, args.join(' ')).toBe(2);
      expect(stdout).toBe('');
    }
    serving.child.kill('SIGTERM');
    expect((await serving.result).code).toBe(0);
    expect(execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' })).not.toContain(tap);
  });

  it('needs a privilege, and says so', async () => {
    // The user nobody may run node, but may not make interfaces.
    const args = ['--reuid=65534', '--clear-groups', process.execPath, MAIN, 'serve', '/', ...onTap(uniqueName('ct'))];
    const { status, stderr } = spawnSync('setpriv', args, { encoding: 'utf8' });
    expect(stderr).toMatch(/may not be opened by this user \(E(PERM|ACCES)\): run as root, or with CAP_NET_ADMIN/);
    expect(status).toBe(2);
  });
});

describe('on a stream link', () => {
  it('two processes talk over a UNIX socket, without any privilege', async () => {
    const socket = join(directory, 'wire');
    const [ours, theirs] = [noise(2 * MEBIBYTE), noise(MEBIBYTE)];
    const listening = start('listen', '9', '--link', `stream:listen:${socket}`, '--address', '192.0.2.1/24');
    await said(listening, /listening on port 9/);
    listening.child.stdin?.end(theirs);
    const connecting = start('connect', '192.0.2.1', '9', '--link', `stream:${socket}`, '--address', '192.0.2.2/24');
    connecting.child.stdin?.end(ours);
    const [a, b] = await Promise.all([listening.result, connecting.result]);
    expect([a.code, b.code, b.stderr]).toEqual([0, 0, '']);
    expect(sha256(a.stdout)).toBe(sha256(ours));
    expect(sha256(b.stdout)).toBe(sha256(theirs));
  });

  it('what has arrived when the other end leaves is all there is to read, however slowly', async () => {
    const socket = join(directory, 'slow');
    // More than a pipe holds, and no more than pipe and receive buffer hold together: all of it arrives though nobody reads.
    const bytes = noise(200_000);
    const listening = start('listen', '9', '--link', `stream:listen:${socket}`, '--address', '192.0.2.1/24');
    await said(listening, /listening on port 9/);
    listening.child.stdin?.end(bytes);
    const args = ['connect', '192.0.2.1', '9', '--link', `stream:${socket}`, '--address', '192.0.2.2/24'];
    // Nobody reads its output until the other end is gone, and for a while after that.
    const slow = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    cleanups.push(() => void slow.kill('SIGKILL'));
    expect((await listening.result).code).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { code, stdout, stderr } = await resultOf(slow);
    expect([code, stderr]).toEqual([0, '']);
    expect(sha256(stdout)).toBe(sha256(bytes));
  });

  it('ends with a sentence when the other end speaks something else', async () => {
    const socket = join(directory, 'strange');
    const script = `require('node:net').createServer((s) => s.write('hello, world')).listen(${JSON.stringify(socket)}, () => console.log('ready'))`;
    const strange = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanups.push(() => void strange.kill('SIGKILL'));
    await new Promise((resolve) => strange.stdout.once('data', resolve));
    const { code, stderr } = await chimney('listen', '9', '--link', `stream:${socket}`, '--address', '192.0.2.2/24');
    expect(stderr).toContain('does not speak this framing');
    expect(code).toBe(1);
  });
});

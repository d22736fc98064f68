/** docs/node-net.md, as a newcomer follows it: the packed project in a folder of his own, and the programs of the page. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireProgram } from '../support/debian.ts';
import { hasKernel, Namespace } from '../support/namespace.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const page = readFileSync(join(root, 'docs', 'node-net.md'), 'utf8');
const GREETING = 'hello from a TCP stack in TypeScript\n';

/** The port of the door on loopback. */
const PORT = '8081';

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  server.close();
  return String(address.port);
}

/** Programs of the page by the name in their first line. */
const programs = new Map(
  [...page.matchAll(/```js\n\/\/ ([\w-]+\.mjs)\n([\s\S]*?)```/g)].map(([, name, text]) => [name, text]),
);

let folder = '';
let port = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'chimney-newcomer-'));
  mkdirSync(join(folder, 'my-server'));
  const npm = (directory: string, ...args: string[]) =>
    execFileSync('npm', [...args, '--loglevel=error'], { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
  // `npm test` has built; that, and `npm ci`, are what the page says before it.
  npm(root, 'pack', '--pack-destination', folder);
  const [archive] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  const own = join(folder, 'my-server');
  npm(own, 'init', '-y');
  npm(own, 'install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, archive));
  // Only the port on this machine is another: it may be in use.
  port = await freePort();
  for (const [name, text] of programs) writeFileSync(join(own, name), text.replace(PORT, port));
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a program of the page; what it prints is `output`. */
function start(name: string): { readonly child: ChildProcess; output: string } {
  const child = spawn(process.execPath, [join(folder, 'my-server', name)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const running = { child, output: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (running.output += bytes));
  return running;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

describe('the newcomer’s page', () => {
  it('has three programs, and the first is ten lines', () => {
    expect([...programs.keys()]).toEqual(['ten-lines.mjs', 'door.mjs', 'tap.mjs']);
    const lines =
      programs
        .get('ten-lines.mjs')
        ?.split('\n')
        .filter((line) => line !== '') ?? [];
    expect(lines.length).toBeLessThanOrEqual(10);
  });

  it('greets within one process', async () => {
    const running = start('ten-lines.mjs');
    try {
      await expect.poll(() => running.output, { timeout: 30_000 }).toBe(GREETING);
      expect(running.child.exitCode).toBe(null);
    } finally {
      await end(running.child);
    }
  });

  it('greets curl through a door on loopback', async () => {
    requireProgram('curl');
    const running = start('door.mjs');
    try {
      const url = /curl (http:\/\/127\.\S+)/.exec(page)?.[1].replace(PORT, port) ?? '';
      const curl = () =>
        execFileSync('curl', ['-sS', '--retry', '60', '--retry-delay', '1', '--retry-connrefused', url], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        });
      expect(curl()).toBe(GREETING);
      expect(curl()).toBe(GREETING);
      expect(running.output).toBe('');
    } finally {
      await end(running.child);
    }
  });
});

describe.runIf(hasKernel())('the newcomer’s page, over TAP', () => {
  it('greets curl', async () => {
    requireProgram('curl');
    const namespace = new Namespace();
    try {
      const child = namespace.start(process.execPath, [join(folder, 'my-server', 'tap.mjs')]);
      let output = '';
      child.stdout?.on('data', (bytes) => (output += bytes));
      child.stderr?.on('data', (bytes) => (output += bytes));
      await expect.poll(() => output, { timeout: 30_000 }).toBe('http://10.77.0.2/\n');
      const [command] = /ip address add \S+ dev \S+/.exec(page) ?? [''];
      namespace.ip(...command.split(' ').slice(1));
      const { code, stdout } = await namespace.run('curl', ['-sS', '--max-time', '30', output.trim()]);
      expect([code, stdout.toString()]).toEqual([0, GREETING]);
    } finally {
      namespace.close();
    }
  });
});

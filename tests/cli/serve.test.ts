/** `chimney serve` with real clients. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Serving, serve } from '../support/cli.ts';
import { requireProgram } from '../support/debian.ts';
import { noise, readAll } from '../support/streams.ts';

const run = promisify(execFile);

const BIG = noise(5_000_000);
const SMALL = Array.from({ length: 200 }, (_, i) => noise((i * 997) % 40_000));

let directory: string;
let client: string;
let serving: Serving | null = null;

beforeAll(() => {
  requireProgram('curl');
  directory = mkdtempSync(join(tmpdir(), 'chimney-'));
  client = mkdtempSync(join(tmpdir(), 'chimney-'));
  writeFileSync(join(directory, 'big'), BIG);
  SMALL.forEach((bytes, i) => {
    writeFileSync(join(directory, `small-${i}`), bytes);
  });
  mkdirSync(join(directory, 'sub'));
  writeFileSync(join(directory, 'sub', 'näme with %.txt'), 'found');
  writeFileSync(join(directory, '.hidden'), 'secret');
  writeFileSync(join(client, 'secret'), 'secret');
  symlinkSync(client, join(directory, 'out'));
});

afterAll(() => {
  rmSync(directory, { recursive: true });
  rmSync(client, { recursive: true });
});

afterEach(async () => {
  if (serving !== null) await serving.end('SIGKILL');
  serving = null;
});

async function start(...args: string[]): Promise<Serving> {
  serving = await serve(directory, ...args);
  return serving;
}

/** Ends with Ctrl-C and expects a clean end; answers the last line. */
async function finish(): Promise<string> {
  const outcome = await serving?.end();
  serving = null;
  expect(outcome).toMatchObject({ code: 0, signal: null, stderr: '' });
  return outcome?.stdout.trimEnd().split('\n').at(-1) ?? '';
}

async function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body: Buffer | null = null,
): Promise<{ status: number; body: Buffer; headers: NodeJS.Dict<string | string[]> }> {
  const outgoing = request({ port: serving?.port, host: '127.0.0.1', method, path, headers });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  return { status: response.statusCode, body: await readAll(response), headers: response.headers };
}

describe('with curl, while every connection moves at random', () => {
  it('ten large downloads at once, two hundred small ones, and uploads arrive byte for byte', async () => {
    const { url } = await start('--churn');
    const downloads = Array.from({ length: 10 }, (_, i) =>
      run('curl', ['-sS', '--fail', '-o', join(client, `big-${i}`), `${url}/big`]),
    );
    const uploads = Array.from({ length: 3 }, (_, i) =>
      run('curl', ['-sS', '--fail', '-T', join(directory, 'big'), `${url}/up-${i}`]),
    );
    // One process for all small ones: it keeps some connections, and opens others.
    const list = SMALL.map((_, i) => `url = "${url}/small-${i}"\noutput = "${join(client, `small-${i}`)}"\n`).join('');
    const small = spawn('curl', ['-sS', '--fail', '--parallel', '--parallel-max', '20', '-K', '-'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    small.stdin?.end(list);
    const [code] = await once(small, 'close');
    expect(code).toBe(0);
    await Promise.all([...downloads, ...uploads]);

    for (let i = 0; i < 10; i++) expect(readFileSync(join(client, `big-${i}`)).equals(BIG)).toBe(true);
    for (let i = 0; i < 3; i++) expect(readFileSync(join(directory, `up-${i}`)).equals(BIG)).toBe(true);
    SMALL.forEach((bytes, i) => {
      expect(readFileSync(join(client, `small-${i}`)).equals(bytes)).toBe(true);
    });
    const summary = /to the target (\d+) times, came back (\d+) times, (\d+) refused$/.exec(await finish());
    expect(Number(summary?.[1])).toBeGreaterThan(100);
    expect(Number(summary?.[2])).toBeGreaterThan(50);
    expect(Number(summary?.[3])).toBe(0);
  });
});

describe('without churn', () => {
  it.each([
    ['never', /to the target 0 times/],
    ['auto', /to the target 1 times/],
    ['always', /to the target 1 times/],
  ])('--offload %s decides which connections go to the target', async (policy, summary) => {
    await start('--offload', policy);
    const { status, body } = await ask('GET', '/big');
    expect(status).toBe(200);
    expect(body.equals(BIG)).toBe(true);
    expect(await finish()).toMatch(summary);
  });

  it('serves although the target takes nothing', async () => {
    await start('--churn', '--target-connections', '0');
    expect((await ask('GET', '/big')).body.equals(BIG)).toBe(true);
    expect(await finish()).toMatch(/to the target 0 times, came back 0 times, \d+ refused$/);
  });

  it('lists, serves ranges and heads, and says what is not there', async () => {
    await start();
    expect((await ask('GET', '/sub/')).body.toString()).toBe('näme with %.txt\n');
    const names = (await ask('GET', '/')).body.toString().split('\n');
    expect(names).toContain('sub/');
    expect(names).not.toContain('.hidden');
    expect((await ask('GET', `/sub/${encodeURIComponent('näme with %.txt')}`)).body.toString()).toBe('found');
    const range = await ask('GET', '/big', { range: 'bytes=1000-1999' });
    expect(range.status).toBe(206);
    expect(range.body.equals(BIG.subarray(1000, 2000))).toBe(true);
    const head = await ask('HEAD', '/big');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, `${BIG.length}`, 0]);
    for (const path of ['/nothing', '/nothing/', '/.hidden', '/../secret', '/%2e%2e/secret']) {
      expect((await ask('GET', path)).status, path).toBe(404);
    }
    expect((await ask('GET', '/%zz')).status).toBe(400);
    expect((await ask('DELETE', '/big')).status).toBe(405);
  });

  it('stores complete uploads only, and only below its directory', async () => {
    await start();
    const body = noise(100_000);
    expect((await ask('PUT', '/sub/new', {}, body)).status).toBe(201);
    expect(readFileSync(join(directory, 'sub', 'new')).equals(body)).toBe(true);
    expect((await ask('PUT', '/sub/new', {}, Buffer.from('replaced'))).status).toBe(201);
    expect(readFileSync(join(directory, 'sub', 'new')).toString()).toBe('replaced');
    for (const path of ['/missing/new', '/out/new', '/.hidden', '/']) {
      expect((await ask('PUT', path, {}, body)).status, path).toBe(403);
    }
    expect((await ask('PUT', '/sub', {}, body)).status).toBe(409);

    const half = connect(serving?.port ?? 0, '127.0.0.1');
    half.write(`PUT /sub/half HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(1000)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    half.destroy();
    // A request after it shows that the server goes on; the half file is removed soon after.
    expect((await ask('GET', '/sub/new')).status).toBe(200);
    const leftovers = (): string[] => readdirSync(join(directory, 'sub')).filter((name) => name.includes('half'));
    while (leftovers().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe('the end', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s lets a running download finish, and ends idle connections',
    async (signal) => {
      const { port, end } = await start('--churn');
      const idle = connect(port, '127.0.0.1');
      idle.write('GET /small-1 HTTP/1.1\r\nhost: x\r\n\r\n');
      await once(idle, 'data');
      const download = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      download.write('GET /big HTTP/1.1\r\nhost: x\r\n\r\n');
      const body = readAll(download);
      await once(download, 'data');
      const ended = end(signal);
      idle.resume();
      await once(idle, 'end');
      idle.destroy();
      const received = await body;
      download.end();
      expect(received.subarray(received.indexOf('\r\n\r\n') + 4).equals(BIG)).toBe(true);
      const outcome = await ended;
      serving = null;
      expect(outcome).toMatchObject({ code: 0, signal: null, stderr: '' });
    },
  );

  it('comes at once when nobody is connected', async () => {
    await start();
    expect(await finish()).toMatch(/^served;/);
  });

  it('resets a client that does not read, after a grace', async () => {
    const { port } = await start();
    const stuck = connect(port, '127.0.0.1').pause();
    stuck.on('error', () => {});
    stuck.write('GET /big HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await finish()).toMatch(/^served;/);
    stuck.destroy();
  });
});

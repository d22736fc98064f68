/** What a user got wrong: one sentence on standard error, exit code 1 or 2, nothing left running. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeSystemError } from '../../src/cli/errors.ts';
import { chimney, MAIN } from '../support/cli.ts';

let directory: string;
let file: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'chimney-'));
  file = join(directory, 'file');
  writeFileSync(file, 'x');
});
afterAll(() => rmSync(directory, { recursive: true }));

/** One line that begins with the program's name; wrong usage may be followed by where help is. */
async function refuses(code: 1 | 2, sentence: RegExp, ...args: string[]): Promise<void> {
  const outcome = await chimney(...args);
  const [first, ...rest] = outcome.stderr.trimEnd().split('\n');
  expect(first).toMatch(/^chimney: /);
  expect(first).toMatch(sentence);
  for (const line of rest) expect(line).toMatch(/^\(chimney( \w+)? --help shows what can be given\)$/);
  expect(outcome.code).toBe(code);
}

describe('bad input', () => {
  it.each([
    ['an unknown command', /unknown command 'frob'/, ['frob']],
    ['an unknown option', /unknown option '--frob'/, ['demo', '--frob']],
    ['an unknown option of serve', /unknown option '--frob'/, ['serve', '.', '--frob']],
    ['a missing file', /nowhere\/file does not exist: check the path/, ['demo', '/nowhere/file']],
    ['a device as file', /\/dev\/null is not a regular file/, ['demo', '/dev/null']],
    ['two files', /too many arguments/, ['demo', 'a', 'b']],
    ['a size that is none', /'x' is invalid/, ['demo', '--size', 'x']],
    ['no bytes', /at least one byte/, ['demo', '--size', '0']],
    ['too many bytes', /at most 1TiB/, ['demo', '--size', '99999999999999999999']],
    ['a negative size', /'-5' is invalid/, ['demo', '--size', '-5']],
    ['half a move', /whole number from 0 to 100000/, ['demo', '--moves', '1.5']],
    ['an option without its value', /argument missing/, ['demo', '--moves']],
    ['more loss than there are frames', /0 to 0.5/, ['demo', '--loss', '2']],
    ['loss that is no number', /0 to 0.5/, ['demo', '--loss', 'much']],
    ['a negative share', /0 to 0.5/, ['demo', '--reorder', '-0.1']],
    ['a delay without a unit', /2ms/, ['demo', '--delay', '5']],
    ['a delay of an hour', /is invalid/, ['demo', '--delay', '3600s']],
    ['no bandwidth', /1kbit/, ['demo', '--bandwidth', '0']],
    ['an MTU below that of IPv4', /576 to 65535/, ['demo', '--mtu', '67']],
    ['an MTU beyond that of IPv4', /576 to 65535/, ['demo', '--mtu', '65536']],
    ['a seed that is none', /whole number/, ['demo', '--seed', 'x']],
    [
      'a capture nowhere',
      /capture cannot be written: \/nowhere does not exist/,
      ['demo', '--pcap', '/nowhere/x.pcapng'],
    ],
    ['a directory that is missing', /nowhere does not exist/, ['serve', '/nowhere']],
    ['no directory', /missing required argument 'dir'/, ['serve']],
    ['a policy that is none', /never, auto, always/, ['serve', '.', '--offload', 'often']],
    ['a gateway without port', /ADDRESS:PORT/, ['serve', '.', '--gateway', '127.0.0.1']],
    ['a port that is none', /ADDRESS:PORT/, ['serve', '.', '--gateway', '127.0.0.1:65536']],
    [
      'an address that is not of this machine',
      /192\.0\.2\.1:8080 .*127\.0\.0\.1/,
      ['serve', '.', '--gateway', '192.0.2.1:8080'],
    ],
  ])('%s', async (_name, sentence, args) => {
    await refuses(2, sentence, ...args);
  });

  it('a directory as file', async () => {
    await refuses(2, /is a directory: name a file/, 'demo', directory);
    await refuses(2, /is a directory: name a file/, 'demo', '--pcap', directory);
  });

  it('a file as directory', async () => {
    await refuses(2, /is not a directory: name a directory/, 'serve', file);
  });

  it('a port in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    await refuses(2, /is already in use: choose another port/, 'serve', directory, '--gateway', `127.0.0.1:${port}`);
    taken.close();
  });

  it('a target that takes no connection', async () => {
    await refuses(1, /OFFLOAD_TCP_ENTRIES/, 'demo', '--size', '100KB', '--target-connections', '0');
  });

  it('a name that cannot be resolved', () => {
    for (const code of ['ENOTFOUND', 'EAI_AGAIN']) {
      const error = Object.assign(new Error(`getaddrinfo ${code} 300.0.0.1`), { code });
      expect(describeSystemError(error, '300.0.0.1:80')).toMatch(/^300\.0\.0\.1:80 cannot be resolved \(E\w+\): use/);
    }
  });

  it.runIf(existsSync('/dev/full'))('an output without space', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'demo', '--size', '1000', '--moves', '0', '--json'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(stderr).toMatch(/^chimney: there is no space left for the output[^\n]*\n$/);
    expect(status).toBe(1);
  });

  it('no command: the help, as an error', async () => {
    const { code, stdout, stderr } = await chimney();
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: chimney/);
  });
});

describe('help', () => {
  it.each([[['--help']], [['demo', '--help']], [['serve', '--help']], [['help', 'demo']]])('%j', async (args) => {
    const { code, stdout, stderr } = await chimney(...args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: chimney/);
  });

  it('--version', async () => {
    const { code, stdout } = await chimney('--version');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

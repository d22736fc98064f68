/** `npm run test:node-net` judges rightly: with a folder of made-up tests in place of Node's own. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const script = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'scripts', 'test-node-net.mjs');

/** Passes over Chimney alone: `--import` has put it in place of Node’s own. */
const OVER_CHIMNEY = `
const net = require('net');
if (net !== globalThis[Symbol.for("chimney.net")]) throw new Error("plain");
const server = net.createServer((socket) => socket.end('x')).listen(0, () => {
  net.connect(server.address().port).on('data', () => server.close()).resume();
});`;
const FAILS_OVER_CHIMNEY =
  "if (globalThis[Symbol.for('chimney.net')] !== undefined) throw new Error('only over Chimney');";
const FAILS_EVERYWHERE = "throw new Error('always');";
const SKIPS = "console.log('1..0 # Skipped: not here');";

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'chimney-node-net-'));
  for (const part of ['parallel', 'sequential']) mkdirSync(join(folder, part));
  writeFileSync(join(folder, 'package.json'), '{}');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the script over these tests with these expectations. */
function judge(tests: Record<string, string>, lists: { notApplicable?: object; expectedFailures?: object }) {
  for (const part of ['parallel', 'sequential']) {
    rmSync(join(folder, part), { recursive: true });
    mkdirSync(join(folder, part));
  }
  for (const [file, text] of Object.entries(tests)) writeFileSync(join(folder, file), text);
  const expectations = join(folder, 'expectations.json');
  writeFileSync(expectations, JSON.stringify({ notApplicable: {}, expectedFailures: {}, ...lists }));
  const run = spawnSync(process.execPath, [script, '--directory', folder, '--expectations', expectations], {
    encoding: 'utf8',
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

describe('the run of Node’s own tests', () => {
  it('counts what passes, what cannot apply, and what fails here whatever net is used', () => {
    const tests = {
      'parallel/test-net-a.js': OVER_CHIMNEY,
      'sequential/test-net-b.js': OVER_CHIMNEY,
      'parallel/test-net-c.js': FAILS_EVERYWHERE,
      'parallel/test-net-d.js': SKIPS,
      'parallel/test-net-e.js': 'for (;;);',
      'parallel/test-http-f.js': FAILS_EVERYWHERE,
    };
    const { status, output } = judge(tests, { notApplicable: { 'test-net-e.js': 'never ends' } });
    expect(output).toContain('2 passed, 0 failed, 3 skipped');
    expect(status).toBe(0);
  });

  it('a failure that nobody expected fails the run', () => {
    const { status, output } = judge({ 'parallel/test-net-a.js': FAILS_OVER_CHIMNEY }, {});
    expect(output).toContain('parallel/test-net-a.js has failed');
    expect(output).toContain('0 passed, 1 failed, 0 skipped');
    expect(status).toBe(1);
  });

  it('an expected failure does not, until it passes', () => {
    const lists = { expectedFailures: { 'test-net-a.js': 'a reason' } };
    const failing = judge({ 'parallel/test-net-a.js': FAILS_OVER_CHIMNEY }, lists);
    expect(failing.output).toContain('fails as expected  parallel/test-net-a.js: a reason');
    expect(failing.output).toContain('0 passed, 1 failed, 0 skipped');
    expect(failing.status).toBe(0);
    const passing = judge({ 'parallel/test-net-a.js': OVER_CHIMNEY }, lists);
    expect(passing.output).toContain('parallel/test-net-a.js passes now');
    expect(passing.status).toBe(1);
  });

  it('a list that names what is not there fails the run', () => {
    const { status, output } = judge({}, { notApplicable: { 'test-net-gone.js': 'a reason' } });
    expect(output).toContain('test-net-gone.js is expected to fail or skipped, but not there');
    expect(status).toBe(1);
  });
});

/**
 * `npm run test:node-net [-- NAME…]`: Node's own tests of `net`, run over Chimney.
 *
 * The tests come from Debian's source package of nodejs, the one whose major version is that of this Node, and stay in
 * `node_modules/.cache/node-net`. `scripts/node-net/expectations.json` says which cannot apply, and which fail, with a
 * reason each; an expected failure that passes fails the run. A failing test that also fails with Node's own `net` on this
 * machine says something about the machine: it counts as skipped, and the run says so.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { fetchTests } from './node-net/fetch.mjs';
import { build, checkNode, install, root } from './prepare.mjs';

const cache = join(root, 'node_modules', '.cache', 'node-net');
const hook = pathToFileURL(join(root, 'scripts', 'node-net', 'replace.mjs')).href;

/** Most seconds that one test may take, and all of them. */
const TIME_LIMIT = 30;
const TOTAL_LIMIT = 20 * 60;

/** Runs one test; answers its exit code or signal, and what it printed. */
function runTest(directory, file, worker, replaced) {
  const text = readFileSync(join(directory, file), 'utf8');
  const flags = /^\/\/ Flags: (.*)$/m.exec(text)?.[1].trim().split(/\s+/) ?? [];
  const loader = replaced ? ['--import', hook] : [];
  const temporary = join(cache, 'tmp', String(worker));
  mkdirSync(temporary, { recursive: true });
  // Some tests start programs of their own: all of them end with the test.
  const child = spawn(process.execPath, [...loader, ...flags, join(directory, file)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TEST_THREAD_ID: String(worker), NODE_TEST_DIR: temporary },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => {
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nobody is left.
      }
    };
    const timer = setTimeout(end, TIME_LIMIT * 1_000);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      end();
      const isSkip = code === 0 && /^1\.\.0 # Skipped/m.test(output);
      setImmediate(() => resolve({ passed: code === 0 && !isSkip, skipped: isSkip, status: signal ?? code, output }));
    });
  });
}

checkNode();
install();
build();
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    /** A folder like Node's `test`, instead of fetching that. */
    directory: { type: 'string' },
    expectations: { type: 'string', default: join(root, 'scripts', 'node-net', 'expectations.json') },
  },
});
const expectations = JSON.parse(readFileSync(values.expectations, 'utf8'));
const directory = values.directory ?? fetchTests(cache);
setTimeout(() => {
  console.error(`not done after ${TOTAL_LIMIT / 60} minutes`);
  process.exit(1);
}, TOTAL_LIMIT * 1_000).unref();
const files = ['parallel', 'sequential']
  .flatMap((part) => readdirSync(join(directory, part)).map((name) => `${part}/${name}`))
  .filter((file) => /\/test-net-.*\.m?js$/.test(file))
  .filter((file) => wanted.length === 0 || wanted.some((name) => file.includes(name)));

/** A list that names tests which are not there any more, or one twice, says nothing true about them. */
function checkExpectations() {
  const { notApplicable, expectedFailures } = expectations;
  const names = new Set(files.map((file) => file.replace(/^.*\//, '')));
  for (const name of [...Object.keys(notApplicable), ...Object.keys(expectedFailures)]) {
    if (wanted.length === 0 && !names.has(name))
      unexpected.push(`${name} is expected to fail or skipped, but not there.`);
    if (name in notApplicable && name in expectedFailures) unexpected.push(`${name} is on both lists.`);
  }
}

const counts = { passed: 0, failed: 0, skipped: 0 };
const unexpected = [];

async function judge(file, worker) {
  const name = file.replace(/^.*\//, '');
  if (name in expectations.notApplicable) {
    counts.skipped++;
    return;
  }
  const result = await runTest(directory, file, worker, true);
  const known = expectations.expectedFailures[name];
  if (result.passed) {
    counts.passed++;
    if (known !== undefined) unexpected.push(`${file} passes now: take it off the list of expected failures.`);
  } else if (result.skipped) {
    counts.skipped++;
  } else if (known !== undefined) {
    counts.failed++;
    console.log(`fails as expected  ${file}: ${known}`);
  } else if (!(await runTest(directory, file, worker, false)).passed) {
    counts.skipped++;
    console.log(`skipped            ${file}: fails with Node’s own net on this machine too`);
  } else {
    counts.failed++;
    unexpected.push(`${file} has failed (${result.status}):\n${result.output.trim()}`);
  }
}

/** Tests of `sequential` use fixed ports and times: they run one after the other, after all others. */
async function runAll(list, workers) {
  const queue = [...list];
  const work = async (worker) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await judge(file, worker);
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
}

checkExpectations();
await runAll(
  files.filter((file) => file.startsWith('parallel/')),
  Math.max(2, availableParallelism()),
);
await runAll(
  files.filter((file) => file.startsWith('sequential/')),
  1,
);
for (const sentence of unexpected) console.log(sentence);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(unexpected.length > 0 ? 1 : 0);

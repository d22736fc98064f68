/**
 * `npm run test:node-net [-- NAME…]`: Node's own tests of `net`, run over Chimney.
 *
 * The tests come from Debian's source package of nodejs, the one whose major version is that of this Node, and stay in
 * `node_modules/.cache/node-net`. `scripts/node-net/expectations.json` says which cannot apply, and which fail, with a
 * reason each; an expected failure that passes fails the run. A failing test that also fails with Node's own `net` on this
 * machine says something about the machine: it counts as skipped, and the run says so.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, checkNode, install, root } from './prepare.mjs';

const cache = join(root, 'node_modules', '.cache', 'node-net');
const hook = pathToFileURL(join(root, 'scripts', 'node-net', 'replace.mjs')).href;
const major = process.versions.node.split('.')[0];

/** Most seconds that one test may take. */
const TIME_LIMIT = 30;

/** Debian releases, and the major version of nodejs in each. */
const RELEASES = { bookworm: '18', trixie: '20' };

const PARTS = ['test/parallel/test-net-*', 'test/sequential/test-net-*', 'test/common/*', 'test/fixtures/*'];

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

function execute(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.error !== undefined) fail(`${command} could not be run: ${result.error.message}`);
  if (result.status !== 0) fail(`${command} ${args.at(-1)} has failed: ${(result.stderr || result.stdout).trim()}`);
  return result.stdout;
}

/** Fetches and unpacks the tests; answers where they are. */
function fetchTests() {
  const release = Object.keys(RELEASES).find((name) => RELEASES[name] === major) ?? 'trixie';
  const directory = join(cache, release);
  const done = join(directory, 'source');
  if (existsSync(join(done, '.complete'))) return join(done, 'test');
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).error !== undefined) {
    fail('Node’s tests are fetched from Debian’s source package of nodejs: run this as root where apt-get is.');
  }
  if (spawnSync('tar', ['--version']).error !== undefined)
    fail('tar is missing: install the packages tar and xz-utils.');
  console.log(`fetching the source package of nodejs from Debian ${release}`);
  rmSync(directory, { recursive: true, force: true });
  for (const name of ['lists/partial', 'archives/partial', 'source'])
    mkdirSync(join(directory, name), { recursive: true });
  const list = join(directory, 'sources.list');
  // The mirror that the machine is set up with.
  writeFileSync(list, `deb-src ${mirror()} ${release} main\n`);
  const options = Object.entries({
    'Dir::Etc::sourcelist': list,
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(directory, 'lists'),
    'Dir::Cache': directory,
    'APT::Sandbox::User': 'root',
  }).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  execute('apt-get', ['-q', ...options, 'update']);
  execute('apt-get', ['-q', ...options, 'source', '--download-only', 'nodejs'], { cwd: directory });
  const archive = readdirSync(directory).find((name) => /^nodejs_[^-]*\.orig\.tar\.\w+$/.test(name));
  if (archive === undefined) fail('The source package of nodejs has no archive that this script knows.');
  const patterns = PARTS.map((part) => `*/${part}`);
  execute('tar', ['-xf', archive, '-C', 'source', '--strip-components=1', '--wildcards', ...patterns], {
    cwd: directory,
  });
  writeFileSync(join(done, '.complete'), '');
  return join(done, 'test');
}

/** Where the machine gets its Debian packages. */
function mirror() {
  const files = ['/etc/apt/sources.list'];
  const parts = '/etc/apt/sources.list.d';
  if (existsSync(parts)) files.push(...readdirSync(parts).map((name) => join(parts, name)));
  for (const file of files.filter((name) => existsSync(name))) {
    const match = /^(?:deb(?:\s+\[[^\]]*\])?|URIs:)\s+(\S+\/debian\/?)(?:\s|$)/m.exec(readFileSync(file, 'utf8'));
    if (match !== null) return match[1];
  }
  return 'http://deb.debian.org/debian';
}

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
const expectations = JSON.parse(readFileSync(join(root, 'scripts', 'node-net', 'expectations.json'), 'utf8'));
const directory = fetchTests();
const wanted = process.argv.slice(2);
const files = ['parallel', 'sequential']
  .flatMap((part) => readdirSync(join(directory, part)).map((name) => `${part}/${name}`))
  .filter((file) => /\/test-net-.*\.m?js$/.test(file))
  .filter((file) => wanted.length === 0 || wanted.some((name) => file.includes(name)));

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

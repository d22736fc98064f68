/** Fetches Node's own tests: from Debian's source package of nodejs, the one whose major version is that of this Node. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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

/** Fetches and unpacks the tests into `cache`, unless they are there; answers where they are. */
export function fetchTests(cache) {
  const major = process.versions.node.split('.')[0];
  const release = Object.keys(RELEASES).find((name) => RELEASES[name] === major) ?? 'trixie';
  const directory = join(cache, release);
  const done = join(directory, 'source');
  if (existsSync(join(done, '.complete'))) return join(done, 'test');
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).error !== undefined) {
    fail('Node’s tests are fetched from Debian’s source package of nodejs: run this as root where apt-get is.');
  }
  for (const [program, name] of [
    ['tar', 'tar'],
    ['xz', 'xz-utils'],
  ]) {
    if (spawnSync(program, ['--version']).error === undefined) continue;
    if (process.env.CI !== 'true') fail(`${program} is missing: install the package ${name}.`);
    execute('apt-get', ['-q', 'install', '-y', '--no-install-recommends', name]);
  }
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

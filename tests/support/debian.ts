/** Programs that some tests need, and how a machine of the continuous integration gets them. */
import { spawnSync } from 'node:child_process';

function isThere(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Installs a Debian package; answers why that failed, or null. */
function install(name: string): string | null {
  if (process.getuid?.() !== 0) return 'this user may not install packages';
  if (!isThere('apt-get')) return 'there is no apt-get here';
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, encoding: 'utf8' } as const;
  // Lists that are a few days old are good enough: they are fetched only when the package is not found without.
  for (const before of [[], ['update']]) {
    if (before.length > 0) spawnSync('apt-get', ['-q', ...before], options);
    const result = spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', name], options);
    if (result.status === 0) return null;
  }
  return `apt-get could not install ${name}`;
}

/**
 * Makes sure that a program is there, installs its package when it may. Elsewhere than in the continuous integration
 * (`CI=true`) a program may be missing: then the answer is false, and the tests say that they looked with less.
 *
 * @throws Error in the continuous integration, when it is missing and cannot be installed
 */
export function hasProgram(command: string, packageName = command): boolean {
  if (isThere(command)) return true;
  const reason = install(packageName);
  if (reason === null && isThere(command)) return true;
  if (process.env['CI'] === 'true')
    throw new Error(`These tests need ${command}, and ${reason}: install ${packageName}.`);
  console.warn(`${command} is not here (${reason}): captures are checked by our own reader alone.`);
  return false;
}

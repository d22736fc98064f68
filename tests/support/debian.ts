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
 * Makes sure that a program is there; installs its package when it may.
 *
 * @throws Error when it is missing and cannot be installed
 */
export function requireProgram(command: string, packageName = command): void {
  if (isThere(command)) return;
  const reason = install(packageName);
  if (reason === null && isThere(command)) return;
  throw new Error(
    `These tests need ${command}, and ${reason ?? 'its package did not bring it'}: install ${packageName}.`,
  );
}

/**
 * The same for a program that makes a test sharper. Elsewhere than in the continuous integration (`CI=true`) it may be
 * missing: then the answer is false, and the test looks with less.
 */
export function hasProgram(command: string, packageName = command): boolean {
  try {
    requireProgram(command, packageName);
    return true;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.warn((error as Error).message);
    return false;
  }
}

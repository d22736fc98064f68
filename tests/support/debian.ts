/** Programs that some tests need, and how a machine of the continuous integration gets them. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

function isThere(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** What asks whether services may be started: packages of servers start them when they are installed. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';
const NO_SERVICES = '#!/bin/sh\nexit 101\n';

/** Test files run at the same time, and only one may install: how often and how long to wait for the others, seconds. */
const ATTEMPTS = 5;
const PAUSE_SECONDS = 3;
const LOCK_SECONDS = 120;

/** Installs a Debian package, without starting what is in it; answers why that failed, or null. */
function install(name: string): string | null {
  if (process.getuid?.() !== 0) return 'this user may not install packages';
  if (!isThere('apt-get')) return 'there is no apt-get here';
  const hadPolicy = existsSync(SERVICE_POLICY);
  if (!hadPolicy) writeFileSync(SERVICE_POLICY, NO_SERVICES, { mode: 0o755 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // Lists that are a few days old are good enough: they are fetched only when the package is not found without.
      if (attempt > 0) apt('update');
      if (apt('install', '-y', '--no-install-recommends', name)) return null;
      spawnSync('sleep', [String(PAUSE_SECONDS)]);
    }
  } finally {
    if (!hadPolicy) rmSync(SERVICE_POLICY, { force: true });
  }
  return `apt-get could not install ${name}`;
}

function apt(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', ['-q', '-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`, ...args], { env }).status === 0;
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

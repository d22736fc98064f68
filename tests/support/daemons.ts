/** Servers of other people, run for a test: configured in a directory of their own, ended by it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';

const ATTEMPTS = 500;
const PAUSE_MILLISECONDS = 10;

export interface Daemon {
  readonly directory: string;
  close(): Promise<void>;
}

/** Starts a server in a namespace, or in that of the test. */
function launch(namespace: Namespace | null, command: string, args: readonly string[]): ChildProcess {
  const child =
    namespace === null ? spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] }) : namespace.start(command, args);
  child.stdout?.resume();
  return child;
}

/** A server that answers: resolves when `isUp` says so. @throws Error with its complaints when it ends before */
async function running(child: ChildProcess, directory: string, isUp: () => Promise<boolean>): Promise<Daemon> {
  let complaints = '';
  let ended = false;
  child.stderr?.on('data', (text) => {
    complaints += text;
  });
  const end = new Promise<void>((resolve) => child.once('close', () => resolve()));
  end.then(() => {
    ended = true;
  });
  for (let i = 0; !(await isUp()); i++) {
    if (ended || i > ATTEMPTS) throw new Error(`The server does not run: ${complaints}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
  }
  return {
    directory,
    async close() {
      child.kill('SIGTERM');
      await end;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Whether somebody accepts connections there. */
function accepts(target: { port: number } | { path: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', ...target });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Whether somebody in the namespace listens on the port. */
function listens(namespace: Namespace, port: number): boolean {
  const args = ['netns', 'exec', namespace.name, 'ss', '-Htln', `sport = :${port}`];
  return execFileSync('ip', args, { encoding: 'utf8' }) !== '';
}

const upAt = (namespace: Namespace | null, port: number): (() => Promise<boolean>) =>
  namespace === null ? () => accepts({ port }) : async () => listens(namespace, port);

const temporary = (): string => mkdtempSync(join(tmpdir(), 'chimney-daemon-'));

/** nginx on a port, of the namespace or of the loopback interface, with these files. */
export async function startNginx(
  namespace: Namespace | null,
  port: number,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<Daemon> {
  const directory = temporary();
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(directory, name), bytes);
  const at = namespace === null ? `127.0.0.1:${port}` : `[::]:${port} ipv6only=off`;
  writeFileSync(
    join(directory, 'nginx.conf'),
    `daemon off; master_process off; pid ${directory}/pid; error_log stderr crit;
    events {}
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_timeout 60;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')}
      server { listen ${at}; root ${directory}; }
    }`,
  );
  const child = launch(namespace, 'nginx', ['-p', directory, '-e', 'stderr', '-c', join(directory, 'nginx.conf')]);
  return await running(child, directory, upAt(namespace, port));
}

/** iperf3 as a server. */
export async function startIperf(namespace: Namespace | null, port: number): Promise<Daemon> {
  const directory = temporary();
  const child = launch(namespace, 'iperf3', ['-s', '-p', String(port)]);
  // A connection that says nothing would be its client.
  const isUp = async (): Promise<boolean> =>
    execFileSync('ss', ['-Htln', `sport = :${port}`], { encoding: 'utf8' }) !== '';
  return await running(child, directory, namespace === null ? isUp : upAt(namespace, port));
}

/** An SSH server on a port of the loopback interface, and the arguments with which a client may log in. */
export async function startSshd(port: number): Promise<{ daemon: Daemon; clientArguments: string[] }> {
  const directory = temporary();
  const at = (name: string): string => join(directory, name);
  for (const key of ['host', 'client']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(key)]);
  // Where sshd keeps its unprivileged half; its package makes it when the service starts.
  mkdirSync('/run/sshd', { recursive: true });
  const settings = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('client.pub')}`,
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    'PasswordAuthentication no',
  ];
  writeFileSync(at('sshd_config'), `${settings.join('\n')}\n`);
  const child = launch(null, '/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd_config')]);
  const daemon = await running(child, directory, upAt(null, port));
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'IdentitiesOnly=yes', 'BatchMode=yes'];
  const clientArguments = [
    ...['-q', '-F', 'none', '-i', at('client'), '-l', userInfo().username],
    ...options.flatMap((option) => ['-o', option]),
  ];
  return { daemon, clientArguments };
}

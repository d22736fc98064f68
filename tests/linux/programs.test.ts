/** Programs of other people at the other end, or behind our host: they notice nothing, while their connections move. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createFileServer } from '../../src/cli/file-server.ts';
import { connect, Server } from '../../src/net/index.ts';
import { sha256 } from '../support/connection-end.mjs';
import { type Daemon, startIperf, startNginx, startSshd } from '../support/daemons.ts';
import { requireProgram } from '../support/debian.ts';
import { freePort, KernelLab, LINK_CLASSES, type LinkClass } from '../support/kernel-lab.ts';
import {
  HOST_ADDRESS,
  HOST_ADDRESS_6,
  hasKernel,
  KERNEL_ADDRESS,
  KERNEL_ADDRESS_6,
  resultOf,
} from '../support/namespace.ts';
import { noise, readAll } from '../support/streams.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const MEBIBYTE = 1024 * 1024;
const HTTP_PORT = 80;
const SSH_PORT = 22;
const IPERF_PORT = 5201;

/** Installing takes its time. */
const INSTALL_MILLISECONDS = 300_000;

const FAMILIES = { IPv4: [HOST_ADDRESS, KERNEL_ADDRESS], IPv6: [HOST_ADDRESS_6, KERNEL_ADDRESS_6] } as const;

let lab: KernelLab;
const daemons: Daemon[] = [];

function open(linkClass: LinkClass): KernelLab {
  lab = new KernelLab(linkClass);
  return lab;
}

async function daemon<D extends Daemon>(starting: Promise<D>): Promise<D> {
  const started = await starting;
  daemons.push(started);
  return started;
}

afterEach(async () => {
  await lab.close();
  for (const running of daemons.splice(0)) await running.close();
});

const urlOf = (address: string): string => `http://${address.includes(':') ? `[${address}]` : address}`;

describe.runIf(hasKernel())('unmodified programs', () => {
  beforeAll(() => {
    requireProgram('curl');
    requireProgram('iperf3');
    requireProgram('nginx', 'nginx-light');
    requireProgram('ssh', 'openssh-client');
    requireProgram('/usr/sbin/sshd', 'openssh-server');
  }, INSTALL_MILLISECONDS);

  for (const linkClass of LINK_CLASSES) {
    for (const [family, [ours, theirs]] of Object.entries(FAMILIES)) {
      const name = `${linkClass}, ${family}`;

      it(`${name}: curl downloads many files at once, slowly too, and uploads`, async () => {
        const directory = temporaryDirectory();
        const files = Array.from({ length: 24 }, (_, i) => noise((i * i * 3_001) % (2 * MEBIBYTE)));
        files.forEach((bytes, i) => void writeFileSync(join(directory, `file-${i}`), bytes));
        const { tap } = open(linkClass);
        const server = createFileServer(directory);
        new Server(tap.host, (socket) => {
          lab.move(socket);
          server.serve(socket);
        }).listen(HTTP_PORT);
        const target = temporaryDirectory();
        const url = urlOf(ours);
        await lab.run('curl', ['-sSfZ', '-o', join(target, 'file-#1'), `${url}/file-[0-23]`]);
        files.forEach((bytes, i) => void expect(sha256(readFileSync(join(target, `file-${i}`)))).toBe(sha256(bytes)));
        // A reader that is slower than the sender closes its window again and again.
        const slow = await lab.run('curl', ['-sSfg', '--limit-rate', '4M', `${url}/file-23`]);
        expect(sha256(slow.stdout)).toBe(sha256(files[23]));
        const part = await lab.run('curl', ['-sSfg', '-r', '1000-200999', `${url}/file-22`]);
        expect(sha256(part.stdout)).toBe(sha256(files[22].subarray(1_000, 201_000)));
        const uploads = files
          .slice(16)
          .map((_, i) => ['-T', join(directory, `file-${16 + i}`), `${url}/copy-${16 + i}`]);
        await lab.run('curl', ['-sSfgZ', ...uploads.flat()]);
        for (let i = 16; i < 24; i++) {
          expect(sha256(readFileSync(join(directory, `copy-${i}`)))).toBe(sha256(files[i]));
        }
        lab.check();
      });

      it(`${name}: nginx behind our host serves curl, and nginx in the namespace our own client`, async () => {
        open(linkClass);
        const files = { large: noise(12 * MEBIBYTE), small: noise(5_000), empty: Buffer.alloc(0) };
        const behind = await freePort();
        await daemon(startNginx(null, behind, files));
        lab.relay(HTTP_PORT, { port: behind, host: '127.0.0.1' });
        for (const [file, bytes] of Object.entries(files)) {
          const { stdout } = await lab.run('curl', ['-sSfg', `${urlOf(ours)}/${file}`]);
          expect(sha256(stdout)).toBe(sha256(bytes));
        }
        await daemon(startNginx(lab.namespace, HTTP_PORT, files));
        const agent = new Agent({ keepAlive: true });
        agent.createConnection = (_options, _callback): Duplex => {
          const socket = connect(lab.tap.host, { host: theirs, port: HTTP_PORT });
          lab.move(socket);
          return socket;
        };
        for (const [file, bytes] of [...Object.entries(files), ...Object.entries(files)]) {
          const [response] = (await once(request({ agent, path: `/${file}` }).end(), 'response')) as [IncomingMessage];
          expect(response.statusCode).toBe(200);
          expect(sha256(await readAll(response))).toBe(sha256(bytes));
        }
        agent.destroy();
        lab.check();
      });
    }

    for (const flags of [[], ['-R'], ['--bidir'], ['-P', '4']]) {
      it(`${linkClass}: iperf3 ${flags.join(' ')}`, async () => {
        open(linkClass);
        const behind = await freePort();
        await daemon(startIperf(null, behind));
        lab.relay(IPERF_PORT, { port: behind, host: '127.0.0.1' });
        const { stdout } = await lab.run('iperf3', ['-c', HOST_ADDRESS, '-n', '32M', '-J', ...flags]);
        const { end } = JSON.parse(stdout.toString());
        expect(end.sum_sent.bytes).toBeGreaterThanOrEqual(32 * MEBIBYTE);
        expect(end.sum_received.bytes).toBeGreaterThan(0);
        lab.check();
      });
    }

    it(`${linkClass}: iperf3 both ways to a server in the namespace`, async () => {
      open(linkClass);
      await daemon(startIperf(lab.namespace, IPERF_PORT));
      const port = String(await lab.reach(IPERF_PORT));
      for (const flags of [[], ['-R']]) {
        const args = ['-c', '127.0.0.1', '-p', port, '-n', '32M', '-J', ...flags];
        const { stdout } = await resultOf(spawn('iperf3', args));
        const { end } = JSON.parse(stdout.toString());
        expect(end.sum_sent.bytes).toBeGreaterThanOrEqual(32 * MEBIBYTE);
      }
      lab.check(false);
    });

    it(`${linkClass}: ssh carries 4 MiB there and back, with new keys every MiB`, async () => {
      open(linkClass);
      const behind = await freePort();
      const { daemon: sshd, clientArguments } = await startSshd(behind);
      daemons.push(sshd);
      lab.relay(SSH_PORT, { port: behind, host: '127.0.0.1' });
      const bytes = noise(4 * MEBIBYTE);
      const address = linkClass === 'class A' ? HOST_ADDRESS : HOST_ADDRESS_6;
      const { stdout, stderr } = await lab.run(
        'ssh',
        [...clientArguments, '-o', 'RekeyLimit=1M', address, 'cat'],
        bytes,
      );
      expect(stderr).toBe('');
      expect(sha256(stdout)).toBe(sha256(bytes));
      lab.check();
    });
  }
});

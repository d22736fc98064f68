/** Node's HTTP in the namespace, over the kernel's TCP, with Node's HTTP over ours, while the connections move. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { adopt, connect, type Socket } from '../../src/net/index.ts';
import { createTestServer } from '../support/http-server.mjs';
import { KernelLab, LINK_CLASSES } from '../support/kernel-lab.ts';
import { HOST_ADDRESS, HOST_ADDRESS_6, hasKernel, KERNEL_ADDRESS, KERNEL_ADDRESS_6 } from '../support/namespace.ts';
import { readAll, until } from '../support/streams.ts';

const PORT = 80;
const CLIENT = join(import.meta.dirname, '..', 'support', 'http-client.mjs');
const SERVER = pathToFileURL(join(import.meta.dirname, '..', 'support', 'http-server.mjs'));

let lab: KernelLab;
afterEach(() => lab.close());

/** An HTTP server on our host whose connections move. */
function serve(): { open: () => number } {
  const server = adopt(createTestServer(), lab.tap.host);
  const sockets = new Set<Socket>();
  server.on('connection', (connection) => {
    const socket = connection as unknown as Socket;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    lab.move(socket);
  });
  server.listen(PORT);
  return { open: () => sockets.size };
}

interface Seen {
  readonly right: number;
  readonly wrong: number;
  readonly aborted: number;
  readonly reused: number;
  readonly failed: readonly string[];
}

/** The client, in the namespace. */
async function browse(origin: string, connections: number, requests: number, aborting: number): Promise<Seen> {
  const args = [CLIENT, origin, ...[connections, requests, aborting].map(String)];
  const { stdout } = await lab.run(process.execPath, args);
  return JSON.parse(stdout.toString());
}

describe.runIf(hasKernel())('HTTP with the kernel', () => {
  for (const linkClass of LINK_CLASSES) {
    it(`${linkClass}: a burst of 200 connections like those of browsers, some of them given up`, async () => {
      lab = new KernelLab(linkClass);
      const server = serve();
      const burst = await browse(`http://${HOST_ADDRESS}`, 200, 2, 10);
      expect(burst).toMatchObject({ right: 200 * 2 * 2, wrong: 0, aborted: 20, failed: [] });
      expect(burst.reused).toBeGreaterThan(200);
      const [few, more] = await Promise.all([
        browse(`http://[${HOST_ADDRESS_6}]`, 40, 3, 4),
        browse(`http://${HOST_ADDRESS}`, 40, 3, 4),
      ]);
      for (const seen of [few, more])
        expect(seen).toMatchObject({ right: 40 * 3 * 2, wrong: 0, aborted: 10, failed: [] });
      await until(() => server.open() === 0);
      lab.check();
    });

    it(`${linkClass}: our client asks a server of the kernel`, async () => {
      lab = new KernelLab(linkClass);
      const script = `
        const { createTestServer } = await import('${SERVER}');
        createTestServer().listen(${PORT}, '::', () => process.stderr.write('listening'));`;
      const child = lab.namespace.start(process.execPath, ['--input-type=module', '-e', script]);
      await once(child.stderr as NodeJS.ReadableStream, 'data');
      for (const host of [KERNEL_ADDRESS, KERNEL_ADDRESS_6]) {
        const agent = new Agent({ keepAlive: true, maxSockets: 4 });
        agent.createConnection = (): Duplex => {
          const socket = connect(lab.tap.host, { host, port: PORT });
          lab.move(socket);
          return socket;
        };
        const ask = async (
          path: string,
          body: Buffer | null,
        ): Promise<{ response: IncomingMessage; bytes: Buffer }> => {
          const outgoing = request({ agent, host, path, method: body === null ? 'GET' : 'POST' });
          outgoing.end(body);
          const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
          return { response, bytes: await readAll(response) };
        };
        const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
        await Promise.all(
          Array.from({ length: 12 }, async (_, i) => {
            const size = (i * i * 9_001) % 1_000_000;
            const { response, bytes } = await ask(`/${size}`, null);
            expect(bytes.length).toBe(size);
            expect(sum(bytes)).toBe(response.headers['x-sum']);
            const body = randomBytes(size);
            expect((await ask('/sum', body)).bytes.toString()).toBe(sum(body));
          }),
        );
        agent.destroy();
      }
      lab.check();
    });
  }
});

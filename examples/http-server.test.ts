import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { connect } from '../src/index.ts';
import { createExampleHttpServer } from './http-server.ts';
import { createTwoHosts, type TwoHosts } from './network.ts';

let network: TwoHosts;
let agent: Agent;

/** One connection for all requests of a test, opened on the client host. */
function start(): void {
  network = createTwoHosts();
  createExampleHttpServer(network.server).listen(80);
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
  Object.assign(agent, {
    createConnection: (): Duplex => connect(network.client, { host: network.serverAddress, port: 80 }),
  });
}

afterEach(() => {
  agent.destroy();
  network.close();
});

async function ask(method: string, path: string, body: Buffer | null = null): Promise<Buffer> {
  const outgoing = request({ agent, method, path });
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

it('serves requests on a connection that moves between them', async () => {
  start();
  const owners: string[] = [];
  for (const path of ['/', '/offload', '/', '/upload', '/']) {
    owners.push((JSON.parse((await ask('GET', path)).toString()) as { owner: string }).owner);
  }
  expect(owners).toEqual(['host', 'offloaded', 'offloaded', 'host', 'host']);
});

it('returns a large body byte for byte from the offload target', async () => {
  start();
  await ask('GET', '/offload');
  const body = randomFillSync(Buffer.alloc(1024 * 1024));
  expect((await ask('POST', '/', body)).equals(body)).toBe(true);
  expect(JSON.parse((await ask('GET', '/')).toString())).toEqual({ owner: 'offloaded', moves: 1 });
});

/** Node's http over sockets of the host stack. */
import { once } from 'node:events';
import {
  Agent,
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  request,
} from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect, createServer, type Socket } from '../../src/net/index.ts';
import { createHosts, SERVER_ADDRESS, type TestHosts } from '../support/hosts.ts';
import { noise, readAll, until } from '../support/streams.ts';

let hosts: TestHosts;
let agent: Agent;
let opened: Socket[];

beforeEach(() => {
  hosts = createHosts();
  opened = [];
  agent = new Agent({ keepAlive: true });
  Object.assign(agent, {
    createConnection: (): Duplex => {
      const socket = connect(hosts.client, { host: SERVER_ADDRESS, port: 80 });
      opened.push(socket);
      return socket;
    },
  });
});

afterEach(() => {
  agent.destroy();
  hosts.close();
});

function serve(http: HttpServer): void {
  createServer(hosts.server, (socket) => http.emit('connection', socket)).listen(80);
}

async function ask(path: string, body: Buffer | null = null): Promise<{ status: number; body: Buffer }> {
  const outgoing = request({ agent, path, method: body === null ? 'GET' : 'POST' });
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await readAll(response) };
}

it('serves requests over one kept connection', async () => {
  serve(createHttpServer((incoming, response) => response.end(incoming.url)));
  for (const path of ['/a', '/b', '/c']) {
    expect(await ask(path)).toEqual({ status: 200, body: Buffer.from(path) });
  }
  expect(opened.length).toBe(1);
});

it('streams large bodies both ways at once', async () => {
  serve(createHttpServer((incoming, response) => incoming.pipe(response)));
  const bodies = [noise(700_000), noise(500_000), noise(300_000)];
  const answers = await Promise.all(bodies.map((body) => ask('/', body)));
  expect(answers.map((answer, i) => answer.body.equals(bodies[i]))).toEqual([true, true, true]);
});

it('closes an idle connection after the keep-alive time of http', async () => {
  const http = createHttpServer((_incoming, response) => response.end('ok'));
  http.keepAliveTimeout = 50;
  serve(http);
  await ask('/');
  await until(() => opened[0].destroyed);
});

it('survives a client that goes away in the middle of a response', async () => {
  let isAborted = false;
  serve(
    createHttpServer((incoming, response) => {
      if (incoming.url === '/ok') {
        response.end('ok');
        return;
      }
      response.once('close', () => {
        isAborted = !response.writableFinished;
      });
      response.writeHead(200);
      response.write(noise(100_000));
    }),
  );
  const outgoing = request({ agent, path: '/endless' });
  outgoing.on('error', () => {});
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  await once(response, 'data');
  outgoing.destroy();
  await until(() => isAborted);
  expect((await ask('/ok')).body.toString()).toBe('ok');
});

/** Real loopback clients behind the gateway. */
import { once } from 'node:events';
import { Agent, createServer as createHttpServer, type IncomingMessage, request } from 'node:http';
import {
  connect as connectLoopback,
  createServer as createLoopbackServer,
  type Socket as LoopbackSocket,
} from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createServer, type Socket } from '../../src/net/index.ts';
import { Gateway } from '../../src/node/index.ts';
import { createHosts, SERVER_ADDRESS, type TestHosts } from '../support/hosts.ts';
import { noise, readAll, until } from '../support/streams.ts';

const PORT = 4000;

let hosts: TestHosts;
let gateway: Gateway;
let port: number;
let clients: LoopbackSocket[];

beforeEach(async () => {
  hosts = createHosts({ wire: { mtu: 9000 } });
  clients = [];
  gateway = new Gateway({
    host: hosts.client,
    serverAddress: SERVER_ADDRESS,
    serverPort: PORT,
    listenAddress: '127.0.0.1',
    listenPort: 0,
  });
  port = await gateway.listen();
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await gateway.close(0);
  hosts.close();
});

/** The far ends of connections, in the order in which they come. */
function serve(handler: (socket: Socket) => void): void {
  createServer(hosts.server, { allowHalfOpen: true }, (socket) => {
    // The end of a test may reset what is open.
    socket.on('error', () => {});
    handler(socket);
  }).listen(PORT);
}

function connect(): LoopbackSocket {
  const client = connectLoopback({ port, host: '127.0.0.1', allowHalfOpen: true });
  clients.push(client);
  return client;
}

describe('the gateway', () => {
  it('carries bytes both ways, and half closes', async () => {
    const request = noise(2_000_000);
    const answer = noise(3_000_000);
    let atServer: Buffer = Buffer.alloc(0);
    serve(async (socket) => {
      atServer = await readAll(socket);
      // The client has ended; its other half still reads.
      socket.end(answer);
    });
    const client = connect();
    client.end(request);
    const atClient = await readAll(client);
    expect(atServer.equals(request)).toBe(true);
    expect(atClient.equals(answer)).toBe(true);
    await until(() => gateway.active === 0);
  });

  it('half closes the other way round', async () => {
    const received: Promise<Buffer>[] = [];
    serve((socket) => {
      received.push(readAll(socket));
      socket.end('first');
    });
    const client = connect();
    expect((await readAll(client)).toString()).toBe('first');
    client.end('second');
    await until(() => received.length === 1);
    expect((await received[0]).toString()).toBe('second');
    await until(() => gateway.active === 0);
  });

  it('serves many clients at once', async () => {
    serve((socket) => socket.pipe(socket));
    const bodies = Array.from({ length: 50 }, (_, i) => noise(1 + i * 3_000));
    const answers = await Promise.all(
      bodies.map((body) => {
        const client = connect();
        client.end(body);
        return readAll(client);
      }),
    );
    expect(answers.every((answer, i) => answer.equals(bodies[i]))).toBe(true);
    await until(() => gateway.active === 0);
  });

  it('lets http through while every connection moves', async () => {
    const http = createHttpServer((incoming, response) => incoming.pipe(response));
    let moves = 0;
    serve(async (socket) => {
      http.emit('connection', socket);
      while (!socket.destroyed) {
        const result = socket.owner === 'host' ? await socket.offload() : await socket.upload();
        if (result.ok) moves++;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    for (let i = 0; i < 5 || moves < 10; i++) {
      const body = noise(400_000);
      const outgoing = request({ agent, port, host: '127.0.0.1', method: 'POST' });
      outgoing.end(body);
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      expect((await readAll(response)).equals(body)).toBe(true);
    }
    agent.destroy();
  });

  it('holds the client back while the server does not read', async () => {
    const accepted: Socket[] = [];
    serve((socket) => accepted.push(socket));
    const client = connect();
    const bytes = noise(32 * 1024 * 1024);
    client.end(bytes);
    await until(() => accepted.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(client.writableFinished).toBe(false);
    expect((await readAll(accepted[0])).equals(bytes)).toBe(true);
  });

  it('holds the server back while the client does not read', async () => {
    const bytes = noise(32 * 1024 * 1024);
    const sending: Socket[] = [];
    serve((socket) => {
      sending.push(socket);
      socket.end(bytes);
    });
    const client = connect();
    await until(() => sending.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(sending[0].writableFinished).toBe(false);
    expect((await readAll(client)).equals(bytes)).toBe(true);
  });

  it('passes the reset of a client on', async () => {
    const accepted: Socket[] = [];
    serve((socket) => accepted.push(socket));
    const client = connect();
    client.write('x');
    await until(() => accepted[0]?.counters?.bytesReceived === 1);
    client.resetAndDestroy();
    const [error] = await once(accepted[0], 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    await until(() => gateway.active === 0);
  });

  it('passes the reset of the server on', async () => {
    serve((socket) => {
      socket.once('data', () => socket.resetAndDestroy());
    });
    const client = connect();
    client.write('x');
    const [error] = await once(client, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    await until(() => gateway.active === 0);
  });

  it('resets clients when nobody listens behind it', async () => {
    const [error] = await once(connect(), 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    await until(() => gateway.active === 0);
  });

  it('resets what is still open after the grace of a close', async () => {
    serve(() => {});
    const client = connect();
    client.on('error', () => {});
    await until(() => gateway.active === 1);
    await gateway.close(20);
    expect(gateway.active).toBe(0);
  });

  it('lets what is open end by itself within the grace of a close', async () => {
    serve((socket) => socket.pipe(socket));
    const client = connect();
    await once(client, 'connect');
    await until(() => gateway.active === 1);
    const closed = gateway.close(60_000);
    client.end('bye');
    expect((await readAll(client)).toString()).toBe('bye');
    await closed;
  });

  it('says when its port is taken', async () => {
    const taken = createLoopbackServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const other = new Gateway({
      host: hosts.client,
      serverAddress: SERVER_ADDRESS,
      serverPort: PORT,
      listenAddress: '127.0.0.1',
      listenPort: address !== null && typeof address === 'object' ? address.port : 0,
    });
    await expect(other.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    taken.close();
  });
});

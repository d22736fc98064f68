import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, createServer, type Socket } from '../../src/net/index.ts';
import { createHosts, SERVER_ADDRESS, type TestHosts } from '../support/hosts.ts';
import { openPair, until } from '../support/streams.ts';

const PORT = 4000;

let hosts: TestHosts;

beforeEach(() => {
  hosts = createHosts();
});
afterEach(() => hosts.close());

describe('a server', () => {
  it('listens, and says where', async () => {
    const server = createServer(hosts.server);
    expect([server.listening, server.address()]).toEqual([false, null]);
    await new Promise<void>((resolve) => server.listen(PORT, resolve));
    expect(server.listening).toBe(true);
    expect(server.address()).toEqual({ address: '::', family: 'IPv6', port: PORT });
  });

  it('takes a free port when it is given 0', async () => {
    const server = createServer(hosts.server).listen(0);
    await once(server, 'listening');
    const port = server.address()?.port ?? 0;
    expect(port).toBeGreaterThan(0);
    await openPair(hosts, server, port);
  });

  it('emits EADDRINUSE for a port that is taken', async () => {
    createServer(hosts.server).listen(PORT);
    const second = createServer(hosts.server).listen(PORT);
    const [error] = await once(second, 'error');
    expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', address: '::', port: PORT });
    expect(second.listening).toBe(false);
  });

  it('refuses ports that are none, and to listen twice', () => {
    const server = createServer(hosts.server);
    for (const port of [-1, 65_536, 1.5, Number.NaN]) expect(() => server.listen(port)).toThrow(RangeError);
    server.listen(PORT);
    expect(() => server.listen(PORT)).toThrow(/^Listen method has been called more than once/);
  });

  it('hands out each connection once, and knows those that are open', async () => {
    const sockets: Socket[] = [];
    const server = createServer(hosts.server, (socket) => sockets.push(socket)).listen(PORT);
    for (let i = 0; i < 20; i++) connect(hosts.client, { host: SERVER_ADDRESS, port: PORT });
    await until(() => sockets.length === 20);
    expect(server.connections.size).toBe(20);
    expect(new Set(sockets.map((socket) => socket.remotePort)).size).toBe(20);
    for (const socket of sockets) socket.destroy();
    await until(() => server.connections.size === 0);
  });

  it('emits close when it listens no more and the last connection is gone', async () => {
    const server = createServer(hosts.server).listen(PORT);
    const { near, far } = await openPair(hosts, server, PORT);
    let isClosed = false;
    server.close(() => {
      isClosed = true;
    });
    const refused = connect(hosts.client, { host: SERVER_ADDRESS, port: PORT });
    const [error] = await once(refused, 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
    expect(isClosed).toBe(false);
    near.destroy();
    far.resume();
    await once(server, 'close');
    expect(isClosed).toBe(true);
  });

  it('answers close with an error when it does not listen', async () => {
    const error = await new Promise((resolve) => createServer(hosts.server).close(resolve));
    expect(error).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' });
  });

  it('gives the port free again', async () => {
    for (let i = 0; i < 3; i++) {
      const server = createServer(hosts.server).listen(PORT);
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
    }
  });
});

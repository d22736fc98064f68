/** Sockets of Node's are closed by a reset at any time. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resetSocket } from '../../src/node/reset-socket.ts';

let server: Server;
let client: Socket;
let socket: Socket;

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  [socket] = await once(server, 'connection');
});

afterEach(() => {
  client.destroy();
  server.close();
});

describe('the reset of a socket', () => {
  it('reaches the other end', async () => {
    client.resume();
    const closed = once(socket, 'close');
    resetSocket(socket);
    const [error] = await once(client, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    await closed;
  });

  it('closes a socket whose FIN is on its way', async () => {
    client.resume();
    const ended = once(client, 'end');
    const closed = once(socket, 'close');
    socket.end();
    // The stream asks the kernel in the next tick, and learns that it is done in a later turn of the event loop.
    await new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)));
    expect(socket.writableFinished).toBe(false);
    resetSocket(socket);
    await Promise.all([closed, ended]);
  });
});

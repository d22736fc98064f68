/** WebSockets of the package `ws` over Chimney. */
import { once } from 'node:events';
import http from 'node:http';
import { expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import net, { adopt } from '../../src/net/drop-in.ts';
import { listen } from './close.ts';

it('carries messages both ways', async () => {
  const server = adopt(http.createServer());
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const port = await listen(server);
  const client = new WebSocket(`ws://localhost:${port}/`, { createConnection: net.createConnection as never });
  await once(client, 'open');
  const large = Buffer.alloc(100_000, 'frame');
  for (const message of ['hello', large]) {
    client.send(message);
    const [answer, isBinary] = (await once(client, 'message')) as [Buffer, boolean];
    expect(isBinary).toBe(typeof message !== 'string');
    expect(answer.equals(Buffer.from(message))).toBe(true);
  }
  client.close(1000);
  const [code] = (await once(client, 'close')) as [number];
  expect(code).toBe(1000);
});

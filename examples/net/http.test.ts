/** Node's `http`, server and client, over Chimney. In your program the import reads `from 'chimney/net'`. */
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { buffer, text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import net, { adopt, type Socket } from '../../src/net/drop-in.ts';
import { afterwards, listen } from './close.ts';

it('serves a request', async () => {
  const server = adopt(http.createServer((request, response) => response.end(`you asked for ${request.url}`)));
  const port = await listen(server);
  const request = http.get({ port, path: '/news', createConnection: net.createConnection as never });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(await text(response)).toBe('you asked for /news');
  expect(server.listening).toBe(true);
});

it('keeps one connection for many requests, while it moves to the offload target and back', async () => {
  const owners: string[] = [];
  const server = adopt(
    http.createServer((request, response) => {
      owners.push((request.socket as unknown as InstanceType<typeof Socket>).owner);
      request.pipe(response);
    }),
  );
  const port = await listen(server);
  const opened: InstanceType<typeof Socket>[] = [];
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  afterwards(() => agent.destroy());
  Object.assign(agent, {
    createConnection: (options: { port: number }) => {
      const socket = net.createConnection({ port: options.port });
      opened.push(socket);
      return socket;
    },
  });
  const body = Buffer.alloc(300_000, 'chimney');
  let accepted: InstanceType<typeof Socket> | null = null;
  server.on('connection', (socket) => {
    accepted = socket as unknown as InstanceType<typeof Socket>;
  });
  for (let i = 0; i < 3; i++) {
    const request = http.request({ port, method: 'POST', agent });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect((await buffer(response)).equals(body)).toBe(true);
    const mover = accepted as unknown as InstanceType<typeof Socket>;
    const move = await (i === 0 ? mover.offload() : mover.upload());
    expect(move.ok).toBe(i < 2);
  }
  expect(opened.length).toBe(1);
  expect(owners).toEqual(['host', 'offloaded', 'host']);
});

it('closes like a server of its own kind', async () => {
  const server = adopt(http.createServer((_request, response) => response.end()));
  await new Promise<void>((resolve) => server.listen(0, resolve));
  await new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
  expect([server.listening, server.address()]).toEqual([false, null]);
});

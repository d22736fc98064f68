/** The HTTP client `undici` over Chimney. */
import http from 'node:http';
import { Agent, fetch } from 'undici';
import { expect, it } from 'vitest';
import net, { adopt } from '../../src/net/drop-in.ts';
import { afterwards, listen } from './close.ts';

it('fetches', async () => {
  const port = await listen(adopt(http.createServer((request, response) => request.pipe(response))));
  const dispatcher = new Agent({
    connect({ hostname, port: to }, callback) {
      const socket = net.connect({ host: hostname, port: to });
      socket.once('error', (error) => callback(error, null));
      socket.once('connect', () => callback(null, socket as never));
    },
  });
  afterwards(() => void dispatcher.destroy());
  const answers = await Promise.all(
    ['one', 'two', 'three'].map(async (body) => {
      const response = await fetch(`http://localhost:${port}/`, { method: 'POST', body, dispatcher });
      return [response.status, await response.text()];
    }),
  );
  expect(answers).toEqual([
    [200, 'one'],
    [200, 'two'],
    [200, 'three'],
  ]);
});

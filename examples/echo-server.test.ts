import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { connect } from '../src/index.ts';
import { createEchoServer, type MoveCounts } from './echo-server.ts';
import { createTwoHosts } from './network.ts';

it('echoes every byte while the connection moves down and up', async () => {
  const network = createTwoHosts();
  const counts: MoveCounts = { down: 0, up: 0, refused: 0 };
  const server = createEchoServer(network.server, counts).listen(7);
  await once(server, 'listening');

  const sent = randomFillSync(Buffer.alloc(2 * 1024 * 1024));
  const client = connect(network.client, { host: network.serverAddress, port: 7 });
  const received: Buffer[] = [];
  client.on('data', (chunk: Buffer) => received.push(chunk));
  client.end(sent);
  await once(client, 'end');

  expect(Buffer.concat(received).equals(sent)).toBe(true);
  expect(counts.down).toBeGreaterThan(1);
  expect(counts.up).toBeGreaterThan(1);
  expect(counts.refused).toBe(0);
  network.close();
});

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

  const client = connect(network.client, { host: network.serverAddress, port: 7 });
  const received: Buffer[] = [];
  client.on('data', (chunk: Buffer) => received.push(chunk));
  const sent: Buffer[] = [];
  // As many bytes as it takes for ten moves.
  while (counts.down + counts.up < 10) {
    const chunk = randomFillSync(Buffer.alloc(16 * 1024));
    sent.push(chunk);
    if (!client.write(chunk)) await once(client, 'drain');
  }
  client.end();
  await once(client, 'end');

  expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true);
  expect(counts.refused).toBe(0);
  network.close();
});

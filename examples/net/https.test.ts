/** Node's `https` over Chimney. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';
import { expect, it } from 'vitest';
import net, { adopt } from '../../src/net/drop-in.ts';
import { certificate } from './certificate.ts';
import { listen } from './close.ts';

it('serves a request over TLS', async () => {
  const { key, cert } = certificate();
  const server = adopt(https.createServer({ key, cert }, (request, response) => response.end(`secret ${request.url}`)));
  const port = await listen(server);
  const request = https.get({
    host: 'localhost',
    port,
    path: '/news',
    createConnection: () => tls.connect({ ca: cert, servername: 'localhost', socket: net.connect({ port }) as never }),
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(await text(response)).toBe('secret /news');
});

/** Node's `tls` over Chimney. */
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import tls from 'node:tls';
import { expect, it } from 'vitest';
import net, { adopt } from '../../src/net/drop-in.ts';
import { certificate } from './certificate.ts';
import { listen } from './close.ts';

it('carries bytes both ways', async () => {
  const { key, cert } = certificate();
  const server = adopt(tls.createServer({ key, cert }, (socket) => socket.pipe(socket)));
  const port = await listen(server);
  const client = tls.connect({ ca: cert, servername: 'localhost', socket: net.connect({ port }) as never });
  await once(client, 'secureConnect');
  expect(client.authorized).toBe(true);
  const bytes = Buffer.alloc(200_000, 'over the chimney');
  client.end(bytes);
  expect((await buffer(client)).equals(bytes)).toBe(true);
});

it('refuses a certificate that nobody vouches for', async () => {
  const { key, cert } = certificate();
  const port = await listen(adopt(tls.createServer({ key, cert }).on('tlsClientError', () => {})));
  const client = tls.connect({ servername: 'localhost', socket: net.connect({ port }) as never });
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
});

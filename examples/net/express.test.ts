/** Express over Chimney. */
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import express from 'express';
import { expect, it } from 'vitest';
import net, { adopt } from '../../src/net/drop-in.ts';
import { listen } from './close.ts';

it('serves an application', async () => {
  const app = express();
  app.use(express.json());
  app.post('/sum', (request, response) => {
    const { values } = request.body as { values: number[] };
    response.json({ sum: values.reduce((a, b) => a + b, 0), from: request.ip });
  });
  const port = await listen(adopt(http.createServer(app)));
  const request = http.request({
    port,
    path: '/sum',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    createConnection: net.createConnection as never,
  });
  request.end(JSON.stringify({ values: [1, 2, 3] }));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(await json(response)).toEqual({ sum: 6, from: expect.stringMatching(/^(127\.0\.0\.1|::1)$/) });
});

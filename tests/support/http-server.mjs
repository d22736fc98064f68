/** What `http-client.mjs` asks for: `/N` is N bytes with their sum in `x-sum`, a POST to `/sum` answers the sum of its body. */
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

/** A `http.Server` that listens nowhere yet. It closes no idle connection: on a busy machine a client may be slow to ask again. */
export function createTestServer() {
  return createServer({ keepAliveTimeout: 0 }, (request, response) => {
    if (request.method === 'POST') {
      const hash = createHash('sha256');
      request.on('data', (bytes) => hash.update(bytes)).on('end', () => response.end(hash.digest('hex')));
      return;
    }
    const bytes = randomBytes(Number(request.url.slice(1)));
    response.setHeader('x-sum', createHash('sha256').update(bytes).digest('hex'));
    response.end(bytes);
  });
}

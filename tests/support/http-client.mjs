/**
 * Node's own HTTP client over the kernel's TCP, like a browser in a hurry. Arguments: the origin, how many connections at once,
 * how many requests on each, and every how many-th connection is given up in the middle. Prints what it saw as JSON.
 *
 * The server answers `/N` with bytes and their SHA-256 in the header `x-sum`, and a POST to `/sum` with that of the body.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';

const [origin, connections, requests, aborting] = [process.argv[2], ...process.argv.slice(3).map(Number)];

/** From nothing to a quarter of a mebibyte: icons, pages, pictures. */
const SIZES = [0, 1, 500, 1_460, 20_000, 70_000, 262_144];
const LARGE = 4 << 20;

const seen = { right: 0, wrong: 0, aborted: 0, reused: 0, failed: [] };

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** One request; resolves to the body. Given up in the middle when `isAborted`. */
function ask(agent, path, body, isAborted) {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${origin}${path}`, { agent, method: body === null ? 'GET' : 'POST' }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => {
        chunks.push(chunk);
        if (!isAborted) return;
        outgoing.destroy();
        resolve(null);
      });
      response.on('end', () => resolve({ bytes: Buffer.concat(chunks), sum: response.headers['x-sum'] }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.on('socket', () => {
      if (outgoing.reusedSocket) seen.reused++;
    });
    outgoing.end(body);
  });
}

async function browse(index) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (let i = 0; i < requests; i++) {
      const size = SIZES[(index + i) % SIZES.length];
      const { bytes, sum } = await ask(agent, `/${size}`, null, false);
      if (bytes.length === size && sha256(bytes) === sum) seen.right++;
      else seen.wrong++;
      const body = randomBytes(size);
      const answer = await ask(agent, '/sum', body, false);
      if (answer.bytes.toString() === sha256(body)) seen.right++;
      else seen.wrong++;
    }
    if (index % aborting === 0) {
      await ask(agent, `/${LARGE}`, null, true);
      seen.aborted++;
    }
  } finally {
    agent.destroy();
  }
}

const all = Array.from({ length: connections }, (_, index) =>
  browse(index).catch((error) => seen.failed.push(error.code ?? error.message)),
);
await Promise.all(all);
console.log(JSON.stringify(seen));

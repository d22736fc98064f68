/** Small helpers for tests of streams. */
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { Server, Socket } from '../../src/net/index.ts';
import { connect } from '../../src/net/index.ts';
import { SERVER_ADDRESS, type TestHosts } from './hosts.ts';

/** Bytes that no bug reproduces by accident. */
export function noise(length: number): Buffer {
  return randomFillSync(Buffer.alloc(length));
}

/** Everything until the end of the stream, which is not destroyed: its other half may go on. */
export function readAll(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('end', () => resolve(Buffer.concat(chunks)));
    stream.once('error', reject);
  });
}

/** Both ends of a fresh connection to `server`, which listens on `port`. */
export async function openPair(
  hosts: TestHosts,
  server: Server,
  port: number,
  options: { allowHalfOpen?: boolean } = {},
): Promise<{ near: Socket; far: Socket }> {
  const accepted = once(server, 'connection');
  const near = connect(hosts.client, { host: SERVER_ADDRESS, port, ...options });
  await once(near, 'connect');
  const [far] = (await accepted) as [Socket];
  return { near, far };
}

/** Resolves when `condition` holds; the test's own time limit ends the wait. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

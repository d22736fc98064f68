/** A process that ends right after it has closed its socket: its last bytes arrive, as from a kernel (spec/decisions.md 43). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Server, type Socket } from '../../src/net/index.ts';
import { Host, NodeRuntime, StreamLink } from '../../src/node/index.ts';

const SCRIPT = join(import.meta.dirname, '..', 'support', 'last-words.mjs');
const ADDRESS = '192.0.2.1';
const PORT = 7;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server at the other end of a link, and what it receives. */
async function serve(onSocket: (socket: Socket) => void): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'chimney-linger-'));
  const path = join(directory, 'link');
  const runtime = new NodeRuntime();
  const link = await StreamLink.open({ path, role: 'listen' });
  const host = new Host({
    name: 'server',
    runtime,
    link,
    address: ADDRESS,
    prefixLength: 24,
    macAddress: '02:00:00:00:00:01',
    verify: true,
  });
  const server = new Server(host, { allowHalfOpen: true }, onSocket);
  server.listen(PORT, ADDRESS);
  await once(server, 'listening');
  cleanups.push(
    () => rmSync(directory, { recursive: true, force: true }),
    () => link.close(),
    () => runtime.close(),
    () => host.close(),
  );
  return path;
}

/** Runs the client process to its end. */
async function lastWords(path: string, length: number): Promise<number | null> {
  const child = spawn(process.execPath, [SCRIPT, path, ADDRESS, `${PORT}`, `${length}`], { stdio: 'inherit' });
  cleanups.push(() => child.kill());
  const [code] = await once(child, 'exit');
  return code;
}

describe('a process that closes its socket and ends', () => {
  it('stays until its last bytes are acknowledged, also by a reader that takes its time', async () => {
    let received = 0;
    let ended = false;
    const path = await serve((socket) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
        socket.pause();
        setTimeout(() => socket.resume(), 5);
      });
      socket.on('end', () => {
        ended = true;
      });
      socket.on('error', () => {});
    });
    const length = 1_000_000;
    expect(await lastWords(path, length)).toBe(0);
    for (let i = 0; !ended && i < 1000; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(received).toBe(length);
    expect(ended).toBe(true);
  });

  it('does not stay for a peer that has everything and does not close', async () => {
    const sockets: Socket[] = [];
    const path = await serve((socket) => {
      sockets.push(socket);
      socket.resume();
      socket.on('error', () => {});
    });
    expect(await lastWords(path, 10)).toBe(0);
    expect(sockets.length).toBe(1);
  });
});

/** Links over UNIX stream sockets: two hosts of ours at the two ends, and what happens to the link when something is wrong. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, createServer, type Socket as NetSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { connect, Server } from '../../src/net/index.ts';
import { Host, NodeRuntime, StreamLink } from '../../src/node/index.ts';
import { noise, readAll } from '../support/streams.ts';

const directory = mkdtempSync(join(tmpdir(), 'chimney-stream-'));
const cleanups: (() => void | Promise<void>)[] = [];
let sockets = 0;

const newPath = (): string => join(directory, `${++sockets}`);

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => rmSync(directory, { recursive: true }));

async function open(path: string, role: 'connect' | 'listen', mtu?: number): Promise<StreamLink> {
  const link = await StreamLink.open({ path, role, mtu });
  cleanups.push(() => link.close());
  return link;
}

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; !done(); i++) {
    if (i > 1000) throw new Error('it never happened');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a stream link', () => {
  for (const mtu of [1500, 65_520]) {
    it(`carries connections of two hosts, MTU ${mtu}`, async () => {
      const path = newPath();
      const runtime = new NodeRuntime();
      const links = [await open(path, 'listen', mtu), await open(path, 'connect', mtu)];
      await until(() => links[0].connected);
      const hosts = links.map(
        (link, index) =>
          new Host({
            name: `${index}`,
            runtime,
            link,
            address: `192.0.2.${index + 1}`,
            prefixLength: 24,
            macAddress: `02:00:00:00:00:0${index + 1}`,
            verify: true,
          }),
      );
      cleanups.push(() => {
        for (const host of hosts) host.close();
        runtime.close();
      });
      const sent = noise(4 * 1024 * 1024);
      const server = new Server(hosts[0], {}, (socket) => socket.pipe(socket));
      server.listen(7);
      const socket = connect(hosts[1], { host: '192.0.2.1', port: 7 });
      const echoed = readAll(socket);
      socket.end(sent);
      expect((await echoed).equals(sent)).toBe(true);
      server.close();
      await until(() => links[0].counters.framesReceived === links[1].counters.framesSent);
      await until(() => links[1].counters.bytesReceived === links[0].counters.bytesSent);
    });
  }

  it('drops what the peer does not read, and counts it', async () => {
    const path = newPath();
    const link = await open(path, 'listen');
    link.send(new Uint8Array(60));
    expect(link.counters.framesNotSent).toBe(1);
    const peer = connectSocket(path);
    cleanups.push(() => void peer.destroy());
    peer.pause();
    await until(() => link.connected);
    for (let i = 0; i < 100; i++) link.send(new Uint8Array(65_000));
    expect(link.counters.framesNotSent).toBeGreaterThan(50);
    expect(link.counters.framesSent).toBeLessThan(50);
  });

  it('fails once, with a sentence, when the other end does not speak the framing', async () => {
    const path = newPath();
    const server = createServer((socket) => socket.end('GET / HTTP/1.1\r\n\r\n'));
    await once(server.listen(path), 'listening');
    cleanups.push(() => void server.close());
    const link = await open(path, 'connect');
    const failures: Error[] = [];
    link.onFailure = (error) => failures.push(error);
    await until(() => failures.length > 0);
    expect(failures[0].message).toContain('does not speak this framing');
    expect(link.connected).toBe(false);
    link.send(new Uint8Array(60));
    expect(link.counters.framesNotSent).toBe(1);
    expect(failures).toHaveLength(1);
  });

  it('fails when the other end leaves, and does not when it is closed itself', async () => {
    const path = newPath();
    const peers: NetSocket[] = [];
    const server = createServer((socket) => peers.push(socket.resume()));
    await once(server.listen(path), 'listening');
    cleanups.push(() => void server.close());
    const [left, closed] = [await open(path, 'connect'), await open(path, 'connect')];
    const failures: string[] = [];
    left.onFailure = (error) => failures.push(error.message);
    closed.onFailure = (error) => failures.push(error.message);
    await until(() => peers.length === 2);
    await closed.close();
    peers[0].destroy();
    await until(() => failures.length > 0);
    expect(failures).toEqual([`${path}: the other end has closed the link`]);
  });

  it('listens for one peer at a time, and for the next one when it has left', async () => {
    const path = newPath();
    const link = await open(path, 'listen');
    const frames: Uint8Array[] = [];
    link.onReceive = (frame) => frames.push(frame);
    const first = await open(path, 'connect');
    await until(() => link.connected);
    const second = connectSocket(path);
    await once(second, 'close');
    await first.close();
    await until(() => !link.connected);
    const third = await open(path, 'connect');
    third.send(new Uint8Array(60).fill(3));
    await until(() => frames.length > 0);
    expect(frames).toEqual([new Uint8Array(60).fill(3)]);
  });

  it('removes its socket, and rejects where it cannot be opened', async () => {
    const path = newPath();
    await expect(StreamLink.open({ path })).rejects.toMatchObject({ code: 'ENOENT' });
    const link = await open(path, 'listen');
    await expect(StreamLink.open({ path, role: 'listen' })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await link.close();
    expect(existsSync(path)).toBe(false);
  });
});

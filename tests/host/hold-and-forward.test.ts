/** Moves that take long: segments that arrive meanwhile are held, then forwarded or processed (FWD-03…05, TERM-14). */
import { describe, expect, it } from 'vitest';
import { SlowChannel } from './slow-channel.ts';
import { firstDifference, type Peer, pattern, randomFrom, sendAll, World } from './world.ts';

/** A world whose targets are `delay` microseconds away, more or less. */
function slowWorld(delay: number, seed: number, loss = 0): World {
  const random = randomFrom(seed);
  let world: World | null = null;
  const now = (): number => (world === null ? 0 : world.now);
  const channel = (): SlowChannel => new SlowChannel(now, () => delay + (random() & 255));
  world = new World({
    wire: { seed, both: { delayMicroseconds: 300, bandwidthBitsPerSecond: 200_000_000, loss } },
    a: { adapter: { channel } },
    b: { adapter: { channel } },
  });
  return world;
}

/** Closes both ends and compares every byte. */
function finish(world: World, client: Peer, server: Peer, up: Uint8Array, down: Uint8Array): void {
  client.connection.shutdown();
  server.connection.shutdown();
  world.until(() => client.closed !== undefined && server.closed !== undefined, 300_000);
  expect([client.closed, server.closed]).toEqual([null, null]);
  expect(firstDifference(server.bytes, up)).toBe(-1);
  expect(firstDifference(client.bytes, down)).toBe(-1);
}

describe('hold and forward', () => {
  it('holds segments while the connection moves and loses none', () => {
    const world = slowWorld(2000, 11);
    const { client, server } = world.connect(80);
    const up = pattern(1_000_000, 1);
    const down = pattern(400_000, 2);
    sendAll(client.connection, up);
    sendAll(server.connection, down);
    for (let move = 0; move < 8; move++) {
      world.run(5);
      expect(world.move(server, 'offload')).toMatchObject({ ok: true });
      world.run(5);
      expect(world.move(server, 'upload')).toMatchObject({ ok: true });
    }
    const { segmentsHeld, segmentsForwarded } = server.connection.counters;
    expect(segmentsHeld).toBeGreaterThan(20);
    expect(segmentsForwarded).toBeGreaterThan(5);
    finish(world, client, server, up, down);
  });

  for (let seed = 1; seed <= 12; seed++) {
    it(`moves both ends at random, with loss (seed ${seed})`, () => {
      const random = randomFrom(seed * 7919);
      const world = slowWorld(100 + (random() & 2047), seed, 0.003);
      const { client, server } = world.connect(80);
      const up = pattern(300_000, seed);
      const down = pattern(300_000, seed + 1);
      sendAll(client.connection, up, 1 + (random() & 8191));
      sendAll(server.connection, down, 1 + (random() & 8191));
      for (let move = 0; move < 30; move++) {
        const end = random() & 1 ? client : server;
        // Requests overlap at will; each is answered, and a refusal changes nothing.
        if (random() & 1) end.connection.offload();
        else end.connection.upload();
        if ((random() & 7) === 0) end.paused = !end.paused;
        if (!end.paused) end.readAll();
        world.run(random() & 7);
      }
      client.paused = false;
      server.paused = false;
      client.readAll();
      server.readAll();
      finish(world, client, server, up, down);
    });
  }

  it('a send and a shutdown in the middle of a move wait for its end', () => {
    const world = slowWorld(3000, 3);
    const { client, server } = world.connect(80);
    const bytes = pattern(50_000, 5);
    server.connection.offload();
    world.run(1);
    expect(server.connection.owner).toBe('offloading');
    sendAll(server.connection, bytes);
    world.until(() => server.connection.owner === 'offloaded');
    server.connection.upload();
    world.run(1);
    expect(server.connection.owner).toBe('uploading');
    sendAll(server.connection, bytes);
    server.connection.shutdown();
    world.until(() => client.peerClosed);
    expect(client.received).toBe(100_000);
  });

  it('an abort in the middle of a move ends the connection on both sides', () => {
    for (const during of ['offloading', 'offloaded', 'uploading'] as const) {
      const world = slowWorld(3000, 4);
      const { client, server } = world.connect(80);
      sendAll(server.connection, pattern(400_000));
      sendAll(client.connection, pattern(400_000));
      world.run(3);
      server.connection.offload();
      if (during !== 'offloading') world.until(() => server.connection.owner === 'offloaded');
      if (during === 'uploading') server.connection.upload();
      world.run(1);
      expect(server.connection.owner).toBe(during);
      server.connection.abort();
      world.until(() => server.closed !== undefined && client.closed !== undefined);
      expect(server.closed).toBe('ECONNABORTED');
      expect(client.closed).toBe('ECONNRESET');
      world.run(100);
      expect(world.b.adapter.offloadedConnections).toBe(0);
      expect([...world.b.stack.connections()]).toEqual([]);
    }
  });

  it('a reset by the peer ends the connection, whoever owns it', () => {
    for (const during of ['offloading', 'offloaded', 'uploading'] as const) {
      const world = slowWorld(3000, 5);
      const { client, server } = world.connect(80);
      server.connection.offload();
      if (during !== 'offloading') world.until(() => server.connection.owner === 'offloaded');
      if (during === 'uploading') server.connection.upload();
      world.run(1);
      client.connection.abort();
      world.until(() => server.closed !== undefined);
      expect(server.closed).toBe('ECONNRESET');
      world.run(100);
      expect(world.b.adapter.offloadedConnections).toBe(0);
      expect([...world.b.stack.connections()]).toEqual([]);
    }
  });

  it('moves many connections of one path in few trees (TREE-03, TREE-04, INIT-05)', () => {
    const world = slowWorld(1000, 6);
    const pairs = Array.from({ length: 20 }, (_, index) => world.connect(80 + index));
    for (const { server } of pairs) server.connection.offload();
    world.until(() => pairs.every(({ server }) => server.connection.owner === 'offloaded'));
    expect(world.b.adapter.nic.core.paths.size).toBe(1);
    expect(world.b.adapter.nic.core.neighbors.size).toBe(1);
    for (const { client, server } of pairs) {
      sendAll(client.connection, pattern(5000));
      server.connection.upload();
    }
    world.until(() => pairs.every(({ server }) => server.connection.owner === 'host' && server.received === 5000));
    world.run(50);
    expect(world.b.adapter.nic.core.paths.size).toBe(0);
    expect(world.b.adapter.nic.core.neighbors.size).toBe(0);
  });
});

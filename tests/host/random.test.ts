/** Everything at once, from seeds: moves, pauses, closes and changed settings on a bad network. No byte may be lost. */
import { describe, expect, it } from 'vitest';
import { SlowChannel } from './slow-channel.ts';
import { firstDifference, type Peer, pattern, randomFrom, sendAll, World } from './world.ts';

const SEEDS = 40;
const STEPS = 40;

/** Draws from 0 … n - 1. */
type Draw = (n: number) => number;

function drawFrom(seed: number): Draw {
  const random = randomFrom(seed * 7919 + 13);
  return (n) => (random() >>> 1) % n;
}

/** A world whose properties come from the seed. */
function randomWorld(seed: number, draw: Draw): World {
  let world: World | null = null;
  const delay = 10 + draw(3000);
  const channel = (): SlowChannel =>
    new SlowChannel(
      () => world?.now ?? 0,
      () => delay + draw(500),
    );
  const adapter = {
    channel,
    sendHandBack: (['chain', 'complete', 'split'] as const)[draw(3)],
    supportsExtension: draw(3) !== 0,
  };
  const stack = {
    receiveBufferBytes: [20_000, 65_535, 300_000, 1 << 20][draw(4)],
    sendBufferBytes: [10_000, 65_535, 1 << 20][draw(3)],
    offloadPolicy: (['never', 'auto', 'always'] as const)[draw(3)],
  };
  const both = {
    delayMicroseconds: draw(3000),
    bandwidthBitsPerSecond: [0, 20e6, 200e6][draw(3)],
    loss: draw(3) * 0.005,
    reorder: draw(2) * 0.01,
    duplicate: draw(2) * 0.01,
    corrupt: draw(2) * 0.003,
  };
  world = new World({ wire: { seed, both }, a: { adapter, stack }, b: { adapter, stack } });
  return world;
}

/** One random thing that an application or an adapter may do. */
function act(world: World, end: Peer, draw: Draw): void {
  const host = draw(2) === 0 ? world.a : world.b;
  const { connection } = end;
  const actions = [
    () => connection.offload(),
    () => connection.offload(),
    () => connection.offload(),
    () => connection.upload(),
    () => connection.upload(),
    () => connection.upload(),
    () => {
      end.paused = true;
    },
    () => end.resume(),
    () => connection.setNoDelay(draw(2) === 0),
    () => connection.setKeepAlive(draw(2) === 0, 1000 + draw(5000)),
    () => connection.setReceiveBuffer(20_000 + draw(200_000)),
    () => host.adapter.indicatePause(),
    () => host.adapter.indicateResume(),
    () => host.adapter.requestUploads(),
  ];
  actions[draw(actions.length)]();
}

describe('random moves', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`seed ${seed}`, () => {
      const draw = drawFrom(seed);
      const world = randomWorld(seed, draw);
      const { client, server } = world.connect(80);
      const up = pattern(50_000 + draw(200_000), seed);
      const down = pattern(50_000 + draw(200_000), seed + 1);
      sendAll(client.connection, up, 1 + draw(20_000));
      sendAll(server.connection, down, 1 + draw(20_000));
      const closesAt = draw(STEPS);
      for (let step = 0; step < STEPS; step++) {
        const end = draw(2) === 0 ? client : server;
        if (step === closesAt) end.connection.shutdown();
        act(world, end, draw);
        world.run(draw(12));
      }
      for (const end of [client, server]) {
        end.resume();
        end.connection.shutdown();
      }
      world.until(() => client.closed !== undefined && server.closed !== undefined, 600_000);
      expect([client.closed, server.closed]).toEqual([null, null]);
      expect(firstDifference(server.bytes, up)).toBe(-1);
      expect(firstDifference(client.bytes, down)).toBe(-1);
      // Nothing stays behind, anywhere.
      world.run(200_000);
      for (const host of [world.a, world.b]) {
        expect([...host.stack.connections()]).toEqual([]);
        expect(host.adapter.nic.core.connections.size).toBe(0);
        expect(host.adapter.nic.core.paths.size).toBe(0);
        expect(host.adapter.nic.core.neighbors.size).toBe(0);
      }
    });
  }
});

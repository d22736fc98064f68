/** Moving connections down and up while bytes flow. */
import { describe, expect, it } from 'vitest';
import { firstDifference, pattern, sendAll, World } from './world.ts';

describe('offload and upload', () => {
  it('moves an idle connection down and up', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    const down = world.move(server, 'offload');
    expect(down).toMatchObject({ ok: true });
    expect(server.connection.owner).toBe('offloaded');
    expect(world.b.adapter.offloadedConnections).toBe(1);
    const bytes = pattern(50_000, 1);
    sendAll(client.connection, bytes);
    sendAll(server.connection, bytes);
    world.until(() => server.received === bytes.length && client.received === bytes.length);
    expect(firstDifference(server.bytes, bytes)).toBe(-1);
    expect(firstDifference(client.bytes, bytes)).toBe(-1);
    const up = world.move(server, 'upload');
    expect(up).toMatchObject({ ok: true });
    expect(server.connection.owner).toBe('host');
    world.run(10);
    expect(world.b.adapter.offloadedConnections).toBe(0);
    expect(server.owners).toEqual(['offloaded', 'host']);
    expect(server.connection.history.map((entry) => entry.kind)).toEqual(['offloaded', 'uploaded']);
    sendAll(client.connection, bytes);
    client.connection.shutdown();
    server.connection.shutdown();
    world.until(() => client.closed === null && server.closed === null);
    expect(server.received).toBe(2 * bytes.length);
  });

  for (const sendHandBack of ['chain', 'complete', 'split'] as const) {
    for (const supportsExtension of [true, false]) {
      it(`loses no byte over many moves with bytes in flight (${sendHandBack}, extension ${supportsExtension})`, () => {
        const world = new World({
          wire: { seed: 7, both: { delayMicroseconds: 1000, bandwidthBitsPerSecond: 100_000_000, loss: 0.005 } },
          b: { adapter: { sendHandBack, supportsExtension } },
          a: { adapter: { sendHandBack, supportsExtension } },
        });
        const { client, server } = world.connect(80);
        const up = pattern(600_000, 1);
        const down = pattern(600_000, 2);
        sendAll(client.connection, up);
        sendAll(server.connection, down);
        for (let move = 0; move < 20; move++) {
          const end = move % 3 === 0 ? client : server;
          world.run(3 + (move % 5));
          expect(world.move(end, 'offload')).toMatchObject({ ok: true });
          world.run(4);
          expect(world.move(end, 'upload')).toMatchObject({ ok: true });
        }
        client.connection.shutdown();
        server.connection.shutdown();
        world.until(() => client.closed !== undefined && server.closed !== undefined, 300_000);
        expect(client.closed).toBeNull();
        expect(server.closed).toBeNull();
        expect(firstDifference(server.bytes, up)).toBe(-1);
        expect(firstDifference(client.bytes, down)).toBe(-1);
      });
    }
  }
});

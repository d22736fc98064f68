/** A refused offload is a normal result: the connection goes on as if nothing had been tried. */
import { describe, expect, it } from 'vitest';
import { NdisStatus } from '../../src/ndis/index.ts';
import { firstDifference, pattern, sendAll, World } from './world.ts';

/** Those about source MAC addresses and VLANs do not occur: the host asks for neither. */
const LAYERS = {
  tcp: [
    NdisStatus.FAILURE,
    NdisStatus.RESOURCES,
    NdisStatus.OFFLOAD_TCP_ENTRIES,
    NdisStatus.OFFLOAD_TCP_XMIT_BUFFER,
    NdisStatus.OFFLOAD_TCP_RCV_BUFFER,
    NdisStatus.OFFLOAD_TCP_RCV_WINDOW,
    NdisStatus.OFFLOAD_CONNECTION_REJECTED,
  ],
  path: [
    NdisStatus.FAILURE,
    NdisStatus.RESOURCES,
    NdisStatus.OFFLOAD_PATH_ENTRIES,
    NdisStatus.OFFLOAD_IP_ADDRESS_ENTRIES,
    NdisStatus.OFFLOAD_PATH_MTU,
  ],
  neighbor: [NdisStatus.FAILURE, NdisStatus.RESOURCES, NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES],
} as const;

describe('refused offloads (INIT-11 … INIT-23)', () => {
  for (const layer of ['tcp', 'path', 'neighbor'] as const) {
    it(`reports every status of the ${layer} layer and keeps the bytes flowing`, () => {
      const world = new World({ wire: { both: { delayMicroseconds: 1000, bandwidthBitsPerSecond: 100_000_000 } } });
      const { client, server } = world.connect(80);
      server.paused = true;
      const bytes = pattern(400_000, 4);
      sendAll(client.connection, bytes);
      sendAll(server.connection, bytes);
      for (const status of LAYERS[layer]) {
        world.run(2);
        world.b.adapter.refuseNext(layer, status);
        const result = world.move(server, 'offload');
        expect(result).toMatchObject({ ok: false, status });
        expect(server.connection.owner).toBe('host');
      }
      server.resume();
      // Nothing that was offloaded on the way stays behind (TERM-04).
      world.run(50);
      expect(world.b.adapter.nic.core.neighbors.size).toBe(0);
      expect(world.b.adapter.nic.core.paths.size).toBe(0);
      expect(world.move(server, 'offload')).toMatchObject({ ok: true });
      client.connection.shutdown();
      server.connection.shutdown();
      world.until(() => client.closed === null && server.closed === null);
      expect(firstDifference(server.bytes, bytes)).toBe(-1);
      expect(firstDifference(client.bytes, bytes)).toBe(-1);
      expect(server.connection.counters.refusedOffloads).toBe(LAYERS[layer].length);
    });
  }

  it('reports the real limits of a target', () => {
    const world = new World({ b: { adapter: { limits: { connections: 1 } } } });
    const first = world.connect(80);
    const second = world.connect(81);
    expect(world.move(first.server, 'offload')).toMatchObject({ ok: true });
    expect(world.move(second.server, 'offload')).toMatchObject({ ok: false, status: NdisStatus.OFFLOAD_TCP_ENTRIES });
    world.move(first.server, 'upload');
    expect(world.move(second.server, 'offload')).toMatchObject({ ok: true });
  });

  it('refuses what makes no sense, with a typed result', () => {
    const world = new World();
    const { server } = world.connect(80);
    expect(world.move(server, 'upload')).toMatchObject({ ok: false, status: NdisStatus.INVALID_STATE });
    world.move(server, 'offload');
    expect(world.move(server, 'offload')).toMatchObject({ ok: false, status: NdisStatus.INVALID_STATE });
  });
});

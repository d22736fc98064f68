/** What the adapter indicates, and what the host decides by itself (spec/algorithms.md 15, 17). */
import { describe, expect, it } from 'vitest';
import { NdisStatus } from '../../src/ndis/index.ts';
import { firstDifference, pattern, sendAll, World } from './world.ts';

const FAST = { both: { delayMicroseconds: 1000, bandwidthBitsPerSecond: 100_000_000 } };

describe('pause, upload-all, resume', () => {
  it('starts no offload after a pause, and again after a resume (PAUSE-01, PAUSE-06)', () => {
    const world = new World();
    const first = world.connect(80);
    const second = world.connect(81);
    world.move(first.server, 'offload');
    world.b.adapter.indicatePause();
    world.run(1);
    expect(world.move(second.server, 'offload')).toMatchObject({ ok: false, status: NdisStatus.PAUSED });
    // PAUSE-02: what is offloaded goes on.
    sendAll(first.client.connection, pattern(10_000));
    world.until(() => first.server.received === 10_000);
    expect(first.server.connection.owner).toBe('offloaded');
    world.b.adapter.indicateResume();
    world.run(1);
    expect(world.move(second.server, 'offload')).toMatchObject({ ok: true });
  });

  it('takes everything back on upload-all, while bytes flow (PAUSE-08)', () => {
    const world = new World({ wire: FAST });
    const pairs = [80, 81, 82].map((port) => world.connect(port));
    const bytes = pattern(300_000, 2);
    for (const { client, server } of pairs) {
      world.move(server, 'offload');
      sendAll(client.connection, bytes);
      sendAll(server.connection, bytes);
    }
    world.run(5);
    world.b.adapter.indicateUploadAll();
    world.until(() => pairs.every(({ server }) => server.connection.owner === 'host'));
    world.run(5);
    expect(world.b.adapter.offloadedConnections).toBe(0);
    expect(world.b.adapter.nic.core.neighbors.size).toBe(0);
    expect(world.b.adapter.nic.core.paths.size).toBe(0);
    world.until(() => pairs.every(({ client, server }) => client.received + server.received === 2 * bytes.length));
    for (const { client, server } of pairs) {
      expect(firstDifference(server.bytes, bytes)).toBe(-1);
      expect(firstDifference(client.bytes, bytes)).toBe(-1);
    }
  });

  it('believes the last word when a resume and an upload-all follow each other at once', () => {
    const world = new World();
    const { server } = world.connect(80);
    server.connection.offload();
    world.b.adapter.indicateResume();
    world.b.adapter.indicateUploadAll();
    world.run(10);
    expect(server.connection.owner).toBe('host');
    expect(world.move(server, 'offload')).toMatchObject({ ok: false, status: NdisStatus.PAUSED });
    world.b.adapter.indicateResume();
    world.run(1);
    expect(world.move(server, 'offload')).toMatchObject({ ok: true });
  });

  it('takes everything back when the link goes down (TERM-28)', () => {
    const world = new World();
    const { server } = world.connect(80);
    world.move(server, 'offload');
    world.b.adapter.indicateLink(false);
    world.until(() => server.connection.owner === 'host');
    expect(server.connection.history.at(-1)).toMatchObject({ kind: 'uploaded', reason: 'link down' });
  });
});

describe('policy', () => {
  it('never offloads by itself by default', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    sendAll(client.connection, pattern(400_000));
    world.until(() => server.received === 400_000);
    expect(server.connection.history).toEqual([]);
  });

  it('auto: offloads a connection that has moved 128 KiB', () => {
    const world = new World({ b: { stack: { offloadPolicy: 'auto' } } });
    const { client, server } = world.connect(80);
    sendAll(client.connection, pattern(100_000));
    world.until(() => server.received === 100_000);
    expect(server.connection.owner).toBe('host');
    sendAll(client.connection, pattern(100_000));
    world.until(() => server.connection.owner === 'offloaded');
    expect(server.connection.history).toMatchObject([{ kind: 'offloaded', reason: 'policy' }]);
  });

  it('always: offloads each connection, retries after a refusal, and leaves alone what was taken back by hand', () => {
    const world = new World({ b: { stack: { offloadPolicy: 'always' } } });
    world.b.adapter.refuseNext('tcp', NdisStatus.RESOURCES);
    const { server } = world.connect(80);
    world.until(() => server.connection.counters.refusedOffloads === 1);
    world.until(() => server.connection.owner === 'offloaded', 1000);
    world.move(server, 'upload');
    world.run(60_000);
    expect(server.connection.owner).toBe('host');
  });

  it('offers a connection again that the target gave back (INIT-29)', () => {
    const world = new World({ b: { stack: { offloadPolicy: 'always' } } });
    const { client, server } = world.connect(80);
    world.until(() => server.connection.owner === 'offloaded');
    world.b.adapter.requestUploads();
    world.until(() => server.connection.owner === 'host');
    sendAll(client.connection, pattern(1000));
    world.until(() => server.connection.owner === 'offloaded', 5000);
    expect(server.connection.counters.offloads).toBe(2);
    world.until(() => server.received === 1000);
  });
});

describe('hardware failures', () => {
  it('a failed terminate loses the connection, and nothing else (HWF-01…04, spec/decisions.md 9)', () => {
    const world = new World();
    const lost = world.connect(80);
    const other = world.connect(81);
    world.move(lost.server, 'offload');
    sendAll(lost.server.connection, pattern(100_000));
    world.run(2);
    world.b.adapter.failNext('terminate');
    expect(world.move(lost.server, 'upload')).toMatchObject({ ok: false, status: NdisStatus.FAILURE });
    world.until(() => lost.server.closed !== undefined);
    expect(lost.server.closed).toBe('ECONNABORTED');
    sendAll(lost.client.connection, pattern(10));
    world.until(() => lost.client.closed === 'ECONNRESET');
    expect(world.move(other.server, 'offload')).toMatchObject({ ok: true });
    expect(world.b.adapter.offloadedConnections).toBe(1);
    expect(world.b.stack.statistics.uploadsFailed).toBe(1);
  });

  it('a failed update takes the connection back (UPD-07)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    world.b.adapter.failNext('update');
    server.connection.setNoDelay(true);
    world.until(() => server.connection.owner === 'host');
    sendAll(client.connection, pattern(10));
    world.until(() => server.received === 10);
  });
});

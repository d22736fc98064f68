/** Power states and the counters of offloaded traffic. */
import { describe, expect, it } from 'vitest';
import { DevicePowerState, NdisStatus } from '../../src/ndis/index.ts';
import { pattern, sendAll, World } from './world.ts';

describe('power', () => {
  it('takes every connection back before the adapter sleeps, and offloads again when it wakes (PM-01, PM-02)', () => {
    const world = new World();
    const pairs = [80, 81].map((port) => world.connect(port));
    for (const { server } of pairs) world.move(server, 'offload');
    const answers: number[] = [];
    world.b.stack.setPower(DevicePowerState.D3, (status) => answers.push(status));
    world.b.stack.setPower(DevicePowerState.D2, (status) => answers.push(status));
    world.until(() => answers.length === 2);
    // The second change came while the first was under way.
    expect(answers).toEqual([NdisStatus.FAILURE, NdisStatus.SUCCESS]);
    expect(pairs.map(({ server }) => server.connection.owner)).toEqual(['host', 'host']);
    expect(world.b.adapter.offloadedConnections).toBe(0);
    const [{ server }] = pairs;
    expect(world.move(server, 'offload')).toMatchObject({ ok: false, status: NdisStatus.PAUSED });
    world.b.stack.setPower(DevicePowerState.D0, (status) => answers.push(status));
    world.until(() => answers.length === 3);
    expect(answers[2]).toBe(NdisStatus.SUCCESS);
    world.run(1);
    expect(world.move(server, 'offload')).toMatchObject({ ok: true });
  });
});

describe('statistics', () => {
  it('asks the target for its counters (STAT-18)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    sendAll(client.connection, pattern(20_000));
    world.until(() => server.received === 20_000);
    let segments = 0;
    let octets = 0;
    world.b.stack.queryOffloadStatistics(({ tcp, ip }) => {
      segments = tcp?.inSegments ?? -1;
      octets = ip?.inOctets ?? -1;
    });
    world.run(1);
    expect(segments).toBeGreaterThanOrEqual(14);
    expect(octets).toBeGreaterThan(20_000);
  });
});

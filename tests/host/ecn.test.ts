/** Explicit Congestion Notification between two hosts: the bits of the IP header, both families, host and target (RFC 3168). */
import { describe, expect, it } from 'vitest';
import { NdisStatus } from '../../src/ndis/index.ts';
import { DropReason, EcnCodepoint, EtherType, IpPacket, parseIp, readUint16 } from '../../src/wire/index.ts';
import { SlowChannel } from './slow-channel.ts';
import { firstDifference, type HostSetup, type Peer, pattern, sendAll, World } from './world.ts';

const REQUEST: HostSetup = { stack: { parameters: { ecn: 'request' } } };

/** The ECN bits of a frame's datagram. */
function ecnOf(frame: Uint8Array): number {
  const packet = new IpPacket();
  const etherType = readUint16(frame, 12);
  if (etherType !== EtherType.IPV4 && etherType !== EtherType.IPV6) return 0;
  expect(parseIp(frame, 14, frame.length - 14, etherType, packet)).toBe(DropReason.NONE);
  return packet.trafficClass & 3;
}

function responses(world: World): { host: number; target: number } {
  return {
    host: world.a.stack.tcpStatistics.congestionResponses + world.b.stack.tcpStatistics.congestionResponses,
    target: [world.a, world.b].reduce(
      (sum, { adapter }) => sum + adapter.nic.core.tcp.statistics.congestionResponses,
      0,
    ),
  };
}

function finish(world: World, client: Peer, server: Peer, up: Uint8Array, down: Uint8Array): void {
  client.connection.shutdown();
  server.connection.shutdown();
  world.until(() => client.closed !== undefined && server.closed !== undefined, 300_000);
  expect([client.closed, server.closed]).toEqual([null, null]);
  expect(firstDifference(server.bytes, up)).toBe(-1);
  expect(firstDifference(client.bytes, down)).toBe(-1);
}

describe.each([4, 6] as const)('IPv%i', (family) => {
  const wire = { seed: 3, both: { delayMicroseconds: 1000, congestion: 0.02 } };

  it('a path that marks slows both directions down without a retransmission', () => {
    const world = new World({ family, wire, a: REQUEST });
    const codepoints = new Set<number>();
    world.wire.observer = (_time, _direction, frame) => codepoints.add(ecnOf(frame));
    const { client, server } = world.connect(80);
    const up = pattern(1_000_000, 1);
    const down = pattern(1_000_000, 2);
    sendAll(client.connection, up);
    sendAll(server.connection, down);
    finish(world, client, server, up, down);
    expect([...codepoints].sort()).toEqual([EcnCodepoint.NOT_ECT, EcnCodepoint.ECT_0]);
    expect(responses(world).host).toBeGreaterThan(4);
    for (const host of [world.a, world.b]) expect(host.stack.tcpStatistics.retransmittedSegments).toBe(0);
  });

  it('an offloaded connection marks, echoes and slows down like one of the host', () => {
    const world = new World({ family, wire, a: REQUEST });
    const { client, server } = world.connect(80);
    expect(world.move(client, 'offload')).toMatchObject({ ok: true });
    expect(world.move(server, 'offload')).toMatchObject({ ok: true });
    const codepoints = new Set<number>();
    world.wire.observer = (_time, _direction, frame) => codepoints.add(ecnOf(frame));
    const up = pattern(1_000_000, 1);
    const down = pattern(1_000_000, 2);
    sendAll(client.connection, up);
    sendAll(server.connection, down);
    finish(world, client, server, up, down);
    expect(codepoints.has(EcnCodepoint.ECT_0)).toBe(true);
    expect(responses(world).host).toBe(0);
    expect(responses(world).target).toBeGreaterThan(4);
  });
});

it('a connection that did not agree on it has no ECN bits, whatever type of service the application sets', () => {
  const world = new World({ wire: { both: { delayMicroseconds: 1000, congestion: 1 } } });
  const { client, server } = world.connect(80);
  client.connection.setDatagramFields(0xb7, null);
  const bytes = new Set<number>();
  world.wire.observer = (_time, _direction, frame) => bytes.add(frame[15]);
  for (const move of [null, 'offload'] as const) {
    if (move !== null) world.move(client, move);
    client.connection.send(pattern(20_000));
    world.run(500);
  }
  expect(bytes).toEqual(new Set([0xb4, 0]));
  expect(server.received).toBe(40_000);
  expect(world.wire.aToB.counters.marked).toBe(0);
});

it('a target that does not know the extension is not given a connection that uses ECN (decision 37)', () => {
  const world = new World({ a: { ...REQUEST, adapter: { supportsExtension: false } } });
  const { client } = world.connect(80);
  expect(world.move(client, 'offload')).toMatchObject({ ok: false, status: NdisStatus.OFFLOAD_POLICY });
  client.connection.send(pattern(10));
  const other = new World({ a: { adapter: { supportsExtension: false } } });
  expect(other.move(other.connect(80).client, 'offload')).toMatchObject({ ok: true });
});

describe('a mark on a segment that arrives while the connection moves', () => {
  it.each([true, false])('reaches the owner that follows (the target accepts: %s)', (accepts) => {
    let world: World | null = null;
    const now = (): number => (world === null ? 0 : world.now);
    const channel = (): SlowChannel => new SlowChannel(now, () => 20_000);
    world = new World({
      wire: { both: { delayMicroseconds: 1000 } },
      a: REQUEST,
      b: { adapter: { channel } },
    });
    const { client, server } = world.connect(80);
    if (!accepts) world.b.adapter.refuseNext('tcp', NdisStatus.RESOURCES);
    world.run(100);
    let answered = false;
    server.connection.offload(() => {
      answered = true;
    });
    world.run(1);
    expect(server.connection.owner).toBe('offloading');
    world.wire.aToB.configure({ congestion: 1 });
    client.connection.send(pattern(1000));
    world.run(2);
    world.wire.aToB.configure({ congestion: 0 });
    world.until(() => answered && server.received === 1000);
    expect(server.connection.counters.segmentsHeld).toBeGreaterThan(0);
    world.run(300);
    const marks = accepts ? world.b.adapter.nic.core.tcp.statistics : world.b.stack.tcpStatistics;
    expect(marks.congestionMarks).toBe(1);
    expect(world.a.stack.tcpStatistics.congestionResponses).toBe(1);
  });
});

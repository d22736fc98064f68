/** What a host tells its application beside data: soft errors and urgent data (RFC 9293 sections 3.8.5 and 3.9.1.8). */
import { describe, expect, it } from 'vitest';
import type { Connection, SoftError } from '../../src/host/index.ts';
import { Icmpv4Type, UnreachableCode } from '../../src/wire/index.ts';
import { icmpAbout } from './frames.ts';
import { Peer, pattern, World } from './world.ts';

/** Records the soft errors of a connection. */
function listen(connection: Connection): SoftError[] {
  const heard: SoftError[] = [];
  connection.handlers = { ...connection.handlers, softError: (_connection, error) => heard.push(error) };
  return heard;
}

/** The next frame with text that leaves a, which is lost on its way. */
function loseText(world: World, connection: Connection, bytes: Uint8Array): Uint8Array {
  let copy: Uint8Array | null = null;
  world.wire.observer = (_time, direction, frame) => {
    if (direction === 'a-to-b' && frame.length > 500) copy ??= frame.slice();
  };
  world.wire.aToB.configure({ loss: 1 });
  connection.send(bytes);
  world.step();
  world.wire.aToB.configure({ loss: 0 });
  if (copy === null) throw new Error('nothing was sent');
  return copy;
}

describe('soft errors (MUST-47)', () => {
  const { DESTINATION_UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM, SOURCE_QUENCH } = Icmpv4Type;
  const cases: [string, number, number, SoftError[]][] = [
    ['network unreachable', DESTINATION_UNREACHABLE, UnreachableCode.NETWORK, ['host-unreachable']],
    ['host unreachable', DESTINATION_UNREACHABLE, UnreachableCode.HOST, ['host-unreachable']],
    ['protocol unreachable', DESTINATION_UNREACHABLE, UnreachableCode.PROTOCOL, ['port-unreachable']],
    ['port unreachable', DESTINATION_UNREACHABLE, UnreachableCode.PORT, ['port-unreachable']],
    ['source route failed', DESTINATION_UNREACHABLE, UnreachableCode.SOURCE_ROUTE_FAILED, ['host-unreachable']],
    ['time exceeded in transit', TIME_EXCEEDED, 0, ['time-exceeded']],
    ['time exceeded in reassembly', TIME_EXCEEDED, 1, ['time-exceeded']],
    ['parameter problem', PARAMETER_PROBLEM, 0, ['parameter-problem']],
    ['source quench (MUST-55)', SOURCE_QUENCH, 0, []],
  ];
  for (const owner of ['host', 'offloaded'] as const) {
    it.each(cases)(
      `${owner}: %s is told and ends nothing (MUST-54, MUST-56, SHLD-25)`,
      (_name, type, code, expected) => {
        const world = new World();
        const { client, server } = world.connect(80);
        if (owner === 'offloaded') world.move(client, 'offload');
        const heard = listen(client.connection);
        const frame = loseText(world, client.connection, pattern(1000));
        // Twice at once is told once; one about a segment that is not in flight is nobody's (RFC 5927 section 4.1).
        const stale = frame.slice();
        stale[38] ^= 0x40;
        for (const about of [frame, frame, stale]) {
          world.wire.a.onReceive(icmpAbout(world.a, about, type, code, 0));
        }
        world.run(20);
        expect(heard).toEqual(expected);
        world.until(() => server.received === 1000);
        expect(client.closed).toBeUndefined();
      },
    );
  }

  it('a segment retransmitted three times is told, long before the end (SHLD-9, SHLD-10, MUST-20)', () => {
    const world = new World();
    const { client } = world.connect(80);
    const heard = listen(client.connection);
    world.wire.aToB.configure({ loss: 1 });
    client.connection.send(pattern(1000));
    const isAt = (count: number) => client.connection.counters.retransmissions === count;
    // A tail loss probe, and then the timer, twice (RFC 8985 section 7.3: a probe does not back off).
    world.until(() => isAt(3));
    world.run(100);
    expect(heard).toEqual([]);
    world.until(() => isAt(4));
    world.run(1);
    expect(heard).toEqual(['excessive-retransmission']);
    world.until(() => client.closed !== undefined, 2_000_000);
    expect(client.closed).toBe('ETIMEDOUT');
    expect(heard).toEqual(['excessive-retransmission']);
  });

  it('so is a SYN (MUST-22)', () => {
    const world = new World();
    world.connect(80);
    world.wire.aToB.configure({ loss: 1 });
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 81 }));
    const heard = listen(client.connection);
    world.run(1000 + 2000 + 4000 - 100);
    expect(heard).toEqual([]);
    world.run(200);
    expect(heard).toEqual(['excessive-retransmission']);
    // The IP layer was advised as well: it asks the neighbor, which does not answer either.
    world.until(() => client.closed !== undefined, 20_000);
    expect(client.closed).toBe('EHOSTUNREACH');
  });

  it('who has no handler for them hears of none, then or later (SHLD-20)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    const frame = loseText(world, client.connection, pattern(1000));
    world.wire.a.onReceive(icmpAbout(world.a, frame, TIME_EXCEEDED, 0, 0));
    world.run(1);
    const heard = listen(client.connection);
    world.until(() => server.received === 1000);
    expect(heard).toEqual([]);
  });
});

describe('urgent data', () => {
  /** Notes each announcement with what is left to read then. */
  function announcements(connection: Connection): number[] {
    const heard: number[] = [];
    connection.handlers = { ...connection.handlers, urgent: () => heard.push(connection.urgentBytes) };
    return heard;
  }

  it('is announced once for each advance of the pointer, and says how much of it is unread (MUST-32, MUST-33)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    server.paused = true;
    const heard = announcements(server.connection);
    client.connection.send(pattern(100));
    client.connection.sendUrgent(pattern(5000));
    world.run(100);
    expect(heard).toEqual([5100]);
    expect(server.connection.urgentBytes).toBe(5100);
    server.connection.read(1100);
    expect(server.connection.urgentBytes).toBe(4000);
    client.connection.sendUrgent(pattern(10));
    world.run(100);
    expect(heard).toEqual([5100, 4010]);
    server.resume();
    expect(server.connection.urgentBytes).toBe(0);
    client.connection.send(pattern(1000));
    world.run(100);
    expect(heard).toHaveLength(2);
    expect(server.connection.unreadBytes + server.received).toBe(5010);
  });

  it.each(['sender', 'receiver', 'both'] as const)('crosses moves of the connection (%s offloaded; URG-02)', (who) => {
    const world = new World();
    const { client, server } = world.connect(80);
    if (who !== 'receiver') world.move(client, 'offload');
    if (who !== 'sender') world.move(server, 'offload');
    const heard = announcements(server.connection);
    const bytes = pattern(20_000, 4);
    client.connection.send(bytes.subarray(0, 8000));
    client.connection.sendUrgent(bytes.subarray(8000, 15_000));
    client.connection.send(bytes.subarray(15_000));
    world.until(() => server.received === bytes.length);
    expect(Buffer.compare(server.bytes, bytes)).toBe(0);
    expect(heard.length).toBeGreaterThan(0);
    expect([client.connection.owner, server.connection.owner]).toEqual(['host', 'host']);
    world.run(500);
    expect(world.move(client, 'offload').ok).toBe(true);
  });

  it('keeps a connection from being offloaded until it is acknowledged', () => {
    const world = new World();
    const { client } = world.connect(80);
    world.wire.aToB.configure({ loss: 1 });
    client.connection.sendUrgent(pattern(10));
    world.run(1);
    expect(world.move(client, 'offload')).toMatchObject({ ok: false, reason: expect.stringContaining('urgent') });
  });
});

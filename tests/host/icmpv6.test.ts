/** ICMPv6: echo, errors that are believed and errors that are not, complaints of our own; path MTU and black holes. */
import { describe, expect, it } from 'vitest';
import { TcpState } from '../../src/tcp/index.ts';
import {
  ALL_NODES,
  DropReason,
  describeFrame,
  Icmpv6Type,
  Icmpv6UnreachableCode,
  type IpAddress,
  writeIcmpv6Echo,
  writeIcmpv6Error,
} from '../../src/wire/index.ts';
import { icmpv6, ip, ipv6Frame, packetOf } from './frames.ts';
import { firstDifference, Peer, pattern, sendAll, type TestHost, World } from './world.ts';

const ROUTER = ip('fd00::fe');

/** What a router says about a frame that `to` sent. */
function about(to: TestHost, frame: Uint8Array, type: number, code: number, parameter: number): Uint8Array {
  const way = { source: ROUTER, destination: to.address, macDestination: to.adapter.macAddress };
  return icmpv6(way, (buffer, offset) =>
    writeIcmpv6Error(buffer, offset, ROUTER, to.address, type, code, parameter, frame.slice(14, 14 + 200)),
  );
}

function echo(to: TestHost, destination: IpAddress, sequence: number, source: IpAddress): Uint8Array {
  const mac = destination.isMulticast ? {} : { macDestination: to.adapter.macAddress };
  return icmpv6({ source, destination, ...mac }, (buffer, offset) =>
    writeIcmpv6Echo(buffer, offset, source, destination, Icmpv6Type.ECHO_REQUEST, 77, sequence, pattern(32)),
  );
}

/** What b says from now on. */
function listen(world: World): string[] {
  const lines: string[] = [];
  world.wire.observer = (_time, direction, frame) => {
    if (direction === 'b-to-a') lines.push(describeFrame(frame));
  };
  return lines;
}

describe('echo (RFC 4443 section 4.2)', () => {
  it('is answered, also to a group, but not without limit', () => {
    const world = new World({ family: 6 });
    world.connect(80);
    const lines = listen(world);
    world.wire.b.onReceive(echo(world.b, world.b.address, 1, world.a.address));
    world.wire.b.onReceive(echo(world.b, ALL_NODES, 2, world.a.address));
    world.run(5);
    const expected = (sequence: number) => `fd00::2 > fd00::1: ICMP6 echo reply, id 77, seq ${sequence}, length 32`;
    expect(lines).toEqual([expected(1), expected(2)]);
    for (let i = 0; i < 1000; i++) world.wire.b.onReceive(echo(world.b, world.b.address, i, world.a.address));
    world.run(5);
    expect(lines.length).toBeLessThan(150);
  });
});

describe('path MTU (RFC 8201)', () => {
  for (const owner of ['host', 'offloaded'] as const) {
    it(`obeys "packet too big" about a segment in flight (${owner}; UPD-12)`, () => {
      const world = new World({ family: 6, wire: { aToB: { mtu: 1300 } }, a: { stack: { mtu: 1500 } } });
      const { client, server } = world.connect(80);
      if (owner === 'offloaded') world.move(client, 'offload');
      world.wire.observer = (_time, direction, frame, fate) => {
        if (fate !== 'too-large' || direction !== 'a-to-b') return;
        world.wire.a.onReceive(about(world.a, frame, Icmpv6Type.PACKET_TOO_BIG, 0, 1300));
      };
      const bytes = pattern(100_000, 3);
      sendAll(client.connection, bytes);
      world.until(() => server.received === bytes.length);
      expect(firstDifference(server.bytes, bytes)).toBe(-1);
      expect(world.a.stack.statistics.pathMtuReductions).toBe(1);
      expect(client.connection.owner).toBe(owner);
    });
  }

  it('goes no lower than 1280, and not for what is not in flight (RFC 8201 section 4, RFC 5927)', () => {
    const world = new World({ family: 6 });
    const { client, server } = world.connect(80);
    let sent: Uint8Array | null = null;
    let largest = 0;
    world.wire.observer = (_time, direction, frame) => {
      if (direction !== 'a-to-b') return;
      if (frame.length > 1000) sent = frame.slice();
      largest = Math.max(largest, packetOf(frame)?.totalLength ?? 0);
    };
    sendAll(client.connection, pattern(20_000));
    world.until(() => server.received === 20_000);
    world.run(10);
    const old = sent ?? new Uint8Array(0);
    world.wire.a.onReceive(about(world.a, old, Icmpv6Type.PACKET_TOO_BIG, 0, 1300));
    world.run(5);
    expect(world.a.stack.statistics.pathMtuReductions).toBe(0);
    expect(world.a.stack.drops.get(DropReason.ICMP_STALE)).toBe(1);
    client.connection.send(pattern(3000));
    world.step();
    world.wire.a.onReceive(about(world.a, sent ?? old, Icmpv6Type.PACKET_TOO_BIG, 0, 68));
    world.until(() => server.received === 23_000);
    largest = 0;
    sendAll(client.connection, pattern(20_000));
    world.until(() => server.received === 43_000);
    expect(largest).toBe(1280);
    // The larger one is tried again after ten minutes (RFC 8201 section 4).
    world.run(601_000);
    largest = 0;
    sendAll(client.connection, pattern(20_000));
    world.until(() => server.received === 63_000);
    expect(largest).toBe(1500);
  });
});

describe('errors', () => {
  it('end an opening and nothing else (RFC 5927 section 5.2)', () => {
    const world = new World({ family: 6 });
    const established = world.connect(80);
    let syn: Uint8Array | null = null;
    let data: Uint8Array | null = null;
    world.wire.observer = (_time, direction, frame) => {
      if (direction !== 'a-to-b' || packetOf(frame)?.protocol !== 6) return;
      if (frame[14 + 40 + 13] === 0x02) syn = frame.slice();
      else if (frame.length > 500) data = frame.slice();
    };
    sendAll(established.client.connection, pattern(1000));
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 4444 }));
    world.step();
    expect(client.connection.state).toBe(TcpState.SYN_SENT);
    const { DESTINATION_UNREACHABLE } = Icmpv6Type;
    for (const frame of [syn, data]) {
      expect(frame).not.toBeNull();
      const error = about(
        world.a,
        frame ?? new Uint8Array(64),
        DESTINATION_UNREACHABLE,
        Icmpv6UnreachableCode.ADDRESS,
        0,
      );
      world.wire.a.onReceive(error);
    }
    world.step();
    expect(client.closed).toBe('EHOSTUNREACH');
    world.run(100);
    expect(established.client.closed).toBeUndefined();
    expect(established.server.received).toBe(1000);
  });
});

describe('complaints (RFC 4443 section 3.4)', () => {
  it('name the option, or the protocol, that was not understood, a limited number of times', () => {
    const world = new World({ family: 6 });
    world.connect(80);
    const lines = listen(world);
    const way = { source: world.a.address, destination: world.b.address, macDestination: world.b.adapter.macAddress };
    const option = Uint8Array.of(6, 0, 0xde, 0, 1, 2, 0, 0);
    world.wire.b.onReceive(ipv6Frame(way, 60, option));
    world.wire.b.onReceive(ipv6Frame(way, 200, pattern(20)));
    world.wire.b.onReceive(ipv6Frame({ ...way, destination: ALL_NODES, macDestination: undefined }, 60, option));
    world.run(5);
    expect(lines).toEqual([
      expect.stringContaining('parameter problem code 2 at 42, about fd00::1 > fd00::2'),
      expect.stringContaining('parameter problem code 1 at 6, about fd00::1 > fd00::2'),
    ]);
    for (let i = 0; i < 500; i++) world.wire.b.onReceive(ipv6Frame(way, 200, pattern(20)));
    world.run(5);
    expect(lines.length).toBeLessThan(80);
  });

  it('are not made about errors, nor to nobody', () => {
    const world = new World({ family: 6 });
    world.connect(80);
    const lines = listen(world);
    const way = { destination: world.b.address, macDestination: world.b.adapter.macAddress };
    world.wire.b.onReceive(ipv6Frame({ ...way, source: ip('::') }, 200, pattern(20)));
    world.wire.b.onReceive(ipv6Frame({ ...way, source: ip('ff02::5') }, 200, pattern(20)));
    world.wire.b.onReceive(ipv6Frame({ ...way, source: ip('::1') }, 200, pattern(20)));
    world.run(5);
    expect(lines).toEqual([]);
    expect(world.b.stack.drops.get(DropReason.IPV6_SOURCE)).toBe(3);
  });
});

describe('black holes (RFC 4821 section 7.7)', () => {
  for (const family of [4, 6] as const) {
    for (const owner of ['host', 'offloaded'] as const) {
      it(`finds a segment size that gets through when nobody says why full ones do not (IPv${family}, ${owner})`, () => {
        const world = new World({ family, wire: { aToB: { mtu: 1300 } }, a: { stack: { mtu: 1500 } } });
        const { client, server } = world.connect(80);
        if (owner === 'offloaded') world.move(client, 'offload');
        const bytes = pattern(60_000, 3);
        sendAll(client.connection, bytes);
        world.until(() => server.received === bytes.length, 60_000);
        expect(firstDifference(server.bytes, bytes)).toBe(-1);
        const { blackHolesSuspected, pathMtuReductions } = world.a.stack.statistics;
        expect(blackHolesSuspected).toBe(owner === 'host' ? 1 : 0);
        expect(pathMtuReductions).toBe(0);
        expect(client.connection.owner).toBe(owner);
      });
    }
  }

  it('gives the size back when the peer is simply gone', () => {
    const world = new World({ a: { stack: { parameters: { maximumRetransmissions: 6 } } } });
    const { client } = world.connect(80);
    const path = client.connection.path;
    world.wire.aToB.configure({ loss: 1 });
    sendAll(client.connection, pattern(20_000));
    let least = 1500;
    for (let second = 0; second < 60 && client.closed === undefined; second++) {
      world.run(1000);
      least = Math.min(least, path?.pathMtu ?? 0);
    }
    world.until(() => client.closed !== undefined, 600_000);
    expect(client.closed).toBe('ETIMEDOUT');
    expect(least).toBeLessThan(1500);
    expect(path?.pathMtu).toBe(1500);
  });

  it('suspects nothing when a small segment is lost', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.wire.aToB.configure({ loss: 1 });
    client.connection.send(pattern(100));
    world.run(5000);
    world.wire.aToB.configure({ loss: 0 });
    world.until(() => server.received === 100);
    expect(world.a.stack.statistics.blackHolesSuspected).toBe(0);
  });
});

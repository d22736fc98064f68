/** TCP over IPv6, on the host and in the offload target, beside IPv4 on the same interface. */
import { describe, expect, it } from 'vitest';
import { TcpState } from '../../src/tcp/index.ts';
import { addressFromMac, DropReason, EtherType, LINK_LOCAL_PREFIX } from '../../src/wire/index.ts';
import { ip, packetOf } from './frames.ts';
import { firstDifference, Peer, pattern, sendAll, World } from './world.ts';

describe('TCP over IPv6', () => {
  it('opens, carries bytes both ways and closes', () => {
    const world = new World({ family: 6 });
    const { client, server } = world.connect(80);
    expect(client.connection.remoteAddress.toString()).toBe('fd00::2');
    expect(server.connection.remoteAddress.toString()).toBe('fd00::1');
    expect(server.connection.localAddress.toString()).toBe('fd00::2');
    const down = pattern(300_000, 1);
    const up = pattern(200_000, 2);
    sendAll(client.connection, down);
    sendAll(server.connection, up);
    world.until(() => server.received === down.length && client.received === up.length);
    expect(firstDifference(server.bytes, down)).toBe(-1);
    expect(firstDifference(client.bytes, up)).toBe(-1);
    client.connection.shutdown();
    world.until(() => server.peerClosed);
    server.connection.shutdown();
    world.until(() => client.closed === null && server.closed === null);
  });

  it('fills datagrams to the MTU with 60 bytes of headers, and offers that segment size (RFC 8200 section 8.3; RFC 9293 SHLD-6)', () => {
    const world = new World({ family: 6 });
    let largest = 0;
    const labels = new Set<number>();
    world.wire.observer = (_time, _direction, frame) => {
      const packet = packetOf(frame);
      if (packet === null || packet.protocol !== 6) return;
      largest = Math.max(largest, packet.totalLength);
      if (packet.isFrom(world.a.address)) labels.add(packet.ipv6.flowLabel);
    };
    const { client, server } = world.connect(80);
    sendAll(client.connection, pattern(20_000));
    world.until(() => server.received === 20_000);
    expect(largest).toBe(1500);
    expect(labels.size).toBe(1); // RFC 6437 section 3: one label per flow
    expect([...labels][0]).toBeGreaterThan(0);
  });

  it('moves down and up while bytes flow, with hop limit, traffic class and flow label (STATE-17)', () => {
    const world = new World({ family: 6 });
    const { client, server } = world.connect(80);
    client.connection.setDatagramFields(0x28, 33);
    const fields = new Set<string>();
    const data = pattern(400_000, 7);
    sendAll(client.connection, data);
    world.run(3);
    world.wire.observer = (_time, direction, frame) => {
      const packet = packetOf(frame);
      if (direction !== 'a-to-b' || packet === null || packet.protocol !== 6) return;
      fields.add(`${packet.hopLimit} ${packet.trafficClass} ${packet.ipv6.flowLabel}`);
    };
    for (let round = 0; round < 6; round++) {
      expect(world.move(client, round % 2 === 0 ? 'offload' : 'upload')).toMatchObject({ ok: true });
      expect(world.move(server, round % 2 === 0 ? 'offload' : 'upload')).toMatchObject({ ok: true });
      if (round === 0) {
        expect(world.a.adapter.nic.core.paths.size).toBe(1);
        expect(client.connection.owner).toBe('offloaded');
      }
      world.run(5);
    }
    world.until(() => server.received === data.length);
    expect(firstDifference(server.bytes, data)).toBe(-1);
    expect([...fields].length).toBe(1);
    expect([...fields][0]).toMatch(/^33 40 [1-9]/);
    world.run(100);
    expect(world.a.adapter.nic.core.neighbors.size).toBe(0);
  });

  it('counts offloaded traffic by family (STAT-01, STAT-18)', () => {
    const world = new World({
      family: 6,
      a: { stack: { addresses: [{ address: ip('10.0.0.1'), prefixLength: 24 }] } },
      b: { stack: { addresses: [{ address: ip('10.0.0.2'), prefixLength: 24 }] } },
    });
    const six = world.connect(80);
    world.move(six.client, 'offload');
    six.client.connection.send(pattern(1000));
    world.until(() => six.server.received === 1000);
    const { ip4, ip6, tcp4, tcp6 } = world.a.adapter.nic.core.statistics.snapshot(
      world.a.adapter.nic.core.connections.values(),
    );
    expect(ip4.outRequests + tcp4.outSegments + ip4.inReceives).toBe(0);
    expect(ip6.outRequests).toBeGreaterThan(0);
    expect(ip6.outOctets).toBeGreaterThan(1060);
    expect(tcp6).toMatchObject({ currentlyEstablished: 1 });
    let told: unknown = null;
    world.a.stack.queryOffloadStatistics((statistics) => {
      told = statistics;
    });
    world.until(() => told !== null);
    expect(told).toMatchObject({ ip: { outRequests: 0 }, tcp6: { currentlyEstablished: 1 } });
  });

  it('listens on one port for both families, and tells connections apart by family and local address (RFC 9293 MUST-45)', () => {
    const both = (n: number) => ({
      stack: {
        addresses: [
          { address: ip(`10.0.0.${n}`), prefixLength: 24 },
          { address: ip(`fd00::${n}:${n}`), prefixLength: 64 },
        ],
      },
    });
    const world = new World({ family: 6, a: both(1), b: both(2) });
    const accepted: Peer[] = [];
    world.b.stack.listen({ port: 80 }, (connection) => {
      accepted.push(new Peer(connection));
    });
    const targets = ['fd00::2', '10.0.0.2', 'fd00::2:2'].map(ip);
    const clients = targets.map((address) => new Peer(world.a.stack.connect({ address, port: 80, localPort: 50_000 })));
    const second = new Peer(
      world.a.stack.connect({ address: ip('fd00::2'), port: 80, localPort: 50_000, localAddress: ip('fd00::1:1') }),
    );
    clients.push(second);
    world.until(() => accepted.length === 4 && clients.every((each) => each.isConnected));
    for (const [index, each] of clients.entries()) each.connection.send(new Uint8Array(10 + index));
    world.until(() => accepted.every((each) => each.received > 0));
    const seen = accepted.map(({ connection, received }) => `${connection.localAddress} ${received}`).sort();
    expect(seen).toEqual(['10.0.0.2 11', 'fd00::2 10', 'fd00::2 13', 'fd00::2:2 12']);
    expect(second.connection.localAddress.toString()).toBe('fd00::1:1');
    for (const each of clients) expect(world.move(each, 'offload')).toMatchObject({ ok: true });
    for (const [index, each] of clients.entries()) each.connection.send(new Uint8Array(100 + index));
    world.until(() => accepted.every((each) => each.received > 100));
  });

  it('reaches a link-local address from its own (RFC 6724 rule 2; RFC 9293 MUST-44)', () => {
    const world = new World({ family: 6 });
    const address = addressFromMac(LINK_LOCAL_PREFIX, world.b.adapter.macAddress);
    expect(address.toString()).toBe('fe80::ff:fe00:2');
    world.b.stack.listen({ port: 80 }, () => {});
    const client = new Peer(world.a.stack.connect({ address, port: 80 }));
    world.until(() => client.isConnected);
    expect(client.connection.localAddress.toString()).toBe('fe80::ff:fe00:1');
  });

  it('refuses what has no way out: no address of the family, groups, its own addresses (RFC 9293 MUST-46)', () => {
    const four = new World();
    const none = new Peer(four.a.stack.connect({ address: ip('fd00::2'), port: 80 }));
    four.run(1);
    expect(none.closed).toBe('EHOSTUNREACH');
    const six = new World({ family: 6 });
    for (const text of ['10.0.0.2', 'ff02::1', '::', '::1', 'fd00::1', '2001:db8::1']) {
      const peer = new Peer(six.a.stack.connect({ address: ip(text), port: 80 }));
      six.run(1);
      expect(peer.closed, text).toBe('EHOSTUNREACH');
    }
  });

  it('answers a port without a listener with a reset', () => {
    const world = new World({ family: 6 });
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 81 }));
    world.until(() => client.closed !== undefined);
    expect(client.closed).toBe('ECONNREFUSED');
    expect(client.connection.state).toBe(TcpState.CLOSED);
  });

  it('takes no IPv6 at all without an address of the family', () => {
    const world = new World();
    let frame: Uint8Array | null = null;
    const other = new World({ family: 6 });
    other.wire.observer = (_time, _direction, bytes) => {
      frame ??= bytes.slice();
    };
    other.connect(80);
    expect((frame as Uint8Array | null)?.[12]).toBe(EtherType.IPV6 >> 8);
    world.wire.b.onReceive(frame ?? new Uint8Array(0));
    world.run(1);
    expect(world.b.stack.drops.get(DropReason.ETHERNET_TYPE)).toBe(1);
    expect(world.b.stack.hasIpv6).toBe(false);
  });

  it('goes through a static route and a configured router', () => {
    const far = ip('2001:db8:7::7');
    const router = ip('fd00::1');
    const world = new World({
      family: 6,
      a: { stack: { addresses: [{ address: far, prefixLength: 64 }] } },
      b: { stack: { routes: [{ destination: ip('2001:db8::'), prefixLength: 32, gateway: router }] } },
    });
    world.a.stack.setGateway(ip('fd00::2'));
    world.a.stack.listen({ port: 80 }, () => {});
    const client = new Peer(world.b.stack.connect({ address: far, port: 80 }));
    world.until(() => client.isConnected);
    expect(world.b.stack.statistics.neighborSolicitationsSent).toBe(1);
  });
});

/** ARP, ICMP, IP options, and neighbors that change: what reaches the host and what it tells the target. */
import { describe, expect, it } from 'vitest';
import { TcpState } from '../../src/tcp/index.ts';
import {
  ArpOperation,
  ETHERNET_HEADER_LENGTH,
  EthernetHeader,
  ICMPV4_HEADER_LENGTH,
  Icmpv4Message,
  Icmpv4Type,
  IPV4_HEADER_LENGTH,
  IpAddress,
  IpProtocol,
  Ipv4Header,
  internetChecksum,
  MacAddress,
  parseEthernet,
  parseIcmpv4,
  parseIpv4,
  UnreachableCode,
  writeIcmpv4Echo,
} from '../../src/wire/index.ts';
import { arp, datagram, icmpAbout, ROUTER_MAC } from './frames.ts';
import { firstDifference, Peer, pattern, sendAll, World } from './world.ts';

/** The same frame with four bytes of IP options (no operation), its checksum renewed. */
function withIpOptions(frame: Uint8Array): Uint8Array {
  const at = ETHERNET_HEADER_LENGTH;
  const out = new Uint8Array(frame.length + 4);
  out.set(frame.subarray(0, at + IPV4_HEADER_LENGTH));
  out.fill(1, at + IPV4_HEADER_LENGTH, at + IPV4_HEADER_LENGTH + 4);
  out.set(frame.subarray(at + IPV4_HEADER_LENGTH), at + IPV4_HEADER_LENGTH + 4);
  out[at] = 0x46;
  const total = out.length - at;
  out[at + 2] = total >>> 8;
  out[at + 3] = total;
  out[at + 10] = 0;
  out[at + 11] = 0;
  const checksum = internetChecksum(out, at, IPV4_HEADER_LENGTH + 4);
  out[at + 10] = checksum >>> 8;
  out[at + 11] = checksum;
  return out;
}

describe('path MTU', () => {
  for (const owner of ['host', 'offloaded'] as const) {
    it(`obeys "fragmentation needed" about a segment in flight (${owner}; RFC 1191, UPD-12)`, () => {
      const world = new World({
        wire: { aToB: { mtu: 900 } },
        a: { stack: { mtu: 1500 } },
      });
      const { client, server } = world.connect(80);
      if (owner === 'offloaded') world.move(client, 'offload');
      let tooLarge = 0;
      world.wire.observer = (_time, direction, frame, fate) => {
        if (fate !== 'too-large' || direction !== 'a-to-b') return;
        tooLarge++;
        const { DESTINATION_UNREACHABLE } = Icmpv4Type;
        const answer = icmpAbout(world.a, frame, DESTINATION_UNREACHABLE, UnreachableCode.FRAGMENTATION_NEEDED, 900);
        world.wire.a.onReceive(answer);
      };
      const bytes = pattern(100_000, 3);
      sendAll(client.connection, bytes);
      world.until(() => server.received === bytes.length);
      expect(firstDifference(server.bytes, bytes)).toBe(-1);
      expect(world.a.stack.statistics.pathMtuReductions).toBe(1);
      expect(tooLarge).toBeGreaterThan(0);
      expect(tooLarge).toBeLessThan(40);
      expect(client.connection.owner).toBe(owner);
    });
  }

  it('ignores "fragmentation needed" about a segment that is not in flight (RFC 5927 section 4.1)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    let old: Uint8Array | null = null;
    world.wire.observer = (_time, direction, frame) => {
      if (direction === 'a-to-b' && frame.length > 1000) old ??= frame.slice();
    };
    sendAll(client.connection, pattern(20_000));
    world.until(() => server.received === 20_000);
    world.run(10);
    expect(old).not.toBeNull();
    const { DESTINATION_UNREACHABLE } = Icmpv4Type;
    const attack = icmpAbout(
      world.a,
      old ?? new Uint8Array(64),
      DESTINATION_UNREACHABLE,
      UnreachableCode.FRAGMENTATION_NEEDED,
      600,
    );
    world.wire.a.onReceive(attack);
    world.run(10);
    expect(world.a.stack.statistics.pathMtuReductions).toBe(0);
    expect(world.a.stack.drops.toObject()).toHaveProperty('icmp-stale', 1);
  });
});

describe('ICMP', () => {
  it('answers echo, but not without limit (RFC 1122 section 3.2.2.6)', () => {
    const world = new World();
    world.connect(80);
    const replies: Icmpv4Message[] = [];
    world.wire.observer = (_time, direction, frame) => {
      const ethernet = new EthernetHeader();
      const ip = new Ipv4Header();
      if (direction !== 'b-to-a' || parseEthernet(frame, 0, frame.length, ethernet) !== 0) return;
      if (parseIpv4(frame, ethernet.payloadOffset, ethernet.payloadLength, ip) !== 0) return;
      const message = new Icmpv4Message();
      if (ip.protocol === IpProtocol.ICMPV4 && parseIcmpv4(frame, ip.payloadOffset, ip.payloadLength, message) === 0) {
        replies.push(message);
      }
    };
    for (let i = 0; i < 1000; i++) {
      const message = new Uint8Array(ICMPV4_HEADER_LENGTH + 32);
      writeIcmpv4Echo(message, 0, Icmpv4Type.ECHO_REQUEST, 77, i, pattern(32));
      world.wire.b.onReceive(datagram(world.b, world.a.address, IpProtocol.ICMPV4, message));
    }
    world.run(10);
    expect(replies[0]).toMatchObject({ type: Icmpv4Type.ECHO_REPLY, identifier: 77, sequence: 0 });
    expect(replies.length).toBeGreaterThan(10);
    expect(replies.length).toBeLessThan(150);
  });

  it('ends an opening that a router says is hopeless, and nothing else (RFC 5927 section 5.2)', () => {
    const world = new World({ wire: { aToB: { loss: 0 } } });
    const established = world.connect(80);
    let syn: Uint8Array | null = null;
    let data: Uint8Array | null = null;
    world.wire.observer = (_time, direction, frame) => {
      if (direction !== 'a-to-b' || frame[13] !== 0 || frame[12] !== 8) return;
      if (frame[47] === 0x02) syn = frame.slice();
      else if (frame.length > 500) data = frame.slice();
    };
    sendAll(established.client.connection, pattern(1000));
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 4444 }));
    world.step();
    expect(client.connection.state).toBe(TcpState.SYN_SENT);
    const { DESTINATION_UNREACHABLE } = Icmpv4Type;
    for (const frame of [syn, data]) {
      expect(frame).not.toBeNull();
      const about = icmpAbout(world.a, frame ?? new Uint8Array(64), DESTINATION_UNREACHABLE, UnreachableCode.HOST, 0);
      world.wire.a.onReceive(about);
    }
    world.step();
    expect(client.closed).toBe('EHOSTUNREACH');
    world.run(100);
    expect(established.client.closed).toBeUndefined();
    expect(established.server.received).toBe(1000);
  });
});

describe('neighbors', () => {
  it('learns a new MAC address of the next hop and tells the target (UPD-11)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    const moved = MacAddress.fromWords(0x0200, 0x77);
    world.wire.b.onReceive(arp(ArpOperation.REPLY, moved, world.a.address, world.b));
    world.run(10);
    const destinations = new Set<number>();
    world.wire.observer = (_time, direction, frame) => {
      if (direction === 'b-to-a') destinations.add(frame[5]);
    };
    server.connection.send(pattern(100));
    world.run(5);
    expect([...destinations]).toEqual([0x77]);
    // The real neighbor speaks up again, not sooner than a second later (the guard against flapping).
    world.wire.b.onReceive(arp(ArpOperation.REPLY, world.a.adapter.macAddress, world.a.address, world.b));
    world.run(1100);
    world.wire.b.onReceive(arp(ArpOperation.REPLY, world.a.adapter.macAddress, world.a.address, world.b));
    world.until(() => client.received === 100);
  });

  it('learns nothing from ARP that nobody asked for, and nothing from strangers', () => {
    const world = new World();
    for (let i = 0; i < 5000; i++) {
      const address = IpAddress.fromWords(4, (10 << 24) | (3 + (i % 200)));
      world.wire.b.onReceive(arp(ArpOperation.REPLY, ROUTER_MAC, address, world.b));
      world.wire.b.onReceive(arp(ArpOperation.REQUEST, ROUTER_MAC, IpAddress.fromWords(4, (11 << 24) | i), world.b));
    }
    world.run(1);
    // What strangers say is counted and forgotten; they may still ask for us.
    expect(world.b.stack.drops.toObject()['arp-sender']).toBe(5000);
  });

  it('finds out by itself whether an idle neighbor is still there, and takes connections back when it is not', () => {
    const world = new World({ b: { stack: { parameters: { nceStaleTicks: 2000 } } } });
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    // While bytes flow the target sees progress, and nobody probes.
    for (let i = 0; i < 20; i++) {
      server.connection.send(pattern(100));
      world.run(1000);
    }
    expect(client.received).toBe(2000);
    const { arpRequestsSent } = world.b.stack.statistics;
    // The neighbor vanishes: everything from a is lost.
    world.wire.observer = null;
    world.wire.bToA.configure({ loss: 1 });
    server.connection.send(pattern(100));
    world.until(() => server.connection.owner === 'host', 60_000);
    expect(world.b.stack.statistics.arpRequestsSent).toBeGreaterThanOrEqual(arpRequestsSent + 3);
    // It comes back, and so do the bytes.
    world.wire.bToA.configure({ loss: 0 });
    world.until(() => client.received === 2100, 120_000);
  });

  it('moves offloaded paths to another router (UPD-10)', () => {
    const far = IpAddress.parse('192.168.7.7') as IpAddress;
    const gateway = IpAddress.parse('10.0.0.1') as IpAddress;
    const other = IpAddress.parse('10.0.0.3') as IpAddress;
    // b reaches 192.168.7.7 through a router; that address is a's, and so are both routers' MAC addresses.
    const world = new World({
      a: { stack: { address: far, prefixLength: 0 } },
      b: { stack: { gateway } },
    });
    const answerFor = (address: IpAddress, mac: MacAddress): void => {
      world.wire.b.onReceive(arp(ArpOperation.REPLY, mac, address, world.b));
    };
    let server: Peer | null = null;
    world.a.stack.listen({ port: 80 }, (connection) => {
      server = new Peer(connection);
    });
    const client = new Peer(world.b.stack.connect({ address: far, port: 80 }));
    world.step();
    answerFor(gateway, world.a.adapter.macAddress);
    world.until(() => client.isConnected);
    expect(world.move(client, 'offload')).toMatchObject({ ok: true });
    world.b.stack.setGateway(other);
    world.step();
    answerFor(other, world.a.adapter.macAddress);
    world.run(20);
    const { neighbors } = world.b.adapter.nic.core;
    expect(neighbors.size).toBe(1);
    expect(client.connection.owner).toBe('offloaded');
    client.connection.send(pattern(500));
    world.until(() => (server as Peer | null)?.received === 500);
    expect(world.move(client, 'upload')).toMatchObject({ ok: true });
    world.run(20);
    expect(neighbors.size).toBe(0);
  });
});

describe('IP options', () => {
  it('processes a segment with IP options in the host and forwards it to the target (NSP-02, FWD-03; RFC 9293 MUST-50)', () => {
    const world = new World({ wire: { both: { delayMicroseconds: 1000 } } });
    const { client, server } = world.connect(80);
    for (const owner of ['host', 'offloaded'] as const) {
      if (owner === 'offloaded') world.move(server, 'offload');
      const before = server.received;
      let copy: Uint8Array | null = null;
      world.wire.observer = (_time, direction, frame) => {
        if (direction === 'a-to-b' && frame.length > 500) copy ??= frame.slice();
      };
      world.wire.aToB.configure({ loss: 1 });
      client.connection.send(pattern(1000, 5));
      world.step();
      world.wire.aToB.configure({ loss: 0 });
      expect(copy).not.toBeNull();
      world.wire.b.onReceive(withIpOptions(copy ?? new Uint8Array(64)));
      world.run(50);
      expect(server.received - before).toBe(1000);
    }
    expect(server.connection.counters.segmentsForwarded).toBe(1);
  });
});

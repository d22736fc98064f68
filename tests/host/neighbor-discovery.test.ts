/** Neighbor Discovery, duplicate addresses and router advertisements, as a host lives with them (RFC 4861, RFC 4862). */
import { describe, expect, it } from 'vitest';
import type { InterfaceAddress } from '../../src/host/network-interface.ts';
import {
  ALL_NODES,
  DropReason,
  describeFrame,
  IpAddress,
  MacAddress,
  NeighborFlag,
  type RouterAdvertisement,
  solicitedNode,
  UNSPECIFIED_IPV6,
  writeNeighborAdvertisement,
  writeNeighborSolicitation,
  writeRedirect,
  writeRouterAdvertisement,
} from '../../src/wire/index.ts';
import { icmpv6, ip, ndp } from './frames.ts';
import { Peer, pattern, type TestHost, World } from './world.ts';

const ROUTER = ip('fe80::fe');
const ROUTER_MAC = MacAddress.fromWords(0x0200, 0xfe);
const FAR = ip('2001:db8:7::7');

/** Everything that a host says, in lines. */
function listen(world: World, direction: 'a-to-b' | 'b-to-a'): string[] {
  const lines: string[] = [];
  world.wire.observer = (_time, way, frame) => {
    const line = describeFrame(frame);
    if (way === direction) lines.push(line);
  };
  return lines;
}

function entryOf(host: TestHost, text: string): InterfaceAddress | null {
  return host.stack.core.interface.find(ip(text));
}

/** A router's advertisement, heard by `host`. */
function advertise(world: World, host: 'a' | 'b', said: RouterAdvertisement, from: IpAddress = ROUTER): void {
  const macSource = MacAddress.fromWords(0x0200, from.word3);
  const frame = ndp({ source: from, destination: ALL_NODES, macSource }, (buffer, offset) =>
    writeRouterAdvertisement(buffer, offset, from, ALL_NODES, { macAddress: macSource, ...said }),
  );
  world.wire[host].onReceive(frame);
  world.step();
}

/** b with autoconfiguration, and a that keeps out of it. */
function autoconfigured(): World {
  return new World({
    family: 6,
    a: { stack: { duplicateAddressProbes: 0 } },
    b: { stack: { duplicateAddressProbes: 1, acceptRouterAdvertisements: true } },
  });
}

describe('duplicate address detection (RFC 4862 section 5.4)', () => {
  it('asks once, waits a second, and only then opens connections', () => {
    const world = autoconfigured();
    const lines = listen(world, 'b-to-a');
    const client = new Peer(world.b.stack.connect({ address: world.a.address, port: 80 }));
    world.a.stack.listen({ port: 80 }, () => {});
    expect(entryOf(world.b, 'fd00::2')?.state).toBe('tentative');
    world.run(990);
    expect(client.isConnected).toBe(false);
    expect(lines.filter((line) => line.includes('Flags'))).toEqual([]);
    world.run(20);
    expect(entryOf(world.b, 'fd00::2')?.state).toBe('preferred');
    expect(entryOf(world.b, 'fe80::ff:fe00:2')?.state).toBe('preferred');
    expect(client.isConnected).toBe(true);
    expect(world.b.stack.hasAddress(world.b.address)).toBe(true);
  });

  it('probes for the configured and for the link-local address', () => {
    const world = autoconfigured();
    expect(world.b.stack.statistics.neighborSolicitationsSent).toBe(2);
    expect(world.b.stack.addresses.map(String)).toEqual(['fd00::2', 'fe80::ff:fe00:2']);
    expect(world.b.stack.hasAddress(world.b.address)).toBe(false);
  });

  for (const how of ['solicitation', 'advertisement'] as const) {
    it(`gives an address up that somebody else wants or has (${how})`, () => {
      const world = autoconfigured();
      const waiting = new Peer(world.b.stack.connect({ address: world.a.address, port: 80 }));
      world.run(300);
      const target = world.b.address;
      const group = solicitedNode(target);
      const frame =
        how === 'solicitation'
          ? ndp({ source: UNSPECIFIED_IPV6, destination: group }, (buffer, offset) =>
              writeNeighborSolicitation(buffer, offset, UNSPECIFIED_IPV6, group, target, null),
            )
          : ndp({ source: target, destination: ALL_NODES }, (buffer, offset) =>
              writeNeighborAdvertisement(buffer, offset, target, ALL_NODES, target, NeighborFlag.OVERRIDE, ROUTER_MAC),
            );
      world.wire.b.onReceive(frame);
      world.run(2000);
      expect(entryOf(world.b, 'fd00::2')?.state).toBe('duplicate');
      expect(world.b.stack.statistics.duplicateAddresses).toBe(1);
      expect(waiting.closed).toBe('EHOSTUNREACH');
      expect(entryOf(world.b, 'fe80::ff:fe00:2')?.state).toBe('preferred');
    });
  }

  it('defends an address that is its own', () => {
    const world = new World({ family: 6 });
    const lines = listen(world, 'b-to-a');
    const target = world.b.address;
    const group = solicitedNode(target);
    const frame = ndp({ source: UNSPECIFIED_IPV6, destination: group }, (buffer, offset) =>
      writeNeighborSolicitation(buffer, offset, UNSPECIFIED_IPV6, group, target, null),
    );
    world.wire.b.onReceive(frame);
    world.run(5);
    expect(lines).toEqual(['fd00::2 > ff02::1: NDP, Advertisement fd00::2 is-at 02:00:00:00:00:02 [override]']);
  });
});

describe('multicast listening (RFC 3810)', () => {
  it('is reported at the start, twice, and when a router asks', () => {
    const world = autoconfigured();
    const lines = listen(world, 'b-to-a');
    const reports = (): string[] => lines.filter((line) => line.includes('ICMP6 type 143'));
    world.run(1100);
    expect(reports().length).toBe(1); // the first came before
    lines.length = 0;
    const query = (way: object, group: IpAddress): void => {
      const frame = icmpv6({ source: ROUTER, destination: ALL_NODES, hopLimit: 1, ...way }, (buffer, offset) => {
        buffer.fill(0, offset, offset + 28);
        buffer[offset] = 130;
        buffer[offset + 4] = 0x03; // 1000 ms
        buffer[offset + 5] = 0xe8;
        buffer.set(group.bytes, offset + 8);
        return 28;
      });
      world.wire.b.onReceive(frame);
      world.run(1100);
    };
    query({}, UNSPECIFIED_IPV6);
    expect(reports()).toEqual(['fe80::ff:fe00:2 > ff02::16: ICMP6 type 143 code 0']);
    query({}, solicitedNode(world.b.address));
    expect(reports().length).toBe(2);
    query({}, solicitedNode(FAR));
    query({ hopLimit: 64 }, UNSPECIFIED_IPV6);
    query({ source: ip('2001:db8::1') }, UNSPECIFIED_IPV6);
    expect(reports().length).toBe(2);
  });
});

describe('neighbors', () => {
  it('ignores what was forwarded, fragmented, or claims to be from itself (RFC 4861 section 7.1, RFC 6980)', () => {
    const world = new World({ family: 6 });
    const lines = listen(world, 'b-to-a');
    const source = world.a.address;
    const target = world.b.address;
    const group = solicitedNode(target);
    const solicit = (way: object, mac: MacAddress | null = ROUTER_MAC, from = source): Uint8Array =>
      ndp({ source: from, destination: group, ...way }, (buffer, offset) =>
        writeNeighborSolicitation(buffer, offset, from, group, target, mac),
      );
    world.wire.b.onReceive(solicit({ hopLimit: 254 }));
    world.wire.b.onReceive(solicit({ macSource: world.b.adapter.macAddress }));
    world.wire.b.onReceive(solicit({}, ROUTER_MAC, UNSPECIFIED_IPV6)); // from nowhere, with a MAC address
    world.wire.b.onReceive(solicit({}, MacAddress.BROADCAST));
    world.run(5);
    expect(lines).toEqual([]);
    expect(world.b.stack.drops.get(DropReason.NDP_INVALID)).toBe(4);
    world.wire.b.onReceive(solicit({ macSource: ROUTER_MAC }));
    world.run(5);
    expect(lines[0]).toContain('Advertisement fd00::2 is-at 02:00:00:00:00:02 [solicited, override]');
  });

  it('makes no entry for advertisements that nobody asked for, and follows the override flag', () => {
    const world = new World({ family: 6 });
    const { client } = world.connect(80);
    const { neighbors } = (world.a.stack as unknown as { network: { neighbors: Iterable<{ macAddress: MacAddress }> } })
      .network;
    const before = [...neighbors].length;
    const say = (address: IpAddress, mac: MacAddress, flags: number): void => {
      const frame = ndp({ source: address, destination: ALL_NODES }, (buffer, offset) =>
        writeNeighborAdvertisement(buffer, offset, address, ALL_NODES, address, flags, mac),
      );
      world.wire.a.onReceive(frame);
      world.step();
    };
    for (let i = 0; i < 3000; i++) say(IpAddress.fromWords(6, 0xfd000000, 0, i, 77), ROUTER_MAC, NeighborFlag.OVERRIDE);
    expect([...neighbors].length).toBe(before);
    say(world.b.address, ROUTER_MAC, 0);
    expect([...neighbors].map(({ macAddress }) => macAddress.low)).not.toContain(0xfe);
    say(world.b.address, ROUTER_MAC, NeighborFlag.OVERRIDE);
    expect([...neighbors].map(({ macAddress }) => macAddress.low)).toContain(0xfe);
    expect(client.closed).toBeUndefined();
  });

  it('finds out that a neighbor is gone, and takes its connections back from the target (NBR-13)', () => {
    const world = new World({ family: 6, b: { stack: { parameters: { nceStaleTicks: 2000 } } } });
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    world.wire.bToA.configure({ loss: 1 });
    server.connection.send(pattern(100));
    const { neighborSolicitationsSent } = world.b.stack.statistics;
    world.until(() => server.connection.owner === 'host', 60_000);
    expect(world.b.stack.statistics.neighborSolicitationsSent).toBeGreaterThanOrEqual(neighborSolicitationsSent + 3);
    world.wire.bToA.configure({ loss: 0 });
    world.until(() => client.received === 100, 120_000);
  });
});

describe('router advertisements (RFC 4861 section 6.3, RFC 4862 section 5.5)', () => {
  const PREFIX = {
    prefix: ip('2001:db8:1::'),
    prefixLength: 64,
    onLink: true,
    autonomous: true,
    validLifetime: 86_400,
    preferredLifetime: 3600,
  };

  it('asks for routers three times, and no more once one has answered', () => {
    const silent = autoconfigured();
    const lines = listen(silent, 'b-to-a');
    silent.run(60_000);
    expect(lines.filter((line) => line.includes('Router solicitation')).length).toBe(2); // the first came before
    const world = autoconfigured();
    const heard = listen(world, 'b-to-a');
    advertise(world, 'b', { routerLifetime: 1800 });
    world.run(60_000);
    expect(heard.filter((line) => line.includes('Router solicitation'))).toEqual([]);
  });

  it('forms an address, takes the MTU, and goes through the router', () => {
    const world = autoconfigured();
    world.run(1100);
    advertise(world, 'b', { routerLifetime: 1800, mtu: 1400, hopLimit: 33, prefixes: [PREFIX] });
    const formed = '2001:db8:1:0:0:ff:fe00:2';
    expect(entryOf(world.b, formed)?.state).toBe('tentative');
    world.run(1100);
    expect(entryOf(world.b, formed)?.state).toBe('preferred');
    const lines = listen(world, 'b-to-a');
    const client = world.b.stack.connect({ address: FAR, port: 80 });
    world.run(10);
    expect(client.localAddress.toString()).toBe(ip(formed).toString());
    const frames = lines.filter((line) => line.includes('Flags [S]'));
    expect(frames[0]).toContain(`${ip(formed)}.`);
    expect(frames[0]).toContain('mss 1340');
  });

  it('forgets what has lived long enough, and a router that resigns', () => {
    const world = autoconfigured();
    world.run(1100);
    advertise(world, 'b', { routerLifetime: 30, prefixes: [{ ...PREFIX, preferredLifetime: 20, validLifetime: 40 }] });
    const formed = '2001:db8:1:0:0:ff:fe00:2';
    const opens = (address: string): boolean => {
      const peer = new Peer(world.b.stack.connect({ address: ip(address), port: 80 }));
      world.run(2);
      peer.connection.abort();
      world.run(1);
      return peer.closed !== 'EHOSTUNREACH';
    };
    world.run(10_000);
    expect(opens('2001:db8:7::7')).toBe(true);
    expect(opens('2001:db8:1::9')).toBe(true);
    world.run(15_000);
    expect(entryOf(world.b, formed)?.state).toBe('deprecated');
    world.run(10_000);
    expect(opens('2001:db8:7::7')).toBe(false); // no router any more
    expect(opens('2001:db8:1::9')).toBe(true); // still on the link
    world.run(10_000);
    expect(entryOf(world.b, formed)).toBeNull();
    expect(opens('2001:db8:1::9')).toBe(false);
    advertise(world, 'b', { routerLifetime: 1800 });
    expect(opens('2001:db8:7::7')).toBe(true);
    advertise(world, 'b', { routerLifetime: 0 });
    expect(opens('2001:db8:7::7')).toBe(false);
  });

  it('is not led to shorten lifetimes by a forged advertisement (RFC 4862 section 5.5.3 (e))', () => {
    const world = autoconfigured();
    world.run(1100);
    advertise(world, 'b', { prefixes: [PREFIX] });
    world.run(1100);
    advertise(world, 'b', { prefixes: [{ ...PREFIX, validLifetime: 1, preferredLifetime: 1 }] });
    world.run(10_000);
    expect(entryOf(world.b, '2001:db8:1:0:0:ff:fe00:2')?.state).toBe('deprecated');
    world.run(7_100_000);
    expect(entryOf(world.b, '2001:db8:1:0:0:ff:fe00:2')).not.toBeNull();
    world.run(100_000);
    expect(entryOf(world.b, '2001:db8:1:0:0:ff:fe00:2')).toBeNull();
  });

  it('keeps no more routers, prefixes and addresses than its limits', () => {
    const world = autoconfigured();
    world.run(1100);
    for (let i = 0; i < 200; i++) {
      const prefix = IpAddress.fromWords(6, 0x20010db8, i << 16, 0, 0);
      const from = IpAddress.fromWords(6, 0xfe800000, 0, 0, 0x1000 + i);
      advertise(world, 'b', { routerLifetime: 1800, prefixes: [{ ...PREFIX, prefix }] }, from);
    }
    const { network } = world.b.stack as unknown as {
      network: { routes: { routers: readonly unknown[]; onLink: readonly unknown[] } };
    };
    expect(network.routes.routers.length).toBe(8);
    expect(network.routes.onLink.length).toBe(16);
    expect(world.b.stack.addresses.length).toBe(18);
  });

  it('takes advertisements and redirects from the link only, and none when told so', () => {
    const world = autoconfigured();
    world.run(1100);
    const before = world.b.stack.drops.get(DropReason.NDP_INVALID);
    advertise(world, 'b', { routerLifetime: 1800 }, ip('2001:db8::fe'));
    expect(world.b.stack.drops.get(DropReason.NDP_INVALID)).toBe(before + 1);
    advertise(world, 'a', { routerLifetime: 1800, prefixes: [PREFIX] });
    world.run(1500);
    expect(world.a.stack.addresses.map(String)).toEqual(['fd00::1', 'fe80::ff:fe00:1']);
  });

  it('goes to another router when the first does not answer, offloaded connections too (UPD-10)', () => {
    const world = new World({
      family: 6,
      a: { stack: { addresses: [{ address: FAR, prefixLength: 64 }] } },
      b: { stack: { acceptRouterAdvertisements: true, parameters: { nceStaleTicks: 1000 } } },
    });
    const first = MacAddress.fromWords(0x0200, 0xaa);
    // The first router is silent; the second one is a, whose link-local address it has.
    const dead = ndp({ source: ip('fe80::aa'), destination: ALL_NODES, macSource: first }, (buffer, offset) =>
      writeRouterAdvertisement(buffer, offset, ip('fe80::aa'), ALL_NODES, { macAddress: first, routerLifetime: 9000 }),
    );
    world.wire.b.onReceive(dead);
    world.step();
    const alive = ip('fe80::ff:fe00:1');
    const second = ndp({ source: alive, destination: ALL_NODES, macSource: world.a.adapter.macAddress }, (buffer, at) =>
      writeRouterAdvertisement(buffer, at, alive, ALL_NODES, {
        macAddress: world.a.adapter.macAddress,
        routerLifetime: 9000,
      }),
    );
    world.wire.b.onReceive(second);
    world.step();
    world.a.stack.setGateway(ip('fe80::ff:fe00:2'));
    world.a.stack.listen({ port: 80 }, () => {});
    const client = new Peer(world.b.stack.connect({ address: FAR, port: 80 }));
    // Nothing comes back, the neighbor is probed and found dead, and the path moves to the other router.
    world.until(() => client.isConnected, 120_000);
    expect(client.connection.path?.neighbor.address.toString()).toBe(alive.toString());
    expect(world.move(client, 'offload')).toMatchObject({ ok: true });
  });

  it('obeys a redirect of the router in use, and of nobody else (RFC 4861 section 8)', () => {
    const world = autoconfigured();
    world.run(1100);
    advertise(world, 'b', { routerLifetime: 1800 });
    const redirect = (from: IpAddress, to: IpAddress): void => {
      const frame = ndp(
        { source: from, destination: world.b.address, macDestination: world.b.adapter.macAddress },
        (buffer, offset) =>
          writeRedirect(buffer, offset, from, world.b.address, to, FAR, MacAddress.fromWords(0x0200, 0x99)),
      );
      world.wire.b.onReceive(frame);
      world.step();
    };
    const destinationOfSyn = (): number => {
      let last = 0;
      world.wire.observer = (_time, way, frame) => {
        if (way === 'b-to-a' && describeFrame(frame).includes('Flags [S]')) last = frame[5];
      };
      const peer = new Peer(world.b.stack.connect({ address: FAR, port: 80 }));
      world.run(2);
      peer.connection.abort();
      world.run(1);
      return last;
    };
    redirect(ip('fe80::66'), ip('fe80::99'));
    redirect(ROUTER, ip('2001:db8::99')); // neither a router of the link nor the destination
    expect(destinationOfSyn()).toBe(0xfe);
    redirect(ROUTER, ip('fe80::99'));
    expect(destinationOfSyn()).toBe(0x99);
  });
});

describe('a router that dies', () => {
  it('costs an offloaded connection nothing when there is another one (UPD-10, NBR-13)', () => {
    // b has two routers, both of them a: the first by an address that stops answering.
    const first = ip('fe80::aa');
    const second = ip('fe80::ff:fe00:1');
    const world = new World({
      family: 6,
      a: { stack: { addresses: [{ address: FAR, prefixLength: 64 }] } },
      b: { stack: { acceptRouterAdvertisements: true, parameters: { nceStaleTicks: 1000 } } },
    });
    const mac = world.a.adapter.macAddress;
    for (const router of [first, second]) {
      const frame = ndp({ source: router, destination: ALL_NODES, macSource: mac }, (buffer, offset) =>
        writeRouterAdvertisement(buffer, offset, router, ALL_NODES, { macAddress: mac, routerLifetime: 9000 }),
      );
      world.wire.b.onReceive(frame);
      world.step();
    }
    world.a.stack.setGateway(ip('fe80::ff:fe00:2'));
    let server: Peer | null = null;
    world.a.stack.listen({ port: 80 }, (connection) => {
      server = new Peer(connection);
    });
    const client = new Peer(world.b.stack.connect({ address: FAR, port: 80 }));
    world.until(() => client.isConnected);
    expect(client.connection.path?.neighbor.address.toString()).toBe(first.toString());
    expect(world.move(client, 'offload')).toMatchObject({ ok: true });
    // Nothing of a comes through for a while: b asks the first router in vain.
    world.wire.aToB.configure({ loss: 1 });
    client.connection.send(pattern(700));
    world.until(() => client.connection.path?.neighbor.address.equals(second) === true, 60_000);
    world.wire.aToB.configure({ loss: 0 });
    client.connection.send(pattern(300));
    world.until(() => (server as Peer | null)?.received === 1000, 120_000);
    expect(client.closed).toBeUndefined();
    world.run(200);
    if (client.connection.owner === 'offloaded') expect(world.move(client, 'upload')).toMatchObject({ ok: true });
    world.run(200);
    expect(world.b.adapter.nic.core.neighbors.size).toBe(0);
    expect(world.b.adapter.nic.core.paths.size).toBe(0);
  });
});

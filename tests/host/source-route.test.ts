/** Connections over IPv4 source routes (RFC 9293 section 3.9.2.1): asked for, learned from a peer, and by default refused. */
import { describe, expect, it } from 'vitest';
import type { HostStackOptions } from '../../src/host/index.ts';
import {
  ArpOperation,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  findSourceRoute,
  Icmpv4Type,
  IPV4_HEADER_LENGTH,
  type IpAddress,
  internetChecksum,
  MacAddress,
  type SourceRoute,
  UnreachableCode,
  writeUint16,
} from '../../src/wire/index.ts';
import { arp, icmpAbout, ip, packetOf } from './frames.ts';
import { firstDifference, Peer, pattern, sendAll, type TestHost, World } from './world.ts';

const IP = ETHERNET_HEADER_LENGTH;
/** The gateways have address 10.0.0.(100 + n) on both sides, and a MAC address of their own each. */
const gateway = (n: number) => ip(`10.0.0.${100 + n}`);
const gatewayMac = (n: number) => MacAddress.fromWords(0x0200, 100 + n);

/** The gateways of a wire: they answer ARP, and forward what their source route leads over them. */
class Gateways {
  readonly world: World;
  /** Gateways that a datagram of each direction was at, in order. */
  readonly visits: Record<string, number[]> = { 'a-to-b': [], 'b-to-a': [] };
  /** Frames between the hosts that went straight. */
  direct = 0;
  lost = false;
  /** The latest IPv4 frame of a, as it left. */
  latest: Uint8Array | null = null;

  constructor(world: World) {
    this.world = world;
    world.wire.observer = (_time, direction, frame) => this.sees(direction, frame.slice());
  }

  private sees(direction: string, frame: Uint8Array): void {
    const [from, to] = direction === 'a-to-b' ? [this.world.a, this.world.b] : [this.world.b, this.world.a];
    if (direction === 'a-to-b' && frame[13] === 0) this.latest = frame.slice();
    const etherType = (frame[12] << 8) | frame[13];
    if (etherType === EtherType.ARP) this.answerArp(from, frame);
    else if (etherType === EtherType.IPV4) this.forward(direction, to, frame);
  }

  private answerArp(from: TestHost, frame: Uint8Array): void {
    const n = frame[41] - 100;
    if (frame[21] === ArpOperation.REQUEST && n >= 0 && n < 50) {
      const reply = arp(ArpOperation.REPLY, gatewayMac(n), gateway(n), from);
      this.deliver(from, reply);
    }
  }

  private forward(direction: string, to: TestHost, frame: Uint8Array): void {
    const option = findSourceRoute(frame, IP, (frame[IP] & 15) << 2);
    if (option < 0 || frame[option + 2] > frame[option + 1]) {
      if (frame[IP + 9] === 6) this.direct++;
      return;
    }
    const visits = this.visits[direction];
    // All the gateways that are named, one after the other, without further frames between them.
    while (frame[option + 2] <= frame[option + 1]) {
      const n = frame[IP + 19] - 100;
      visits.push(n);
      const next = option + frame[option + 2] - 1;
      frame.copyWithin(IP + 16, next, next + 4);
      frame.set(gateway(n).bytes, next);
      frame[option + 2] += 4;
    }
    frame.set(to.adapter.macAddress.bytes, 0);
    writeUint16(frame, IP + 10, 0);
    writeUint16(frame, IP + 10, internetChecksum(frame, IP, (frame[IP] & 15) << 2));
    if (!this.lost) this.deliver(to, frame);
  }

  private deliver(to: TestHost, frame: Uint8Array): void {
    (to === this.world.a ? this.world.wire.a : this.world.wire.b).onReceive(frame);
  }
}

function route(...numbers: number[]): SourceRoute {
  return { gateways: numbers.map(gateway), strict: false };
}

function connect(world: World, sourceRoute: SourceRoute): { client: Peer; accepted: Peer[] } {
  const accepted: Peer[] = [];
  world.b.stack.listen({ port: 80 }, (connection) => accepted.push(new Peer(connection)));
  const options = { address: world.b.address, port: 80, connection: { sourceRoute } };
  return { client: new Peer(world.a.stack.connect(options)), accepted };
}

const accepting: Partial<HostStackOptions> = { acceptSourceRoutes: true };

describe('source routes', () => {
  it('lead every segment over the gateways that the application names, and the peer answers the same way back', () => {
    // MUST-51, MUST-53: SYN and SYN-ACK included; full segments leave room for the options (MUST-16).
    const world = new World({ a: { stack: accepting }, b: { stack: accepting } });
    const gateways = new Gateways(world);
    const { client, accepted } = connect(world, route(1, 2, 3));
    world.until(() => accepted.length === 1);
    const [server] = accepted;
    const there = pattern(50_000, 1);
    const back = pattern(40_000, 2);
    sendAll(client.connection, there);
    sendAll(server.connection, back);
    world.until(() => server.received === there.length && client.received === back.length);
    expect(firstDifference(server.bytes, there)).toBe(-1);
    expect(firstDifference(client.bytes, back)).toBe(-1);
    client.connection.shutdown();
    server.connection.shutdown();
    world.until(() => client.closed === null && server.closed === null);
    expect(gateways.direct).toBe(0);
    expect(gateways.visits['a-to-b'].slice(0, 3)).toEqual([1, 2, 3]);
    expect(gateways.visits['b-to-a'].slice(0, 3)).toEqual([3, 2, 1]);
    expect(gateways.visits['a-to-b'].length).toBeGreaterThan(3 * 30);
  });

  it('keep a connection with the host: no target has IP options (INIT-03)', () => {
    const world = new World({ a: { stack: accepting }, b: { stack: accepting } });
    new Gateways(world);
    const { client, accepted } = connect(world, route(1));
    world.until(() => accepted.length === 1);
    for (const peer of [client, accepted[0]]) expect(world.move(peer, 'offload').ok).toBe(false);
  });

  it('are followed when a later segment comes another way, but not against the word of who opened (SHLD-24, MUST-52)', () => {
    const world = new World({ a: { stack: accepting }, b: { stack: accepting } });
    const gateways = new Gateways(world);
    const { client, accepted } = connect(world, route(1, 2));
    world.until(() => accepted.length === 1);
    const [server] = accepted;
    // The client's own segments cannot change their way: a copy of one that was lost goes over gateway 7 instead.
    gateways.lost = true;
    client.connection.send(pattern(1000));
    world.step();
    gateways.lost = false;
    world.wire.b.onReceive(arrivedOver(gateways.latest ?? new Uint8Array(64), world, 7));
    world.run(100);
    expect(server.received).toBe(1000);
    gateways.visits['b-to-a'] = [];
    gateways.visits['a-to-b'] = [];
    server.connection.send(pattern(100));
    world.run(100);
    expect(client.received).toBe(100);
    expect([...new Set(gateways.visits['b-to-a'])]).toEqual([7]);
    // What b sent came over 7, and a goes on as its application said.
    expect(gateways.visits['a-to-b'].slice(0, 2)).toEqual([1, 2]);
    expect(gateways.direct).toBe(0);
  });

  it('lead ICMP errors to the connection that they are about, whatever gateway their quotation goes to (MUST-54)', () => {
    const world = new World({ a: { stack: accepting }, b: { stack: accepting } });
    const gateways = new Gateways(world);
    gateways.lost = true;
    const { client } = connect(world, route(1, 2));
    world.until(() => gateways.latest !== null);
    const about = gateways.latest ?? new Uint8Array(64);
    const code = UnreachableCode.SOURCE_ROUTE_FAILED;
    world.wire.a.onReceive(icmpAbout(world.a, about, Icmpv4Type.DESTINATION_UNREACHABLE, code, 0));
    world.run(1);
    expect(client.closed).toBe('EHOSTUNREACH');
  });

  it('are dropped by a host that does not accept them, as by default, and by one that is not their end', () => {
    const world = new World({ a: { stack: accepting } });
    new Gateways(world);
    const { accepted } = connect(world, route(1));
    world.run(3000);
    expect(accepted).toEqual([]);
    expect(world.b.stack.drops.toObject()).toMatchObject({ 'ipv4-source-route': expect.any(Number) });
    expect(world.b.stack.tcpStatistics.passiveOpens).toBe(0);
    // Not at its end: the pointer says that another address comes.
    const other = new World({ b: { stack: accepting } });
    const { client } = other.connect(80);
    let copy: Uint8Array | null = null;
    other.wire.observer = (_time, direction, frame) => {
      if (direction === 'a-to-b' && frame.length > 500) copy ??= frame.slice();
    };
    other.wire.aToB.configure({ loss: 1 });
    client.connection.send(pattern(1000));
    other.step();
    const routed = arrivedOver(copy ?? new Uint8Array(64), other, 7);
    routed[IP + IPV4_HEADER_LENGTH + 2] = 4;
    writeUint16(routed, IP + 10, 0);
    writeUint16(routed, IP + 10, internetChecksum(routed, IP, (routed[IP] & 15) << 2));
    other.wire.b.onReceive(routed);
    other.step();
    expect(other.b.stack.drops.toObject()).toMatchObject({ 'ipv4-source-route': 1 });
  });

  it('are refused when no datagram could take them', () => {
    const world = new World();
    const open = (gateways: IpAddress[]) => () =>
      world.a.stack.connect({
        address: world.b.address,
        port: 80,
        connection: { sourceRoute: { gateways, strict: false } },
      });
    expect(open([])).toThrow('1 to 9');
    expect(open(Array.from({ length: 10 }, (_, i) => gateway(i)))).toThrow('1 to 9');
    expect(open([ip('224.0.0.1')])).toThrow('no gateway');
    expect(open([ip('fd00::7')])).toThrow('no gateway');
    const six = new World({ family: 6 });
    expect(() =>
      six.a.stack.connect({ address: six.b.address, port: 80, connection: { sourceRoute: route(1) } }),
    ).toThrow('IPv6');
  });
});

/** The frame of a segment, with or without a route, as it reaches b when it came over one gateway. */
function arrivedOver(frame: Uint8Array, world: World, n: number): Uint8Array {
  const length = (frame[IP] & 15) << 2;
  const routed = new Uint8Array(frame.length - length + IPV4_HEADER_LENGTH + 8);
  routed.set(frame.subarray(0, IP + IPV4_HEADER_LENGTH));
  routed.set(frame.subarray(IP + length), IP + IPV4_HEADER_LENGTH + 8);
  routed.set([131, 7, 8, ...gateway(n).bytes, 0], IP + IPV4_HEADER_LENGTH);
  routed.set(world.b.adapter.macAddress.bytes, 0);
  routed.set(world.b.address.bytes, IP + 16);
  routed[IP] = 0x47;
  writeUint16(routed, IP + 2, routed.length - IP);
  writeUint16(routed, IP + 10, 0);
  writeUint16(routed, IP + 10, internetChecksum(routed, IP, 28));
  expect(packetOf(routed)).not.toBeNull();
  return routed;
}

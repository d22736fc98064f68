/** A listener under a flood of forged SYNs (RFC 4987 section 3.6), and with an application that does not accept. */
import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/host/index.ts';
import { TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import {
  buildTcpFrame,
  FrameBuffers,
  IpAddress,
  IpProtocol,
  parseTcp,
  TcpFlag,
  TcpHeader,
} from '../../src/wire/index.ts';
import { packetOf } from './frames.ts';
import { firstDifference, Peer, pattern, type TestHost, World } from './world.ts';

const BACKLOG = 8;
const buffers = new FrameBuffers();

interface Segment {
  readonly from?: number;
  readonly flags: number;
  readonly sequence?: number;
  readonly acknowledgment?: number;
  readonly text?: Uint8Array;
  readonly header?: Partial<TcpHeader>;
}

/** A segment for port 80 of a host, from an address behind no machine that answers. */
function segment(
  to: TestHost,
  { from = 0, flags, sequence = 1, acknowledgment = 77, text, header }: Segment,
): Uint8Array {
  const tcp = new TcpHeader();
  tcp.sourcePort = 1024 + (from % 60_000);
  tcp.destinationPort = 80;
  tcp.sequence = sequence;
  tcp.acknowledgment = acknowledgment;
  tcp.flags = flags;
  tcp.window = 1000;
  Object.assign(tcp, header);
  const mac = to.adapter.macAddress;
  const isIpv4 = to.address.family === 4;
  const source = isIpv4
    ? IpAddress.fromWords(4, (198 << 24) | (51 << 16) | (from & 0xffff))
    : IpAddress.fromWords(6, 0x20010db8, 0, 0, from + 1);
  const route = {
    destination: mac.bytes,
    source: mac.bytes,
    vlanId: 0,
    userPriority: 0,
    sourceAddress: source,
    destinationAddress: to.address,
    ttl: 64,
    typeOfService: 0,
    flowLabel: 0,
  };
  const payload =
    text === undefined
      ? null
      : { copyTo: (o: number, n: number, b: Uint8Array, at: number) => b.set(text.subarray(o, o + n), at) };
  return buildTcpFrame(buffers, route, 1, tcp, payload, 0, text?.length ?? 0);
}

/** Hosts whose listener is full of connections that will stay half open. */
function flooded(setup: ConstructorParameters<typeof World>[0] = {}): { world: World; served: Peer[] } {
  const gateway = IpAddress.parse(setup.family === 6 ? 'fd00::1' : '10.0.0.1');
  const world = new World({ ...setup, b: { ...setup.b, stack: { gateway, ...setup.b?.stack } } });
  const served: Peer[] = [];
  world.b.stack.listen({ port: 80, backlog: BACKLOG }, (connection) => served.push(new Peer(connection)));
  for (let from = 1; from <= BACKLOG; from++) world.wire.b.onReceive(segment(world.b, { from, flags: TcpFlag.SYN }));
  world.run(10);
  expect([...world.b.stack.connections()].length).toBe(BACKLOG);
  return { world, served };
}

function constantOf(connection: Connection): {
  flags: number;
  sndWindScale: number;
  rcvWindScale: number;
  remoteMss: number;
} {
  return connection.constant;
}

describe.each([4, 6] as const)('a listener full of half-open connections, IPv%i', (family) => {
  it('lets honest clients in by cookies, with all that their SYNs offered', () => {
    const { world, served } = flooded({ family });
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    world.run(10);
    expect(client.isConnected).toBe(true);
    expect(served.length).toBe(1);
    const { statistics } = world.b.stack;
    expect(statistics.synCookiesSent).toBe(1);
    expect(statistics.synCookiesAccepted).toBe(1);
    expect(world.b.stack.tcpStatistics.passiveOpens).toBe(BACKLOG + 1);
    const [near, far] = [constantOf(client.connection), constantOf(served[0].connection)];
    const all =
      TcpConstantFlag.TIMESTAMP_ENABLED | TcpConstantFlag.SACK_ENABLED | TcpConstantFlag.WINDOW_SCALING_ENABLED;
    expect(far.flags).toBe(all);
    expect(near.flags).toBe(all);
    expect(far.sndWindScale).toBe(near.rcvWindScale);
    expect(near.sndWindScale).toBe(far.rcvWindScale);
    expect(far.remoteMss).toBe(family === 4 ? 1460 : 1440);
    const bytes = pattern(300_000);
    client.connection.send(bytes);
    served[0].connection.send(bytes);
    world.until(() => client.received === bytes.length && served[0].received === bytes.length);
    expect(firstDifference(served[0].bytes, bytes)).toBe(-1);
    expect(firstDifference(client.bytes, bytes)).toBe(-1);
    client.connection.shutdown();
    served[0].connection.shutdown();
    world.until(() => client.closed === null && served[0].closed === null);
  });

  it('takes a SYN without an MSS option for one with the default of the family (RFC 9293 MUST-15)', () => {
    const { world, served } = flooded({ family });
    const cookies: number[] = [];
    world.wire.observer = (_time, direction, frame) => {
      const packet = direction === 'b-to-a' ? packetOf(frame) : null;
      const header = new TcpHeader();
      if (packet?.protocol !== IpProtocol.TCP) return;
      parseTcp(frame, packet.payloadOffset, packet.payloadLength, header);
      if (header.destinationPort === 1024 + 500) cookies.push(header.sequence);
    };
    world.wire.b.onReceive(segment(world.b, { from: 500, flags: TcpFlag.SYN, sequence: 1 }));
    world.step();
    const [cookie] = cookies;
    const acknowledgment = (cookie + 1) | 0;
    world.wire.b.onReceive(segment(world.b, { from: 500, flags: TcpFlag.ACK, sequence: 2, acknowledgment }));
    world.run(10);
    expect(served.map(({ connection }) => constantOf(connection).remoteMss)).toEqual([family === 4 ? 536 : 1220]);
  });

  it('does without window scale and SACK when the client has no timestamps to carry them', () => {
    const { world, served } = flooded({ family, a: { stack: { connection: { timestamps: false } } } });
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    world.run(10);
    expect(served.length).toBe(1);
    expect(constantOf(served[0].connection).flags).toBe(0);
    expect(constantOf(client.connection).flags).toBe(0);
    const bytes = pattern(200_000);
    client.connection.send(bytes);
    world.until(() => served[0].received === bytes.length);
    expect(firstDifference(served[0].bytes, bytes)).toBe(-1);
  });

  it('takes the text of the ACK that brings the cookie back, also when an ACK before it was lost', () => {
    const { world, served } = flooded({ family });
    const text = pattern(100);
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    client.connection.send(text);
    // What the client says first is lost: the segment with text comes alone.
    let lost = 0;
    const deliver = world.wire.b.onReceive;
    world.wire.b.onReceive = (frame) => {
      if (client.isConnected && lost === 0) lost++;
      else deliver(frame);
    };
    world.until(() => served.length === 1 && served[0].received === text.length);
    expect(lost).toBe(1);
    expect(firstDifference(served[0].bytes, text)).toBe(-1);
    expect(served[0].connection.state).toBe(TcpState.ESTABLISHED);
  });

  it('answers forged ACKs with resets', () => {
    const { world, served } = flooded({ family });
    world.wire.b.onReceive(segment(world.b, { from: 500, flags: TcpFlag.SYN, sequence: 4711 }));
    world.run(1);
    const { resetsToNobody } = world.b.stack.statistics;
    for (let i = 0; i < 50; i++) {
      const forged = { from: 500, flags: TcpFlag.ACK, sequence: 4712, acknowledgment: Math.imul(i, 0x9e3779b1) | 0 };
      world.wire.b.onReceive(segment(world.b, forged));
    }
    world.run(1);
    expect(served.length).toBe(0);
    expect(world.b.stack.statistics.synCookiesRefused).toBe(50);
    expect(world.b.stack.statistics.resetsToNobody).toBe(resetsToNobody + 50);
    expect([...world.b.stack.connections()].length).toBe(BACKLOG);
  });
});

describe('a flood of SYNs', () => {
  it('a hundred thousand of them keep nothing, and honest clients get in meanwhile', () => {
    const { world, served } = flooded();
    const clients: Peer[] = [];
    let answers = 0;
    const receive = world.wire.a.onReceive;
    world.wire.a.onReceive = (frame) => {
      // Off the link: the router that these SYN-ACKs go to is the other host, and drops them.
      answers++;
      receive(frame);
    };
    for (let from = 1; from <= 100_000; from++) {
      world.wire.b.onReceive(segment(world.b, { from: from + BACKLOG, flags: TcpFlag.SYN, sequence: from }));
      if (from % 10_000 === 0) {
        clients.push(new Peer(world.a.stack.connect({ address: world.b.address, port: 80 })));
        world.run(5);
        // Half-open connections, those that were accepted, and nothing else.
        expect([...world.b.stack.connections()].length).toBe(BACKLOG + clients.length);
      }
    }
    expect(served.length).toBe(10);
    expect(clients.every((client) => client.isConnected)).toBe(true);
    const { statistics } = world.b.stack;
    expect(statistics.synCookiesSent).toBeGreaterThanOrEqual(100_000);
    expect(statistics.synCookiesAccepted).toBe(10);
    expect(statistics.backlogDrops).toBe(0);
    expect(answers).toBeGreaterThan(50_000);
    // The flood is over: what was half open ends by itself, without a reset to those in whose names it came.
    const { outResets } = world.b.stack.tcpStatistics;
    world.run(400_000);
    expect([...world.b.stack.connections()].length).toBe(10);
    expect(world.b.stack.tcpStatistics.outResets).toBe(outResets);
  });
});

describe('an application that does not accept', () => {
  it('has the completing ACK dropped, without a reset, until there is room again', () => {
    const world = new World();
    const accepted: Peer[] = [];
    const listener = world.b.stack.listen({ port: 80, backlog: 1 }, (connection) =>
      accepted.push(new Peer(connection)),
    );
    listener.pause();
    const first = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    const second = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    const text = pattern(1000);
    first.connection.send(text);
    second.connection.send(text);
    world.run(500);
    expect(listener.waiting).toBe(1);
    expect(first.isConnected && second.isConnected).toBe(true);
    expect(world.b.stack.statistics.acceptOverflows).toBeGreaterThan(0);
    // A SYN finds no room either, and is not even answered.
    const third = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    world.run(500);
    expect(third.isConnected).toBe(false);
    listener.resume();
    world.until(
      () =>
        accepted.length === 3 &&
        accepted.every((one) => one.received > 0 || one.connection.remotePort === third.connection.localPort),
    );
    expect([first.closed, second.closed, third.closed]).toEqual([undefined, undefined, undefined]);
    expect(world.b.stack.tcpStatistics.outResets).toBe(0);
    expect(world.b.stack.statistics.resetsToNobody).toBe(0);
  });
});

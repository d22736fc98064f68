/** Listening: backlog, half-open connections, segments to nobody, ports. */
import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/host/index.ts';
import { TcpState } from '../../src/tcp/index.ts';
import { buildTcpFrame, FrameBuffers, IpAddress, type MacAddress, TcpFlag, TcpHeader } from '../../src/wire/index.ts';
import { Peer, type TestHost, World } from './world.ts';

/** A segment to a host from an address of the link, from a machine that never answers. */
function segment(to: TestHost, from: number, port: number, flags: number, sequence = 1): Uint8Array {
  const header = new TcpHeader();
  header.sourcePort = 1000 + (from & 0xff);
  header.destinationPort = port;
  header.sequence = sequence;
  header.acknowledgment = 77;
  header.flags = flags;
  header.window = 1000;
  const mac: MacAddress = to.adapter.macAddress;
  const route = {
    destination: mac.bytes,
    source: mac.bytes,
    vlanId: 0,
    userPriority: 0,
    sourceAddress: IpAddress.fromWords(4, (10 << 24) | from),
    destinationAddress: to.address,
    ttl: 64,
    typeOfService: 0,
    flowLabel: 0,
  };
  return buildTcpFrame(new FrameBuffers(), route, 1, header, null, 0, 0);
}

describe('listeners', () => {
  it('without cookies drops a SYN when the backlog is full of half-open connections, and accepts again later', () => {
    const world = new World({ b: { stack: { synCookies: false } } });
    world.b.stack.listen({ port: 80, backlog: 4 }, () => {});
    for (let i = 10; i < 30; i++) world.wire.b.onReceive(segment(world.b, i, 80, TcpFlag.SYN));
    world.step();
    expect([...world.b.stack.connections()].length).toBe(4);
    expect(world.b.stack.statistics.backlogDrops).toBe(16);
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    // Nobody answers the four: ARP fails at once, the SYN-ACKs run out in the end, and then there is room.
    world.until(() => client.isConnected || client.closed !== undefined, 400_000);
    expect(client.closed === 'ETIMEDOUT' || client.isConnected).toBe(true);
    world.until(
      () => [...world.b.stack.connections()].every((one) => one.remoteAddress.equals(world.a.address)),
      400_000,
    );
    const second = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    world.until(() => second.isConnected);
  });

  it('forged SYNs do not shut the port without cookies either: unanswered ones make room (RFC 4987 section 3.4)', () => {
    const world = new World({ b: { stack: { synCookies: false } } });
    const served: Connection[] = [];
    world.b.stack.listen({ port: 80, backlog: 8 }, (connection) => served.push(connection));
    for (let i = 10; i < 30; i++) world.wire.b.onReceive(segment(world.b, i, 80, TcpFlag.SYN));
    world.step();
    // Fresh ones keep their places: an honest burst must not displace itself.
    expect(world.b.stack.statistics.backlogDrops).toBe(12);
    expect(world.b.stack.statistics.halfOpenRecycled).toBe(0);
    world.run(1500);
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    world.run(100);
    expect(client.isConnected).toBe(true);
    expect(served.length).toBe(1);
    expect(world.b.stack.statistics.halfOpenRecycled).toBe(1);
    expect([...world.b.stack.connections()].length).toBe(8);
  });

  it('resets half-open connections when it closes', () => {
    const world = new World();
    const listener = world.b.stack.listen({ port: 80 }, () => {});
    for (let i = 10; i < 15; i++) world.wire.b.onReceive(segment(world.b, i, 80, TcpFlag.SYN));
    world.step();
    expect([...world.b.stack.connections()].length).toBe(5);
    listener.close();
    world.step();
    expect([...world.b.stack.connections()]).toEqual([]);
  });

  it('keeps established connections waiting while it is paused, up to the backlog', () => {
    const world = new World();
    const accepted: Connection[] = [];
    const listener = world.b.stack.listen({ port: 80, backlog: 2 }, (connection) => accepted.push(connection));
    listener.pause();
    const connect = (): Peer => new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    const clients = [connect(), connect()];
    world.run(100);
    clients.push(connect());
    world.run(100);
    expect(clients.filter((client) => client.isConnected).length).toBe(2);
    expect(accepted.length).toBe(0);
    expect(listener.waiting).toBe(2);
    listener.resume();
    world.until(() => accepted.length === 3);
    expect(clients.every((client) => client.isConnected)).toBe(true);
  });

  it('resets what it has not handed out when it closes', () => {
    const world = new World();
    const listener = world.b.stack.listen({ port: 80 }, () => {});
    listener.pause();
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    world.run(50);
    listener.close();
    world.until(() => client.closed !== undefined);
    expect(client.closed).toBe('ECONNRESET');
    expect([...world.b.stack.connections()]).toEqual([]);
  });

  it('says whose port is taken, and chooses a free one for port 0', () => {
    const world = new World();
    world.b.stack.listen({ port: 80 }, () => {});
    expect(() => world.b.stack.listen({ port: 80 }, () => {})).toThrow('EADDRINUSE');
    const listener = world.b.stack.listen({ port: 0 }, () => {});
    expect(listener.port).toBeGreaterThanOrEqual(49_152);
  });

  it('listens on one address, beside others on the same port, and next to openings from it (MUST-41…43)', () => {
    const second = IpAddress.parse('10.0.0.77') as IpAddress;
    const addresses = [{ address: second, prefixLength: 24 }];
    const world = new World({ b: { stack: { addresses } } });
    const { stack } = world.b;
    const accepted: [string, Connection][] = [];
    // An opening from port 80 is under way: a listener there neither fails nor touches it.
    const opening = stack.connect({ address: world.a.address, port: 4000, localPort: 80 });
    world.step();
    expect(opening.state).toBe(TcpState.SYN_SENT);
    const first = stack.listen({ port: 80, address: world.b.address }, (c) => accepted.push(['first', c]));
    const other = stack.listen({ port: 80, address: second }, (c) => accepted.push(['second', c]));
    for (const address of [second, world.b.address, undefined]) {
      expect(() => stack.listen({ port: 80, address }, () => {})).toThrow('EADDRINUSE');
    }
    const reach = (address: IpAddress) => new Peer(world.a.stack.connect({ address, port: 80 }));
    const clients = [reach(world.b.address), reach(second)];
    world.until(() => accepted.length === 2);
    expect(accepted.map(([name, { localAddress }]) => [name, localAddress])).toEqual([
      ['first', world.b.address],
      ['second', second],
    ]);
    other.close();
    const refused = reach(second);
    world.until(() => refused.closed !== undefined);
    expect(refused.closed).toBe('ECONNREFUSED');
    first.close();
    expect(clients.map((client) => client.closed)).toEqual([undefined, undefined]);
    stack.listen({ port: 80 }, () => {});
    expect(() => stack.listen({ port: 80, address: second }, () => {})).toThrow('EADDRINUSE');
  });

  it('answers segments to nobody with resets, but not without limit (RFC 9293 section 3.10.7.1)', () => {
    const world = new World();
    world.connect(80);
    for (let i = 0; i < 2000; i++) world.wire.b.onReceive(segment(world.b, 1, 9, TcpFlag.ACK, i));
    world.step();
    const { resetsToNobody } = world.b.stack.statistics;
    expect(resetsToNobody).toBeGreaterThan(50);
    expect(resetsToNobody).toBeLessThanOrEqual(201);
    world.wire.b.onReceive(segment(world.b, 1, 9, TcpFlag.RST));
    world.run(2000);
    expect(world.b.stack.statistics.resetsToNobody).toBe(resetsToNobody);
  });

  it('opens a connection again over one in TIME-WAIT (RFC 9293 MAY-2)', () => {
    const world = new World();
    const served: Peer[] = [];
    world.b.stack.listen({ port: 80 }, (connection) => served.push(new Peer(connection)));
    const first = new Peer(world.a.stack.connect({ address: world.b.address, port: 80, localPort: 5000 }));
    world.until(() => first.isConnected && served.length === 1);
    served[0].connection.shutdown();
    world.until(() => first.peerClosed);
    first.connection.shutdown();
    world.until(() => first.closed === null && served[0].connection.state === TcpState.TIME_WAIT);
    world.run(1000);
    const second = new Peer(world.a.stack.connect({ address: world.b.address, port: 80, localPort: 5000 }));
    world.until(() => second.isConnected && served.length === 2);
    expect([...world.b.stack.connections()].length).toBe(1);
  });

  it('closes the whole stack, offloaded connections included, and lets the adapter go', () => {
    const world = new World();
    const pairs = [80, 81, 82].map((port) => world.connect(port));
    world.move(pairs[0].server, 'offload');
    pairs[1].server.connection.offload();
    world.b.stack.close();
    world.until(() => world.b.stack.closed);
    expect(pairs.map(({ server }) => server.closed)).toEqual(['ECONNABORTED', 'ECONNABORTED', 'ECONNABORTED']);
    expect(world.b.adapter.offloadedConnections).toBe(0);
    world.b.adapter.halt();
  });

  it('closes a stack without connections as well', () => {
    const world = new World();
    world.b.stack.listen({ port: 80 }, () => {});
    world.b.stack.close();
    world.step();
    expect(world.b.stack.closed).toBe(true);
  });

  it('ends everything when the adapter is taken away', () => {
    const world = new World();
    const { server } = world.connect(80);
    world.b.adapter.halt();
    expect(world.b.stack.closed).toBe(true);
    world.run(10);
    expect(server.closed).toBe('ECONNABORTED');
    expect([...world.b.stack.connections()]).toEqual([]);
  });

  it('a handler that throws costs nobody else his turn', () => {
    const world = new World();
    const heard: number[] = [];
    let thrown = 0;
    world.b.stack.listen({ port: 80 }, (connection) => {
      connection.handlers = {
        readable: (one) => {
          heard.push(one.remotePort);
          throw new Error('the application is broken');
        },
      };
    });
    const clients = Array.from(
      { length: 5 },
      () => new Peer(world.a.stack.connect({ address: world.b.address, port: 80 })),
    );
    world.until(() => clients.every((client) => client.isConnected));
    for (const client of clients) client.connection.send(Uint8Array.of(1));
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        world.run(10);
      } catch (error) {
        expect(String(error)).toContain('the application is broken');
        thrown++;
      }
    }
    expect(thrown).toBe(5);
    expect(new Set(heard).size).toBe(5);
  });
});

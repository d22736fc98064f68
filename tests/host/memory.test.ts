/** The memory limit of a stack, and connections whose applications have left them (spec/decisions.md 42 and 43). */
import { describe, expect, it } from 'vitest';
import { type HostStackOptions, MemoryState } from '../../src/host/index.ts';
import { TcpState } from '../../src/tcp/index.ts';
import { firstDifference, Peer, pattern, sendAll, World } from './world.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const CHUNK = pattern(16 * KIBIBYTE);

function worldOf(server: Partial<HostStackOptions>, client: Partial<HostStackOptions> = {}): World {
  return new World({ a: { stack: client }, b: { stack: server } });
}

/** So many connections, of which each server does not read. */
function pairs(world: World, count: number): { clients: Peer[]; servers: Peer[] } {
  const servers: Peer[] = [];
  world.b.stack.listen({ port: 80, backlog: 1000 }, (connection) => {
    const peer = new Peer(connection);
    peer.paused = true;
    servers.push(peer);
  });
  const clients = Array.from(
    { length: count },
    () => new Peer(world.a.stack.connect({ address: world.b.address, port: 80 })),
  );
  world.until(() => servers.length === count);
  return { clients, servers };
}

/** Sends for ever. */
function flood({ connection }: Peer): void {
  const write = (): void => {
    while (connection.send(CHUNK));
  };
  connection.handlers = { ...connection.handlers, drained: write };
  write();
}

describe('what is accounted', () => {
  it.each(['host', 'offloaded'] as const)(
    'buffers with their overhead, and nothing once they are empty (%s)',
    (owner) => {
      const world = worldOf({});
      const { clients, servers } = pairs(world, 1);
      if (owner === 'offloaded') {
        world.move(clients[0], 'offload');
        world.move(servers[0], 'offload');
      }
      expect(world.b.stack.memoryUsed).toBe(0);
      sendAll(clients[0].connection, pattern(40_000));
      world.run(0);
      expect(world.a.stack.memoryUsed).toBeGreaterThan(40_000);
      world.run(500);
      expect(world.a.stack.memoryUsed).toBe(0);
      expect(world.b.stack.memoryUsed).toBeGreaterThan(40_000);
      expect(world.b.stack.memoryUsed).toBeLessThan(80_000);
      servers[0].resume();
      world.run(500);
      expect(world.b.stack.memoryUsed).toBe(0);
    },
  );

  it('gives back what a connection had that ends with full buffers', () => {
    const world = worldOf({});
    const { clients, servers } = pairs(world, 4);
    for (const each of [...clients, ...servers]) sendAll(each.connection, pattern(30_000));
    world.run(300);
    expect(world.b.stack.memoryUsed).toBeGreaterThan(4 * 30_000);
    clients[0].connection.abort();
    servers[1].connection.abort();
    world.move(servers[2], 'offload');
    world.move(servers[2], 'upload');
    world.move(servers[3], 'offload');
    world.run(1000);
    servers[2].connection.abort();
    servers[3].connection.abort();
    for (const client of clients) client.connection.abort();
    world.run(1000);
    expect(world.a.stack.memoryUsed).toBe(0);
    expect(world.b.stack.memoryUsed).toBe(0);
  });

  it('counts bytes behind a gap', () => {
    const world = worldOf({});
    const { clients } = pairs(world, 1);
    let lost = 0;
    const deliver = world.wire.b.onReceive;
    world.wire.b.onReceive = (frame) => {
      if (frame.length > 1000 && lost++ === 0) return;
      deliver(frame);
    };
    clients[0].connection.send(pattern(10_000));
    world.run(5);
    expect(lost).toBeGreaterThan(1);
    expect(world.b.stack.memoryUsed).toBeGreaterThan(8000);
  });
});

describe('at the limit', () => {
  const limit = MEBIBYTE;

  it.each(['host', 'offloaded'] as const)(
    'memory stays near it, nobody is reset, and all bytes arrive when the applications read (%s)',
    (owner) => {
      const states: MemoryState[] = [];
      const world = worldOf({ memoryLimitBytes: limit });
      world.b.stack.onMemory = (state) => states.push(state);
      const { clients, servers } = pairs(world, 40);
      if (owner === 'offloaded') for (const server of servers) world.move(server, 'offload');
      const bytes = pattern(100_000);
      for (const client of clients) sendAll(client.connection, bytes);
      let most = 0;
      for (let i = 0; i < 300; i++) {
        world.run(10);
        most = Math.max(most, world.b.stack.memoryUsed);
      }
      // 40 times 64 KiB were on offer before anything was short.
      expect(most).toBeGreaterThan(limit * 0.75);
      expect(most).toBeLessThan(limit * 1.35);
      expect(states[0]).toBe(MemoryState.PRESSURE);
      expect(world.b.stack.statistics.memoryPressures).toBe(1);
      for (const server of servers) server.resume();
      world.until(() => servers.every((server) => server.received === bytes.length), 400_000);
      for (const server of servers) expect(firstDifference(server.bytes, bytes)).toBe(-1);
      expect([...clients, ...servers].every((peer) => peer.closed === undefined)).toBe(true);
      expect(states[states.length - 1]).toBe(MemoryState.NORMAL);
      world.run(1000);
      expect(world.b.stack.memoryUsed).toBe(0);
    },
  );

  it('refuses new connections, by SYN and by cookie, and takes them again later', () => {
    const world = worldOf({ memoryLimitBytes: 200_000 });
    const { servers } = pairs(world, 1);
    // The application sends more than there is memory for: it is asked to wait, and its bytes are kept.
    world.wire.bToA.configure({ loss: 1 });
    expect(servers[0].connection.send(pattern(300_000))).toBe(false);
    world.run(1);
    world.wire.bToA.configure({ loss: 0 });
    expect(world.b.stack.statistics.memoryExhaustions).toBe(1);
    const late = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    world.wire.aToB.configure({ loss: 0 });
    world.run(5);
    expect(world.b.stack.statistics.memoryRefusals).toBeGreaterThan(0);
    expect(world.b.stack.statistics.synCookiesSent).toBe(0);
    world.until(() => late.isConnected);
    expect(late.closed).toBeUndefined();
  });

  it('throws bytes behind gaps away, and gets them again (RFC 2018 section 8)', () => {
    const world = worldOf(
      { memoryLimitBytes: 60_000, receiveBufferBytes: MEBIBYTE },
      { parameters: { initialWindowSegments: 60 } },
    );
    const { clients, servers } = pairs(world, 1);
    let lost = 0;
    const deliver = world.wire.b.onReceive;
    world.wire.b.onReceive = (frame) => {
      if (frame.length > 1000 && lost++ === 0) return;
      deliver(frame);
    };
    const bytes = pattern(80_000);
    servers[0].paused = false;
    clients[0].connection.send(bytes);
    world.run(5);
    expect(world.b.stack.statistics.memoryExhaustions).toBeGreaterThan(0);
    // Thrown away, and refused from then on.
    expect(world.b.stack.memoryUsed).toBeLessThan(60_000);
    world.until(() => servers[0].received === bytes.length);
    expect(firstDifference(servers[0].bytes, bytes)).toBe(-1);
  });

  it('send asks to wait when nothing is left, and goes on when there is', () => {
    const world = worldOf({}, { memoryLimitBytes: 100_000, sendBufferBytes: MEBIBYTE });
    const { clients, servers } = pairs(world, 3);
    flood(clients[0]);
    world.run(1000);
    expect(world.a.stack.statistics.memoryExhaustions).toBe(1);
    const { drained } = clients[1];
    expect(clients[1].connection.send(pattern(2000))).toBe(true);
    expect(clients[1].connection.send(pattern(3000))).toBe(false);
    for (const server of servers) server.resume();
    world.until(() => clients[1].drained > drained && servers[1].received === 5000);
    clients[0].connection.abort();
  });

  it('resets connections that their applications have left, and no others', () => {
    const world = worldOf({ memoryLimitBytes: 300_000 });
    const { clients, servers } = pairs(world, 3);
    for (const client of clients) client.paused = true;
    servers[0].connection.setSendBuffer(MEBIBYTE);
    servers[0].connection.send(pattern(150_000));
    servers[0].connection.detach();
    world.run(2000);
    expect(world.b.stack.orphans).toBe(1);
    servers[1].connection.send(pattern(250_000));
    world.run(1000);
    expect(world.b.stack.statistics.orphansReset).toBe(1);
    expect(clients[0].closed).toBe('ECONNRESET');
    expect(clients[1].closed).toBeUndefined();
    expect(servers[2].closed).toBeUndefined();
  });
});

describe('orphans', () => {
  const MINUTE = 60_000;

  it.each(['host', 'offloaded'] as const)('a peer with a window of zero keeps one for four minutes (%s)', (owner) => {
    const world = worldOf({});
    const { clients, servers } = pairs(world, 1);
    clients[0].paused = true;
    servers[0].connection.send(pattern(500_000));
    world.run(1000);
    if (owner === 'offloaded') world.move(servers[0], 'offload');
    servers[0].connection.detach();
    world.run(3.5 * MINUTE);
    expect(world.b.stack.orphans).toBe(1);
    expect([...world.b.stack.connections()].length).toBe(1);
    world.run(1.5 * MINUTE);
    expect(world.b.stack.orphans).toBe(0);
    expect([...world.b.stack.connections()].length).toBe(0);
    expect(world.b.stack.memoryUsed).toBe(0);
    expect(clients[0].closed).toBe('ECONNRESET');
    expect(world.b.stack.statistics.orphansReset).toBe(1);
  });

  it('one that gets on may take as long as it needs', () => {
    const world = worldOf({});
    const { clients, servers } = pairs(world, 1);
    clients[0].paused = true;
    const bytes = pattern(500_000);
    servers[0].connection.send(bytes);
    servers[0].connection.detach();
    for (let round = 0; clients[0].received < bytes.length; round++) {
      expect(round).toBeLessThan(60);
      clients[0].readAll();
      world.run(0.9 * MINUTE);
    }
    expect(firstDifference(clients[0].bytes, bytes)).toBe(-1);
    clients[0].connection.shutdown();
    world.until(() => clients[0].closed === null && [...world.b.stack.connections()].length <= 1);
    expect(world.b.stack.statistics.orphansReset).toBe(0);
  });

  it('FIN-WAIT-2 that a peer keeps alive by segments ends too (TMR-FW2-03)', () => {
    const world = worldOf({});
    const { clients, servers } = pairs(world, 1);
    servers[0].connection.detach();
    for (let minute = 1; minute <= 5; minute++) {
      // Each change of the window is an acceptable segment, and restarts the timer of FIN-WAIT-2.
      clients[0].connection.setReceiveBuffer(minute * 200_000);
      if (minute === 4) expect(servers[0].connection.state).toBe(TcpState.FIN_WAIT_2);
      world.run(MINUTE);
    }
    expect([...world.b.stack.connections()].length).toBe(0);
    expect(world.b.stack.statistics.orphansReset).toBe(1);
  });

  it('of too many the oldest is reset', () => {
    const world = worldOf({ maximumOrphans: 3 });
    const { clients, servers } = pairs(world, 5);
    for (const client of clients) client.paused = true;
    for (const server of servers) {
      server.connection.send(pattern(200_000));
      server.connection.detach();
      world.run(100);
    }
    expect(world.b.stack.orphans).toBe(3);
    expect(clients.map((client) => client.closed)).toEqual([
      'ECONNRESET',
      'ECONNRESET',
      undefined,
      undefined,
      undefined,
    ]);
  });
});

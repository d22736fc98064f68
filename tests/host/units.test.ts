/** Parts of the host stack on their own: the connection table, ports, queues, rate limits, the neighbor cache. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostCore } from '../../src/host/core.ts';
import { Arp } from '../../src/host/framing/arp.ts';
import type { Neighbor } from '../../src/host/framing/neighbor.ts';
import { NeighborState } from '../../src/host/framing/neighbor.ts';
import { NeighborCache, NeighborLimits } from '../../src/host/framing/neighbor-cache.ts';
import { PIECE_OVERHEAD } from '../../src/host/memory.ts';
import { NetworkInterface } from '../../src/host/network-interface.ts';
import { RateLimit } from '../../src/host/rate-limit.ts';
import { ReceiveQueue } from '../../src/host/receive-queue.ts';
import { SegmentQueue } from '../../src/host/segment-queue.ts';
import { windowScaleFor } from '../../src/host/settings.ts';
import { HostTimer } from '../../src/host/timer.ts';
import { ConnectionTable, type TableEntry } from '../../src/host/transport/connection-table.ts';
import { EPHEMERAL_COUNT, EPHEMERAL_FIRST, EphemeralPorts } from '../../src/host/transport/ports.ts';
import { DEFAULT_TCP_PARAMETERS, TcpContext } from '../../src/tcp/index.ts';
import { ArpOperation, ArpPacket, IpAddress, IpPacket, MacAddress } from '../../src/wire/index.ts';
import { randomFrom } from './world.ts';

const OWN = IpAddress.fromWords(4, 0x0a000001);
const OTHER = IpAddress.fromWords(4, 0x0a000009);

/** Half of the addresses are IPv6, with the same last bits as one of the others. */
function remoteOf(number: number): IpAddress {
  return number % 2 === 0 ? IpAddress.fromWords(4, number) : IpAddress.fromWords(6, number - 1, 0, 0, number);
}

describe('ConnectionTable', () => {
  it('finds exactly what is in it, after any insertions and removals', () => {
    const operation = fc.record({
      remove: fc.boolean(),
      remote: fc.integer({ min: 0, max: 6 }),
      port: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400 }), fc.integer(), (operations, key) => {
        const table = new ConnectionTable<TableEntry>(key);
        const model = new Map<string, TableEntry>();
        for (const { remove, remote, port } of operations) {
          const name = `${remote}:${port}`;
          const known = model.get(name);
          if (remove && known !== undefined) {
            expect(table.remove(known)).toBe(true);
            model.delete(name);
          } else if (!remove && known === undefined) {
            const entry = { localAddress: OWN, remoteAddress: remoteOf(remote), remotePort: port, localPort: 80 };
            table.insert(entry);
            model.set(name, entry);
          }
        }
        for (let remote = 0; remote <= 6; remote++) {
          for (let port = 1; port <= 40; port++) {
            const expected = model.get(`${remote}:${port}`) ?? null;
            const address = remoteOf(remote);
            const packet = Object.assign(new IpPacket(), {
              family: address.family,
              source0: address.word0,
              source3: address.word3,
              destination0: OWN.word0,
            });
            if (address.family === 4) expect(table.lookup(packet, port, 80)).toBe(expected);
            expect(table.find(OWN, 80, address, port)).toBe(expected);
            expect(table.find(OTHER, 80, address, port)).toBeNull();
          }
        }
        expect(table.size).toBe(model.size);
        expect(new Set(table)).toEqual(new Set(model.values()));
      }),
      { numRuns: 60 },
    );
  });
});

describe('EphemeralPorts (RFC 6056)', () => {
  it('gives every port once before any twice, and none when all are taken', () => {
    const ports = new EphemeralPorts((remote, port) => remote.word0 ^ port, 12345);
    const remote = IpAddress.fromWords(4, 77);
    const taken = new Set<number>();
    for (let i = 0; i < EPHEMERAL_COUNT; i++) taken.add(ports.pick(remote, 80, (port) => !taken.has(port)));
    expect(taken.size).toBe(EPHEMERAL_COUNT);
    expect(Math.min(...taken)).toBe(EPHEMERAL_FIRST);
    expect(ports.pick(remote, 80, (port) => !taken.has(port))).toBe(0);
  });
});

describe('queues', () => {
  it('ReceiveQueue keeps the order', () => {
    const queue = new ReceiveQueue();
    for (let i = 0; i < 200; i++) queue.push(Uint8Array.of(i));
    const first = [queue.shift(1), queue.shift(1)].map((chunk) => chunk?.[0]);
    expect(first).toEqual([0, 1]);
    const rest = queue.takeAll().flatMap((chunk) => [...chunk]);
    expect(queue.length).toBe(0);
    queue.push(Uint8Array.of(200));
    expect([...rest, ...(queue.shift() ?? [])]).toEqual(Array.from({ length: 199 }, (_, i) => i + 2));
    expect(queue.length).toBe(0);
  });

  it('ReceiveQueue: a stream of single bytes that nobody reads costs little more than its bytes', () => {
    const queue = new ReceiveQueue();
    for (let i = 0; i < 100_000; i++) queue.push(new Uint8Array(60).fill(i).subarray(59));
    const chunks = queue.takeAll();
    const memory = [...new Set(chunks.map((chunk) => chunk.buffer))].reduce((sum, each) => sum + each.byteLength, 0);
    expect(memory).toBeLessThan(110_000);
    expect(chunks.length).toBeLessThan(100);
    const bytes = chunks.flatMap((chunk) => [...chunk]);
    expect(bytes.length).toBe(100_000);
    expect(bytes.every((byte, i) => byte === (i & 0xff))).toBe(true);
  });

  it('SegmentQueue is bounded, with what it costs to keep a segment', () => {
    const queue = new SegmentQueue(100 + 2 * PIECE_OVERHEAD);
    expect(queue.push(new Uint8Array(60))).toBe(true);
    expect(queue.push(new Uint8Array(60))).toBe(false);
    expect(queue.push(new Uint8Array(40))).toBe(true);
    expect(queue.memory).toBe(100 + 2 * PIECE_OVERHEAD);
    expect(queue.push(new Uint8Array(0))).toBe(false);
    expect(queue.takeAll().length).toBe(2);
    expect(queue.memory).toBe(0);
    expect(queue.push(new Uint8Array(100))).toBe(true);
  });

  it('RateLimit lets a burst and then its rate through', () => {
    const limit = new RateLimit(10);
    let passed = 0;
    for (let i = 0; i < 100; i++) if (limit.take(0)) passed++;
    expect(passed).toBe(10);
    for (let now = 0; now <= 1_000_000; now += 1000) if (limit.take(now)) passed++;
    expect(passed).toBe(20);
  });

  it('chooses the smallest window scale that expresses the buffer (RFC 7323 section 2.3)', () => {
    expect([65_535, 65_536, 1 << 20, 0x3fffffff].map(windowScaleFor)).toEqual([0, 1, 5, 14]);
  });
});

/** A neighbor cache on its own, with what it sends and says. */
function cache() {
  const tcp = new TcpContext(DEFAULT_TCP_PARAMETERS, randomFrom(1), 0);
  const sent: Uint8Array[] = [];
  const said: string[] = [];
  let answersQueries = false;
  const core = new HostCore(
    tcp,
    new NetworkInterface({
      addresses: [{ address: OWN, prefixLength: 8 }],
      macAddress: MacAddress.fromWords(0x0200, 1),
      mtu: 1500,
      taskOffload: false,
    }),
    (frame) => sent.push(frame),
    () => {},
  );
  const neighbors = new NeighborCache(core, {
    resolved: () => said.push('resolved'),
    macAddressChanged: () => said.push('changed'),
    unreachable: () => said.push('unreachable'),
    queryReachability: () => {
      if (answersQueries) said.push('query');
      return answersQueries;
    },
  });
  const run = (milliseconds: number): void => {
    tcp.advance(tcp.now + milliseconds * 1000, (entry) => {
      if (entry instanceof HostTimer) entry.expire();
    });
  };
  const arp = new Arp(core, neighbors);
  const hear = (operation: number, sender: number, mac: number): void => {
    const packet = new ArpPacket();
    packet.operation = operation;
    packet.senderAddress = sender;
    packet.senderMacHigh = 0x0200;
    packet.senderMacLow = mac;
    packet.targetAddress = OWN.word0;
    arp.arrives(packet);
  };
  const offload = (): void => {
    answersQueries = true;
  };
  return { core, neighbors, sent, said, run, hear, offload };
}

const PEER = 0x0a000002;

describe('NeighborCache (RFC 826, RFC 4861 section 7.3)', () => {
  it('asks three times, then gives up, and drops what waited', () => {
    const { neighbors, sent, said, run, core } = cache();
    const neighbor = neighbors.obtain(IpAddress.fromWords(4, PEER)) as Neighbor;
    neighbors.output(neighbor, new Uint8Array(60));
    expect(sent.length).toBe(1);
    run(999);
    expect(sent.length).toBe(1);
    run(1);
    run(1000);
    expect(sent.length).toBe(3);
    expect(said).toEqual([]);
    run(1000);
    expect(said).toEqual(['unreachable']);
    expect(neighbor.state).toBe(NeighborState.FAILED);
    expect(core.statistics.framesUnresolved).toBe(1);
  });

  it('keeps a bounded number of frames, the newest, and sends them with the address filled in', () => {
    const { neighbors, sent, hear } = cache();
    const neighbor = neighbors.obtain(IpAddress.fromWords(4, PEER)) as Neighbor;
    for (let i = 0; i < 100; i++) {
      const frame = new Uint8Array(60);
      frame[20] = i;
      neighbors.output(neighbor, frame);
    }
    hear(ArpOperation.REPLY, PEER, 9);
    const data = sent.slice(1);
    expect(data.length).toBe(NeighborLimits.WAITING_FRAMES);
    expect(data.map((frame) => frame[20])).toEqual(Array.from({ length: 32 }, (_, i) => 68 + i));
    expect([...data[0].subarray(0, 6)]).toEqual([2, 0, 0, 0, 0, 9]);
    expect(neighbor.state).toBe(NeighborState.REACHABLE);
  });

  it('goes stale, delays, probes by unicast, and comes back', () => {
    const { neighbors, sent, hear, run } = cache();
    const neighbor = neighbors.obtain(IpAddress.fromWords(4, PEER)) as Neighbor;
    neighbors.output(neighbor, new Uint8Array(60));
    hear(ArpOperation.REPLY, PEER, 9);
    run(30_001);
    sent.length = 0;
    neighbors.output(neighbor, new Uint8Array(60));
    expect(neighbor.state).toBe(NeighborState.DELAY);
    expect(sent.length).toBe(1);
    run(5000);
    expect(neighbor.state).toBe(NeighborState.PROBE);
    expect(sent.length).toBe(2);
    expect([...sent[1].subarray(0, 6)]).toEqual([2, 0, 0, 0, 0, 9]);
    hear(ArpOperation.REPLY, PEER, 9);
    expect(neighbor.state).toBe(NeighborState.REACHABLE);
    run(30_001);
    neighbors.output(neighbor, new Uint8Array(60));
    neighbors.confirm(neighbor); // forward progress of an upper layer
    expect(neighbor.state).toBe(NeighborState.REACHABLE);
    run(10_000);
    expect(neighbor.state).toBe(NeighborState.REACHABLE);
  });

  it('answers the target about reachability, and asks it before it probes (NBR-11…14)', () => {
    const { neighbors, said, hear, run, offload } = cache();
    const neighbor = neighbors.obtain(IpAddress.fromWords(4, PEER)) as Neighbor;
    neighbors.output(neighbor, new Uint8Array(60));
    hear(ArpOperation.REPLY, PEER, 9);
    offload();
    run(100);
    expect(neighbors.answerReachabilityQuery(neighbor, 40_000)).toBe(100);
    run(40_000);
    expect(neighbors.answerReachabilityQuery(neighbor, 30_500)).toBe(0);
    run(5000);
    expect(said).toContain('query');
    // Smaller than indicated: there was progress, and no probe is needed.
    neighbors.reachabilityAnswer(neighbor, 1200);
    expect(neighbor.state).toBe(NeighborState.REACHABLE);
    run(40_000);
    expect(neighbors.answerReachabilityQuery(neighbor, 30_500)).toBe(0);
    run(5000);
    neighbors.reachabilityAnswer(neighbor, 35_500);
    expect(neighbor.state).toBe(NeighborState.PROBE);
    for (let second = 0; second < 3; second++) run(1000);
    expect(said).toContain('unreachable');
  });

  it('makes no entry for unsolicited replies, and no more than its limit', () => {
    const { neighbors, hear } = cache();
    for (let i = 0; i < 5000; i++) hear(ArpOperation.REPLY, 0x0a000100 + i, i);
    expect(neighbors.size).toBe(0);
    for (let i = 0; i < 5000; i++) hear(ArpOperation.REQUEST, 0x0a000100 + i, i);
    expect(neighbors.size).toBe(NeighborLimits.ENTRIES);
    for (const neighbor of neighbors) neighbor.references++;
    expect(neighbors.obtain(IpAddress.fromWords(4, 0x0a0f0000))).toBeNull();
  });

  it('lets nobody change a MAC address more than once a second without being asked', () => {
    const { neighbors, said, hear, run } = cache();
    const neighbor = neighbors.obtain(IpAddress.fromWords(4, PEER)) as Neighbor;
    neighbors.output(neighbor, new Uint8Array(60));
    hear(ArpOperation.REPLY, PEER, 9);
    said.length = 0;
    for (let i = 10; i < 20; i++) hear(ArpOperation.REPLY, PEER, i);
    expect(said).toEqual(['changed']);
    expect(neighbor.macAddress.low).toBe(10);
    expect(neighbor.state).toBe(NeighborState.STALE);
    run(1000);
    hear(ArpOperation.REQUEST, PEER, 30);
    expect(neighbor.macAddress.low).toBe(30);
  });
});

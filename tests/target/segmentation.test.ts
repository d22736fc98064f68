/** Segmentation and checksum offload of the link, used by host and target; the peer has a plain link and notices nothing. */
import { afterEach, describe, expect, it } from 'vitest';
import { churn } from '../../src/cli/churn.ts';
import { MemoryWire } from '../../src/link/index.ts';
import { connect, Server } from '../../src/net/index.ts';
import { Host, NodeRuntime } from '../../src/node/index.ts';
import { SegmentingPort } from '../support/segmenter.ts';
import { noise, readAll } from '../support/streams.ts';

const MEBIBYTE = 1024 * 1024;
let close: () => void = () => {};
afterEach(() => close());

interface Pair {
  readonly port: SegmentingPort;
  readonly wire: MemoryWire;
  /** Its link segments. */
  readonly near: Host;
  readonly far: Host;
}

function pair(loss: number, vouch: boolean, copies = false): Pair {
  const runtime = new NodeRuntime();
  const wire = new MemoryWire({ now: () => runtime.now(), both: { loss }, seed: 3 });
  runtime.add(wire);
  const port = new SegmentingPort(wire.a, vouch, copies);
  const common = { runtime, prefixLength: 24, offloadPolicy: 'never', verify: true } as const;
  const near = new Host({ ...common, name: 'near', link: port, address: '192.0.2.1', macAddress: '02:00:00:00:00:01' });
  const far = new Host({ ...common, name: 'far', link: wire.b, address: '192.0.2.2', macAddress: '02:00:00:00:00:02' });
  close = () => {
    near.close();
    far.close();
    runtime.close();
  };
  return { port, wire, near, far };
}

/** An echo at the near host, so that bytes go both ways; the connection moves if asked for. */
async function echo({ near, far }: Pair, bytes: number, moves: 'none' | 'down' | 'churn'): Promise<void> {
  const counts = { down: 0, up: 0, refused: 0 };
  const server = new Server(near, { allowHalfOpen: true }, (socket) => {
    socket.pipe(socket);
    if (moves === 'down') void socket.offload();
    if (moves === 'churn') churn(socket, counts);
  });
  server.listen(7);
  const sent = noise(bytes);
  const socket = connect(far, { host: '192.0.2.1', port: 7, allowHalfOpen: true });
  const received = readAll(socket);
  socket.end(sent);
  expect((await received).equals(sent)).toBe(true);
  server.close();
  if (moves === 'churn') expect(counts.down).toBeGreaterThan(0);
}

describe('a link with segmentation offload', () => {
  for (const moves of ['none', 'down', 'churn'] as const) {
    for (const vouch of [false, true]) {
      it(`gets large segments without checksums (moves: ${moves}, vouches for checksums: ${vouch})`, async () => {
        const hosts = pair(0, vouch);
        await echo(hosts, 4 * MEBIBYTE, moves);
        const { port, wire, far, near } = hosts;
        expect(port.cutSegments).toBeGreaterThan(0);
        expect(port.longestText).toBeGreaterThan(20_000);
        expect(port.longestText).toBeLessThanOrEqual(65_535 - 40);
        // ARP is all that the host completes itself.
        expect(port.plainFrames).toBeLessThan(10);
        expect(wire.aToB.counters.tooLarge).toBe(0);
        expect({ ...far.adapter.drops, ...far.stack.drops.toObject() }).toEqual({});
        expect({ ...near.adapter.drops, ...near.stack.drops.toObject() }).toEqual({});
      });
    }
  }

  for (const moves of ['none', 'down', 'churn'] as const) {
    it(`that copies frames gets them in memory that was used before (moves: ${moves})`, async () => {
      const hosts = pair(0, true, true);
      await echo(hosts, 4 * MEBIBYTE, moves);
      const { port } = hosts;
      expect(port.cutSegments).toBeGreaterThan(50);
      expect(port.inUsedMemory).toBeGreaterThan(10);
    });
  }

  it('that may keep frames never gets two in the same memory', async () => {
    const hosts = pair(0, true, false);
    await echo(hosts, 4 * MEBIBYTE, 'churn');
    expect(hosts.port.cutSegments).toBeGreaterThan(50);
    expect(hosts.port.inUsedMemory).toBe(0);
  });

  it('loses segments, and no byte', async () => {
    const hosts = pair(0.02, true);
    await echo(hosts, 2 * MEBIBYTE, 'churn');
    expect(hosts.wire.aToB.counters.lost).toBeGreaterThan(0);
    expect(hosts.port.cutSegments).toBeGreaterThan(0);
  });

  it('is not needed: without it a segment is a frame of the MTU', async () => {
    const hosts = pair(0, false);
    await echo(hosts, MEBIBYTE, 'churn');
    // The far host has the plain link; the wire drops what is larger than its MTU.
    expect(hosts.wire.bToA.counters.tooLarge).toBe(0);
    expect(hosts.wire.bToA.counters.sent).toBeGreaterThan(MEBIBYTE / 1460);
  });
});

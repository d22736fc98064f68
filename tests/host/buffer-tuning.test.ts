/** Buffers that follow the connection (RFC 9293 section 3.8.6, SHLD-14; RFC 7323 section 2.3; UPD-13). */
import { describe, expect, it } from 'vitest';
import type { HostStackOptions } from '../../src/host/index.ts';
import {
  DropReason,
  EthernetHeader,
  IpPacket,
  parseEthernet,
  parseIp,
  parseTcp,
  TcpFlag,
  TcpHeader,
} from '../../src/wire/index.ts';
import { Peer, World } from './world.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const CHUNK = new Uint8Array(64 * KIBIBYTE);

/** A long network: 40 Mbit/s and 80 ms; its bandwidth-delay product is 400,000 bytes. */
const LONG = { both: { delayMicroseconds: 40_000, bandwidthBitsPerSecond: 40_000_000, queueBytes: 16 * MEBIBYTE } };

function worldOf(client: Partial<HostStackOptions> = {}, server: Partial<HostStackOptions> = {}): World {
  return new World({ wire: LONG, a: { stack: client }, b: { stack: server } });
}

/** Sends for ever; counts what `send` has taken. */
function flood(peer: Peer): void {
  const write = (): void => {
    while (peer.connection.send(CHUNK));
  };
  const { handlers } = peer.connection;
  peer.connection.handlers = { ...handlers, drained: write };
  write();
}

/** Reads for ever, and keeps nothing. */
function sink(peer: Peer): { bytes: number } {
  const count = { bytes: 0 };
  peer.connection.handlers = {
    readable: (connection) => {
      for (let chunk = connection.read(); chunk !== null; chunk = connection.read()) count.bytes += chunk.length;
    },
  };
  return count;
}

/** What the server advertises: the scale of its SYN-ACK, its largest window, and whether its right edge ever moved left. */
class WindowWatch {
  scale = 0;
  largest = 0;
  first = -1;
  shrank = false;
  private edge: number | null = null;
  private readonly ethernet = new EthernetHeader();
  private readonly packet = new IpPacket();
  private readonly header = new TcpHeader();

  constructor(world: World) {
    world.wire.observer = (_time, direction, frame) => {
      if (direction === 'b-to-a') this.see(frame);
    };
  }

  private see(frame: Uint8Array): void {
    const { ethernet, packet, header } = this;
    if (parseEthernet(frame, 0, frame.length, ethernet) !== DropReason.NONE) return;
    if (parseIp(frame, ethernet.payloadOffset, ethernet.payloadLength, ethernet.etherType, packet) !== DropReason.NONE)
      return;
    if (parseTcp(frame, packet.payloadOffset, packet.payloadLength, header) !== DropReason.NONE) return;
    if (header.flags & TcpFlag.RST) return;
    if (header.flags & TcpFlag.SYN) {
      this.scale = header.windowScale;
      return;
    }
    const window = header.window << this.scale;
    if (this.first < 0) this.first = window;
    this.largest = Math.max(this.largest, window);
    const edge = (header.acknowledgment + window) | 0;
    if (this.edge !== null && ((edge - this.edge) | 0) < 0) this.shrank = true;
    this.edge = edge;
  }
}

describe('the receive buffer', () => {
  it.each(['host', 'offloaded', 'moving'] as const)('grows from 64 KiB to what fills a long network (%s)', (owner) => {
    const world = worldOf();
    const watch = new WindowWatch(world);
    const { client, server } = world.connect(80);
    expect(server.connection.receiveBuffer).toBe(64 * KIBIBYTE);
    const count = sink(server);
    flood(client);
    world.run(500);
    if (owner !== 'host') world.move(server, 'offload');
    for (let second = 0; second < 4; second++) {
      if (owner === 'moving') world.move(server, server.connection.owner === 'offloaded' ? 'upload' : 'offload');
      world.run(1000);
    }
    const before = count.bytes;
    world.run(2000);
    // With the first window it would be 6.5 Mbit/s.
    expect(((count.bytes - before) * 8) / 2).toBeGreaterThan(36_000_000);
    expect(watch.first).toBeLessThanOrEqual(64 * KIBIBYTE);
    expect(watch.largest).toBeGreaterThan(500_000);
    expect(watch.largest).toBeLessThanOrEqual(6 * MEBIBYTE);
    expect(watch.shrank).toBe(false);
    expect(server.connection.receiveBuffer).toBeGreaterThan(500_000);
  });

  it('stays small when the application, or the sender, is slow', () => {
    const world = worldOf();
    const { client, server } = world.connect(80);
    server.paused = true;
    flood(client);
    for (let i = 0; i < 300; i++) {
      world.run(40);
      server.connection.read(10_000);
    }
    // 20,000 bytes in a round trip.
    expect(server.connection.receiveBuffer).toBeLessThanOrEqual(128 * KIBIBYTE);
    expect(server.connection.unreadBytes).toBeLessThanOrEqual(128 * KIBIBYTE);
  });

  it('grows to its limit and not further, and its window scale is that of the limit (RFC 7323 section 2.3)', () => {
    const world = worldOf({}, { receiveBufferLimitBytes: 300_000 });
    const watch = new WindowWatch(world);
    const { client, server } = world.connect(80);
    sink(server);
    flood(client);
    world.run(5000);
    expect(server.connection.receiveBuffer).toBe(300_000);
    expect(watch.scale).toBe(3);
    // Rounding to the scale may add a sixteenth.
    expect(watch.largest).toBeLessThanOrEqual(300_000 * 1.07);
  });

  it('keeps a size that was chosen: for the stack, for a listener, or for the connection', () => {
    const chosen = 100_000;
    for (const where of ['stack', 'connection', 'listener'] as const) {
      const world = worldOf({}, where === 'stack' ? { receiveBufferBytes: chosen } : {});
      const options = where === 'listener' ? { receiveBufferBytes: chosen } : {};
      let server: Peer | null = null;
      world.b.stack.listen({ port: 80, connection: options }, (connection) => {
        server = new Peer(connection);
        if (where === 'connection') connection.setReceiveBuffer(chosen);
        sink(server);
      });
      const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
      world.until(() => client.isConnected && server !== null);
      flood(client);
      world.run(3000);
      expect((server as Peer | null)?.connection.receiveBuffer).toBe(chosen);
    }
  });

  it('grows without timestamps too: the round trip is that of the handshake', () => {
    const world = worldOf({}, { connection: { timestamps: false } });
    const { client, server } = world.connect(80);
    const count = sink(server);
    flood(client);
    world.run(5000);
    const before = count.bytes;
    world.run(1000);
    expect((count.bytes - before) * 8).toBeGreaterThan(36_000_000);
  });
});

describe('the send buffer', () => {
  it.each(['host', 'offloaded'] as const)(
    'follows twice the congestion window, and drains as it goes (%s)',
    (owner) => {
      const world = worldOf();
      const { client, server } = world.connect(80);
      if (owner === 'offloaded') world.move(client, 'offload');
      sink(server);
      expect(client.connection.send(new Uint8Array(65_535))).toBe(true);
      expect(client.connection.send(new Uint8Array(1))).toBe(false);
      flood(client);
      let most = 0;
      for (let i = 0; i < 400; i++) {
        world.run(10);
        most = Math.max(most, client.connection.sendBuffered);
      }
      expect(most).toBeGreaterThan(400_000);
      expect(most).toBeLessThanOrEqual(4 * MEBIBYTE + CHUNK.length);
    },
  );

  it('stays small while the peer takes little', () => {
    const world = worldOf();
    const { client, server } = world.connect(80);
    server.paused = true;
    flood(client);
    world.run(3000);
    expect(client.connection.sendBuffered).toBeLessThanOrEqual(256 * KIBIBYTE);
  });

  it('keeps a size that was chosen', () => {
    for (const where of ['stack', 'connection'] as const) {
      const world = worldOf(where === 'stack' ? { sendBufferBytes: 100_000 } : {});
      const { client, server } = world.connect(80);
      if (where === 'connection') client.connection.setSendBuffer(100_000);
      sink(server);
      flood(client);
      for (let i = 0; i < 200; i++) {
        world.run(10);
        expect(client.connection.sendBuffered).toBeLessThanOrEqual(100_000 + CHUNK.length);
      }
    }
  });
});

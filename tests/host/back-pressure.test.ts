/** Received data that the application does not read, in every owner's hands (RECV-24, RECV-25, RECV-37…39, RECV-44). */
import { describe, expect, it } from 'vitest';
import { firstDifference, pattern, sendAll, World } from './world.ts';

describe('back-pressure', () => {
  it('refuses data that the application does not read, and asks for it later', () => {
    const world = new World({
      b: { stack: { receiveBufferBytes: 256 * 1024 } },
      a: { stack: { sendBufferBytes: 1 << 22 } },
    });
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    server.paused = true;
    const bytes = pattern(1_500_000, 6);
    sendAll(client.connection, bytes);
    world.run(2000);
    // The host keeps a quarter of the receive buffer, the target the rest, and the peer's window is closed.
    expect(server.connection.unreadBytes).toBeLessThanOrEqual(128 * 1024);
    expect(client.connection.sendBuffered).toBeGreaterThan(900_000);
    server.resume();
    world.until(() => server.received === bytes.length);
    expect(firstDifference(server.bytes, bytes)).toBe(-1);
    expect(server.connection.owner).toBe('offloaded');
  });

  it('reads slowly, in small steps, over many moves', () => {
    const world = new World({ b: { stack: { receiveBufferBytes: 128 * 1024 } } });
    const { client, server } = world.connect(80);
    server.paused = true;
    const bytes = pattern(700_000, 7);
    sendAll(client.connection, bytes);
    client.connection.shutdown();
    for (let round = 0; !server.peerClosed; round++) {
      expect(round).toBeLessThan(2000);
      world.run(20);
      const chunk = server.connection.read();
      if (chunk !== null) {
        expect(firstDifference(chunk, bytes.subarray(server.received, server.received + chunk.length))).toBe(-1);
        server.received += chunk.length;
      }
      if (round % 7 === 3) world.move(server, 'offload');
      if (round % 7 === 6) world.move(server, 'upload');
    }
    expect(server.received).toBe(bytes.length);
  });

  it('hands unread data over and gets it back before anything newer (RECV-44)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    server.paused = true;
    const bytes = pattern(30_000, 8);
    sendAll(client.connection, bytes.subarray(0, 20_000));
    world.until(() => server.connection.unreadBytes === 20_000);
    world.move(server, 'offload');
    sendAll(client.connection, bytes.subarray(20_000));
    world.run(100);
    server.resume();
    world.until(() => server.received === bytes.length);
    expect(firstDifference(server.bytes, bytes)).toBe(-1);
  });

  it("limits what the application may send, in every owner's hands", () => {
    const world = new World({ a: { stack: { sendBufferBytes: 100_000 } } });
    const { client, server } = world.connect(80);
    for (const owner of ['host', 'offloaded', 'host'] as const) {
      if (owner === 'offloaded') world.move(client, 'offload');
      else if (client.connection.owner === 'offloaded') world.move(client, 'upload');
      const before = client.drained;
      expect(client.connection.send(pattern(99_999))).toBe(true);
      expect(client.connection.send(pattern(2))).toBe(false);
      world.until(() => client.drained > before);
      world.until(() => client.connection.sendBuffered === 0);
    }
    expect(server.received).toBe(3 * 100_001);
  });
});

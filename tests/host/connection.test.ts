/** Connections that the host owns: opening, both directions, closing, resets. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../src/wire/index.ts';
import { firstDifference, Peer, pattern, sendAll, World } from './world.ts';

describe('host connections', () => {
  it('opens, carries bytes both ways and closes in good order (RFC 9293 section 3.6, MUST-12)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    const up = pattern(300_000, 1);
    const down = pattern(200_000, 2);
    sendAll(client.connection, up);
    sendAll(server.connection, down);
    world.until(() => server.received === up.length && client.received === down.length);
    expect(firstDifference(server.bytes, up)).toBe(-1);
    expect(firstDifference(client.bytes, down)).toBe(-1);
    client.connection.shutdown();
    world.until(() => server.peerClosed);
    sendAll(server.connection, down);
    server.connection.shutdown();
    world.until(() => client.closed !== undefined && server.closed !== undefined);
    expect(client.received).toBe(2 * down.length);
    expect(client.closed).toBeNull();
    expect(server.closed).toBeNull();
  });

  it('survives loss, reordering and duplication', () => {
    const world = new World({
      wire: { seed: 5, both: { delayMicroseconds: 500, loss: 0.02, reorder: 0.02, duplicate: 0.02 } },
    });
    const { client, server } = world.connect(80);
    const up = pattern(200_000, 3);
    sendAll(client.connection, up);
    client.connection.shutdown();
    world.until(() => server.peerClosed);
    expect(firstDifference(server.bytes, up)).toBe(-1);
  });

  it('refuses a connection to a port without a listener', () => {
    const world = new World();
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 9 }));
    world.until(() => client.closed !== undefined);
    expect(client.closed).toBe('ECONNREFUSED');
    expect([...world.a.stack.connections()]).toEqual([]);
  });

  it('reports an address without a neighbor as unreachable', () => {
    const world = new World();
    const address = IpAddress.parse('10.0.0.99') as IpAddress;
    const client = new Peer(world.a.stack.connect({ address, port: 9 }));
    world.until(() => client.closed !== undefined, 10_000);
    expect(client.closed).toBe('EHOSTUNREACH');
  });

  it('resets with abort, and the peer hears it (RFC 9293 MUST-12)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    client.connection.abort();
    world.until(() => client.closed !== undefined && server.closed !== undefined);
    expect(client.closed).toBe('ECONNABORTED');
    expect(server.closed).toBe('ECONNRESET');
    expect([...world.b.stack.connections()]).toEqual([]);
  });
});

/** Offload and upload in every state in which a connection may be offloaded (INIT-02), and none in the others. */
import { describe, expect, it } from 'vitest';
import { NdisStatus } from '../../src/ndis/index.ts';
import { stateName, TcpState } from '../../src/tcp/index.ts';
import { firstDifference, type Peer, pattern, sendAll, World } from './world.ts';

const BYTES = pattern(120_000, 9);

/** Brings the server side of a new connection into a state. Bytes are in flight and unread where the state allows. */
function connectionIn(state: TcpState): { world: World; client: Peer; server: Peer } {
  const world = new World({
    wire: { both: { delayMicroseconds: 2000, bandwidthBitsPerSecond: 50_000_000 } },
    b: { stack: { receiveBufferBytes: 1 << 20 } },
  });
  const { client, server } = world.connect(80);
  server.paused = true;
  sendAll(client.connection, BYTES);
  switch (state) {
    case TcpState.ESTABLISHED:
      sendAll(server.connection, BYTES);
      break;
    case TcpState.FIN_WAIT_1:
      sendAll(server.connection, BYTES);
      server.connection.shutdown();
      break;
    case TcpState.FIN_WAIT_2:
      server.connection.shutdown();
      break;
    case TcpState.CLOSE_WAIT:
      client.connection.shutdown();
      break;
    case TcpState.CLOSING:
      // Both close at once, and the client's acknowledgment of our FIN is late: see below.
      client.connection.shutdown();
      sendAll(server.connection, BYTES);
      server.connection.shutdown();
      break;
    case TcpState.LAST_ACK:
      client.connection.shutdown();
      world.until(() => server.connection.state === TcpState.CLOSE_WAIT);
      sendAll(server.connection, BYTES);
      server.connection.shutdown();
      break;
    default:
      throw new Error('not a state of this test');
  }
  world.until(() => server.connection.state === state);
  return { world, client, server };
}

const STATES = [
  TcpState.ESTABLISHED,
  TcpState.FIN_WAIT_1,
  TcpState.FIN_WAIT_2,
  TcpState.CLOSE_WAIT,
  TcpState.CLOSING,
  TcpState.LAST_ACK,
] as const;

/** What the server sends in each state before the test closes everything. */
function sends(state: TcpState): boolean {
  return state !== TcpState.FIN_WAIT_2 && state !== TcpState.CLOSE_WAIT;
}

describe('offload in every state (INIT-02, STATE-23)', () => {
  for (const state of STATES) {
    for (const comesBack of [true, false]) {
      it(`${stateName(state)}, ${comesBack ? 'taken back at once' : 'to its end in the target'}`, () => {
        const { world, client, server } = connectionIn(state);
        expect(world.move(server, 'offload')).toMatchObject({ ok: true });
        if (comesBack) expect(world.move(server, 'upload')).toMatchObject({ ok: true });
        world.run(20);
        server.resume();
        client.connection.shutdown();
        server.connection.shutdown();
        world.until(() => client.closed !== undefined && server.closed !== undefined);
        expect(client.closed).toBeNull();
        expect(server.closed).toBeNull();
        expect(firstDifference(server.bytes, BYTES)).toBe(-1);
        if (sends(state)) expect(firstDifference(client.bytes, BYTES)).toBe(-1);
        world.run(130_000);
        expect([...world.a.stack.connections()]).toEqual([]);
        expect([...world.b.stack.connections()]).toEqual([]);
        expect(world.b.adapter.offloadedConnections).toBe(0);
      });
    }
  }

  it('refuses a connection that is not open, or in TIME-WAIT', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    client.connection.shutdown();
    world.until(() => server.peerClosed);
    server.connection.shutdown();
    world.until(() => client.connection.state === TcpState.TIME_WAIT);
    const result = world.move(client, 'offload');
    expect(result).toMatchObject({ ok: false, status: NdisStatus.INVALID_STATE });
  });

  it('waits with a connection that is being opened', () => {
    const world = new World();
    world.b.stack.listen({ port: 80 }, () => {});
    const connection = world.a.stack.connect({ address: world.b.address, port: 80 });
    let ok: boolean | null = null;
    connection.offload((result) => {
      ok = result.ok;
    });
    world.until(() => ok !== null);
    expect(ok).toBe(true);
    expect(connection.owner).toBe('offloaded');
  });
});

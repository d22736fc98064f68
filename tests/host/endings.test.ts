/** How connections end, or come back, when the peer, the path or the hardware fails while the target has them. */
import { describe, expect, it } from 'vitest';
import { NdisStatus } from '../../src/ndis/index.ts';
import { TcpState } from '../../src/tcp/index.ts';
import {
  ETHERNET_HEADER_LENGTH,
  finishTcpChecksum,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  pseudoHeaderSumIpv4,
  readInt32,
  TcpFlag,
} from '../../src/wire/index.ts';
import { firstDifference, pattern, sendAll, World } from './world.ts';

const TCP_AT = ETHERNET_HEADER_LENGTH + IPV4_HEADER_LENGTH;

/** The same frame with URG set and its checksum renewed. */
function urgent(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy[TCP_AT + 13] |= TcpFlag.URG;
  copy[TCP_AT + 19] = 1;
  copy.fill(0, TCP_AT + 16, TCP_AT + 18);
  const length = copy.length - TCP_AT;
  const source = readInt32(copy, ETHERNET_HEADER_LENGTH + 12);
  const destination = readInt32(copy, ETHERNET_HEADER_LENGTH + 16);
  finishTcpChecksum(copy, TCP_AT, length, pseudoHeaderSumIpv4(source, destination, IpProtocol.TCP, length));
  return copy;
}

describe('timeouts in the target (spec/decisions.md 11)', () => {
  it('user timeout: the connection comes back and ends with ETIMEDOUT (TMR-RTX-03)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    server.connection.setUserTimeout(5000);
    world.run(10);
    world.wire.aToB.configure({ loss: 1 });
    world.wire.bToA.configure({ loss: 1 });
    const started = world.now;
    server.connection.send(pattern(1000));
    world.until(() => server.closed !== undefined, 60_000);
    expect(server.closed).toBe('ETIMEDOUT');
    expect(world.now - started).toBeGreaterThan(4_000_000);
    expect(server.connection.history.at(-1)).toMatchObject({ kind: 'uploaded', reason: 'TIMEOUT_EXPIRATION' });
    world.run(100);
    expect([...world.b.stack.connections()]).toEqual([]);
    expect(world.b.adapter.offloadedConnections).toBe(0);
    expect(client.closed).toBeUndefined();
  });

  it('keepalive probes without an answer end an idle connection (TMR-KA-06)', () => {
    const world = new World();
    const { server } = world.connect(80);
    world.move(server, 'offload');
    server.connection.setKeepAlive(true, 10_000);
    world.run(15_000);
    expect(server.connection.owner).toBe('offloaded');
    world.wire.bToA.configure({ loss: 1 });
    world.until(() => server.closed !== undefined, 2_000_000);
    expect(server.closed).toBe('ETIMEDOUT');
  });

  it('FIN-WAIT-2 that the peer leaves open is a time-out (TMR-FW2-04, TMR-FW2-05)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    server.connection.shutdown();
    world.until(() => client.peerClosed && server.connection.state === TcpState.FIN_WAIT_2);
    world.until(() => server.closed !== undefined, 130_000);
    expect(server.closed).toBe('ETIMEDOUT');
    expect(server.peerClosed).toBe(false);
    expect(world.now).toBeGreaterThan(115_000_000);
    world.run(10);
    expect(world.b.adapter.offloadedConnections).toBe(0);
  });
});

describe('urgent data (URG-02 … URG-04)', () => {
  it('brings the connection back, and the host takes the segment like any other', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    let copy: Uint8Array | null = null;
    world.wire.observer = (_time, direction, frame) => {
      if (direction === 'a-to-b' && frame.length > 500) copy ??= frame.slice();
    };
    world.wire.aToB.configure({ loss: 1 });
    const bytes = pattern(20_000, 3);
    client.connection.send(bytes.subarray(0, 1000));
    world.step();
    world.wire.aToB.configure({ loss: 0 });
    world.wire.b.onReceive(urgent(copy ?? new Uint8Array(100)));
    sendAll(client.connection, bytes.subarray(1000));
    world.until(() => server.connection.owner === 'host');
    expect(server.connection.history.at(-1)).toMatchObject({ reason: 'RECEIVED_URGENT_DATA' });
    world.until(() => server.received === bytes.length);
    expect(firstDifference(server.bytes, bytes)).toBe(-1);
  });
});

describe('hardware faults (HWF-01 … HWF-04)', () => {
  it('a failed query takes the connection back or ends it, and leaves nothing behind (QRY-05)', () => {
    const world = new World();
    const { server } = world.connect(80);
    world.move(server, 'offload');
    world.b.adapter.failNext('query');
    let answered: unknown = 'nothing';
    world.b.stack.chimney.updates.queryConnection(server.connection, (state) => {
      answered = state;
    });
    world.until(() => server.connection.owner === 'host');
    expect(answered).toBeNull();
    expect(server.closed).toBe('ECONNABORTED');
    world.run(10);
    expect(world.b.adapter.nic.core.neighbors.size).toBe(0);
  });

  it('a path whose terminate fails is terminated again (spec/decisions.md 9)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.b.adapter.refuseNext('tcp', NdisStatus.RESOURCES);
    world.b.adapter.failNext('terminate');
    expect(world.move(server, 'offload')).toMatchObject({ ok: false, status: NdisStatus.RESOURCES });
    world.run(50);
    expect(world.b.adapter.nic.core.paths.size).toBe(0);
    expect(world.b.adapter.nic.core.neighbors.size).toBe(0);
    expect(world.move(server, 'offload')).toMatchObject({ ok: true });
    sendAll(client.connection, pattern(3000));
    world.until(() => server.received === 3000);
  });
});

describe('resets', () => {
  it('an abort of an offloaded connection is a reset from the target (DISC-04, DISC-06)', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    sendAll(server.connection, pattern(200_000));
    world.run(2);
    server.connection.abort();
    world.until(() => server.closed !== undefined && client.closed !== undefined);
    expect([server.closed, client.closed]).toEqual(['ECONNABORTED', 'ECONNRESET']);
    expect(world.b.adapter.nic.core.statistics.of(4).tcp.outResets).toBe(1);
    world.run(10);
    expect(world.b.adapter.offloadedConnections).toBe(0);
    expect(server.connection.sendBuffered).toBe(0);
  });

  it('what was received before a reset can still be read', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    world.move(server, 'offload');
    server.paused = true;
    sendAll(client.connection, pattern(5000));
    world.run(50);
    client.connection.abort();
    world.until(() => server.closed === 'ECONNRESET');
    server.resume();
    expect(server.received).toBe(5000);
  });
});

describe('an application that leaves (RFC 2525 section 2.17)', () => {
  it('discarding unread bytes opens the window again: a peer with more to say is reset, and nobody waits for ever', () => {
    const world = new World({ b: { stack: { receiveBufferBytes: 1 << 20 } } });
    const { client, server } = world.connect(80);
    server.paused = true;
    sendAll(client.connection, pattern(3_000_000), 50_000);
    client.connection.shutdown();
    world.until(() => server.connection.unreadBytes >= 1_000_000);
    world.run(5000);
    server.connection.detach(true);
    world.until(() => client.closed !== undefined && server.closed !== undefined, 600_000);
    expect(client.closed).toBe('ECONNRESET');
    world.run(300_000);
    expect([...world.a.stack.connections(), ...world.b.stack.connections()]).toEqual([]);
  });

  it('resets also when unread bytes were on their way to a target that refused them', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    server.paused = true;
    client.connection.send(pattern(5000));
    world.until(() => server.connection.unreadBytes === 5000);
    world.b.adapter.refuseNext('tcp', NdisStatus.RESOURCES);
    server.connection.offload();
    world.b.stack.advance(world.now);
    expect(server.connection.owner).toBe('offloading');
    server.connection.detach();
    world.until(() => client.closed !== undefined && server.closed !== undefined, 600_000);
    expect(client.closed).toBe('ECONNRESET');
    world.run(300_000);
    expect([...world.a.stack.connections(), ...world.b.stack.connections()]).toEqual([]);
  });
});

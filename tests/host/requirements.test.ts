/** Requirements of RFC 9293 that no other test of the host stack proves; the ids are those of spec/requirements.yaml. */
import { describe, expect, it } from 'vitest';
import { TcpState } from '../../src/tcp/index.ts';
import { buildTcpFrame, FrameBuffers, IpAddress, IpProtocol, TcpFlag, TcpHeader } from '../../src/wire/index.ts';
import { ip, packetOf } from './frames.ts';
import { Peer, type TestHost, World } from './world.ts';

/** A segment without text for a host, from and to any address. */
function segment(to: TestHost, source: IpAddress, destination: IpAddress, flags: number, sequence = 1): Uint8Array {
  const header = new TcpHeader();
  header.sourcePort = 1000;
  header.destinationPort = 80;
  header.sequence = sequence;
  header.flags = flags;
  header.window = 1000;
  const route = {
    destination: to.adapter.macAddress.bytes,
    source: to.adapter.macAddress.bytes,
    vlanId: 0,
    userPriority: 0,
    sourceAddress: source,
    destinationAddress: destination,
    ttl: 64,
    typeOfService: 0,
    flowLabel: 0,
  };
  return buildTcpFrame(new FrameBuffers(), route, 1, header, null, 0, 0);
}

/** Frames with segments that b sends from now on. */
function answersOf(world: World): Uint8Array[] {
  const frames: Uint8Array[] = [];
  world.wire.observer = (_time, direction, frame) => {
    if (direction === 'b-to-a' && packetOf(frame)?.protocol === IpProtocol.TCP) frames.push(frame.slice());
  };
  return frames;
}

describe('addresses', () => {
  it.each(['10.0.0.255', '10.0.0.0', '255.255.255.255', '224.0.0.1', '239.1.2.3', '0.0.0.0', '127.0.0.1', '10.0.0.1'])(
    'an opening to %s is refused, and nothing is sent (MUST-46)',
    (text) => {
      const world = new World();
      let sent = 0;
      world.wire.observer = () => {
        sent++;
      };
      const peer = new Peer(world.a.stack.connect({ address: ip(text), port: 80 }));
      world.run(10);
      expect(peer.closed).toBe('EHOSTUNREACH');
      expect(sent).toBe(0);
    },
  );

  const host = '10.0.0.1';
  const ours = '10.0.0.2';
  it.each([
    ['to a broadcast address (MUST-57)', host, '10.0.0.255'],
    ['to the limited broadcast address (MUST-57)', host, '255.255.255.255'],
    ['to a multicast address (MUST-57)', host, '224.0.0.1'],
    ['from a broadcast address (MUST-63)', '10.0.0.255', ours],
    ['from the limited broadcast address (MUST-63)', '255.255.255.255', ours],
    ['from a multicast address (MUST-63)', '224.0.0.1', ours],
    ['from nowhere (MUST-63)', '0.0.0.0', ours],
    ['from a loopback address (MUST-63)', '127.0.0.1', ours],
    ['from our own address (MUST-63)', ours, ours],
  ])('a SYN %s is dropped without a word', (_name, source, destination) => {
    const world = new World();
    world.b.stack.listen({ port: 80 }, () => {});
    world.run(1);
    const answers = answersOf(world);
    world.wire.b.onReceive(segment(world.b, ip(source), ip(destination), TcpFlag.SYN));
    world.run(5000);
    expect(answers).toEqual([]);
    expect([...world.b.stack.connections()]).toEqual([]);
  });

  it('and so over IPv6 (MUST-57, MUST-63)', () => {
    const world = new World({ family: 6 });
    world.b.stack.listen({ port: 80 }, () => {});
    world.run(1);
    const answers = answersOf(world);
    for (const [source, destination] of [
      ['fd00::1', 'ff02::1'],
      ['ff02::1', 'fd00::2'],
      ['::', 'fd00::2'],
      ['::1', 'fd00::2'],
    ]) {
      world.wire.b.onReceive(segment(world.b, ip(source), ip(destination), TcpFlag.SYN));
    }
    world.run(5000);
    expect(answers).toEqual([]);
    expect([...world.b.stack.connections()]).toEqual([]);
  });

  it('the IP layer chooses the address of a connection that names none, and it stays the same (MUST-44, MUST-45)', () => {
    const second = ip('10.9.0.1');
    const addresses = [{ address: second, prefixLength: 24 }];
    const there = [{ address: ip('10.9.0.2'), prefixLength: 24 }];
    const world = new World({ a: { stack: { addresses } }, b: { stack: { addresses: there } } });
    const sources = new Set<string>();
    world.wire.observer = (_time, direction, frame) => {
      if (direction === 'a-to-b' && frame[13] === 0) sources.add(`${IpAddress.fromBytes(4, frame, 26)}`);
    };
    world.b.stack.listen({ port: 80 }, (connection) => new Peer(connection));
    const client = new Peer(world.a.stack.connect({ address: ip('10.9.0.2'), port: 80 }));
    world.until(() => client.isConnected);
    client.connection.send(new Uint8Array(5000));
    world.run(100);
    expect(client.connection.localAddress.equals(second)).toBe(true);
    expect([...sources]).toEqual(['10.9.0.1']);
    // A local address that is named is used, whatever would have been chosen (MUST-43).
    sources.clear();
    world.a.stack.connect({ address: ip('10.9.0.2'), port: 80, localAddress: world.a.address });
    world.run(10);
    expect([...sources]).toContain('10.0.0.1');
  });
});

describe('SYN-RECEIVED remembers how it was reached (MUST-11)', () => {
  it('by a passive opening: a reset takes it back to listening, and nobody is told', () => {
    const world = new World();
    let accepted = 0;
    world.b.stack.listen({ port: 80, backlog: 1 }, () => {
      accepted++;
    });
    const stranger = ip('10.0.0.9');
    world.wire.b.onReceive(segment(world.b, stranger, world.b.address, TcpFlag.SYN, 7));
    world.step();
    const [halfOpen] = world.b.stack.connections();
    expect(halfOpen.state).toBe(TcpState.SYN_RECEIVED);
    world.wire.b.onReceive(segment(world.b, stranger, world.b.address, TcpFlag.RST, 8));
    world.step();
    expect([...world.b.stack.connections()]).toEqual([]);
    expect(accepted).toBe(0);
    // The listener is as it was: its whole backlog is there again.
    const client = new Peer(world.a.stack.connect({ address: world.b.address, port: 80 }));
    world.until(() => client.isConnected && accepted === 1);
  });

  it('by an active opening: a reset refuses it, and the application is told', () => {
    const world = new World();
    const peer = new Peer(world.b.stack.connect({ address: world.a.address, port: 1000, localPort: 80 }));
    world.step();
    expect(peer.connection.state).toBe(TcpState.SYN_SENT);
    world.wire.b.onReceive(segment(world.b, world.a.address, world.b.address, TcpFlag.SYN, 7));
    world.step();
    expect(peer.connection.state).toBe(TcpState.SYN_RECEIVED);
    world.wire.b.onReceive(segment(world.b, world.a.address, world.b.address, TcpFlag.RST, 8));
    world.step();
    expect(peer.closed).toBe('ECONNREFUSED');
  });
});

describe('keepalive', () => {
  it('waits for two hours unless told otherwise, and is off until asked for (MUST-25, MUST-27, MUST-28)', () => {
    const world = new World();
    const { client } = world.connect(80);
    world.run(1000);
    let sent: number[] = [];
    world.wire.observer = (time, direction, frame) => {
      if (direction === 'a-to-b' && frame[13] === 0) sent.push(Math.floor(time / 1_000_000));
    };
    const hours = 3_600_000;
    world.run(10 * hours);
    expect(sent).toEqual([]);
    const start = world.now / 1_000_000;
    client.connection.setKeepAlive(true);
    world.run(2 * hours - 2000);
    expect(sent).toEqual([]);
    world.run(4000);
    expect(sent.length).toBe(1);
    expect(sent[0] - start).toBeGreaterThanOrEqual(7198);
    sent = [];
    client.connection.setKeepAlive(true, 10_000);
    world.run(12_000);
    expect(sent.length).toBeGreaterThan(0);
    client.connection.setKeepAlive(false);
    world.run(1000);
    sent = [];
    world.run(10 * hours);
    expect(sent).toEqual([]);
  });
});

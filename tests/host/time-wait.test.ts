/** Connections in TIME-WAIT that give way to new ones between the same endpoints (RFC 9293 MAY-2, RFC 6191). */
import { describe, expect, it } from 'vitest';
import type { ConnectionOptions } from '../../src/host/connection-options.ts';
import { TcpState } from '../../src/tcp/index.ts';
import { DropReason, parseTcp, TcpFlag, TcpHeader } from '../../src/wire/index.ts';
import { Peer, pattern, sendAll, type TestHost, World } from './world.ts';

const PORT = 5000;

interface Scene {
  readonly world: World;
  readonly served: Peer[];
  open(): Peer;
  stopListening(): void;
}

/** A connection from port 5000 of `a` to port 80 of `b` that has ended; `closesFirst` is in TIME-WAIT. */
function ended(closesFirst: 'a' | 'b', options: ConnectionOptions = {}, bytes = 0): Scene {
  const world = new World({ wire: { both: { delayMicroseconds: 50 } } });
  const served: Peer[] = [];
  const listener = world.b.stack.listen({ port: 80 }, (connection) => served.push(new Peer(connection)));
  const open = (): Peer =>
    new Peer(world.a.stack.connect({ address: world.b.address, port: 80, localPort: PORT, connection: options }));
  const client = open();
  world.until(() => client.isConnected && served.length === 1);
  const [first, second] = closesFirst === 'a' ? [client, served[0]] : [served[0], client];
  sendAll(first.connection, pattern(bytes), 100_000);
  first.connection.shutdown();
  world.until(() => second.peerClosed);
  second.connection.shutdown();
  world.until(() => first.closed === null && second.closed === null);
  expect(stateOf(world, closesFirst)).toBe(TcpState.TIME_WAIT);
  return { world, served, open, stopListening: () => listener.close() };
}

function stateOf(world: World, host: 'a' | 'b'): TcpState | undefined {
  return [...world[host].stack.connections()][0]?.state;
}

/** Sequence numbers of the SYNs that `host` sends from now on. */
function synsOf(world: World, host: TestHost): { sequence: number; flags: number }[] {
  const syns: { sequence: number; flags: number }[] = [];
  const header = new TcpHeader();
  world.wire.observer = (_time, direction, frame) => {
    if ((direction === 'a-to-b') !== (host === world.a)) return;
    if (parseTcp(frame, 34, frame.length - 34, header) !== DropReason.NONE) return;
    if (header.flags & (TcpFlag.SYN | TcpFlag.RST)) syns.push({ sequence: header.sequence, flags: header.flags });
  };
  return syns;
}

describe('a SYN of the peer', () => {
  it.each([{}, { timestamps: false }])('opens anew, above all that was sent before: %j', (options) => {
    // More than one byte in four microseconds: the clock of initial sequence numbers is left behind (RFC 6528).
    const { world, served, open } = ended('b', options, 2_000_000);
    const { ownership } = [...world.b.stack.connections()][0];
    const end = ownership?.owner === 'host' ? ownership.cb.delegated.sndMax : 0;
    world.run(10);
    const syns = synsOf(world, world.b);
    const second = open();
    world.until(() => second.isConnected && served.length === 2);
    expect(syns).toHaveLength(1);
    expect((syns[0].sequence - end) | 0).toBeGreaterThan(0);
    expect([...world.b.stack.connections()]).toHaveLength(1);
  });

  it('finds nobody that listens any more: the answer is an ACK, and no reset (RFC 9293 3.10.7.4 fourth)', () => {
    const { world, open, stopListening } = ended('b');
    stopListening();
    const answers: number[] = [];
    const header = new TcpHeader();
    world.wire.observer = (_time, direction, frame) => {
      if (direction === 'b-to-a' && parseTcp(frame, 34, frame.length - 34, header) === DropReason.NONE) {
        answers.push(header.flags);
      }
    };
    open();
    world.until(() => answers.length > 0);
    expect(answers).toEqual([TcpFlag.ACK]);
  });
});

describe('an opening of ours over a connection in TIME-WAIT (decision 39)', () => {
  it('is refused in its first second, and without timestamps', () => {
    const { world, open } = ended('a');
    expect(open).toThrow('EADDRINUSE');
    world.run(900);
    expect(open).toThrow('EADDRINUSE');
    const without = ended('a', { timestamps: false });
    without.world.run(5000);
    expect(without.open).toThrow('EADDRINUSE');
  });

  it('takes its place later, above all that it has sent', () => {
    const { world, served, open } = ended('a', {}, 2_000_000);
    const { ownership } = [...world.a.stack.connections()][0];
    const end = ownership?.owner === 'host' ? ownership.cb.delegated.sndMax : 0;
    world.run(1100);
    const syns = synsOf(world, world.a);
    const second = open();
    world.until(() => second.isConnected && served.length === 2);
    expect((syns[0].sequence - end) | 0).toBeGreaterThan(0);
    second.connection.send(pattern(1000));
    world.until(() => served[1].received === 1000);
    expect([...world.a.stack.connections()]).toHaveLength(1);
  });

  it('a connection that is not in TIME-WAIT never gives way', () => {
    const world = new World();
    world.b.stack.listen({ port: 80 }, () => {});
    const open = (): Peer => new Peer(world.a.stack.connect({ address: world.b.address, port: 80, localPort: PORT }));
    const client = open();
    world.until(() => client.isConnected);
    world.run(5000);
    expect(open).toThrow('EADDRINUSE');
  });
});

import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, createServer, type Server, Socket } from '../../src/net/index.ts';
import { createHosts, NOBODY_ADDRESS, SERVER_ADDRESS, type TestHosts } from '../support/hosts.ts';
import { noise, openPair, readAll, until } from '../support/streams.ts';

const PORT = 4000;

let hosts: TestHosts;
let server: Server;

beforeEach(async () => {
  hosts = createHosts();
  server = createServer(hosts.server, { allowHalfOpen: true }).listen(PORT);
  await once(server, 'listening');
});

afterEach(() => hosts.close());

describe('a socket', () => {
  it('connects, and knows both addresses', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    expect(near.connecting).toBe(false);
    expect(near.readyState).toBe('open');
    expect([near.remoteAddress, near.remotePort, near.remoteFamily]).toEqual([SERVER_ADDRESS, PORT, 'IPv4']);
    expect([far.remoteAddress, far.remotePort]).toEqual([near.localAddress, near.localPort]);
    expect(near.address()).toEqual({ address: '192.0.2.1', family: 'IPv4', port: near.localPort });
  });

  it('is opening until it is connected, and takes bytes before', async () => {
    const accepted = once(server, 'connection');
    const near = new Socket(hosts.client);
    expect([near.pending, near.owner, near.history, near.counters]).toEqual([true, 'host', [], null]);
    near.connect({ host: SERVER_ADDRESS, port: PORT });
    expect([near.pending, near.connecting, near.readyState]).toEqual([true, true, 'opening']);
    near.end('early');
    const [far] = (await accepted) as [Socket];
    expect((await readAll(far)).toString()).toBe('early');
  });

  it('carries bytes both ways, and counts them', async () => {
    const { near, far } = await openPair(hosts, server, PORT, { allowHalfOpen: true });
    const request = noise(300_000);
    const answer = noise(200_000);
    near.end(request);
    far.end(answer);
    const [atFar, atNear] = await Promise.all([readAll(far), readAll(near)]);
    expect(atFar.equals(request)).toBe(true);
    expect(atNear.equals(answer)).toBe(true);
    expect([near.bytesWritten, near.bytesRead]).toEqual([request.length, answer.length]);
    expect([far.bytesWritten, far.bytesRead]).toEqual([answer.length, request.length]);
  });

  it('copies what is written: the caller may change it after the callback', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    const bytes = Buffer.from('before');
    near.write(bytes, () => bytes.fill('x'));
    const [received] = (await once(far, 'data')) as [Buffer];
    expect(received.toString()).toBe('before');
  });

  it('writes many small chunks in order', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    let expected = '';
    for (let i = 0; i < 2_000; i++) {
      near.write(`${i},`);
      expected += `${i},`;
    }
    near.end();
    expect((await readAll(far)).toString()).toBe(expected);
  });

  it('closes when both sides have ended', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    near.resume();
    far.resume();
    near.end();
    await once(far, 'end');
    expect(far.readyState).toBe('writeOnly');
    far.end();
    const [[nearFailed], [farFailed]] = await Promise.all([once(near, 'close'), once(far, 'close')]);
    expect([nearFailed, farFailed]).toEqual([false, false]);
    expect(near.readyState).toBe('closed');
  });

  it('stays half open when it is asked to', async () => {
    const { near, far } = await openPair(hosts, server, PORT, { allowHalfOpen: true });
    far.end('that was all');
    expect((await readAll(near)).toString()).toBe('that was all');
    expect(near.readyState).toBe('writeOnly');
    near.end('but I am not done');
    expect((await readAll(far)).toString()).toBe('but I am not done');
  });

  it('ends its own half when the peer has ended, unless it is to stay half open', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    near.resume();
    far.resume();
    far.end();
    await once(near, 'finish');
    await once(far, 'end');
  });

  it('keeps what has arrived for a reader who comes after the connection has ended', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    const bytes = noise(50_000);
    far.resume();
    far.end(bytes);
    near.end();
    await once(far, 'close');
    expect((await readAll(near)).equals(bytes)).toBe(true);
  });

  it('delivers what was written before it was destroyed', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    near.write('last words');
    near.destroy();
    expect((await readAll(far)).toString()).toBe('last words');
  });

  it('ends after everything was written by destroySoon', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    const bytes = noise(100_000);
    near.write(bytes);
    near.destroySoon();
    expect((await readAll(far)).equals(bytes)).toBe(true);
    await until(() => near.destroyed);
  });

  it('holds the sender back until the reader reads (back-pressure)', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    let taken = 0;
    const chunk = noise(64 * 1024);
    const write = (): void => {
      while (near.write(chunk)) taken++;
      taken++;
      near.once('drain', write);
    };
    write();
    // Send buffer, receive window and stream buffers are full when nothing is taken for a while.
    let before = -1;
    while (taken !== before) {
      before = taken;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(taken).toBeGreaterThan(1);
    expect(taken * chunk.length).toBeLessThan(8 * 1024 * 1024);
    far.resume();
    await until(() => taken >= 2 * before);
    near.destroy();
  });
});

describe('errors', () => {
  it('ECONNREFUSED where nobody listens', async () => {
    const near = connect(hosts.client, { host: SERVER_ADDRESS, port: PORT + 1 });
    const [error] = await once(near, 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect', address: SERVER_ADDRESS, port: PORT + 1 });
    expect(near.destroyed).toBe(true);
  });

  it('EHOSTUNREACH where nobody answers ARP', async () => {
    const [error] = await once(connect(hosts.client, { host: NOBODY_ADDRESS, port: 1 }), 'error');
    expect(error).toMatchObject({ code: 'EHOSTUNREACH', syscall: 'connect' });
  });

  it('EHOSTUNREACH without a route', async () => {
    const [error] = await once(connect(hosts.client, { host: '198.51.100.1', port: 1 }), 'error');
    expect(error).toMatchObject({ code: 'EHOSTUNREACH' });
  });

  it('ECONNRESET when the peer resets', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    far.resetAndDestroy();
    const [error] = await once(near, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
  });

  it('ECONNRESET when the peer drops unread bytes', async () => {
    const paused = createServer(hosts.server, { pauseOnConnect: true }).listen(PORT + 1);
    const { near, far } = await openPair(hosts, paused, PORT + 1);
    near.write('nobody reads this');
    await until(() => (far.counters?.bytesReceived ?? 0) > 0);
    far.destroy();
    const [error] = await once(near, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('ETIMEDOUT when the wire is cut', async () => {
    hosts.close();
    hosts = createHosts({ client: { parameters: { maximumRetransmissions: 2, maximumRtoTicks: 300 } } });
    server = createServer(hosts.server).listen(PORT);
    const { near } = await openPair(hosts, server, PORT);
    hosts.wire.aToB.configure({ loss: 1 });
    near.write('into the void');
    const [error] = await once(near, 'error');
    expect(error).toMatchObject({ code: 'ETIMEDOUT' });
  });

  it('ENETUNREACH for a family that the host does not have', async () => {
    const [error] = await once(connect(hosts.client, { host: '2001:db8::1', port: 80 }), 'error');
    expect(error).toMatchObject({ code: 'ENETUNREACH', syscall: 'connect', address: '2001:db8::1', port: 80 });
  });

  it('a port that is none is an error of the caller', () => {
    for (const port of [-1, 65_536, 1.5, Number.NaN]) {
      const open = (): Socket => connect(hosts.client, { host: SERVER_ADDRESS, port });
      expect(open).toThrow(RangeError);
      expect(open).toThrow(/^Port should be >= 0 and < 65536\. Received type number \(/);
    }
  });

  it('EADDRNOTAVAIL when every local port towards the peer is in use', async () => {
    const ports = 65_536 - 49_152;
    for (let i = 0; i < ports; i++) hosts.client.open(SERVER_ADDRESS, PORT + 2, {});
    const [error] = await once(connect(hosts.client, { host: SERVER_ADDRESS, port: PORT + 2 }), 'error');
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'connect' });
  });
});

describe('timeouts and options', () => {
  it('emits timeout after idleness, and not while bytes flow', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    far.resume();
    const writer = setInterval(() => near.write('x'), 20);
    let isBusy = true;
    setTimeout(() => {
      clearInterval(writer);
      isBusy = false;
    }, 300);
    near.setTimeout(200);
    expect(near.timeout).toBe(200);
    await once(near, 'timeout');
    expect(isBusy).toBe(false);
    expect(near.destroyed).toBe(false);
    near.setTimeout(0);
    expect(near.timeout).toBe(0);
  });

  it('calls the listener of setTimeout', async () => {
    const { near } = await openPair(hosts, server, PORT);
    await new Promise<void>((resolve) => near.setTimeout(10, resolve));
  });

  it('remembers options that were set before connect', async () => {
    const near = new Socket(hosts.client).setNoDelay().setKeepAlive(true, 50);
    near.connect({ host: SERVER_ADDRESS, port: PORT });
    await once(near, 'connect');
    await until(() => hosts.client.stack.tcpStatistics.keepAliveProbes > 0);
  });
});

/** What `node:net` promises, on the host's own addresses. Node's own tests of it run by `npm run test:node-net`. */
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLoopbackHost, createNet, type Net, type Server, type Socket } from '../../src/net/index.ts';
import type { Host } from '../../src/node/index.ts';
import { createHosts, SERVER_ADDRESS } from '../support/hosts.ts';

let host: Host;
let net: Net;

beforeEach(() => {
  host = createLoopbackHost();
  net = createNet(host);
});

afterEach(() => {
  host.close();
  host.runtime.close();
});

async function listening(server: Server, ...where: unknown[]): Promise<number> {
  (server.listen as (...values: unknown[]) => Server).apply(server, where.length > 0 ? where : [0]);
  await once(server, 'listening');
  return server.address()?.port ?? 0;
}

function thrown(action: () => unknown): { code?: string; name?: string; message?: string } {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  return {};
}

describe('the module', () => {
  it('has the classes of node:net, callable with and without new', () => {
    const socket = net.Socket();
    expect(socket).toBeInstanceOf(net.Socket);
    expect(net.Stream).toBe(net.Socket);
    expect(net.Server()).toBeInstanceOf(net.Server);
    expect(socket.constructor).toBe(net.Socket);
    class Special extends net.Socket {}
    expect(new Special()).toBeInstanceOf(net.Socket);
  });

  it('gives accepted sockets its own class', async () => {
    const server = net.createServer();
    const port = await listening(server);
    net.connect(port);
    const [socket] = (await once(server, 'connection')) as [Socket];
    expect(socket).toBeInstanceOf(net.Socket);
    expect(socket.server).toBe(server);
  });
});

describe('arguments', () => {
  it('connect takes port, host and callback, or options', async () => {
    const server = net.createServer((socket) => socket.end());
    const port = await listening(server);
    const forms: ((done: () => void) => Socket)[] = [
      (done) => net.connect(port, done),
      (done) => net.connect(port, 'localhost', done),
      (done) => net.connect(String(port), '127.0.0.1', done),
      (done) => net.createConnection({ port, host: '::1' }, done),
      (done) => new net.Socket().connect({ port }, done),
    ];
    for (const form of forms) {
      await new Promise<void>((resolve) => form(resolve).resume());
    }
  });

  it.each([
    [() => new net.Socket().connect({} as never), 'ERR_MISSING_ARGS'],
    [() => net.connect({ port: true as never }), 'ERR_INVALID_ARG_TYPE'],
    [() => net.connect({ port: 65_536 }), 'ERR_SOCKET_BAD_PORT'],
    [() => net.connect({ port: ' ' }), 'ERR_SOCKET_BAD_PORT'],
    [() => net.connect({ port: 1, localAddress: 'nowhere' }), 'ERR_INVALID_IP_ADDRESS'],
    [() => net.connect({ port: 1, lookup: 'dns' as never, host: 'name' }), 'ERR_INVALID_ARG_TYPE'],
    [() => net.connect({ port: 1, autoSelectFamily: 'yes' as never }), 'ERR_INVALID_ARG_TYPE'],
    [() => net.connect({ port: 1, autoSelectFamilyAttemptTimeout: 0 }), 'ERR_OUT_OF_RANGE'],
    [() => net.connect({ path: '/run/docker.sock' }), 'ERR_INVALID_ARG_VALUE'],
    [() => new net.Socket({ fd: 4 }), 'ERR_INVALID_FD_TYPE'],
    [() => new net.Socket({ objectMode: true } as never), 'ERR_INVALID_ARG_VALUE'],
    [() => new net.Socket({ keepAliveInitialDelay: '1' as never }), 'ERR_INVALID_ARG_TYPE'],
    [() => new net.Socket().setTimeout(-1), 'ERR_OUT_OF_RANGE'],
    [() => new net.Socket().setTimeout('1' as never), 'ERR_INVALID_ARG_TYPE'],
    [() => net.createServer('options' as never), 'ERR_INVALID_ARG_TYPE'],
    [() => net.createServer().listen({} as never), 'ERR_INVALID_ARG_VALUE'],
    [() => net.createServer().listen(-1), 'ERR_SOCKET_BAD_PORT'],
  ])('%s throws %s', (action, code) => {
    expect(thrown(action)).toMatchObject({ code });
  });

  it('words its errors as Node does', () => {
    const real = thrown(() => net.connect({ port: 65_536 }));
    expect(real.message).toBe('Port should be >= 0 and < 65536. Received type number (65536).');
    expect(thrown(() => net.connect({ port: [] as never })).message).toBe(
      'The "options.port" property must be one of type number or string. Received an instance of Array',
    );
    expect(thrown(() => new net.Socket().connect({} as never)).message).toBe(
      'The "options" or "port" or "path" argument must be specified',
    );
    expect(thrown(() => net.createServer('x' as never)).message).toBe(
      'The "options" argument must be of type object. Received type string (\'x\')',
    );
  });
});

describe('the addresses of the host itself', () => {
  it.each(['127.0.0.1', '127.5.6.7', '::1', '0.0.0.0', '::', '192.0.2.1', '::ffff:127.0.0.1'])(
    'a server without an address is reached at %s',
    async (address) => {
      const server = net.createServer((socket) => socket.end(`${socket.remoteAddress}`));
      const port = await listening(server);
      const socket = net.connect(port, address);
      expect(await text(socket)).toBe(ownName(address));
    },
  );

  it('both ends agree on their addresses', async () => {
    const server = net.createServer();
    const port = await listening(server, 0, '127.0.0.1');
    expect(server.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port });
    const near = net.connect(port, '127.0.0.1');
    const [far] = (await once(server, 'connection')) as [Socket];
    if (near.connecting) await once(near, 'connect');
    expect(near.address()).toEqual({ address: far.remoteAddress, family: far.remoteFamily, port: far.remotePort });
    expect(far.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port });
  });

  it('connections move to the offload target and back here too', async () => {
    const server = net.createServer((socket) => socket.pipe(socket));
    const near = net.connect(await listening(server));
    await once(near, 'connect');
    expect((await near.offload()).ok).toBe(true);
    near.write('from the target');
    const [answer] = (await once(near, 'data')) as [Buffer];
    expect(answer.toString()).toBe('from the target');
    expect((await near.upload()).ok).toBe(true);
  });

  function ownName(address: string): string {
    if (address === '::' || address === '::1') return '::1';
    if (address === '0.0.0.0' || address.startsWith('::ffff')) return '127.0.0.1';
    return address;
  }
});

describe('binding', () => {
  it('an address that another server listens on is in use, with Node’s message', async () => {
    const port = await listening(net.createServer());
    for (const address of ['::', '0.0.0.0', '127.0.0.1', '::1']) {
      const [error] = await once(net.createServer().listen(port, address), 'error');
      expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', address, port });
      expect(error.message).toBe(`listen EADDRINUSE: address already in use ${address}:${port}`);
    }
  });

  it('different addresses share a port, and each gets its own connections', async () => {
    const first = net.createServer((socket) => socket.end('first'));
    const port = await listening(first, 0, '127.0.0.1');
    await listening(
      net.createServer((socket) => socket.end('second')),
      port,
      '127.0.0.2',
    );
    expect(await text(net.connect(port, '127.0.0.1'))).toBe('first');
    expect(await text(net.connect(port, '127.0.0.2'))).toBe('second');
    const [error] = await once(net.connect(port, '127.0.0.3'), 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED', errno: -111, syscall: 'connect', address: '127.0.0.3', port });
    expect(error.message).toBe(`connect ECONNREFUSED 127.0.0.3:${port}`);
  });

  it('refuses addresses that are not the host’s', async () => {
    const [error] = await once(net.createServer().listen(0, '198.51.100.1'), 'error');
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'listen' });
    const socket = net.connect({ port: 1, host: '127.0.0.1', localAddress: '198.51.100.1' });
    const [refused] = await once(socket, 'error');
    expect(refused).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'bind' });
  });

  it('connects from the local address and port that were asked for', async () => {
    const server = net.createServer((socket) => socket.end(`${socket.remoteAddress} ${socket.remotePort}`));
    const port = await listening(server);
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9', localPort: 5_555 });
    expect(await text(socket)).toBe('127.0.0.9 5555');
  });
});

describe('several addresses', () => {
  /** A name with these addresses. */
  const names =
    (...addresses: string[]) =>
    (_name: string, _options: object, callback: (error: null, found: { address: string; family: number }[]) => void) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );

  it('are tried one after the other, and say so', async () => {
    const server = net.createServer((socket) => socket.end('here'));
    const port = await listening(server, 0, '127.0.0.1');
    const events: string[] = [];
    const socket = new net.Socket();
    for (const name of ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connect'] as const) {
      socket.on(name, (...values: unknown[]) => {
        events.push([name, ...values.filter((value) => typeof value === 'string')].join(' '));
      });
    }
    socket.connect({ port, host: 'example.org', lookup: names('::1', '127.0.0.1') as never });
    expect(await text(socket)).toBe('here');
    expect(socket.autoSelectFamilyAttemptedAddresses).toEqual([`::1:${port}`, `127.0.0.1:${port}`]);
    expect(events).toEqual([
      'lookup ::1 example.org',
      'lookup 127.0.0.1 example.org',
      'connectionAttempt ::1',
      'connectionAttemptFailed ::1',
      'connectionAttempt 127.0.0.1',
      'connect',
    ]);
  });

  it('that all refuse give one error with all of theirs', async () => {
    const socket = net.connect({ port: 9, host: 'example.org', lookup: names('::1', '127.0.0.1') as never });
    const [error] = (await once(socket, 'error')) as [AggregateError & { code: string }];
    expect(error).toBeInstanceOf(AggregateError);
    expect([error.code, error.errors.length]).toEqual(['ECONNREFUSED', 2]);
  });
});

describe('streams', () => {
  it('fill one buffer again and again (onread)', async () => {
    const server = net.createServer((socket) => socket.end(Buffer.alloc(10_000, 'ab')));
    const port = await listening(server);
    const used = Buffer.alloc(512);
    let received = '';
    const socket = net.connect({
      port,
      onread: {
        buffer: used,
        callback(length, buffer) {
          expect(buffer).toBe(used);
          received += used.toString('latin1', 0, length);
          return true;
        },
      },
    });
    await once(socket, 'end');
    expect(received).toBe('ab'.repeat(5_000));
    expect(socket.bytesRead).toBe(10_000);
  });

  it('are destroyed by a signal', async () => {
    const port = await listening(net.createServer());
    const controller = new AbortController();
    const socket = net.connect({ port, signal: controller.signal });
    controller.abort();
    const [error] = await once(socket, 'error');
    expect(error.name).toBe('AbortError');
  });

  it('wait for their reader (pauseOnConnect)', async () => {
    const server = net.createServer({ pauseOnConnect: true });
    const port = await listening(server);
    net.connect(port).end('waits');
    const [socket] = (await once(server, 'connection')) as [Socket];
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([socket.isPaused(), socket.bytesRead]).toEqual([true, 0]);
    socket.resume();
    expect(await text(socket)).toBe('waits');
  });

  it('connect again after they were closed', async () => {
    const server = net.createServer((socket) => socket.end('again'));
    const port = await listening(server);
    const socket = new net.Socket();
    for (let i = 0; i < 3; i++) {
      socket.connect(port);
      let received = '';
      const read = (bytes: Buffer): void => {
        received += bytes;
      };
      socket.on('data', read);
      await once(socket, 'close');
      socket.off('data', read);
      expect(received).toBe('again');
    }
  });

  it('tell a write after the peer has gone', async () => {
    const server = net.createServer((socket) => socket.destroy());
    const socket = net.connect(await listening(server)).resume();
    await once(socket, 'end');
    await once(socket, 'finish');
    // The socket may be closed already: then nothing but the callback tells.
    socket.on('error', () => {});
    const error = await new Promise((resolve) => socket.write('late', resolve));
    expect(error).toMatchObject({ code: 'EPIPE', message: 'This socket has been ended by the other party' });
  });
});

describe('a server', () => {
  it('drops connections beyond maxConnections, and says whose', async () => {
    const server = net.createServer((socket) => socket.resume());
    server.maxConnections = 1;
    const port = await listening(server, 0, '127.0.0.1');
    await once(net.connect(port, '127.0.0.1'), 'connect');
    const second = net.connect(port, '127.0.0.1').resume();
    const connected = once(second, 'connect');
    const [dropped] = await once(server, 'drop');
    await connected;
    expect(dropped).toMatchObject({ localAddress: '127.0.0.1', localPort: port, remotePort: second.localPort });
    const count = await new Promise((resolve) => server.getConnections((_error, number) => resolve(number)));
    expect(count).toBe(1);
    await once(second, 'end');
  });

  it('is closed by a signal, and by await using', async () => {
    const controller = new AbortController();
    const server = net.createServer();
    await listening(server, { port: 0, signal: controller.signal });
    controller.abort();
    await once(server, 'close');
    const other = net.createServer();
    await listening(other);
    await other[Symbol.asyncDispose]();
    expect(other.listening).toBe(false);
  });

  it('listen({ fd }) is refused by an event', async () => {
    const [error] = await once(net.createServer().listen({ fd: 0 }), 'error');
    expect(error).toMatchObject({ code: 'EINVAL', syscall: 'listen' });
  });
});

describe('between two hosts', () => {
  it('both families reach a server that listens on all addresses', async () => {
    const hosts = createHosts({
      client: { addresses: [{ address: '2001:db8::1', prefixLength: 64 }] },
      server: { addresses: [{ address: '2001:db8::2', prefixLength: 64 }] },
    });
    try {
      const server = createNet(hosts.server).createServer((socket) => socket.end(`${socket.remoteAddress}`));
      const port = await listening(server);
      const client = createNet(hosts.client);
      for (const [to, from] of [
        ['2001:db8::2', '2001:db8::1'],
        [SERVER_ADDRESS, '192.0.2.1'],
      ]) {
        // The address may still be checked for duplicates (RFC 4862): then there is no way yet.
        let answer = '';
        while (answer === '') answer = await text(client.connect(port, to)).catch(() => '');
        expect(answer).toBe(from);
      }
    } finally {
      hosts.close();
    }
  });
});

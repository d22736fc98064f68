/** `blockList` of servers and sockets, as Node has it since version 22. */
import { once } from 'node:events';
import type { BlockList } from 'node:net';
import { describe, expect, it } from 'vitest';
import net from '../../src/net/drop-in.ts';

/** Keeps out one address. */
function keepOut(address: string): BlockList {
  const list = new net.BlockList();
  list.addAddress(address);
  return list;
}

/** What `socket` tells until it is closed. */
async function eventsOf(socket: InstanceType<typeof net.Socket>): Promise<string[]> {
  const told: string[] = [];
  for (const event of ['connectionAttempt', 'connectionAttemptFailed', 'connect', 'error', 'close']) {
    socket.on(event, (first: unknown, ...rest: unknown[]) => {
      const error = [first, ...rest].find((value) => value instanceof Error) as { code?: string } | undefined;
      told.push([event, error?.code ?? first].filter((value) => value !== undefined).join(' '));
    });
  }
  await once(socket, 'close').catch(() => once(socket, 'close'));
  return told;
}

async function withServer(options: object, use: (port: number) => Promise<void>): Promise<void> {
  const server = net.createServer(options, (socket) => socket.end('in'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use((server.address() as { port: number }).port);
  } finally {
    server.close();
  }
}

describe('blockList', () => {
  it('a server closes the connections of those that it keeps out, and tells nobody', async () => {
    await withServer({ blockList: keepOut('127.0.0.1') }, async (port) => {
      const socket = net.connect(port, '127.0.0.1').resume();
      expect(await eventsOf(socket)).toEqual(['connectionAttempt 127.0.0.1', 'connect', 'close false']);
      expect(socket.bytesRead).toBe(0);
    });
  });

  it('and serves all others', async () => {
    await withServer({ blockList: keepOut('10.0.0.1') }, async (port) => {
      const socket = net.connect(port, '127.0.0.1').resume();
      await once(socket, 'close');
      expect(socket.bytesRead).toBe(2);
    });
  });

  it('a socket does not connect to an address that is kept out', async () => {
    await withServer({}, async (port) => {
      const socket = net.connect({ port, host: '127.0.0.1', blockList: keepOut('127.0.0.1') });
      const error = once(socket, 'error').then(([value]) => value as Error & { code: string });
      expect(await eventsOf(socket)).toEqual(['connectionAttempt 127.0.0.1', 'error ERR_IP_BLOCKED', 'close true']);
      expect((await error).message).toBe('IP(127.0.0.1) is blocked by net.BlockList');
    });
  });

  it('of several addresses it passes over those that are kept out', async () => {
    await withServer({}, async (port) => {
      const socket = net.connect({
        port,
        host: 'somewhere',
        autoSelectFamily: true,
        lookup: (_host, _options, callback) =>
          setImmediate(() =>
            callback(null, [
              { address: '127.0.0.9', family: 4 },
              { address: '127.0.0.1', family: 4 },
            ]),
          ),
        blockList: keepOut('127.0.0.9'),
      });
      socket.resume();
      expect(await eventsOf(socket)).toEqual([
        'connectionAttemptFailed ERR_IP_BLOCKED',
        'connectionAttempt 127.0.0.1',
        'connect',
        'close false',
      ]);
      expect(socket.autoSelectFamilyAttemptedAddresses).toEqual([`127.0.0.1:${port}`]);
    });
  });

  it('what is no BlockList is refused', () => {
    const wrong = { blockList: 1 as unknown as BlockList };
    const message = 'The "options.blockList" property must be an net.BlockList. Received type number (1)';
    for (const make of [() => new net.Socket(wrong), () => net.createServer(wrong)]) {
      expect(make).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' }));
      expect(make).toThrow(message);
    }
  });
});

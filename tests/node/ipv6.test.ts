/** Hosts with addresses of both families: sockets, servers and the gateway over IPv6, in real time. */
import { once } from 'node:events';
import { connect as connectLoopback } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, createServer } from '../../src/net/index.ts';
import { Gateway } from '../../src/node/index.ts';
import { createHosts, type TestHosts } from '../support/hosts.ts';
import { noise, readAll } from '../support/streams.ts';

const SERVER_IPV6 = 'fd00::2';
const PORT = 4000;

let hosts: TestHosts;

beforeEach(() => {
  const common = { duplicateAddressProbes: 0, acceptRouterAdvertisements: false };
  hosts = createHosts({
    client: { ...common, addresses: [{ address: 'fd00::1', prefixLength: 64 }] },
    server: { ...common, addresses: [{ address: SERVER_IPV6, prefixLength: 64 }] },
  });
});

afterEach(() => hosts.close());

/** Answers everything with what it got, until the client has finished. */
function echo(seen: (string | undefined)[]): void {
  createServer(hosts.server, (socket) => {
    seen.push(socket.remoteAddress);
    socket.on('error', () => {});
    socket.pipe(socket);
  }).listen(PORT);
}

describe('a host of both families', () => {
  it('serves one port over both, and says which a connection uses', async () => {
    const seen: (string | undefined)[] = [];
    echo(seen);
    for (const [host, family, local] of [
      [SERVER_IPV6, 'IPv6', 'fd00::1'],
      ['192.0.2.2', 'IPv4', '192.0.2.1'],
    ] as const) {
      const socket = connect(hosts.client, { host, port: PORT });
      await once(socket, 'connect');
      expect(socket.remoteAddress).toBe(host);
      expect(socket.remoteFamily).toBe(family);
      expect(socket.localAddress).toBe(local);
      const bytes = noise(300_000);
      socket.end(bytes);
      expect((await readAll(socket)).equals(bytes)).toBe(true);
      // A server on :: sees IPv4 as node:net does.
      expect(seen.at(-1)?.replace('::ffff:', '')).toBe(local);
    }
  });

  it('hands a socket over IPv6 to the target and takes it back while bytes flow', async () => {
    echo([]);
    const socket = connect(hosts.client, { host: SERVER_IPV6, port: PORT });
    await once(socket, 'connect');
    const bytes = noise(2_000_000);
    const all = readAll(socket);
    socket.write(bytes.subarray(0, 1_000_000));
    expect(await socket.offload()).toMatchObject({ ok: true });
    socket.end(bytes.subarray(1_000_000));
    expect(await socket.upload()).toMatchObject({ ok: true });
    expect((await all).equals(bytes)).toBe(true);
  });

  it('lets loopback programs through a gateway to an IPv6 server', async () => {
    echo([]);
    const gateway = new Gateway({
      host: hosts.client,
      serverAddress: SERVER_IPV6,
      serverPort: PORT,
      listenAddress: '127.0.0.1',
      listenPort: 0,
    });
    const port = await gateway.listen();
    const client = connectLoopback({ port, host: '127.0.0.1', allowHalfOpen: true });
    const bytes = noise(500_000);
    client.end(bytes);
    expect((await readAll(client)).equals(bytes)).toBe(true);
    client.destroy();
    await gateway.close(1000);
  });

  it('says what is wrong with an address', () => {
    expect(() => hosts.client.open('fd00::2::', PORT, {})).toThrow(/"fd00::2::" is no IP address/);
  });
});

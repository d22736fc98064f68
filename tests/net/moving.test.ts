/** Sockets whose connection moves: the same object, the same bytes, typed refusals. */
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NdisStatus } from '../../src/ndis/index.ts';
import { createServer, type Server, Socket } from '../../src/net/index.ts';
import type { HostOptions } from '../../src/node/index.ts';
import { createHosts, type TestHosts } from '../support/hosts.ts';
import { noise, openPair, readAll, until } from '../support/streams.ts';

const PORT = 4000;

let hosts: TestHosts;
let server: Server;

async function start(options: Partial<HostOptions> = {}): Promise<void> {
  hosts = createHosts({ wire: { delayMicroseconds: 500 }, server: options });
  server = createServer(hosts.server, { allowHalfOpen: true }).listen(PORT);
  await once(server, 'listening');
}

beforeEach(() => start());
afterEach(() => hosts.close());

/** Moves `socket` to and fro, `times` both ways together. */
async function move(socket: Socket, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const result = socket.owner === 'host' ? await socket.offload() : await socket.upload();
    expect(result).toMatchObject({ ok: true });
  }
}

/** Writes noise for as long as `isDone` says no, then ends; answers what was written. */
async function writeUntil(socket: Socket, isDone: () => boolean): Promise<Buffer> {
  const written: Buffer[] = [];
  while (!isDone()) {
    const chunk = noise(50_000);
    written.push(chunk);
    if (!socket.write(chunk)) await once(socket, 'drain');
  }
  socket.end();
  return Buffer.concat(written);
}

describe('moving', () => {
  it('says who owns the connection, by property, event and history', async () => {
    const { far } = await openPair(hosts, server, PORT);
    const owners: string[] = [];
    far.on('owner', (owner: string) => owners.push(owner));
    expect(far.owner).toBe('host');
    const down = await far.offload();
    expect(down).toMatchObject({ ok: true, lost: [] });
    expect(far.owner).toBe('offloaded');
    expect(await far.upload()).toMatchObject({ ok: true });
    expect(far.owner).toBe('host');
    expect(owners.filter((owner) => owner === 'offloaded' || owner === 'host')).toEqual(['offloaded', 'host']);
    expect(far.history.map(({ kind, reason }) => [kind, reason])).toEqual([
      ['offloaded', 'request'],
      ['uploaded', 'request'],
    ]);
    expect(far.history[0].microseconds).toBe(down.ok ? down.microseconds : -1);
    expect(far.counters).toMatchObject({ offloads: 1, uploads: 1, refusedOffloads: 0 });
  });

  it('tells what it knows of itself, whoever runs it (TCP_INFO)', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    far.write(noise(10_000));
    await until(() => far.counters?.bytesAcknowledged === 10_000);
    const before = await far.tcpInfo();
    expect(before).toMatchObject({ tcpi_state: 1, tcpi_bytes_acked: 10_000, tcpi_unacked: 0, tcpi_total_retrans: 0 });
    expect(before.tcpi_data_segs_out).toBeGreaterThanOrEqual(7);
    await far.offload();
    const during = await far.tcpInfo();
    expect(during).toMatchObject({ tcpi_state: 1, tcpi_bytes_acked: 10_000, tcpi_snd_cwnd: before.tcpi_snd_cwnd });
    expect(during.tcpi_data_segs_out).toBeUndefined();
    await far.upload();
    expect(await far.tcpInfo()).toMatchObject({ tcpi_data_segs_out: before.tcpi_data_segs_out });
    near.destroy();
    far.destroy();
    expect(await far.tcpInfo()).toEqual({ tcpi_state: 7 });
  });

  it('loses and doubles nothing while bytes flow both ways and both ends move', async () => {
    const { near, far } = await openPair(hosts, server, PORT, { allowHalfOpen: true });
    const arrived = Promise.all([readAll(near), readAll(far)]);
    let isDone = false;
    const written = Promise.all([writeUntil(far, () => isDone), writeUntil(near, () => isDone)]);
    await Promise.all([move(near, 10), move(far, 11)]);
    // Now: closing brings one more upload, in its time.
    const moves = [near, far].map(({ counters }) => [counters?.offloads, counters?.uploads]);
    isDone = true;
    const [down, up] = await written;
    const [atNear, atFar] = await arrived;
    expect(atNear.equals(down)).toBe(true);
    expect(atFar.equals(up)).toBe(true);
    expect(moves).toEqual([
      [5, 5],
      [6, 5],
    ]);
  });

  it('hands over what is unread, unsent and unacknowledged', async () => {
    const { near, far } = await openPair(hosts, server, PORT, { allowHalfOpen: true });
    const request = noise(500_000);
    const answer = noise(500_000);
    near.end(request);
    await until(() => (far.counters?.bytesReceived ?? 0) > 50_000);
    far.end(answer);
    expect((await far.offload()).ok).toBe(true);
    expect((await far.upload()).ok).toBe(true);
    const [atFar, atNear] = await Promise.all([readAll(far), readAll(near)]);
    expect(atFar.equals(request)).toBe(true);
    expect(atNear.equals(answer)).toBe(true);
  });

  it('closes and half-closes while the target owns the connection', async () => {
    const { near, far } = await openPair(hosts, server, PORT, { allowHalfOpen: true });
    await far.offload();
    near.end('request');
    expect((await readAll(far)).toString()).toBe('request');
    expect(far.readyState).toBe('writeOnly');
    far.end('answer');
    expect((await readAll(near)).toString()).toBe('answer');
  });

  it('sees a reset of the peer while the target owns the connection', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    await far.offload();
    near.resetAndDestroy();
    const [error] = await once(far, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('resets the peer while the target owns the connection', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    await far.offload();
    far.resetAndDestroy();
    const [error] = await once(near, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('holds the sender back while the target owns the receiver', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    await far.offload();
    const bytes = noise(6_000_000);
    let isWritten = false;
    near.end(bytes, () => {
      isWritten = true;
    });
    await until(() => (far.counters?.bytesReceived ?? 0) > 16_384);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isWritten).toBe(false);
    expect((await readAll(far)).equals(bytes)).toBe(true);
  });
});

describe('refusals change nothing', () => {
  it.each([
    ['connections', { connections: 0 }, NdisStatus.OFFLOAD_TCP_ENTRIES],
    ['paths', { paths: 0 }, NdisStatus.OFFLOAD_PATH_ENTRIES],
    ['neighbors', { neighbors: 0 }, NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES],
    ['receive window', { receiveWindow: 1 }, NdisStatus.OFFLOAD_TCP_RCV_WINDOW],
    ['rejected ports', { rejection: { remoteMssBelow: 0, ports: [PORT] } }, NdisStatus.OFFLOAD_CONNECTION_REJECTED],
  ])('a target without room: %s', async (_name, targetLimits, status) => {
    hosts.close();
    await start({ targetLimits });
    const { near, far } = await openPair(hosts, server, PORT, { allowHalfOpen: true });
    const result = await far.offload();
    expect(result).toMatchObject({ ok: false, status });
    expect(far.owner).toBe('host');
    expect(far.history.at(-1)?.kind).toBe('refused');
    expect(far.counters?.refusedOffloads).toBe(1);
    near.end('still here');
    expect((await readAll(far)).toString()).toBe('still here');
  });

  it('a socket that is not connected', async () => {
    const result = await new Socket(hosts.client).offload();
    expect(result).toMatchObject({ ok: false, status: NdisStatus.INVALID_STATE });
  });

  it('a connection that is where it should go', async () => {
    const { far } = await openPair(hosts, server, PORT);
    expect(await far.upload()).toMatchObject({ ok: false, status: NdisStatus.INVALID_STATE });
    await far.offload();
    expect(await far.offload()).toMatchObject({ ok: false, status: NdisStatus.INVALID_STATE });
    expect(far.owner).toBe('offloaded');
  });

  it('a connection that has ended', async () => {
    const { near, far } = await openPair(hosts, server, PORT);
    near.destroy();
    far.resume().end();
    await once(far, 'close');
    expect(await far.offload()).toMatchObject({ ok: false, status: NdisStatus.INVALID_STATE });
    expect(await far.upload()).toMatchObject({ ok: false, status: NdisStatus.INVALID_STATE });
  });

  it('a connection that ends while it moves: every request is answered', async () => {
    for (let i = 0; i < 20; i++) {
      const { near, far } = await openPair(hosts, server, PORT);
      far.on('error', () => {});
      near.on('error', () => {});
      const results = [far.offload(), far.upload(), far.offload()];
      if (i % 2 === 0) near.resetAndDestroy();
      else far.resetAndDestroy();
      for (const result of await Promise.all(results)) expect(typeof result.ok).toBe('boolean');
    }
  });
});

describe('the policy', () => {
  it('auto moves a connection after 128 KiB, and leaves a quiet one alone', async () => {
    hosts.close();
    await start({ offloadPolicy: 'auto' });
    const quiet = await openPair(hosts, server, PORT);
    const busy = await openPair(hosts, server, PORT);
    busy.near.resume();
    busy.far.write(noise(300_000));
    await once(busy.far, 'owner');
    await until(() => busy.far.owner === 'offloaded');
    expect(quiet.far.owner).toBe('host');
    expect(busy.far.history[0]).toMatchObject({ kind: 'offloaded', reason: 'policy' });
  });

  it('always moves every connection', async () => {
    hosts.close();
    await start({ offloadPolicy: 'always' });
    const { far } = await openPair(hosts, server, PORT);
    await until(() => far.owner === 'offloaded');
  });
});

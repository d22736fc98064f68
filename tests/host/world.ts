/** Two hosts on a memory wire, on one virtual clock, with the verifier on: what the tests of the host stack run in. */

import type { CloseReason, OffloadResult } from '../../src/host/index.ts';
import { type Connection, type ConnectionHandlers, HostStack, type HostStackOptions } from '../../src/host/index.ts';
import { MemoryWire, type MemoryWireOptions } from '../../src/link/index.ts';
import { createVerifier, Ndis } from '../../src/ndis/index.ts';
import { SoftwareAdapter, type SoftwareAdapterOptions } from '../../src/target/index.ts';
import { IpAddress, MacAddress } from '../../src/wire/index.ts';

/** What a test may set of one host. */
export interface HostSetup {
  readonly stack?: Partial<HostStackOptions>;
  readonly adapter?: Partial<SoftwareAdapterOptions>;
}

/** A small generator of int32 (xorshift): tests must repeat. */
export function randomFrom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state | 0;
  };
}

/** One host with its adapter. */
export class TestHost {
  readonly adapter: SoftwareAdapter;
  readonly stack: HostStack;
  readonly address: IpAddress;

  constructor(name: string, number: number, link: MemoryWire['a'], setup: HostSetup, family: 4 | 6 = 4) {
    const mac = MacAddress.fromWords(0x0200, number);
    const ndis = new Ndis({ verifier: createVerifier() });
    const random = randomFrom(0x1234567 * number);
    this.adapter = new SoftwareAdapter({
      name: `${name}-nic`,
      macAddress: mac,
      link,
      random,
      now: 7_000,
      ...setup.adapter,
    });
    const miniport = this.adapter.initialize(ndis);
    const address = IpAddress.parse(family === 4 ? `10.0.0.${number}` : `fd00::${number}`);
    if (address === null) throw new Error('address');
    this.address = address;
    const ipv6 = { prefixLength: 64, duplicateAddressProbes: 0, acceptRouterAdvertisements: false };
    const network = family === 4 ? { prefixLength: 24 } : ipv6;
    this.stack = new HostStack({ name, ndis, adapter: miniport, address, random, ...network, ...setup.stack });
  }
}

export class World {
  now = 0;
  readonly wire: MemoryWire;
  readonly a: TestHost;
  readonly b: TestHost;
  private readonly parts: { advance(now: number): void; nextDeadline(): number }[];

  /** @param setup `family` 6: the hosts have IPv6 addresses, without duplicate address detection and routers */
  constructor(setup: { wire?: MemoryWireOptions; a?: HostSetup; b?: HostSetup; family?: 4 | 6 } = {}) {
    this.wire = new MemoryWire({ both: { delayMicroseconds: 1000 }, ...setup.wire, now: () => this.now });
    this.a = new TestHost('a', 1, this.wire.a, setup.a ?? {}, setup.family);
    this.b = new TestHost('b', 2, this.wire.b, setup.b ?? {}, setup.family);
    this.parts = [this.wire, this.a.adapter, this.b.adapter, this.a.stack, this.b.stack];
    this.step();
  }

  /** Lets everything happen that is due now. */
  step(): void {
    for (let round = 0; round < 10_000; round++) {
      let idle = true;
      for (const part of this.parts) {
        if (part.nextDeadline() > this.now) continue;
        idle = false;
        part.advance(this.now);
      }
      if (idle) return;
    }
    throw new Error('the world does not come to rest');
  }

  /** Moves the clock to the next event, at most to `limit`; false when there is none before it. */
  private tick(limit: number): boolean {
    let next = Number.POSITIVE_INFINITY;
    for (const part of this.parts) next = Math.min(next, part.nextDeadline());
    if (next > limit) return false;
    this.now = Math.max(this.now, Math.ceil(next));
    for (const part of this.parts) part.advance(this.now);
    this.step();
    return true;
  }

  /** Runs for so many milliseconds. */
  run(milliseconds: number): void {
    const limit = this.now + milliseconds * 1000;
    this.step();
    while (this.tick(limit)) {}
    this.now = limit;
    for (const part of this.parts) part.advance(this.now);
    this.step();
  }

  /** Runs until a condition holds; fails when it does not within a time. */
  until(condition: () => boolean, milliseconds = 120_000): void {
    const limit = this.now + milliseconds * 1000;
    this.step();
    while (!condition()) {
      if (!this.tick(limit)) throw new Error(`the condition did not hold within ${milliseconds} ms`);
    }
  }

  /** Opens a connection from `from` to a listener on `to` and lets it be established. */
  connect(port: number, from: TestHost = this.a, to: TestHost = this.b): { client: Peer; server: Peer } {
    let server: Peer | null = null;
    const listener = to.stack.listen({ port }, (connection) => {
      server = new Peer(connection);
    });
    const client = new Peer(from.stack.connect({ address: to.address, port }));
    this.until(() => client.isConnected && server !== null && (server as Peer).isConnected);
    listener.close();
    if (server === null) throw new Error('nobody was accepted');
    return { client, server };
  }

  /** Moves a connection and waits for the answer. */
  move(peer: Peer, direction: 'offload' | 'upload'): OffloadResult {
    let result: OffloadResult | null = null;
    peer.connection[direction]((answer) => {
      result = answer;
    });
    this.until(() => result !== null, 10_000);
    if (result === null) throw new Error('no answer');
    return result;
  }
}

/** One end of a connection that records what it hears. It reads at once unless `paused`. */
export class Peer {
  readonly connection: Connection;
  isConnected = false;
  peerClosed = false;
  closed: CloseReason | undefined = undefined;
  drained = 0;
  readonly owners: string[] = [];
  paused = false;
  private readonly chunks: Uint8Array[] = [];
  received = 0;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.handlers = this.handlers();
  }

  private handlers(): ConnectionHandlers {
    return {
      connected: () => {
        this.isConnected = true;
      },
      readable: () => {
        if (!this.paused) this.readAll();
      },
      drained: () => {
        this.drained++;
      },
      peerClosed: () => {
        this.peerClosed = true;
      },
      closed: (_connection, reason) => {
        if (this.closed !== undefined) throw new Error('closed twice');
        this.closed = reason;
      },
      ownerChanged: (connection) => {
        this.owners.push(connection.owner);
      },
    };
  }

  readAll(): void {
    for (;;) {
      const chunk = this.connection.read();
      if (chunk === null) return;
      this.chunks.push(chunk.slice());
      this.received += chunk.length;
    }
  }

  resume(): void {
    this.paused = false;
    this.readAll();
  }

  get bytes(): Uint8Array {
    const all = new Uint8Array(this.received);
    let offset = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, offset);
      offset += chunk.length;
    }
    return all;
  }
}

/** Bytes whose every position is different enough to notice any loss, repetition or shift. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed | 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** Sends in chunks. */
export function sendAll(connection: Connection, bytes: Uint8Array, chunk = 10_000): void {
  for (let offset = 0; offset < bytes.length; offset += chunk) {
    connection.send(bytes.subarray(offset, Math.min(bytes.length, offset + chunk)));
  }
}

/** Where two byte strings differ first; -1 when they are equal. Far quicker than a deep comparison. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return a.length === b.length ? -1 : length;
}

/** Two hosts on a perfect wire, driven as fast as they go, without an event loop in between. */
import { performance } from 'node:perf_hooks';
import { type CloseReason, type Connection, HostStack } from '../src/host/index.ts';
import { MemoryWire, Random } from '../src/link/index.ts';
import { Ndis } from '../src/ndis/index.ts';
import { SoftwareAdapter } from '../src/target/index.ts';
import { IpAddress, MacAddress } from '../src/wire/index.ts';

/** One host of the laboratory. */
export interface LabHost {
  readonly stack: HostStack;
  readonly adapter: SoftwareAdapter;
  readonly address: IpAddress;
}

/** Listening ports of `b`: many, for connections towards one port run out of ephemeral ports (RFC 6335 has 16,384). */
const FIRST_PORT = 10_000;
const PORTS = 16;

/** More than any measurement offloads. */
const MOST_OFFLOADED = 1 << 20;

/** Everything has run for an hour, as far as it knows: instants in microseconds are beyond what an int32 can say. */
const UPTIME_MICROSECONDS = 3_600e6;

/** Most connections opened or closed at a time: what a backlog bounds. */
export const BATCH = 500;

/** Microseconds of a monotonic clock. */
export function clock(): number {
  return UPTIME_MICROSECONDS + performance.now() * 1_000;
}

export class Lab {
  readonly wire: MemoryWire;
  readonly a: LabHost;
  readonly b: LabHost;
  private readonly parts: { advance(now: number): void; nextDeadline(): number }[];
  private readonly accepted: Connection[] = [];
  private nextPort = 0;
  /** What the clock of the laboratory is ahead of `clock`, microseconds. */
  private skipped = 0;

  /**
   * @param mtu of the wire, bytes: up to 65,535, so that a segment may be 64 KiB long
   * @param loss of the wire, a probability
   */
  constructor(mtu: number, loss = 0) {
    this.wire = new MemoryWire({ both: { mtu, loss } });
    this.a = this.host('a', 1, this.wire.a);
    this.b = this.host('b', 2, this.wire.b);
    this.parts = [this.wire, this.a.adapter, this.a.stack, this.b.adapter, this.b.stack];
    for (let port = FIRST_PORT; port < FIRST_PORT + PORTS; port++) {
      this.b.stack.listen({ port, backlog: 2 * BATCH }, (connection) => {
        this.accepted.push(connection);
      });
    }
  }

  /** One round over all parts; whether anything was due. */
  step(): boolean {
    const now = Math.floor(clock() + this.skipped);
    let worked = false;
    for (const part of this.parts) {
      if (part.nextDeadline() > now) continue;
      part.advance(now);
      worked = true;
    }
    return worked;
  }

  /** Goes on until `done`. */
  until(done: () => boolean): void {
    while (!done()) this.step();
  }

  /** Goes on for so long. @returns microseconds that it took */
  during(milliseconds: number): number {
    const begun = clock();
    const end = begun + milliseconds * 1_000;
    while (clock() < end) this.step();
    return clock() - begun;
  }

  /** Goes on until nothing is due. */
  settle(): void {
    while (this.step());
  }

  /** Lets time go by at once; what becomes due meanwhile happens at its end. */
  skip(seconds: number): void {
    this.skipped += seconds * 1e6;
    this.settle();
  }

  /** A fresh connection: both ends, `a`'s first. */
  open(): [Connection, Connection] {
    const [[near], [far]] = this.openMany(1);
    return [near, far];
  }

  /** Many connections: the ends at `a`, and those at `b`. */
  openMany(count: number): [Connection[], Connection[]] {
    const near: Connection[] = [];
    const far: Connection[] = [];
    while (near.length < count) {
      const batch = Math.min(BATCH, count - near.length);
      for (let i = 0; i < batch; i++) near.push(this.connect());
      this.until(() => this.accepted.length === batch);
      far.push(...this.accepted.splice(0));
    }
    this.settle();
    return [near, far];
  }

  /** Hands connections to the target, and goes on until it has them. @throws Error when one is refused */
  offloadMany(connections: readonly Connection[]): void {
    for (let first = 0; first < connections.length; first += BATCH) {
      let pending = 0;
      let refused = 0;
      for (const connection of connections.slice(first, first + BATCH)) {
        pending++;
        connection.offload((result) => {
          pending--;
          if (!result.ok) refused++;
        });
      }
      this.until(() => pending === 0);
      if (refused > 0) throw new Error(`${refused} connections were not offloaded`);
    }
    this.settle();
  }

  /** Begins to open a connection to the next of the listening ports. */
  private connect(): Connection {
    const port = FIRST_PORT + this.nextPort;
    this.nextPort = (this.nextPort + 1) % PORTS;
    return this.a.stack.connect({ address: this.b.address, port });
  }

  private host(name: string, number: number, link: MemoryWire['a']): LabHost {
    const random = new Random(number);
    const ndis = new Ndis({});
    const macAddress = MacAddress.fromBytes(Uint8Array.of(2, 0, 0, 0, 0, number));
    const shared = { name, macAddress, random: () => random.int32(), now: Math.floor(clock()) };
    const adapter = new SoftwareAdapter({ ...shared, link, limits: { connections: MOST_OFFLOADED } });
    const address = IpAddress.fromBytes(4, Uint8Array.of(192, 0, 2, number));
    const stack = new HostStack({ ...shared, ndis, adapter: adapter.initialize(ndis), address, prefixLength: 24 });
    return { stack, adapter, address };
  }
}

const CHUNK = new Uint8Array(64 * 1024);

/** Lets `from` send for ever, and `to` read for ever; answers how many bytes have been read. */
export function flood(from: Connection, to: Connection): { received: number } {
  const count = { received: 0 };
  const write = (): void => {
    while (from.send(CHUNK));
  };
  from.handlers = { drained: write };
  to.handlers = {
    readable: () => {
      for (let bytes = to.read(); bytes !== null; bytes = to.read()) count.received += bytes.length;
    },
  };
  write();
  return count;
}

/** Moves a connection, and goes on until it has arrived. @throws Error when it is refused */
export function move(lab: Lab, connection: Connection, where: 'down' | 'up'): void {
  let refusal: string | null = null;
  let isDone = false;
  connection[where === 'down' ? 'offload' : 'upload']((result) => {
    isDone = true;
    if (!result.ok) refusal = result.reason;
  });
  lab.until(() => isDone);
  if (refusal !== null) throw new Error(`the move ${where} was refused: ${refusal}`);
}

/** Closes every connection from the near side; answers how many ends heard of a good end. */
export function closeAll(lab: Lab, near: readonly Connection[], far: readonly Connection[]): number {
  let closed = 0;
  let ended = 0;
  const handlers = {
    peerClosed: (connection: Connection) => connection.shutdown(),
    closed: (_connection: Connection, reason: CloseReason) => {
      ended++;
      if (reason === null) closed++;
    },
  };
  for (let first = 0; first < near.length; first += BATCH) {
    const ends = [...near.slice(first, first + BATCH), ...far.slice(first, first + BATCH)];
    ended = 0;
    for (const connection of ends) connection.handlers = handlers;
    for (const connection of near.slice(first, first + BATCH)) connection.shutdown();
    lab.until(() => ended === ends.length);
  }
  return closed;
}

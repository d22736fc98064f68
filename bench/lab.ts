/** Two hosts on a perfect wire, driven as fast as they go, without an event loop in between. */
import { performance } from 'node:perf_hooks';
import { type Connection, HostStack } from '../src/host/index.ts';
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

const PORT = 9;

/** Microseconds of a monotonic clock. */
export function clock(): number {
  return performance.now() * 1_000;
}

export class Lab {
  readonly wire: MemoryWire;
  readonly a: LabHost;
  readonly b: LabHost;
  private readonly parts: { advance(now: number): void; nextDeadline(): number }[];
  private readonly accepted: Connection[] = [];

  /** @param mtu of the wire, bytes: up to 65,535, so that a segment may be 64 KiB long */
  constructor(mtu: number) {
    this.wire = new MemoryWire({ both: { mtu } });
    this.a = this.host('a', 1, this.wire.a);
    this.b = this.host('b', 2, this.wire.b);
    this.parts = [this.wire, this.a.adapter, this.a.stack, this.b.adapter, this.b.stack];
    this.b.stack.listen({ port: PORT, backlog: 1_000 }, (connection) => {
      this.accepted.push(connection);
    });
  }

  /** One round over all parts; whether anything was due. */
  step(): boolean {
    const now = Math.floor(clock());
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

  /** A fresh connection: both ends, `a`'s first. */
  open(): [Connection, Connection] {
    const before = this.accepted.length;
    const near = this.a.stack.connect({ address: this.b.address, port: PORT });
    this.until(() => this.accepted.length > before);
    return [near, this.accepted[before]];
  }

  /** Many connections at once, all idle. */
  openMany(count: number): [Connection[], Connection[]] {
    const near: Connection[] = [];
    const first = this.accepted.length;
    while (near.length < count) {
      for (let i = 0; i < 500 && near.length < count; i++) {
        near.push(this.a.stack.connect({ address: this.b.address, port: PORT }));
      }
      this.until(() => this.accepted.length - first === near.length);
    }
    this.settle();
    return [near, this.accepted.slice(first)];
  }

  private host(name: string, number: number, link: MemoryWire['a']): LabHost {
    const random = new Random(number);
    const ndis = new Ndis({});
    const macAddress = MacAddress.fromBytes(Uint8Array.of(2, 0, 0, 0, 0, number));
    const shared = { name, macAddress, random: () => random.int32(), now: Math.floor(clock()) };
    const adapter = new SoftwareAdapter({ ...shared, link });
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

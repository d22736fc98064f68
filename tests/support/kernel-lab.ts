/** A host of ours beside the kernel of a namespace, for programs that know nothing of it: their connections move meanwhile. */
import { connect as connectLocally, createServer, type NetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect } from 'vitest';
import { type ChurnCounts, churn } from '../../src/cli/churn.ts';
import { Server, type Socket } from '../../src/net/index.ts';
import { Gateway } from '../../src/node/index.ts';
import { Captured } from './captured.ts';
import { type CommandResult, KERNEL_ADDRESS, type Namespace, TapHost } from './namespace.ts';

/** Class A: the kernel sums and segments. Class B: every frame is one of the wire, and is recorded. */
export const LINK_CLASSES = ['class A', 'class B'] as const;
export type LinkClass = (typeof LINK_CLASSES)[number];

export const OUR_MAC_ADDRESS = '02:00:00:00:00:02';

/** How long a gateway waits for its clients when the test is over, milliseconds. */
const GRACE_MILLISECONDS = 1_000;

export class KernelLab {
  readonly tap: TapHost;
  readonly counts: ChurnCounts = { down: 0, up: 0, refused: 0 };
  private captured: Captured | null = null;
  private readonly gateways: Gateway[] = [];

  constructor(linkClass: LinkClass) {
    const isRecorded = linkClass === 'class B';
    this.tap = new TapHost({
      offload: !isRecorded,
      wrap: (link, runtime) => {
        if (!isRecorded) return link;
        this.captured = new Captured(link, () => runtime.now());
        return this.captured.port;
      },
    });
  }

  get namespace(): Namespace {
    return this.tap.namespace;
  }

  /** Runs a program in the namespace, which must succeed. */
  async run(command: string, args: readonly string[], input?: Uint8Array): Promise<CommandResult> {
    const result = await this.namespace.run(command, args, input);
    expect(result, `${command} ${args.join(' ')}`).toMatchObject({ code: 0 });
    return result;
  }

  /** Has a connection move to and fro for as long as it is open. */
  readonly move = (socket: Socket): void => {
    // Programs may go away as they like.
    socket.on('error', () => {});
    if (socket.connecting) socket.once('connect', () => churn(socket, this.counts));
    else churn(socket, this.counts);
  };

  /** Listens on a port of our host, and leads connections on to a server of this machine. */
  relay(port: number, to: NetConnectOpts): void {
    new Server(this.tap.host, { allowHalfOpen: true, noDelay: true }, (socket) => {
      this.move(socket);
      const inner = connectLocally({ ...to, allowHalfOpen: true });
      join(socket, inner, () => inner.destroy());
      join(inner, socket, () => socket.resetAndDestroy());
    }).listen(port);
  }

  /** Listens on a port of this machine, and leads connections over our host to a server in the namespace. */
  async reach(serverPort: number): Promise<number> {
    const gateway = new Gateway({
      host: this.tap.host,
      serverAddress: KERNEL_ADDRESS,
      serverPort,
      listenAddress: '127.0.0.1',
      listenPort: 0,
    });
    this.gateways.push(gateway);
    return await gateway.listen();
  }

  /** Expects that connections have moved (unless told otherwise), and that no packet was wrong, to the kernel or to Wireshark. */
  check(hasMoved = true): void {
    if (hasMoved) {
      expect(this.counts.down).toBeGreaterThan(0);
      expect(this.counts.up).toBeGreaterThan(0);
    }
    expect(this.namespace.complaints()).toEqual({});
    expect(this.tap.host.adapter.drops).toEqual({});
    expect(this.captured?.faults(`eth.src == ${OUR_MAC_ADDRESS}`) ?? '').toBe('');
  }

  async close(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.close(GRACE_MILLISECONDS)));
    await this.tap.close();
    this.captured?.close();
  }
}

/** Copies one way; `broken` when the source does not come to a good end. */
function join(from: Duplex, to: Duplex, broken: () => void): void {
  from.pipe(to);
  from.on('error', () => {});
  from.once('close', () => {
    if (!from.readableEnded) broken();
  });
}

/** A port of the loopback interface that nobody uses at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

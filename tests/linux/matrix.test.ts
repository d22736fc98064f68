/**
 * Our TCP against the kernel's: both families, both ways to open, bulk either way and both ways, every order of closing, over
 * clean, lossy, reordering, duplicating and damaging wires, and kernels with other settings (`tests/support/matrix.ts`). All
 * connections of a wire are open at the same time; every second one moves.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChurnCounts, churn } from '../../src/cli/churn.ts';
import { ImpairedPort } from '../../src/link/index.ts';
import { connect, Server, type Socket } from '../../src/net/index.ts';
import { TcpState } from '../../src/tcp/index.ts';
import { Captured } from '../support/captured.ts';
import {
  bytesOf,
  ConnectionEnd,
  type EndNews,
  type EndOutcome,
  type EndPlan,
  sha256,
} from '../support/connection-end.mjs';
import { GatePort } from '../support/gate-port.ts';
import { type KernelEnd, KernelPeer } from '../support/kernel-peer.ts';
import { type Cell, cells, closingsOf, nameOf, WIRES, type Wire } from '../support/matrix.ts';
import {
  HOST_ADDRESS,
  HOST_ADDRESS_6,
  hasKernel,
  KERNEL_ADDRESS,
  KERNEL_ADDRESS_6,
  TapHost,
} from '../support/namespace.ts';
import { until } from '../support/streams.ts';

const OUR_MAC = '02:00:00:00:00:02';

/** A host of ours, the kernel, and the wire between them. */
class Lab {
  readonly tap: TapHost;
  readonly counts: ChurnCounts = { down: 0, up: 0, refused: 0 };
  impaired: ImpairedPort | null = null;
  captured: Captured | null = null;
  gate!: GatePort;
  readonly kernel: KernelPeer;
  private readonly wire: Wire;

  constructor(wire: Wire) {
    this.wire = wire;
    this.tap = new TapHost({
      offload: wire.offload,
      host: { parameters: wire.parameters },
      wrap: (link, runtime) => {
        const now = (): number => runtime.now();
        if (wire.offload) {
          this.gate = new GatePort(link);
          return this.gate;
        }
        this.impaired = new ImpairedPort(link, { seed: 1, now });
        runtime.add(this.impaired);
        this.captured = new Captured(this.impaired, now);
        this.gate = new GatePort(this.captured.port);
        return this.gate;
      },
    });
    const { namespace } = this.tap;
    for (const [name, value] of Object.entries(wire.sysctls ?? {})) namespace.sysctl(`net.ipv4.${name}`, value);
    this.kernel = new KernelPeer(namespace);
  }

  async start(): Promise<void> {
    // Nothing protects ARP from damage: both ends learn their addresses while the wire is still good.
    for (const address of [HOST_ADDRESS, HOST_ADDRESS_6]) {
      const { stdout } = await this.tap.namespace.run('ping', ['-c', '2', '-i', '0.1', address]);
      expect(stdout.toString()).toContain('2 received');
    }
    this.impaired?.outgoing.configure(this.wire.impairments ?? {});
    this.impaired?.incoming.configure(this.wire.impairments ?? {});
  }

  /** Both ends of the connection of a cell. */
  async open(cell: Cell, theirs: EndPlan): Promise<{ socket: Socket; kernel: KernelEnd }> {
    const { family, open, port } = cell;
    const is6 = family === 'IPv6';
    if (open === 'we open') {
      const kernel = await this.kernel.accept(port, theirs);
      const host = is6 ? KERNEL_ADDRESS_6 : KERNEL_ADDRESS;
      return { socket: connect(this.tap.host, { host, port, allowHalfOpen: true }), kernel };
    }
    const accepted = new Promise<Socket>((resolve) => {
      const server = new Server(this.tap.host, { allowHalfOpen: true }, (socket) => {
        server.close();
        resolve(socket);
      }).listen(port);
    });
    const kernel = this.kernel.connect(port, is6 ? HOST_ADDRESS_6 : HOST_ADDRESS, theirs);
    return { socket: await accepted, kernel };
  }

  /** Runs a connection to its end, and answers what both ends have seen. */
  async run(cell: Cell, ours: EndPlan, theirs: EndPlan): Promise<{ near: EndOutcome; far: EndOutcome }> {
    const { socket, kernel } = await this.open(cell, theirs);
    if (cell.moves && socket.connecting) socket.once('connect', () => churn(socket, this.counts));
    else if (cell.moves) churn(socket, this.counts);
    const said = new Map<EndNews, () => void>();
    const hear = (news: EndNews): Promise<void> => new Promise((resolve) => said.set(news, resolve));
    const [open, ready] = [hear('open'), hear('ready')];
    const near = new ConnectionEnd(socket, ours, (news) => said.get(news)?.());
    if (ours.closing === 'together') {
      await Promise.all([ready, kernel.said('ready')]);
      // Our FIN waits at the gate until the kernel's is here: so each end has sent its own before it gets the other.
      const isHeld = this.gate.close(cell.port);
      near.go();
      await isHeld;
      kernel.go();
      await near.ended;
      this.gate.open(cell.port);
    } else if (ours.closing === 'aborts') {
      // A reset that comes before the end of the handshake ends a connection that nobody accepts.
      await Promise.all([ready, kernel.said('open')]);
      near.go();
      kernel.go();
    } else if (ours.closing === 'is-aborted') {
      await Promise.all([open, kernel.said('ready')]);
      kernel.go();
      near.go();
    }
    const [nearOutcome, farOutcome] = await Promise.all([near.done, kernel.done]);
    return { near: nearOutcome, far: farOutcome };
  }

  /** Connections that either side still knows, but for TIME-WAIT. */
  unfinished(): string {
    const ours = [...this.tap.host.stack.connections()].filter(
      ({ state }) => state !== TcpState.CLOSED && state !== TcpState.TIME_WAIT,
    );
    const theirs = this.tap.namespace.sockets();
    return [...ours.map(({ remotePort }) => `ours to ${remotePort}`), ...theirs].join('\n');
  }

  async close(): Promise<void> {
    await this.tap.close();
    this.captured?.close();
  }
}

/** What an end must have seen of the other. */
function check(name: string, seen: EndOutcome, plan: EndPlan, peer: EndPlan): void {
  const sent = bytesOf(peer.seed, peer.sends);
  // Up to the byte at which it was cut off, when the connection was aborted.
  expect(seen.sha256, `${name}: bytes`).toBe(sha256(sent.subarray(0, seen.received)));
  if (plan.closing === 'is-aborted') {
    // Only one of reading and writing learns of a reset from the kernel; for the other the stream has then ended.
    expect(seen.error, name).toMatch(/^(ECONNRESET|EPIPE)$/);
  } else if (plan.closing === 'aborts') {
    expect(seen.received, name).toBeGreaterThanOrEqual(peer.sends / 2);
    expect(seen, name).toMatchObject({ ended: false, error: null });
  } else {
    expect(seen, name).toMatchObject({ received: peer.sends, ended: true, error: null });
  }
}

describe.runIf(hasKernel())('every connection with the kernel', () => {
  for (const wire of WIRES) {
    describe(wire.name, () => {
      let lab: Lab;

      beforeAll(async () => {
        lab = new Lab(wire);
        await lab.start();
      });
      afterAll(() => lab.close());

      for (const cell of cells()) {
        it.concurrent(nameOf(cell), async () => {
          const closings = closingsOf(cell);
          const ourBytes = cell.direction === 'the kernel sends' ? 0 : wire.bytes;
          const theirBytes = cell.direction === 'we send' ? 0 : wire.bytes;
          const ours = { seed: cell.port, sends: ourBytes, receives: theirBytes, closing: closings.ours };
          const theirs = { seed: cell.port + 1000, sends: theirBytes, receives: ourBytes, closing: closings.theirs };
          const { near, far } = await lab.run(cell, ours, theirs);
          check('we', near, ours, theirs);
          check('the kernel', far, theirs, ours);
        });
      }

      it('leaves nothing open, and neither end with a complaint about what the other has sent', async () => {
        await until(() => lab.unfinished() === '');
        const { namespace, host } = lab.tap;
        const { loss = 0, reorder = 0, duplicate = 0, corrupt = 0, congestion = 0 } = wire.impairments ?? {};
        const complaints = namespace.complaints();
        if (corrupt > 0) {
          // Both ends have seen damage, and by the checksums.
          expect(complaints['TcpInCsumErrors']).toBeGreaterThan(0);
          expect(host.stack.drops.toObject()['tcp-checksum']).toBeGreaterThan(0);
        } else {
          // A SYN that comes twice counts as an error.
          if (loss + reorder + duplicate > 0) delete complaints['TcpInErrs'];
          expect(complaints).toEqual({});
        }
        expect(lab.captured?.faults(`eth.src == ${OUR_MAC}`) ?? '').toBe('');
        expect(lab.counts.down).toBeGreaterThan(0);
        expect(lab.counts.up).toBeGreaterThan(0);
        for (const direction of [lab.impaired?.outgoing, lab.impaired?.incoming]) {
          if (direction === undefined) continue;
          expect(direction.counters.lost > 0).toBe(loss > 0);
          expect(direction.counters.reordered > 0).toBe(reorder > 0);
          expect(direction.counters.duplicated > 0).toBe(duplicate > 0);
          expect(direction.counters.corrupted > 0).toBe(corrupt > 0);
          expect(direction.counters.marked > 0).toBe(congestion > 0);
        }
      });
    });
  }
});

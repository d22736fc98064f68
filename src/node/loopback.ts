/**
 * The loopback interface of a host: two small stacks on a wire in memory. The first one opens what the host connects to
 * itself, the second one listens, so that such connections are real ones: they carry segments, and they can be offloaded.
 *
 * The addresses on the wire are nobody's business; what an application sees (127.0.0.1, ::1) is the caller's to say and
 * travels beside the connection as its `tag`.
 */
import type { Connection, ConnectionHandlers, Listener } from '../host/index.ts';
import { MemoryWire } from '../link/index.ts';
import { Host } from './host.ts';
import type { NodeRuntime } from './runtime.ts';

/** IPv4 addresses that never leave a node (RFC 7335). */
const ACTIVE_ADDRESS = '192.0.0.1';
const PASSIVE_ADDRESS = '192.0.0.2';

/** A port of the passive stack that nobody listens on: what leads there is refused. */
const REFUSING_PORT = 1;

/** IP packets of a loopback interface may be as large as they come. */
const MTU = 65_535;

/** A listening place on the loopback interface. */
export class LoopbackListener<T> {
  /** Where the connections wait that were opened and not accepted: their tags, by the port that they come from. */
  readonly tags = new Map<number, T>();
  readonly listener: Listener;

  /** Made by `Loopback.listen`. */
  constructor(passive: Host, backlog: number, accept: (connection: Connection, tag: T) => void) {
    this.listener = passive.listen(0, backlog, (connection) => {
      const tag = this.tags.get(connection.remotePort);
      this.tags.delete(connection.remotePort);
      if (tag === undefined) connection.abort();
      else accept(connection, tag);
    });
  }

  close(): void {
    this.listener.close();
    this.tags.clear();
  }
}

/** Made on first use: a host that never talks to itself does without. `T` tells both ends who they are. */
export class Loopback<T> {
  private readonly runtime: NodeRuntime;
  private readonly wire: MemoryWire;
  private readonly active: Host;
  private readonly passive: Host;

  /** @param name of the host, for people */
  constructor(runtime: NodeRuntime, name: string) {
    this.runtime = runtime;
    this.wire = new MemoryWire({ now: () => runtime.now(), both: { mtu: MTU } });
    runtime.add(this.wire);
    const common = { runtime, prefixLength: 29, offloadPolicy: 'never' } as const;
    this.active = new Host({
      ...common,
      name: `${name} loopback`,
      link: this.wire.a,
      address: ACTIVE_ADDRESS,
      macAddress: '02:00:00:00:00:0a',
    });
    this.passive = new Host({
      ...common,
      name: `${name} loopback listener`,
      link: this.wire.b,
      address: PASSIVE_ADDRESS,
      macAddress: '02:00:00:00:00:0b',
    });
  }

  /** Listens; `accept` gets each connection with the tag that it was opened with. */
  listen(backlog: number, accept: (connection: Connection, tag: T) => void): LoopbackListener<T> {
    return new LoopbackListener(this.passive, backlog, accept);
  }

  /**
   * Opens a connection to a listener; to null it is refused. `tag` is made when the local port is known.
   *
   * @param localPort 0 lets the stack choose
   * @throws Error when the local port is in use
   */
  connect(
    to: LoopbackListener<T> | null,
    localPort: number,
    handlers: ConnectionHandlers,
    tag: (localPort: number) => T,
  ): Connection {
    const port = to === null ? REFUSING_PORT : to.listener.port;
    const connection = this.active.stack.connect({ address: this.passive.address, port, localPort }, handlers);
    to?.tags.set(connection.localPort, tag(connection.localPort));
    return connection;
  }

  /** Ends everything on the interface. */
  close(): void {
    this.active.close();
    this.passive.close();
    this.runtime.remove(this.wire);
  }
}

/** Two hosts on a wire in real time, with the verifier on. */
import { type DirectionSettings, MemoryWire } from '../../src/link/index.ts';
import { Host, type HostOptions, NodeRuntime } from '../../src/node/index.ts';

export interface TestHosts {
  readonly runtime: NodeRuntime;
  readonly wire: MemoryWire;
  /** 192.0.2.1 */
  readonly client: Host;
  /** 192.0.2.2 */
  readonly server: Host;
  close(): void;
}

export const SERVER_ADDRESS = '192.0.2.2';

/** An address on the link that nobody has. */
export const NOBODY_ADDRESS = '192.0.2.99';

export interface TestHostsOptions {
  readonly wire?: Partial<DirectionSettings>;
  readonly seed?: number;
  readonly server?: Partial<HostOptions>;
  readonly client?: Partial<HostOptions>;
}

/** Neither host moves connections by itself, unless the options say so. */
export function createHosts(options: TestHostsOptions = {}): TestHosts {
  const runtime = new NodeRuntime();
  const wire = new MemoryWire({ now: () => runtime.now(), both: options.wire ?? {}, seed: options.seed ?? 1 });
  runtime.add(wire);
  const common = { runtime, prefixLength: 24, offloadPolicy: 'never', verify: true } as const;
  const client = new Host({
    ...common,
    name: 'client',
    link: wire.a,
    address: '192.0.2.1',
    macAddress: '02:00:00:00:00:01',
    ...options.client,
  });
  const server = new Host({
    ...common,
    name: 'server',
    link: wire.b,
    address: SERVER_ADDRESS,
    macAddress: '02:00:00:00:00:02',
    ...options.server,
  });
  return {
    runtime,
    wire,
    client,
    server,
    close() {
      client.close();
      server.close();
      runtime.close();
    },
  };
}

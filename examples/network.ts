/** Two hosts on a wire in memory: what both examples run on. In your program the import reads `from 'chimney'`. */
import { Host, MemoryWire, NodeRuntime } from '../src/index.ts';

/** Two hosts that can reach each other, and what drives them. */
export interface TwoHosts {
  readonly client: Host;
  readonly server: Host;
  /** Address of the server host, for `connect`. */
  readonly serverAddress: string;
  /** Stops both hosts; open connections are reset. */
  close(): void;
}

/** Makes two hosts, 192.0.2.1 and 192.0.2.2, with a millisecond of wire between them. */
export function createTwoHosts(): TwoHosts {
  const runtime = new NodeRuntime();
  const wire = new MemoryWire({ now: () => runtime.now(), both: { delayMicroseconds: 1_000 } });
  runtime.add(wire);
  const serverAddress = '192.0.2.2';
  const client = new Host({
    name: 'client',
    runtime,
    link: wire.a,
    address: '192.0.2.1',
    prefixLength: 24,
    macAddress: '02:00:00:00:00:01',
  });
  const server = new Host({
    name: 'server',
    runtime,
    link: wire.b,
    address: serverAddress,
    prefixLength: 24,
    macAddress: '02:00:00:00:00:02',
    // The examples move their connections themselves; `auto` would move the busy ones.
    offloadPolicy: 'never',
  });
  return {
    client,
    server,
    serverAddress,
    close() {
      client.close();
      server.close();
      runtime.close();
    },
  };
}

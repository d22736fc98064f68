/** The host that `chimney/net` uses when nobody has named one. */
import { Host } from '../node/host.ts';
import { NodeRuntime } from '../node/runtime.ts';

/** A link that leads nowhere: the host talks to itself alone. */
const NOWHERE = { name: 'nowhere', mtu: 1500, onReceive: () => {}, send: () => {} };

/**
 * A host without a network: its servers and clients reach each other at `localhost`. The addresses are for documentation
 * (RFC 5737) and lead nowhere.
 */
export function createLoopbackHost(): Host {
  return new Host({
    name: 'localhost',
    runtime: new NodeRuntime(),
    link: { ...NOWHERE },
    address: '192.0.2.1',
    prefixLength: 24,
    macAddress: '02:00:00:00:00:01',
    offloadPolicy: 'never',
  });
}

let host: Host | null = null;

/** The default host; a host without a network is made when none was set. */
export function getDefaultHost(): Host {
  host ??= createLoopbackHost();
  return host;
}

/** Sockets and servers that are made from now on belong to `next`. */
export function setDefaultHost(next: Host): void {
  host = next;
}

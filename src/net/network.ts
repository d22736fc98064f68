/**
 * Where sockets and servers of a host meet the world: the host's stack, and its loopback interface for addresses that are
 * the host's own. Keeps the table of listening places, with the rules of binding that a kernel has.
 */
import type { Connection, ConnectionHandlers, Listener } from '../host/index.ts';
import type { Host } from '../node/host.ts';
import { Loopback, type LoopbackListener } from '../node/loopback.ts';
import { IpAddress } from '../wire/index.ts';

/** One end of a connection or a listening place, as `address()` shows it. */
export interface Endpoint {
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly port: number;
}

/** Both ends of a connection, as the holder sees them. */
export interface Ends {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** A connection and the names of its ends. */
export interface OpenConnection extends Ends {
  readonly connection: Connection;
}

/** Gets each accepted connection, from within the stack's turn. */
export type Accept = (accepted: OpenConnection) => void;

/** Tries to find a port that is free everywhere. */
const PORT_ATTEMPTS = 1_000;
const EPHEMERAL_FIRST = 49_152;
const EPHEMERAL_COUNT = 65_536 - EPHEMERAL_FIRST;

/** The port of the stack, which listeners on different addresses share. */
interface StackPort {
  readonly listener: Listener;
  readonly places: Set<ListeningPlace>;
}

/** An address and port that a server listens on. */
export class ListeningPlace {
  readonly at: Endpoint;
  readonly ip: IpAddress;
  /** `::` that takes IPv4 connections too. */
  readonly isDual: boolean;
  readonly backlog: number;
  readonly accept: Accept;
  loopback: LoopbackListener<Ends> | null = null;
  private readonly network: Network;

  /** Made by `Network.listen`. */
  constructor(network: Network, at: Endpoint, ip: IpAddress, ipv6Only: boolean, backlog: number, accept: Accept) {
    this.network = network;
    this.at = at;
    this.ip = ip;
    this.isDual = ip.family === 6 && ip.isUnspecified && !ipv6Only;
    this.backlog = backlog;
    this.accept = accept;
  }

  /** Whether a connection to `destination` may be meant for this place. */
  covers(destination: IpAddress): boolean {
    if (!this.ip.isUnspecified) return this.ip.equals(destination);
    return this.isDual || this.ip.family === destination.family;
  }

  /** Whether two places want the same connections. */
  overlaps(other: IpAddress, isDual: boolean): boolean {
    if (this.ip.isUnspecified) return this.isDual || isDual || this.ip.family === other.family;
    if (other.isUnspecified) return isDual || this.ip.family === other.family;
    return this.ip.equals(other);
  }

  close(): void {
    this.network.release(this);
  }
}

export class Network {
  private static readonly networks = new WeakMap<Host, Network>();
  readonly host: Host;
  private readonly places = new Map<number, Set<ListeningPlace>>();
  private readonly stackPorts = new Map<number, StackPort>();
  /** Closed by the application, and not yet acknowledged by the peer. */
  private readonly lingering = new Set<Connection>();
  private loopback: Loopback<Ends> | null = null;

  private constructor(host: Host) {
    this.host = host;
    host.onClose(() => this.stopLingering());
  }

  /** The one network of a host. */
  static of(host: Host): Network {
    let network = Network.networks.get(host);
    if (network === undefined) {
      network = new Network(host);
      Network.networks.set(host, network);
    }
    return network;
  }

  /** Why no socket may be bound to an address and port, as an errno name; null when one may. Port 0 is any. */
  checkBind(ip: IpAddress, port: number, isDual = false): string | null {
    if (!ip.isUnspecified && !this.isLocal(ip)) return 'EADDRNOTAVAIL';
    for (const place of this.places.get(port) ?? []) if (place.overlaps(ip, isDual)) return 'EADDRINUSE';
    return null;
  }

  /**
   * Opens a connection; what becomes of it is told to the handlers. An errno name when that is refused at once.
   *
   * @param from where the socket is bound to; port 0 lets the stack choose
   */
  connect(to: Endpoint, from: Endpoint | null, handlers: ConnectionHandlers): OpenConnection | string {
    const asked = IpAddress.parse(to.address);
    if (asked === null) return 'EINVAL';
    const destination = withoutMapping(asked);
    const remote = to;
    const localPort = from?.port ?? 0;
    try {
      if (destination.isUnspecified || this.isLocal(destination)) {
        return this.connectToSelf(destination, remote, from, localPort, handlers);
      }
      if (destination.isMulticast || destination.isBroadcast) return 'ENETUNREACH';
      if (!this.host.stack.addresses.some(({ family }) => family === destination.family)) return 'ENETUNREACH';
      const bound = from === null ? null : IpAddress.parse(from.address);
      const localAddress = bound === null || bound.isUnspecified ? undefined : bound;
      const connection = this.host.stack.connect(
        { address: destination, port: to.port, localAddress, localPort },
        handlers,
      );
      return { connection, local: endpoint(connection.localAddress, connection.localPort), remote };
    } catch {
      // Only one thing can fail here: the local port, or every local port, is in use towards this peer.
      return localPort === 0 ? 'EADDRNOTAVAIL' : 'EADDRINUSE';
    }
  }

  /** Listens; an errno name when that is refused. Port 0 lets the network choose. */
  listen(at: Endpoint, ipv6Only: boolean, backlog: number, accept: Accept): ListeningPlace | string {
    const ip = IpAddress.parse(at.address);
    if (ip === null) return 'EINVAL';
    const isDual = ip.family === 6 && ip.isUnspecified && !ipv6Only;
    for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
      const port = at.port === 0 ? EPHEMERAL_FIRST + Math.floor(Math.random() * EPHEMERAL_COUNT) : at.port;
      const refused = this.checkBind(ip, port, isDual);
      if (refused === null) {
        const place = new ListeningPlace(this, { ...at, port }, ip, ipv6Only, backlog, accept);
        if (this.openStackPort(place)) {
          this.placesOf(port).add(place);
          return place;
        }
      }
      if (at.port !== 0) return refused ?? 'EADDRINUSE';
      if (refused === 'EADDRNOTAVAIL') return refused;
    }
    return 'EADDRINUSE';
  }

  /**
   * Keeps the process until the peer has acknowledged what was written to a connection that the application has closed, and
   * the end of it, or the connection is over: a kernel would deliver that after the process. The stack bounds the time
   * (spec/decisions.md 43). What leads back into this process ends with it.
   */
  linger(connection: Connection): void {
    const { host, lingering } = this;
    if (host.closed || connection.finAcknowledged || !host.stack.hasAddress(connection.localAddress)) return;
    const release = (): void => {
      if (lingering.delete(connection)) host.runtime.unref();
    };
    connection.handlers = { finAcknowledged: release, closed: release };
    lingering.add(connection);
    host.runtime.ref();
  }

  /** The host is closing: nothing is delivered any more. */
  private stopLingering(): void {
    for (const _connection of this.lingering) this.host.runtime.unref();
    this.lingering.clear();
  }

  /** Called by a place that closes. @internal */
  release(place: ListeningPlace): void {
    const { port } = place.at;
    const places = this.placesOf(port);
    if (!places.delete(place)) return;
    if (places.size === 0) this.places.delete(port);
    place.loopback?.close();
    const shared = this.stackPorts.get(port);
    if (shared === undefined || !shared.places.delete(place) || shared.places.size > 0) return;
    shared.listener.close();
    this.stackPorts.delete(port);
  }

  /** Whether an address is one of the host's own, those of the loopback interface included. */
  private isLocal(ip: IpAddress): boolean {
    return ip.isLoopback || this.host.stack.hasAddress(ip);
  }

  private connectToSelf(
    destination: IpAddress,
    remote: Endpoint,
    from: Endpoint | null,
    localPort: number,
    handlers: ConnectionHandlers,
  ): OpenConnection {
    // 0.0.0.0 and :: mean this host, as on Linux.
    const named = destination.isUnspecified ? loopbackOf(destination.family) : destination;
    const bound = from === null ? null : IpAddress.parse(from.address);
    const source = bound === null || bound.isUnspecified ? named : bound;
    const shown = destination === named ? remote : { ...remote, address: named.toString() };
    const loopback = this.openLoopback();
    const place = this.find(named, remote.port);
    if (place !== null)
      place.loopback ??= loopback.listen(place.backlog, (c, ends) => place.accept({ ...ends, connection: c }));
    const server = endpoint(named, remote.port);
    const connection = loopback.connect(place?.loopback ?? null, localPort, handlers, (port) => ({
      local: server,
      remote: endpoint(source, port),
    }));
    return { connection, local: endpoint(source, connection.localPort), remote: shown };
  }

  /** The place that a connection to an address of ours reaches: the most precise one. */
  private find(destination: IpAddress, port: number): ListeningPlace | null {
    let found: ListeningPlace | null = null;
    for (const place of this.places.get(port) ?? []) {
      if (!place.covers(destination)) continue;
      if (found === null || found.isDual || !place.ip.isUnspecified) found = place;
    }
    return found;
  }

  private placesOf(port: number): Set<ListeningPlace> {
    let places = this.places.get(port);
    if (places === undefined) {
      places = new Set();
      this.places.set(port, places);
    }
    return places;
  }

  /** Listens on the stack's port, unless the place is for the loopback interface alone. False when it is taken. */
  private openStackPort(place: ListeningPlace): boolean {
    if (place.ip.isLoopback) return true;
    const { port } = place.at;
    let shared = this.stackPorts.get(port);
    if (shared === undefined) {
      try {
        const listener = this.host.listen(port, place.backlog, (connection) => this.accepted(port, connection));
        shared = { listener, places: new Set() };
      } catch {
        return false;
      }
      this.stackPorts.set(port, shared);
    }
    shared.places.add(place);
    return true;
  }

  private accepted(port: number, connection: Connection): void {
    const place = this.find(connection.localAddress, port);
    if (place === null) {
      connection.abort();
      return;
    }
    const local = endpoint(connection.localAddress, connection.localPort);
    place.accept({ connection, local, remote: endpoint(connection.remoteAddress, connection.remotePort) });
  }

  private openLoopback(): Loopback<Ends> {
    if (this.loopback === null) {
      const loopback = new Loopback<Ends>(this.host.runtime, this.host.name);
      this.loopback = loopback;
      this.host.onClose(() => loopback.close());
    }
    return this.loopback;
  }
}

function loopbackOf(family: 4 | 6): IpAddress {
  return family === 4 ? IpAddress.fromWords(4, 0x7f000001) : IpAddress.fromWords(6, 0, 0, 0, 1);
}

/** The IPv4 address in an IPv4-mapped one (RFC 4291 section 2.5.5.2), or the address itself. */
function withoutMapping(address: IpAddress): IpAddress {
  const isMapped = address.family === 6 && address.word0 === 0 && address.word1 === 0 && address.word2 === 0xffff;
  return isMapped ? IpAddress.fromWords(4, address.word3) : address;
}

/** The names of an address and port. */
export function endpoint(address: IpAddress, port: number): Endpoint {
  return { address: address.toString(), family: address.family === 4 ? 'IPv4' : 'IPv6', port };
}

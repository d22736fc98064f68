/**
 * A path: the way from one of our addresses to one remote address. It knows the next hop and the path MTU, is shared by all
 * connections between the two addresses, and may be known to the offload target.
 */
import type { FrameRoute, IpAddress, SourceRoute } from '../../wire/index.ts';
import { SharedObject } from '../chimney/shared-object.ts';
import type { HostCore } from '../core.ts';
import type { Neighbor } from '../framing/neighbor.ts';
import { HostTimer } from '../timer.ts';

/** What uses a path and must hear of its changes: a connection. */
export interface PathMember {
  /** The path MTU is now `pathMtu` bytes. */
  pathMtuChanged(pathMtu: number): void;
  /** The next hop does not answer, or a router says that the destination cannot be reached. */
  destinationUnreachable(): void;
}

export class Path {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** The gateways that datagrams visit before the destination; null: the network finds its way (RFC 9293 section 3.9.2.1). */
  readonly sourceRoute: SourceRoute | null;
  /** The next hop. It changes when the route does (UPD-10). */
  neighbor: Neighbor;
  /** Largest IP datagram that goes through unfragmented, bytes (RFC 1191). */
  pathMtu: number;
  /** What frames of this path carry; TTL and type of service are set per connection. */
  readonly route: FrameRoute;
  /** Connections that use the path: it is forgotten when the last one leaves and the target does not know it. */
  readonly members = new Set<PathMember>();
  /** The path MTU before a black hole was suspected, bytes; 0: none is, or it was confirmed (RFC 4821). */
  suspectedFrom = 0;
  /** Ends a lowered path MTU (RFC 1191 section 6.3). */
  readonly mtuTimer: HostTimer;
  /** Its half in the offload target. */
  readonly shared: SharedObject;
  /** The neighbor that the target's path object depends on; differs from `neighbor` until a relink is done. */
  offloadedNeighbor: Neighbor | null = null;

  constructor(
    core: HostCore,
    source: IpAddress,
    destination: IpAddress,
    sourceRoute: SourceRoute | null,
    neighbor: Neighbor,
    mtuExpired: (path: Path) => void,
  ) {
    const { macAddress } = core.interface;
    this.source = source;
    this.destination = destination;
    this.sourceRoute = sourceRoute;
    this.neighbor = neighbor;
    this.pathMtu = core.interface.mtuOf(destination.family);
    this.route = {
      destination: neighbor.macAddress.bytes,
      source: macAddress.bytes,
      vlanId: 0,
      userPriority: 0,
      sourceAddress: source,
      destinationAddress: destination,
      ttl: 64,
      typeOfService: 0,
      flowLabel: 0,
    };
    this.mtuTimer = new HostTimer(core.tcp, () => mtuExpired(this));
    this.shared = new SharedObject(this);
  }
}

/** Routes and paths: which next hop leads to an address, and the paths in use, counted by those who use them. */
import { IPV6_MINIMUM_MTU, type IpAddress, isSameRoute, type SourceRoute } from '../../wire/index.ts';
import { AddressMap } from '../address-map.ts';
import type { HostCore } from '../core.ts';
import type { NeighborCache } from '../framing/neighbor-cache.ts';
import { Path, type PathMember } from './path.ts';
import type { RouteTable } from './route-table.ts';

/** The least IPv4 path MTU that we believe in, bytes: less only makes us slow (RFC 5927 section 7.2 argues for a floor). */
export const MINIMUM_PATH_MTU = 552;
/** How long a lowered path MTU holds before the larger one is tried again, milliseconds (RFC 1191 section 6.3). */
const PATH_MTU_LIFETIME_MILLISECONDS = 600_000;

/** Tells the rest of the stack what changed on a path that the target knows. */
export interface PathObserver {
  /** The target must learn the new path MTU (UPD-12). */
  pathMtuChanged(path: Path): void;
  /** The next hop of the path is another one: the target must relink it (UPD-10). */
  nextHopChanged(path: Path): void;
}

export class PathTable {
  private readonly core: HostCore;
  private readonly neighbors: NeighborCache;
  private readonly observer: PathObserver;
  private readonly routes: RouteTable;
  /** By destination; there is one for each of our addresses that is in use towards it. */
  private readonly paths = new AddressMap<Path[]>();

  constructor(core: HostCore, neighbors: NeighborCache, routes: RouteTable, observer: PathObserver) {
    this.core = core;
    this.neighbors = neighbors;
    this.observer = observer;
    this.routes = routes;
  }

  *[Symbol.iterator](): IterableIterator<Path> {
    for (const paths of this.paths.values()) yield* paths;
  }

  /** Whether a connection may go to an address at all: not a group, not ourselves, not unspecified (RFC 9293 MUST-46, MUST-63). */
  isUnicast(destination: IpAddress): boolean {
    if (destination.isMulticast || destination.isBroadcast || destination.isUnspecified || destination.isLoopback) {
      return false;
    }
    for (const { address, prefixLength } of this.core.interface.addresses) {
      if (destination.equals(address)) return false;
      if (destination.family === 4 && isDirectedBroadcast(destination, address, prefixLength)) return false;
    }
    return true;
  }

  /** The address of the next hop towards a destination: itself on the link, else a router; null without a route. */
  nextHop(destination: IpAddress): IpAddress | null {
    return this.routes.nextHop(destination);
  }

  /** The path between two addresses, over the gateways of `route` if there is one, if somebody uses it. */
  find(source: IpAddress, destination: IpAddress, route: SourceRoute | null = null): Path | null {
    const paths = this.paths.get(destination);
    return paths?.find((path) => path.source.equals(source) && isSameRoute(path.sourceRoute, route)) ?? null;
  }

  /** Joins the path between two addresses, made if necessary. Null when there is no route or no room for its neighbor. */
  join(source: IpAddress, destination: IpAddress, member: PathMember, route: SourceRoute | null = null): Path | null {
    const path = this.find(source, destination, route) ?? this.create(source, destination, route);
    path?.members.add(member);
    return path;
  }

  /** Leaves a path. When nobody uses it any more it goes as soon as the target does not know it either. */
  leave(path: Path, member: PathMember): void {
    if (path.members.delete(member)) this.forgetIfIdle(path);
  }

  /** Forgets a path that neither a connection nor the target uses. */
  forgetIfIdle(path: Path): void {
    if (path.members.size > 0 || path.shared.phase !== 'absent') return;
    const siblings = this.paths.get(path.destination);
    const index = siblings?.indexOf(path) ?? -1;
    if (siblings === undefined || index < 0) return;
    siblings.splice(index, 1);
    if (siblings.length === 0) this.paths.delete(path.destination);
    path.mtuTimer.cancel();
    path.neighbor.references--;
  }

  /** ICMP said that datagrams above `pathMtu` bytes do not get through; already validated. Ignored unless it lowers. */
  reduceMtu(path: Path, pathMtu: number): void {
    const next = Math.max(pathMtu, path.destination.family === 4 ? MINIMUM_PATH_MTU : IPV6_MINIMUM_MTU);
    if (next >= path.pathMtu) return;
    this.core.statistics.pathMtuReductions++;
    path.suspectedFrom = 0;
    this.lower(path, next);
  }

  /** Full-sized segments vanish, and nobody says so (`blackHoleMtu`): a smaller path MTU is tried. */
  suspectBlackHole(path: Path, pathMtu: number): void {
    if (pathMtu >= path.pathMtu) return;
    this.core.statistics.blackHolesSuspected++;
    if (path.suspectedFrom === 0) path.suspectedFrom = path.pathMtu;
    this.lower(path, pathMtu);
  }

  /** Bytes get through with the smaller path MTU: it stays for a while, and a larger one is tried then. */
  confirmBlackHole(path: Path): void {
    path.suspectedFrom = 0;
  }

  /** Nothing gets through with the smaller path MTU either: the size was not to blame. */
  acquit(path: Path): void {
    const previous = path.suspectedFrom;
    if (previous === 0) return;
    path.suspectedFrom = 0;
    path.mtuTimer.cancel();
    this.setMtu(path, Math.min(previous, this.core.interface.mtuOf(path.destination.family)));
  }

  /** The MTU of the link has changed for IPv6 (RFC 4861 section 6.3.4). */
  linkMtuChanged(): void {
    const mtu = this.core.interface.ipv6Mtu;
    for (const path of this) {
      if (path.destination.family === 6) this.setMtu(path, path.mtuTimer.armed ? Math.min(path.pathMtu, mtu) : mtu);
    }
  }

  /** Next hops may have changed: every path that now leads over another one moves (UPD-10). */
  reroute(): void {
    for (const path of this) {
      const hop = this.nextHop(path.sourceRoute?.gateways[0] ?? path.destination);
      if (hop === null || hop.equals(path.neighbor.address)) continue;
      const neighbor = this.neighbors.obtain(hop);
      if (neighbor === null) continue;
      path.neighbor.references--;
      neighbor.references++;
      path.neighbor = neighbor;
      this.observer.nextHopChanged(path);
    }
  }

  /** Stops all timers and forgets everything. */
  clear(): void {
    for (const path of this) path.mtuTimer.cancel();
    this.paths.clear();
  }

  private create(source: IpAddress, destination: IpAddress, route: SourceRoute | null): Path | null {
    const hop = this.nextHop(route?.gateways[0] ?? destination);
    const neighbor = hop === null ? null : this.neighbors.obtain(hop);
    if (neighbor === null) return null;
    neighbor.references++;
    const path = new Path(this.core, source, destination, route, neighbor, (expired) => {
      expired.suspectedFrom = 0;
      this.setMtu(expired, this.core.interface.mtuOf(destination.family));
    });
    const siblings = this.paths.get(destination);
    if (siblings === undefined) this.paths.set(destination, [path]);
    else siblings.push(path);
    return path;
  }

  private lower(path: Path, pathMtu: number): void {
    path.mtuTimer.arm(this.core.milliseconds(PATH_MTU_LIFETIME_MILLISECONDS));
    this.setMtu(path, pathMtu);
  }

  private setMtu(path: Path, pathMtu: number): void {
    if (path.pathMtu === pathMtu) return;
    path.pathMtu = pathMtu;
    for (const member of path.members) member.pathMtuChanged(pathMtu);
    this.observer.pathMtuChanged(path);
  }
}

/** The directed broadcast address and the network's own (RFC 1122 section 3.2.1.3), on networks large enough to have them. */
function isDirectedBroadcast(destination: IpAddress, address: IpAddress, prefixLength: number): boolean {
  if (prefixLength >= 31 || !destination.isInPrefix(address, prefixLength)) return false;
  const hostMask = prefixLength === 0 ? -1 : (1 << (32 - prefixLength)) - 1;
  const host = destination.word0 & hostMask;
  return host === 0 || host === hostMask;
}

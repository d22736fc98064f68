/** Routes and paths: which next hop leads to an address, and the paths in use, counted by those who use them. */
import type { IpAddress } from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import type { NeighborCache } from '../framing/neighbor-cache.ts';
import { Path, type PathMember } from './path.ts';

/** The least path MTU that we believe in, bytes: less only makes us slow (RFC 5927 section 7.2 argues for a floor). */
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
  private readonly paths = new Map<number, Path>();
  private gateway: IpAddress | null;

  constructor(core: HostCore, neighbors: NeighborCache, observer: PathObserver) {
    this.core = core;
    this.neighbors = neighbors;
    this.observer = observer;
    this.gateway = core.interface.gateway;
  }

  get size(): number {
    return this.paths.size;
  }

  [Symbol.iterator](): IterableIterator<Path> {
    return this.paths.values();
  }

  get(destination: number): Path | undefined {
    return this.paths.get(destination);
  }

  /** Whether a connection may go to an address at all: not a group, not ourselves, not unspecified (RFC 9293 MUST-63). */
  isUnicast(destination: IpAddress): boolean {
    const { address, prefixLength } = this.core.interface;
    if (destination.family !== 4 || destination.isMulticast || destination.isBroadcast || destination.isUnspecified) {
      return false;
    }
    if (destination.equals(address) || destination.isLoopback) return false;
    // The directed broadcast address and the network's own (RFC 1122 section 3.2.1.3), on networks large enough to have them.
    if (prefixLength < 31 && destination.isInPrefix(address, prefixLength)) {
      const hostMask = prefixLength === 0 ? -1 : (1 << (32 - prefixLength)) - 1;
      const host = destination.word0 & hostMask;
      if (host === 0 || host === hostMask) return false;
    }
    return true;
  }

  /** The address of the next hop towards a destination: itself on the link, else the gateway; null without a route. */
  nextHop(destination: IpAddress): IpAddress | null {
    const { address, prefixLength } = this.core.interface;
    return destination.isInPrefix(address, prefixLength) ? destination : this.gateway;
  }

  /** Joins the path to a destination, made if necessary. Null when there is no route or no room for its neighbor. */
  join(destination: IpAddress, member: PathMember): Path | null {
    const path = this.paths.get(destination.word0) ?? this.create(destination);
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
    if (this.paths.get(path.destination.word0) !== path) return;
    this.paths.delete(path.destination.word0);
    path.mtuTimer.cancel();
    path.neighbor.references--;
  }

  /** ICMP said that datagrams above `pathMtu` bytes do not get through; already validated. Ignored unless it lowers. */
  reduceMtu(path: Path, pathMtu: number): void {
    const next = Math.max(pathMtu, MINIMUM_PATH_MTU);
    if (next >= path.pathMtu) return;
    this.core.statistics.pathMtuReductions++;
    path.mtuTimer.arm(this.core.milliseconds(PATH_MTU_LIFETIME_MILLISECONDS));
    this.setMtu(path, next);
  }

  /** Another router leads out of the link from now on: every path over the old one moves (UPD-10). */
  setGateway(gateway: IpAddress | null): void {
    this.gateway = gateway;
    for (const path of this.paths.values()) {
      const hop = this.nextHop(path.destination);
      if (hop === null || hop.equals(path.neighbor.address)) continue;
      const neighbor = this.neighbors.obtain(hop.word0);
      if (neighbor === null) continue;
      path.neighbor.references--;
      neighbor.references++;
      path.neighbor = neighbor;
      this.observer.nextHopChanged(path);
    }
  }

  /** Stops all timers and forgets everything. */
  clear(): void {
    for (const path of this.paths.values()) path.mtuTimer.cancel();
    this.paths.clear();
  }

  private create(destination: IpAddress): Path | null {
    const hop = this.nextHop(destination);
    const neighbor = hop === null ? null : this.neighbors.obtain(hop.word0);
    if (neighbor === null) return null;
    neighbor.references++;
    const path = new Path(this.core, destination, neighbor, (expired) => this.setMtu(expired, this.core.interface.mtu));
    this.paths.set(destination.word0, path);
    return path;
  }

  private setMtu(path: Path, pathMtu: number): void {
    if (path.pathMtu === pathMtu) return;
    path.pathMtu = pathMtu;
    for (const member of path.members) member.pathMtuChanged(pathMtu);
    this.observer.pathMtuChanged(path);
  }
}

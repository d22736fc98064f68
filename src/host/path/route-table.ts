/** Routes: which next hop leads to an address. Static ones, those of the interface's networks, and what routers said. */

import { type AddressFamily, type IpAddress, isLinkLocal } from '../../wire/index.ts';
import { AddressMap } from '../address-map.ts';
import type { HostCore } from '../core.ts';
import type { AddressConfiguration } from '../network-interface.ts';

/** A route that does not change by itself. */
export interface StaticRoute {
  readonly destination: IpAddress;
  /** Bits of the destination that count: 0…32, or 0…128. */
  readonly prefixLength: number;
  /** The next hop; null: the destination is on the link. */
  readonly gateway: IpAddress | null;
}

/** Better first hops that are remembered (RFC 4861 section 8.3); more would only serve an attacker. */
const REDIRECTS = 256;

export class RouteTable {
  private readonly core: HostCore;
  private readonly routes: StaticRoute[];
  /** Whether a router is not known to be unreachable. */
  private readonly isUsable: (router: IpAddress) => boolean;
  private readonly gateways = new Map<AddressFamily, IpAddress>();
  private readonly redirects = new AddressMap<{ readonly destination: IpAddress; readonly hop: IpAddress }>();
  /** Default routers that advertise themselves, the preferred first (RFC 4861 section 6.3.6). */
  routers: readonly IpAddress[] = [];
  /** Networks that routers say are on the link (RFC 4861 section 6.3.4). */
  onLink: readonly AddressConfiguration[] = [];

  constructor(
    core: HostCore,
    routes: readonly StaticRoute[],
    gateways: readonly IpAddress[],
    isUsable: (router: IpAddress) => boolean,
  ) {
    this.core = core;
    this.isUsable = isUsable;
    this.routes = [...routes].sort((a, b) => b.prefixLength - a.prefixLength);
    for (const gateway of gateways) this.gateways.set(gateway.family, gateway);
  }

  /** Sets the configured default router of a family; null: there is none. */
  setGateway(family: AddressFamily, gateway: IpAddress | null): void {
    if (gateway === null) this.gateways.delete(family);
    else this.gateways.set(family, gateway);
  }

  /** `hop` is the better first hop towards a destination (RFC 4861 section 8.3). */
  redirect(destination: IpAddress, hop: IpAddress): void {
    if (this.redirects.size >= REDIRECTS) {
      for (const oldest of this.redirects.values()) {
        this.redirects.delete(oldest.destination);
        break;
      }
    }
    this.redirects.set(destination, { destination, hop });
  }

  /** Forgets redirects to a hop that has gone. */
  forgetRedirects(hop: IpAddress): void {
    for (const entry of [...this.redirects.values()]) {
      if (entry.hop.equals(hop)) this.redirects.delete(entry.destination);
    }
  }

  /**
   * The next hop towards a destination: the longest prefix among static routes and the networks of the link, then a default
   * router; null without a route.
   */
  nextHop(destination: IpAddress): IpAddress | null {
    if (isLinkLocal(destination)) return destination;
    const redirect = this.redirects.get(destination);
    if (redirect !== undefined && this.isUsable(redirect.hop)) return redirect.hop;
    const link = this.longestOnLink(destination);
    // Sorted: the first that matches is the longest.
    for (const { destination: network, prefixLength, gateway } of this.routes) {
      if (prefixLength <= link) break;
      if (destination.isInPrefix(network, prefixLength)) return gateway ?? destination;
    }
    if (link >= 0) return destination;
    return this.gateways.get(destination.family) ?? this.router(destination.family);
  }

  /** Bits of the longest network of the link that a destination lies in; -1 when it lies in none. */
  private longestOnLink(destination: IpAddress): number {
    let longest = -1;
    for (const { address, prefixLength, isAdvertised } of this.core.interface.addresses) {
      // A network that an advertisement formed an address in need not be on the link (RFC 5942 section 4).
      if (isAdvertised || prefixLength <= longest) continue;
      if (destination.isInPrefix(address, prefixLength)) longest = prefixLength;
    }
    for (const { address, prefixLength } of this.onLink) {
      if (prefixLength > longest && destination.isInPrefix(address, prefixLength)) longest = prefixLength;
    }
    return longest;
  }

  /** An advertised router that answers, if one does; else the first (RFC 4861 section 6.3.6). */
  private router(family: AddressFamily): IpAddress | null {
    if (family === 4 || this.routers.length === 0) return null;
    return this.routers.find((router) => this.isUsable(router)) ?? this.routers[0];
  }
}

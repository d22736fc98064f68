/**
 * Router discovery and address autoconfiguration: what router advertisements say of default routers, networks of the link,
 * the MTU and the hop limit (RFC 4861 section 6.3), and the addresses that follow from it (RFC 4862 section 5.5). Everything
 * has a lifetime and a limit. How long a neighbor counts as reachable is the stack's own setting (NceStaleTicks): Reachable
 * Time and Retrans Timer are not followed.
 */
import {
  addressFromMac,
  IPV6_MINIMUM_MTU,
  type IpAddress,
  isLinkLocal,
  MacAddress,
  type NdpMessage,
  type PrefixInformation,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { routerSolicitationFrame } from '../framing/ndp-frame.ts';
import type { NeighborCache } from '../framing/neighbor-cache.ts';
import type { RouterMessages } from '../framing/neighbor-discovery.ts';
import type { AddressConfiguration, InterfaceAddress } from '../network-interface.ts';
import { HostTimer } from '../timer.ts';
import type { RouteTable } from './route-table.ts';

/** RFC 4861 section 10. */
const MAX_RTR_SOLICITATIONS = 3;
const RTR_SOLICITATION_INTERVAL_MILLISECONDS = 4000;

const MAXIMUM_ROUTERS = 8;
const MAXIMUM_PREFIXES = 16;
/** Interface identifiers are as long as the rest of an address behind 64 bits (RFC 4291 section 2.5.1). */
const AUTONOMOUS_PREFIX_LENGTH = 64;
/** Unauthenticated advertisements shorten lifetimes down to this, and no further (RFC 4862 section 5.5.3 (e)). */
const TWO_HOURS = 7200;
/** Lifetime "for ever". */
const INFINITE = 0xffffffff;

const SECOND = 1_000_000;

/** Told of what advertisements changed. */
export interface RouterObserver {
  /** Next hops may have changed. */
  routesChanged(): void;
  /** The MTU of the link for IPv6 has changed. */
  mtuChanged(): void;
  /** A new address: duplicate address detection is to begin. */
  addressFormed(entry: InterfaceAddress): void;
}

/** Something that is known until a time, microseconds. */
interface Router {
  readonly address: IpAddress;
  until: number;
}

interface Prefix extends AddressConfiguration {
  until: number;
}

export class RouterDiscovery implements RouterMessages {
  private readonly core: HostCore;
  private readonly neighbors: NeighborCache;
  private readonly routes: RouteTable;
  private readonly observer: RouterObserver;
  private routers: Router[] = [];
  private prefixes: Prefix[] = [];
  private solicitations = 0;
  private heard = false;
  private readonly solicitTimer: HostTimer;
  private readonly lifeTimer: HostTimer;

  constructor(core: HostCore, neighbors: NeighborCache, routes: RouteTable, observer: RouterObserver) {
    this.core = core;
    this.neighbors = neighbors;
    this.routes = routes;
    this.observer = observer;
    this.solicitTimer = new HostTimer(core.tcp, () => this.solicit());
    this.lifeTimer = new HostTimer(core.tcp, () => this.expire());
  }

  /** Asks for routers, a few times, until one answers (RFC 4861 section 6.3.7). */
  start(): void {
    this.solicit();
  }

  /** Stops all timers. */
  clear(): void {
    this.solicitTimer.cancel();
    this.lifeTimer.cancel();
  }

  // ---- what routers say ----

  advertised(router: IpAddress, message: NdpMessage): void {
    this.heard = true;
    this.solicitTimer.cancel();
    const { core } = this;
    if (message.hopLimit !== 0) core.interface.hopLimit = message.hopLimit;
    if (message.hasSourceMac) {
      const mac = MacAddress.fromWords(message.sourceMacHigh, message.sourceMacLow);
      const neighbor = mac.isMulticast ? null : this.neighbors.heard(router, mac, true, false, true);
      if (neighbor !== null) neighbor.isRouter = true;
    }
    this.keepRouter(router, message.routerLifetime);
    if (message.mtu !== 0) this.setMtu(message.mtu);
    for (const prefix of message.prefixes) this.keepPrefix(prefix);
    this.publish();
  }

  redirected(router: IpAddress, message: NdpMessage): void {
    const { routes } = this;
    const destination = message.destinationAddress;
    const target = message.targetAddress;
    // Only the first hop in use may say so, and only of a router of the link or the destination itself (RFC 4861 section 8.1).
    if (routes.nextHop(destination)?.equals(router) !== true) return;
    if (!isLinkLocal(target) && !target.equals(destination)) return;
    if (message.hasTargetMac) {
      const mac = MacAddress.fromWords(message.targetMacHigh, message.targetMacLow);
      if (mac.isMulticast) return;
      this.neighbors.heard(target, mac, true, false, true);
    }
    routes.redirect(destination, target);
    this.observer.routesChanged();
  }

  noRouter(address: IpAddress): void {
    this.keepRouter(address, 0);
    this.publish();
  }

  private keepRouter(address: IpAddress, lifetime: number): void {
    const index = this.routers.findIndex((router) => router.address.equals(address));
    if (lifetime === 0) {
      if (index >= 0) this.routers.splice(index, 1);
      this.routes.forgetRedirects(address);
      return;
    }
    const until = this.core.tcp.now + lifetime * SECOND;
    if (index >= 0) this.routers[index].until = until;
    else if (this.routers.length < MAXIMUM_ROUTERS) this.routers.push({ address, until });
  }

  /** RFC 4861 section 6.3.4: between the least MTU and that of the link. */
  private setMtu(mtu: number): void {
    const { interface: link } = this.core;
    if (mtu < IPV6_MINIMUM_MTU || mtu > link.mtu || mtu === link.ipv6Mtu) return;
    link.ipv6Mtu = mtu;
    this.observer.mtuChanged();
  }

  private keepPrefix(information: PrefixInformation): void {
    const { prefix, prefixLength, onLink, autonomous, validLifetime, preferredLifetime } = information;
    if (isLinkLocal(prefix) || prefix.isMulticast) return;
    if (onLink) this.keepOnLink(prefix, prefixLength, validLifetime);
    if (!autonomous || preferredLifetime > validLifetime || prefixLength !== AUTONOMOUS_PREFIX_LENGTH) return;
    this.keepAddress(information);
  }

  private keepOnLink(address: IpAddress, prefixLength: number, lifetime: number): void {
    const index = this.prefixes.findIndex(
      (known) => known.prefixLength === prefixLength && known.address.isInPrefix(address, prefixLength),
    );
    if (lifetime === 0) {
      if (index >= 0) this.prefixes.splice(index, 1);
      return;
    }
    const until = this.end(lifetime);
    if (index >= 0) this.prefixes[index].until = until;
    else if (this.prefixes.length < MAXIMUM_PREFIXES) this.prefixes.push({ address, prefixLength, until });
  }

  /** RFC 4862 section 5.5.3 (d) and (e). */
  private keepAddress({ prefix, prefixLength, validLifetime, preferredLifetime }: PrefixInformation): void {
    const { core } = this;
    const address = addressFromMac(prefix, core.interface.macAddress);
    const known = core.interface.find(address);
    if (known !== null && !known.isAdvertised) return;
    if (known === null) {
      if (validLifetime === 0) return;
      const entry = core.interface.add({ address, prefixLength }, 'tentative', true);
      if (entry === null) return;
      entry.validUntil = this.end(validLifetime);
      entry.preferredUntil = this.end(preferredLifetime);
      this.observer.addressFormed(entry);
      return;
    }
    known.preferredUntil = this.end(preferredLifetime);
    const remaining = (known.validUntil - core.tcp.now) / SECOND;
    if (validLifetime > TWO_HOURS || validLifetime > remaining) known.validUntil = this.end(validLifetime);
    else if (remaining > TWO_HOURS) known.validUntil = this.end(TWO_HOURS);
    if (known.state === 'deprecated' && preferredLifetime > 0) known.state = 'preferred';
  }

  private end(lifetime: number): number {
    return lifetime === INFINITE ? Number.POSITIVE_INFINITY : this.core.tcp.now + lifetime * SECOND;
  }

  // ---- time ----

  private solicit(): void {
    if (this.heard || this.solicitations >= MAX_RTR_SOLICITATIONS) return;
    this.solicitations++;
    const { core } = this;
    const own = core.interface.addresses.find((entry) => isLinkLocal(entry.address) && entry.isAssigned);
    core.sendFrame(routerSolicitationFrame(core, own?.address ?? null), 0);
    this.solicitTimer.arm(core.milliseconds(RTR_SOLICITATION_INTERVAL_MILLISECONDS));
  }

  private expire(): void {
    const { now } = this.core.tcp;
    for (const { address, until } of this.routers) if (until <= now) this.routes.forgetRedirects(address);
    this.routers = this.routers.filter(({ until }) => until > now);
    this.prefixes = this.prefixes.filter(({ until }) => until > now);
    for (const entry of [...this.core.interface.addresses]) {
      if (entry.validUntil <= now) this.core.interface.remove(entry);
      else if (entry.preferredUntil <= now && entry.state === 'preferred') entry.state = 'deprecated';
    }
    this.publish();
  }

  /** Makes the routes what is known now, and waits for the next lifetime to end. */
  private publish(): void {
    this.routes.routers = this.routers.map(({ address }) => address);
    this.routes.onLink = this.prefixes;
    this.armLifeTimer();
    this.observer.routesChanged();
  }

  private armLifeTimer(): void {
    const { now } = this.core.tcp;
    let next = Number.POSITIVE_INFINITY;
    for (const { until } of this.routers) next = Math.min(next, until);
    for (const { until } of this.prefixes) next = Math.min(next, until);
    for (const { validUntil, preferredUntil } of this.core.interface.addresses) {
      next = Math.min(next, validUntil, preferredUntil > now ? preferredUntil : Number.POSITIVE_INFINITY);
    }
    this.lifeTimer.cancel();
    if (next === Number.POSITIVE_INFINITY) return;
    // The wheel's ticks are int32: what lies far ahead is looked at again in a day.
    const milliseconds = Math.min(86_400_000, Math.max(0, (next - now) / 1000));
    this.lifeTimer.arm(this.core.milliseconds(milliseconds) + 1);
  }
}

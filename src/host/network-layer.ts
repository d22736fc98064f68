/** Everything between frames and segments: neighbors, routes, paths, IP of both families and ICMP. */
import {
  ArpPacket,
  addressFromMac,
  DropReason,
  EthernetHeader,
  EtherType,
  type IpAddress,
  type IpPacket,
  isLinkLocal,
  LINK_LOCAL_PREFIX,
  parseArp,
  parseEthernet,
} from '../wire/index.ts';
import type { HostCore } from './core.ts';
import { Arp } from './framing/arp.ts';
import { DuplicateAddressDetection } from './framing/duplicate-addresses.ts';
import { MulticastListener } from './framing/multicast-listener.ts';
import { NeighborState } from './framing/neighbor.ts';
import { NeighborCache, type NeighborObserver } from './framing/neighbor-cache.ts';
import { NeighborDiscovery } from './framing/neighbor-discovery.ts';
import { Icmp } from './path/icmp.ts';
import type { IcmpReceiver } from './path/icmp-error.ts';
import { Icmpv6 } from './path/icmpv6.ts';
import { IpInput } from './path/ip-input.ts';
import { IpOutput } from './path/output.ts';
import { type PathObserver, PathTable } from './path/path-table.ts';
import { RouteTable, type StaticRoute } from './path/route-table.ts';
import { RouterDiscovery } from './path/router-discovery.ts';

/** What of a stack's options concerns the network. */
export interface NetworkOptions {
  readonly gateways: readonly IpAddress[];
  readonly routes: readonly StaticRoute[];
  /** DupAddrDetectTransmits (RFC 4862 section 5.1). */
  readonly duplicateAddressProbes: number;
  /** Obey router advertisements and redirects, and ask for them. */
  readonly acceptRouterAdvertisements: boolean;
  /** Take datagrams that came by an IPv4 source route, and answer by its reverse. */
  readonly acceptSourceRoutes: boolean;
}

/** The layer above. */
export interface NetworkObserver extends NeighborObserver, PathObserver, IcmpReceiver {
  /** A TCP datagram for us; the packet is reused. */
  tcpArrives(frame: Uint8Array, packet: IpPacket, checksumValid: boolean): void;
  /** A tentative address has become ours, or was found to be somebody else's. */
  addressSettled(address: IpAddress): void;
}

/** Bits of the network that all link-local addresses lie in. */
const LINK_LOCAL_PREFIX_LENGTH = 64;

export class NetworkLayer {
  readonly neighbors: NeighborCache;
  readonly paths: PathTable;
  readonly output: IpOutput;
  private readonly core: HostCore;
  private readonly acceptsAdvertisements: boolean;
  private readonly routes: RouteTable;
  private readonly arp: Arp;
  private readonly listener: MulticastListener;
  private readonly duplicates: DuplicateAddressDetection;
  private readonly routers: RouterDiscovery;
  private readonly input: IpInput;
  private readonly ethernet = new EthernetHeader();
  private readonly arpPacket = new ArpPacket();

  constructor(core: HostCore, options: NetworkOptions, observer: NetworkObserver) {
    this.core = core;
    this.acceptsAdvertisements = options.acceptRouterAdvertisements;
    this.neighbors = new NeighborCache(core, {
      resolved: (neighbor) => observer.resolved(neighbor),
      macAddressChanged: (neighbor) => observer.macAddressChanged(neighbor),
      queryReachability: (neighbor) => observer.queryReachability(neighbor),
      unreachable: (neighbor) => {
        // Another router may do (RFC 4861 section 7.3.3): what still leads over this one hears of it.
        if (neighbor.isRouter) this.paths.reroute();
        observer.unreachable(neighbor);
      },
    });
    this.routes = new RouteTable(
      core,
      options.routes,
      options.gateways,
      (router) => this.neighbors.get(router)?.state !== NeighborState.FAILED,
    );
    this.paths = new PathTable(core, this.neighbors, this.routes, observer);
    this.output = new IpOutput(core, this.neighbors, this.paths);
    this.arp = new Arp(core, this.neighbors);
    this.listener = new MulticastListener(core);
    this.duplicates = new DuplicateAddressDetection(core, options.duplicateAddressProbes, ({ address }) =>
      observer.addressSettled(address),
    );
    this.routers = new RouterDiscovery(core, this.neighbors, this.routes, {
      routesChanged: () => this.paths.reroute(),
      mtuChanged: () => this.paths.linkMtuChanged(),
      addressFormed: (entry) => {
        this.listener.changed();
        this.duplicates.start(entry);
      },
    });
    const icmp = new Icmp(core, this.output, observer);
    const discovery = new NeighborDiscovery(core, this.neighbors, this.duplicates, {
      advertised: (router, message) => {
        if (this.acceptsAdvertisements) this.routers.advertised(router, message);
      },
      redirected: (router, message) => {
        if (this.acceptsAdvertisements) this.routers.redirected(router, message);
      },
      noRouter: (address) => this.routers.noRouter(address),
    });
    const icmpv6 = new Icmpv6(core, this.output, discovery, this.listener, observer);
    this.input = new IpInput(core, options.acceptSourceRoutes, {
      tcpArrives: (frame, packet, checksumValid) => observer.tcpArrives(frame, packet, checksumValid),
      icmpv4Arrives: (frame, packet) => icmp.arrives(frame, packet),
      icmpv6Arrives: (frame, packet, ethernet, wasFragmented) => icmpv6.arrives(frame, packet, ethernet, wasFragmented),
      parameterProblem: (frame, offset, packet, code, pointer) =>
        icmpv6.parameterProblem(frame, offset, packet, code, pointer),
      reassemblyTimedOut: (family, quotation) => {
        if (family === 4) icmp.reassemblyTimedOut(quotation);
        else icmpv6.reassemblyTimedOut(quotation);
      },
    });
  }

  /**
   * Begins with IPv6, if there is any: a link-local address beside those that were configured, duplicate address detection
   * for all of them, and the search for routers (RFC 4862 section 5).
   */
  start(): void {
    const { interface: link } = this.core;
    if (!link.has(6)) return;
    if (!link.addresses.some(({ address }) => isLinkLocal(address))) {
      const address = addressFromMac(LINK_LOCAL_PREFIX, link.macAddress);
      link.add({ address, prefixLength: LINK_LOCAL_PREFIX_LENGTH }, 'tentative', false);
    }
    this.listener.changed();
    for (const entry of link.addresses) if (entry.address.family === 6) this.duplicates.start(entry);
    if (this.acceptsAdvertisements) this.routers.start();
  }

  /** One received frame; `checksumValid` when the adapter vouches for a TCP checksum. */
  frameArrives(frame: Uint8Array, checksumValid: boolean): void {
    this.core.statistics.framesReceived++;
    this.core.drops.count(this.demultiplex(frame, checksumValid));
  }

  /** Another router leads out of the link from now on. */
  setGateway(family: 4 | 6, gateway: IpAddress | null): void {
    this.routes.setGateway(family, gateway);
    this.paths.reroute();
  }

  /** Stops all timers and forgets everything. */
  clear(): void {
    this.neighbors.clear();
    this.paths.clear();
    this.listener.clear();
    this.duplicates.clear();
    this.routers.clear();
    this.input.clear();
  }

  private demultiplex(frame: Uint8Array, checksumValid: boolean): DropReason {
    const { ethernet, arpPacket } = this;
    const { macAddress } = this.core.interface;
    const reason = parseEthernet(frame, 0, frame.length, ethernet);
    if (reason !== DropReason.NONE) return reason;
    const isOurs = ethernet.destinationLow === macAddress.low && ethernet.destinationHigh === macAddress.high;
    if (!isOurs && !ethernet.isMulticast) return DropReason.ETHERNET_DESTINATION;
    if (ethernet.vlanId > 0) return DropReason.VLAN_MISMATCH;
    switch (ethernet.etherType) {
      case EtherType.IPV4:
      case EtherType.IPV6:
        this.input.arrives(frame, ethernet, checksumValid);
        return DropReason.NONE;
      case EtherType.ARP: {
        const wrong = parseArp(frame, ethernet.payloadOffset, ethernet.payloadLength, arpPacket);
        if (wrong === DropReason.NONE) this.arp.arrives(arpPacket);
        return wrong;
      }
      default:
        return DropReason.ETHERNET_TYPE;
    }
  }
}

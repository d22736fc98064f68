/**
 * Neighbor Discovery as it arrives: validated (RFC 4861 sections 6.1, 7.1 and 8.1, RFC 6980), then given to the neighbor
 * cache, to duplicate address detection, and to router discovery. Solicitations for our addresses are answered.
 */
import {
  DropReason,
  type EthernetHeader,
  Icmpv6Type,
  type IpAddress,
  type IpPacket,
  isLinkLocal,
  MacAddress,
  NDP_HOP_LIMIT,
  NdpMessage,
  NeighborFlag,
  parseNdp,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import type { DuplicateAddressDetection } from './duplicate-addresses.ts';
import { advertisementFrame, advertisementToAllFrame } from './ndp-frame.ts';
import type { NeighborCache } from './neighbor-cache.ts';

/** What routers say. The message is reused after the call. */
export interface RouterMessages {
  advertised(router: IpAddress, message: NdpMessage): void;
  redirected(router: IpAddress, message: NdpMessage): void;
  /** A neighbor that was a router is none any more (RFC 4861 section 7.2.5). */
  noRouter(address: IpAddress): void;
}

export class NeighborDiscovery {
  private readonly core: HostCore;
  private readonly neighbors: NeighborCache;
  private readonly duplicates: DuplicateAddressDetection;
  private readonly routers: RouterMessages;
  private readonly message = new NdpMessage();

  constructor(
    core: HostCore,
    neighbors: NeighborCache,
    duplicates: DuplicateAddressDetection,
    routers: RouterMessages,
  ) {
    this.core = core;
    this.neighbors = neighbors;
    this.duplicates = duplicates;
    this.routers = routers;
  }

  /**
   * One ICMPv6 message whose checksum is right and whose type is one of Neighbor Discovery.
   *
   * @param wasFragmented it came with a Fragment header (RFC 6980 section 5)
   */
  arrives(frame: Uint8Array, packet: IpPacket, ethernet: EthernetHeader, wasFragmented: boolean): DropReason {
    const { message } = this;
    const { macAddress } = this.core.interface;
    if (packet.hopLimit !== NDP_HOP_LIMIT || wasFragmented) return DropReason.NDP_INVALID;
    // What we have sent to a group may come back to us (RFC 4862 section 5.4.3).
    const isOurOwn = ethernet.sourceLow === macAddress.low && ethernet.sourceHigh === macAddress.high;
    if (isOurOwn) return DropReason.NDP_INVALID;
    const reason = parseNdp(frame, packet.payloadOffset, packet.payloadLength, message);
    if (reason !== DropReason.NONE) return reason;
    const source = packet.source;
    switch (message.type) {
      case Icmpv6Type.NEIGHBOR_SOLICITATION:
        return this.solicited(source, packet, ethernet);
      case Icmpv6Type.NEIGHBOR_ADVERTISEMENT:
        return this.advertised(packet);
      case Icmpv6Type.ROUTER_ADVERTISEMENT:
        if (!isLinkLocal(source)) return DropReason.NDP_INVALID;
        this.routers.advertised(source, message);
        return DropReason.NONE;
      case Icmpv6Type.REDIRECT:
        if (!isLinkLocal(source) || message.destinationAddress.isMulticast) return DropReason.NDP_INVALID;
        this.routers.redirected(source, message);
        return DropReason.NONE;
      default:
        return DropReason.ICMP_TYPE; // solicitations of routers are not for hosts
    }
  }

  /** RFC 4861 sections 7.1.1 and 7.2.3. */
  private solicited(source: IpAddress, packet: IpPacket, ethernet: EthernetHeader): DropReason {
    const { core, message } = this;
    const target = message.targetAddress;
    const entry = core.interface.find(target);
    const isProbe = source.isUnspecified;
    if (isProbe && (message.hasSourceMac || !isSolicitedNodeGroup(packet))) return DropReason.NDP_INVALID;
    if (entry === null) return DropReason.NONE;
    if (entry.state === 'tentative') {
      // Somebody else wants the address at the same time; a solicitation with a source is not for us yet.
      if (isProbe) this.duplicates.conflict(entry);
      return DropReason.NONE;
    }
    if (!entry.isAssigned) return DropReason.NONE;
    core.statistics.neighborAdvertisementsSent++;
    if (isProbe) {
      core.sendFrame(advertisementToAllFrame(core, target, NeighborFlag.OVERRIDE), 0);
      return DropReason.NONE;
    }
    const mac = message.hasSourceMac
      ? MacAddress.fromWords(message.sourceMacHigh, message.sourceMacLow)
      : MacAddress.fromWords(ethernet.sourceHigh, ethernet.sourceLow);
    if (mac.isMulticast) return DropReason.NDP_INVALID;
    if (message.hasSourceMac) this.neighbors.heard(source, mac, true, false, true);
    const flags = NeighborFlag.SOLICITED | NeighborFlag.OVERRIDE;
    core.sendFrame(advertisementFrame(core, mac, source, target, flags), 0);
    return DropReason.NONE;
  }

  /** RFC 4861 sections 7.1.2 and 7.2.5. */
  private advertised(packet: IpPacket): DropReason {
    const { core, message, neighbors } = this;
    const isSolicited = (message.flags & NeighborFlag.SOLICITED) !== 0;
    if (packet.destination0 >>> 24 === 0xff && isSolicited) return DropReason.NDP_INVALID;
    const target = message.targetAddress;
    const entry = core.interface.find(target);
    if (entry !== null) {
      this.duplicates.conflict(entry);
      return DropReason.NONE;
    }
    const mac = message.hasTargetMac ? MacAddress.fromWords(message.targetMacHigh, message.targetMacLow) : null;
    if (mac?.isMulticast) return DropReason.NDP_INVALID;
    const neighbor = neighbors.heard(target, mac, false, isSolicited, (message.flags & NeighborFlag.OVERRIDE) !== 0);
    if (neighbor === null) return DropReason.NONE;
    const isRouter = (message.flags & NeighborFlag.ROUTER) !== 0;
    if (neighbor.isRouter && !isRouter) this.routers.noRouter(target);
    neighbor.isRouter = isRouter;
    return DropReason.NONE;
  }
}

/** Whether the destination is ff02::1:ff00:0/104 (RFC 4291 section 2.7.1). */
function isSolicitedNodeGroup(packet: IpPacket): boolean {
  return (
    packet.destination0 >>> 0 === 0xff020000 &&
    packet.destination1 === 0 &&
    packet.destination2 === 1 &&
    packet.destination3 >>> 24 === 0xff
  );
}

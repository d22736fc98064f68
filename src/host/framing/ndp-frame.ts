/** Neighbor Discovery of our own, as whole frames (RFC 4861). */
import {
  ALL_NODES,
  ALL_ROUTERS,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  IPV6_HEADER_LENGTH,
  type IpAddress,
  IpProtocol,
  type MacAddress,
  multicastMacAddress,
  NDP_HOP_LIMIT,
  neighborMessageLength,
  routerSolicitationLength,
  setIpv6Addresses,
  solicitedNode,
  UNSPECIFIED_IPV6,
  writeEthernet,
  writeIpv6,
  writeNeighborAdvertisement,
  writeNeighborSolicitation,
  writeRouterSolicitation,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';

const MESSAGE = ETHERNET_HEADER_LENGTH + IPV6_HEADER_LENGTH;

/**
 * A frame with Ethernet and IPv6 header for `length` bytes of ICMPv6, which the caller writes behind them.
 *
 * @param macDestination where the frame goes
 */
export function icmpv6Frame(
  core: HostCore,
  macDestination: Uint8Array,
  source: IpAddress,
  destination: IpAddress,
  hopLimit: number,
  length: number,
): Uint8Array {
  const frame = core.buffers.allocate(MESSAGE + length);
  writeEthernet(frame, 0, macDestination, core.interface.macAddress.bytes, EtherType.IPV6, 0, 0);
  const ip = core.buffers.scratchIpv6;
  setIpv6Addresses(ip, source, destination);
  ip.trafficClass = 0;
  ip.flowLabel = 0;
  ip.hopLimit = hopLimit;
  ip.protocol = IpProtocol.ICMPV6;
  ip.bodyLength = length;
  writeIpv6(ip, frame, ETHERNET_HEADER_LENGTH);
  return frame;
}

/**
 * A solicitation for a neighbor's MAC address (RFC 4861 section 7.2.2).
 *
 * @param macAddress the neighbor's last known one, for a probe; null asks the whole group
 */
export function solicitationFrame(
  core: HostCore,
  source: IpAddress,
  target: IpAddress,
  macAddress: MacAddress | null,
): Uint8Array {
  const destination = macAddress === null ? solicitedNode(target) : target;
  const to = macAddress ?? multicastMacAddress(destination);
  const frame = icmpv6Frame(core, to.bytes, source, destination, NDP_HOP_LIMIT, neighborMessageLength(true));
  writeNeighborSolicitation(frame, MESSAGE, source, destination, target, core.interface.macAddress);
  return frame;
}

/** The question whether anybody has an address that we want (RFC 4862 section 5.4.2). */
export function duplicateProbeFrame(core: HostCore, target: IpAddress): Uint8Array {
  const group = solicitedNode(target);
  const to = multicastMacAddress(group);
  const length = neighborMessageLength(false);
  const frame = icmpv6Frame(core, to.bytes, UNSPECIFIED_IPV6, group, NDP_HOP_LIMIT, length);
  writeNeighborSolicitation(frame, MESSAGE, UNSPECIFIED_IPV6, group, target, null);
  return frame;
}

/** What we say of one of our addresses. @param flags `NeighborFlag` bits */
export function advertisementFrame(
  core: HostCore,
  macDestination: MacAddress,
  destination: IpAddress,
  target: IpAddress,
  flags: number,
): Uint8Array {
  const length = neighborMessageLength(true);
  const frame = icmpv6Frame(core, macDestination.bytes, target, destination, NDP_HOP_LIMIT, length);
  writeNeighborAdvertisement(frame, MESSAGE, target, destination, target, flags, core.interface.macAddress);
  return frame;
}

/** As `advertisementFrame`, to everybody. */
export function advertisementToAllFrame(core: HostCore, target: IpAddress, flags: number): Uint8Array {
  return advertisementFrame(core, multicastMacAddress(ALL_NODES), ALL_NODES, target, flags);
}

/** Asks for the routers of the link (RFC 4861 section 6.3.7). @param source null while we have no address of our own */
export function routerSolicitationFrame(core: HostCore, source: IpAddress | null): Uint8Array {
  const from = source ?? UNSPECIFIED_IPV6;
  const macAddress = source === null ? null : core.interface.macAddress;
  const length = routerSolicitationLength(macAddress !== null);
  const to = multicastMacAddress(ALL_ROUTERS);
  const frame = icmpv6Frame(core, to.bytes, from, ALL_ROUTERS, NDP_HOP_LIMIT, length);
  writeRouterSolicitation(frame, MESSAGE, from, ALL_ROUTERS, macAddress);
  return frame;
}

import type { FrameRoute, IpAddress } from '../../wire/index.ts';
import type { ConnectionContext, NeighborContext, PathContext } from './contexts.ts';
import type { NicCore } from './core.ts';

/** The two lowest bits of the type of service belong to ECN (RFC 3168 section 5). */
const ECN_MASK = 3;

/** Where the frames of a new path go (STATE-17, STATE-19, VLAN-08…10). */
export function newRoute(
  core: NicCore,
  neighbor: NeighborContext,
  source: IpAddress,
  destination: IpAddress,
): FrameRoute {
  return {
    destination: neighbor.destination.bytes,
    source: sourceOf(core, neighbor),
    vlanId: neighbor.vlanId,
    userPriority: 0,
    sourceAddress: source,
    destinationAddress: destination,
    ttl: 64,
    typeOfService: 0,
    flowLabel: 0,
  };
}

/** After a change of the neighbor (UPD-08, UPD-11): later frames follow it. */
export function refreshRoute(core: NicCore, path: PathContext): void {
  const { route, neighbor } = path;
  route.destination = neighbor.destination.bytes;
  route.source = sourceOf(core, neighbor);
  route.vlanId = neighbor.vlanId;
}

/** The route of one segment: the path's, with what the connection's cached variables and the engine say of its datagrams (UPD-14). */
export function routeOf(connection: ConnectionContext, ecn: number): FrameRoute {
  const { route } = connection.path;
  const { userPriority, ttlOrHopLimit, tosOrTrafficClass, flowLabel } = connection.cb.cached;
  route.userPriority = userPriority;
  route.ttl = ttlOrHopLimit;
  route.typeOfService = (tosOrTrafficClass & ~ECN_MASK) | ecn;
  route.flowLabel = flowLabel;
  return route;
}

function sourceOf(core: NicCore, neighbor: NeighborContext): Uint8Array {
  return (neighbor.dlSourceAddress ?? core.options.macAddress).bytes;
}

import type { FrameRoute } from '../../wire/index.ts';
import type { ConnectionContext, NeighborContext, PathContext } from './contexts.ts';
import type { NicCore } from './core.ts';

/** Where the frames of a new connection go (STATE-17, STATE-19, VLAN-08…10). */
export function newRoute(core: NicCore, path: PathContext): FrameRoute {
  const { neighbor } = path;
  return {
    destination: neighbor.destination.bytes,
    source: sourceOf(core, neighbor),
    vlanId: neighbor.vlanId,
    userPriority: 0,
    sourceAddress: path.source,
    destinationAddress: path.destination,
    ttl: 64,
    typeOfService: 0,
    flowLabel: 0,
  };
}

/** After a change of cached values or of the neighbor (UPD-08, UPD-11): later frames follow it. */
export function refreshRoute(core: NicCore, connection: ConnectionContext): void {
  const { route, path, cb } = connection;
  const { neighbor } = path;
  route.destination = neighbor.destination.bytes;
  route.source = sourceOf(core, neighbor);
  route.vlanId = neighbor.vlanId;
  route.userPriority = cb.cached.userPriority;
  route.ttl = cb.cached.ttlOrHopLimit;
  route.typeOfService = cb.cached.tosOrTrafficClass;
  route.flowLabel = cb.cached.flowLabel;
}

function sourceOf(core: NicCore, neighbor: NeighborContext): Uint8Array {
  return (neighbor.dlSourceAddress ?? core.options.macAddress).bytes;
}

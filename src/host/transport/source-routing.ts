/** IPv4 source routes of connections (RFC 9293 section 3.9.2.1): which may be asked for, and those that a peer's segments bring. */
import { type ControlBlock, setPathMtu } from '../../tcp/index.ts';
import {
  type IpAddress,
  isSameRoute,
  MAXIMUM_GATEWAYS,
  type SourceRoute,
  sourceRouteLength,
} from '../../wire/index.ts';
import type { Connection } from '../connection.ts';
import type { HostCore } from '../core.ts';
import type { PathTable } from '../path/path-table.ts';

/**
 * Checks the route that an application has named for a connection to `remote`.
 *
 * @throws Error when no datagram could take it
 */
export function checkSourceRoute(paths: PathTable, remote: IpAddress, route: SourceRoute): void {
  const { gateways } = route;
  if (remote.family !== 4) throw new Error(`${remote}: IPv6 has no source routes (RFC 5095)`);
  if (gateways.length < 1 || gateways.length > MAXIMUM_GATEWAYS) {
    throw new Error(`a source route of ${gateways.length} gateways: it has 1 to ${MAXIMUM_GATEWAYS}`);
  }
  for (const gateway of gateways) {
    if (gateway.family !== 4 || !paths.isUnicast(gateway))
      throw new Error(`${gateway} is no gateway of a source route`);
  }
}

/** Bytes that the options of a connection's datagrams take from its segments. */
export function ipOptionBytes(route: SourceRoute | null): number {
  return route === null ? 0 : sourceRouteLength(route);
}

/**
 * An acceptable segment of a passive opening came by another route than we use: the later definition counts (SHLD-24). Who
 * opened the connection decides about its route (MUST-52). Nothing changes when the new way leads nowhere.
 */
export function followReturnRoute(
  core: HostCore,
  paths: PathTable,
  connection: Connection,
  cb: ControlBlock,
  route: SourceRoute,
): void {
  const { path, localAddress, remoteAddress } = connection;
  if (cb.activeOpen || path === null || isSameRoute(path.sourceRoute, route)) return;
  const next = paths.join(localAddress, remoteAddress, connection, route);
  if (next === null) return;
  connection.path = next;
  connection.needsIpOptions = true;
  paths.leave(path, connection);
  cb.ipOptionBytes = ipOptionBytes(route);
  setPathMtu(core.tcp, cb, next.pathMtu);
}

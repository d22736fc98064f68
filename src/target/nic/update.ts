/** New cached values, and paths that move to another neighbor (spec/algorithms.md 13; UPD-02). */
import { NdisStatus, TcpUploadReason } from '../../ndis/index.ts';
import { applyUpdate, output, setPathMtu, timersExpire } from '../../tcp/index.ts';
import { MacAddress } from '../../wire/index.ts';
import type { CachedUpdate, UpdateBlock } from '../messages.ts';
import type { ConnectionContext, NeighborContext, ObjectContext, PathContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import { applyDisposition } from './dispositions.ts';
import { takeFault } from './hardware-failure.ts';
import { objectOf } from './initiate.ts';
import { hostConfirmed } from './neighbor-reachability.ts';
import type { ReceivePath } from './receive-path.ts';
import { beginDisconnect } from './requests.ts';
import { refreshRoute } from './routes.ts';

/** Applies an update tree and completes it. A failed one changes nothing, and processing goes on (UPD-06). */
export function update(
  core: NicCore,
  receivePath: ReceivePath,
  operation: number,
  blocks: readonly UpdateBlock[],
): void {
  const faulty = takeFault(core, 'update');
  const statuses = blocks.map((block) => {
    if (block.id === 0) return NdisStatus.SUCCESS;
    if (faulty) return NdisStatus.FAILURE;
    return updateObject(core, receivePath, block);
  });
  core.post({ kind: 'updateComplete', operation, statuses });
}

function updateObject(core: NicCore, receivePath: ReceivePath, block: UpdateBlock): NdisStatus {
  const object = objectOf(core, block.id);
  if (object === null) return NdisStatus.FAILURE;
  if (block.values !== null && !applyValues(core, object, block.values)) return NdisStatus.FAILURE;
  if (block.neighbor === 0 || object.layer !== 'path') return NdisStatus.SUCCESS;
  const neighbor = core.neighbors.get(block.neighbor);
  if (neighbor === undefined) return NdisStatus.FAILURE;
  relink(core, receivePath, object, neighbor);
  return NdisStatus.SUCCESS;
}

/** False when the values are not for this kind of object. */
function applyValues(core: NicCore, object: ObjectContext, values: CachedUpdate): boolean {
  if (object.layer === 'neighbor' && values.kind === 'neighbor') {
    object.destination = MacAddress.fromBytes(values.dlDestinationAddress); // UPD-11
    hostConfirmed(object, core.tcp.ticks, values.hostReachabilityDelta);
    for (const path of object.paths) refreshRoute(core, path);
    return true;
  }
  if (object.layer === 'path' && values.kind === 'path') {
    object.pathMtu = values.pathMtu;
    for (const connection of object.connections) {
      // UPD-12; nothing is sent for one that stands still (EVT-07, TERM-10).
      if (!isStill(connection) && !connection.terminating) setPathMtu(core.tcp, connection.cb, values.pathMtu);
    }
    return true;
  }
  if (object.layer === 'tcp' && values.kind === 'tcp') {
    updateConnection(core, object, values.cached);
    return true;
  }
  return false;
}

/** Cached variables with their side effects (UPD-13…15); one that stands still only takes the values. */
function updateConnection(
  core: NicCore,
  connection: ConnectionContext,
  cached: Parameters<typeof applyUpdate>[2],
): void {
  const { cb } = connection;
  connection.delivery.indicationSize = cached.rcvIndicationSize;
  if (connection.stopped !== 0 || connection.terminating || connection.aborted)
    cb.cached = core.tcp.cachedStates.share(cached);
  else applyUpdate(core.tcp, cb, cached);
}

/** UPD-08: from now on the path's connections use the other neighbor. What was stopped for the old one goes on. */
function relink(core: NicCore, receivePath: ReceivePath, path: PathContext, neighbor: NeighborContext): void {
  path.neighbor.paths.delete(path);
  path.neighbor = neighbor;
  neighbor.paths.add(path);
  refreshRoute(core, path);
  for (const connection of path.connections) {
    if (connection.stopped === TcpUploadReason.INVALID_STATE && !connection.dependsOnInvalid) {
      resumeConnection(core, receivePath, connection);
    }
  }
}

/** Processing goes on with what arrived meanwhile and what is due. */
function resumeConnection(core: NicCore, receivePath: ReceivePath, connection: ConnectionContext): void {
  if (connection.terminating || connection.aborted) return;
  connection.stopped = 0;
  const { cb, path } = connection;
  if (cb.pathMtu !== path.pathMtu) setPathMtu(core.tcp, cb, path.pathMtu);
  const frames = connection.heldFrames;
  connection.heldFrames = null;
  for (const frame of frames ?? []) receivePath.resumeFrame(connection, frame);
  if (isStill(connection)) return;
  applyDisposition(core, connection, timersExpire(core.tcp, connection.cb));
  if (isStill(connection)) return;
  beginDisconnect(core, connection);
  output(core.tcp, connection.cb);
}

function isStill(connection: ConnectionContext): boolean {
  return connection.stopped !== 0 || connection.aborted;
}

import { NdisStatus, TcpOffloadEventType, TcpUploadReason } from '../../ndis/index.ts';
import type { ObjectId } from '../messages.ts';
import type { NicCore } from './core.ts';
import { connectionsOf, failedStatuses, reportHardwareFailure, takeFault } from './hardware-failure.ts';
import { objectOf } from './initiate.ts';
import { raise } from './upload-request.ts';

/**
 * Marks the named objects (INV-03). Every connection that is one of them or depends on one stops sending at once and is
 * requested to be uploaded, one event each (INV-04, INV-05; spec/decisions.md 8). Nothing is freed (INV-06).
 */
export function invalidate(core: NicCore, operation: number, objects: readonly ObjectId[]): void {
  if (takeFault(core, 'invalidate')) {
    core.post({ kind: 'invalidateComplete', operation, statuses: failedStatuses(objects) });
    reportHardwareFailure(core, objects);
    return;
  }
  // INV-07: an object that is not there is the only other failure.
  const statuses = objects.map((id) => {
    if (id === 0) return NdisStatus.SUCCESS;
    const object = objectOf(core, id);
    if (object === null) return NdisStatus.FAILURE;
    object.invalid = true;
    return NdisStatus.SUCCESS;
  });
  core.post({ kind: 'invalidateComplete', operation, statuses });
  for (const connection of connectionsOf(core, objects)) {
    if (connection.terminating || connection.aborted) continue;
    if (connection.stopped === 0) connection.stopped = TcpUploadReason.INVALID_STATE;
    raise(core, connection, TcpOffloadEventType.RETRIEVE, TcpUploadReason.INVALID_STATE);
  }
}

/** Corrupt hardware state (spec/algorithms.md 17, HWF-01…04). Here it is arranged, so that it can be tested. */
import { NdisStatus, TcpOffloadEventType, TcpUploadReason } from '../../ndis/index.ts';
import type { FaultyOperation, ObjectId } from '../messages.ts';
import type { ConnectionContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import { objectOf } from './initiate.ts';
import { raise } from './upload-request.ts';

/** Whether the operation that begins now finds the hardware's state corrupt; the fault is spent by asking. */
export function takeFault(core: NicCore, operation: FaultyOperation): boolean {
  return core.faults.delete(operation);
}

/** FAILURE for every object; placeholders always report success (TREE-11). */
export function failedStatuses(objects: readonly ObjectId[]): NdisStatus[] {
  return objects.map((id) => (id === 0 ? NdisStatus.SUCCESS : NdisStatus.FAILURE));
}

/** The connections that the named objects are, or that depend on them; each once. */
export function connectionsOf(core: NicCore, objects: readonly ObjectId[]): Set<ConnectionContext> {
  const connections = new Set<ConnectionContext>();
  for (const id of objects) {
    const object = objectOf(core, id);
    if (object === null) continue;
    if (object.layer === 'tcp') connections.add(object);
    else if (object.layer === 'path') for (const connection of object.connections) connections.add(connection);
    else for (const path of object.paths) for (const connection of path.connections) connections.add(connection);
  }
  return connections;
}

/**
 * The two events that follow the failed operation (HWF-02, HWF-03). Outstanding requests wait for the terminate that
 * the host now makes (HWF-04); the contexts stay until then.
 */
export function reportHardwareFailure(core: NicCore, objects: readonly ObjectId[]): void {
  for (const connection of connectionsOf(core, objects)) {
    connection.hardwareFailed = true;
    connection.terminating = false;
    connection.stopped = TcpUploadReason.HARDWARE_FAILURE;
    connection.delivery.freeze();
    raise(core, connection, TcpOffloadEventType.RETRIEVE, TcpUploadReason.HARDWARE_FAILURE);
    raise(core, connection, TcpOffloadEventType.ABORT, 0);
  }
}

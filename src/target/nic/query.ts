import { NdisStatus } from '../../ndis/index.ts';
import { exportDelegated } from '../../tcp/index.ts';
import type { ObjectId, ObjectState } from '../messages.ts';
import type { NicCore } from './core.ts';
import { failedStatuses, reportHardwareFailure, takeFault } from './hardware-failure.ts';
import { objectOf } from './initiate.ts';
import { elapsed } from './neighbor-reachability.ts';
import { sendBacklogSize } from './send-backlog.ts';

/** Answers with the current value of every variable of every named object (QRY-02, QRY-03). */
export function query(core: NicCore, operation: number, objects: readonly ObjectId[]): void {
  if (takeFault(core, 'query')) {
    const states = objects.map(() => null);
    core.post({ kind: 'queryComplete', operation, statuses: failedStatuses(objects), states });
    reportHardwareFailure(core, objects);
    return;
  }
  const states = objects.map((id) => (id === 0 ? null : stateOf(core, id)));
  const statuses = objects.map((id, index) =>
    id === 0 || states[index] !== null ? NdisStatus.SUCCESS : NdisStatus.FAILURE,
  );
  core.post({ kind: 'queryComplete', operation, statuses, states });
}

function stateOf(core: NicCore, id: ObjectId): ObjectState | null {
  const object = objectOf(core, id);
  if (object === null) return null;
  if (object.layer === 'neighbor') {
    return {
      kind: 'neighbor',
      dlSourceAddress: object.dlSourceAddress === null ? null : object.dlSourceAddress.bytes.slice(),
      vlanId: object.vlanId,
      dlDestinationAddress: object.destination.bytes.slice(),
      hostReachabilityDelta: elapsed(core.tcp.ticks, object.hostReachabilityTime),
      nicReachabilityDelta: elapsed(core.tcp.ticks, object.nicReachabilityTime), // NBR-15
    };
  }
  if (object.layer === 'path') {
    return {
      kind: 'path',
      sourceAddress: object.source.bytes.slice(),
      destinationAddress: object.destination.bytes.slice(),
      pathMtu: object.pathMtu,
    };
  }
  return {
    kind: 'tcp',
    constant: { ...object.cb.constant },
    cached: { ...object.cb.cached },
    delegated: exportDelegated(core.tcp, object.cb),
    sendBacklogSize: sendBacklogSize(object), // QRY-07
    receiveBacklogSize: object.delivery.backlog, // QRY-08
  };
}

/** Ending the offload of objects: state, send data and receive data go back to the host (spec/algorithms.md 11.2). */
import { NdisStatus } from '../../ndis/index.ts';
import { exportDelegated, exportExtension, quiesce, release } from '../../tcp/index.ts';
import { partsOfExtension } from '../extension.ts';
import type { ObjectId, SendCompletion, TerminatedState } from '../messages.ts';
import type { ConnectionContext, ObjectContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import { failedStatuses, reportHardwareFailure, takeFault } from './hardware-failure.ts';
import { objectOf } from './initiate.ts';
import { elapsed } from './neighbor-reachability.ts';
import type { QueuedSend } from './send-lists.ts';
import { completeDisconnect } from './upload-request.ts';

/** A terminate that waits until no indication or completion of its connections is in progress (TERM-09). */
interface OpenTerminate {
  readonly operation: number;
  readonly objects: readonly ObjectId[];
}

export class Terminations {
  private readonly core: NicCore;
  private open: OpenTerminate[] = [];
  /** Objects whose terminate found their state corrupt: the second one succeeds (spec/decisions.md 9). */
  private readonly failed = new Set<ObjectId>();

  constructor(core: NicCore) {
    this.core = core;
  }

  /** Steps 2 and 3: the connections stand still, owed ACKs leave (TERM-10). */
  begin(operation: number, objects: readonly ObjectId[]): void {
    const { core } = this;
    const isSecond = objects.filter((id) => this.failed.delete(id)).length > 0;
    if (!isSecond && takeFault(core, 'terminate')) {
      // HWF-01; the contexts stay for the second terminate.
      for (const id of objects) if (id !== 0) this.failed.add(id);
      const states = objects.map(() => null);
      core.post({ kind: 'terminateComplete', operation, statuses: failedStatuses(objects), states });
      reportHardwareFailure(core, objects);
      return;
    }
    for (const id of objects) {
      const connection = core.connections.get(id);
      if (connection === undefined) continue;
      connection.terminating = true;
      if (!connection.aborted && !connection.hardwareFailed) quiesce(core.tcp, connection.cb);
    }
    this.open.push({ operation, objects });
    this.proceed();
  }

  /** Finishes every open terminate whose connections are not busy any more. */
  proceed(): void {
    if (this.open.length === 0) return;
    const waiting = this.open;
    this.open = [];
    for (const terminate of waiting) {
      if (terminate.objects.some((id) => this.core.connections.get(id)?.delivery.busy === true))
        this.open.push(terminate);
      else finish(this.core, terminate);
    }
  }
}

/** Connections before their paths, paths before their neighbors, whatever the order in the tree. */
function finish(core: NicCore, { operation, objects }: OpenTerminate): void {
  const states: (TerminatedState | null)[] = objects.map(() => null);
  const held: Uint8Array[] = [];
  for (const layer of ['tcp', 'path', 'neighbor'] as const) {
    for (let index = 0; index < objects.length; index += 1) {
      const object = objectOf(core, objects[index]);
      if (object !== null && object.layer === layer) states[index] = terminateObject(core, object, held);
    }
  }
  const statuses = objects.map((id, index) =>
    id === 0 || states[index] !== null ? NdisStatus.SUCCESS : NdisStatus.FAILURE,
  );
  core.post({ kind: 'terminateComplete', operation, statuses, states });
  // URG-04, step 6 of spec/algorithms.md 10: the host has its state when it gets what was held.
  for (const frame of held) core.post({ kind: 'frameUp', frame, checksumValid: true });
}

function terminateObject(core: NicCore, object: ObjectContext, held: Uint8Array[]): TerminatedState {
  if (object.layer === 'tcp') return terminateConnection(core, object, held);
  if (object.layer === 'path') {
    core.paths.delete(object.id);
    object.neighbor.paths.delete(object);
    const source = object.source.toString();
    const users = (core.localAddresses.get(source) ?? 1) - 1;
    if (users === 0) core.localAddresses.delete(source);
    else core.localAddresses.set(source, users);
    return { kind: 'path' };
  }
  core.neighbors.delete(object.id);
  return { kind: 'neighbor', nicReachabilityDelta: elapsed(core.tcp.ticks, object.nicReachabilityTime) };
}

function terminateConnection(core: NicCore, connection: ConnectionContext, held: Uint8Array[]): TerminatedState {
  const { cb } = connection;
  const status = connection.hardwareFailed ? NdisStatus.REQUEST_ABORTED : NdisStatus.UPLOAD_IN_PROGRESS;
  const buffered = connection.delivery.finish(status); // TERM-22, RECV-29
  const handedBack = returnSends(core, connection, status);
  completeDisconnect(core, connection, status); // DISC-12
  const exported = exportExtension(core.tcp, cb);
  const { supportsExtension } = core.options;
  const delegated = exportDelegated(core.tcp, cb); // TERM-06, TERM-20
  core.transmitBytes -= cb.sendQueue.length;
  release(core.tcp, cb);
  core.flows.remove(connection);
  core.connections.delete(connection.id);
  connection.path.connections.delete(connection);
  for (const frame of connection.heldFrames ?? []) held.push(frame);
  return {
    kind: 'tcp',
    delegated,
    extension: supportsExtension ? exported : null,
    lost: supportsExtension ? [] : partsOfExtension(exported),
    handedBack: handedBack.map(({ id }) => id),
    acknowledged: handedBack.length > 0 ? handedBack[0].acknowledged : 0,
    buffered,
  };
}

/**
 * Completes some of the sends and returns those that are handed back with the state, oldest first: the chain begins at
 * SND.UNA (TERM-18, TERM-20). All complete when a disconnect follows, which may not complete before they do (DISC-10),
 * and when some came too late to be handed back (INIT-30), so that completions keep their order.
 */
function returnSends(core: NicCore, connection: ConnectionContext, status: NdisStatus): QueuedSend[] {
  const lists = connection.sends.takeAll().filter((list) => !list.isDisconnect);
  const mustComplete = connection.hardwareFailed || connection.disconnect !== null || lists.some((list) => list.isLate);
  const mode = mustComplete ? 'complete' : core.options.sendHandBack;
  const kept = mode === 'complete' ? 0 : mode === 'chain' ? lists.length : splitAt(connection, lists);
  const completions: SendCompletion[] = [
    ...connection.takeSendCompletions(),
    ...lists.slice(kept).map(({ id, acknowledged }) => ({ id, status, bytes: acknowledged })),
  ];
  if (completions.length > 0) core.post({ kind: 'sendComplete', connection: connection.id, completions });
  return lists.slice(0, kept);
}

/** How many lists a split hands back: half of them, and all that hold sent bytes, because SndMax lies in them (TERM-20). */
function splitAt({ cb }: ConnectionContext, lists: readonly QueuedSend[]): number {
  const { sndUna, sndMax } = cb.delegated;
  const least = Math.ceil(lists.length / 2);
  let sent = (sndMax - sndUna) | 0;
  let count = 0;
  while (count < lists.length && (count < least || sent > 0)) {
    sent -= lists[count].length - lists[count].acknowledged;
    count += 1;
  }
  return count;
}

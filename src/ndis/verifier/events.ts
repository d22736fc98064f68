/** EVT, NBR: TCP events and the neighbor event. */
import type { MiniportOffloadBlockList } from '../block-list.ts';
import { OffloadEvent, TcpOffloadEventType, TcpUploadReason } from '../events.ts';
import type { NdisOffloadHandle } from '../offload-handle.ts';
import { isComplete, OffloadLayer, OffloadStateType } from '../offload-state.ts';
import { NdisStatus } from '../status.ts';
import { describe, Life, type Model } from './model.ts';
import { indicatedConnection } from './receive.ts';
import { violate } from './verified-rules.ts';

/** A TCP event is about to be indicated. */
export function enterTcpEvent(
  model: Model,
  handle: NdisOffloadHandle,
  type: TcpOffloadEventType,
  information: number,
): void {
  const named = model.objectOf(handle);
  if (type === TcpOffloadEventType.RETRIEVE && named !== null && named.layer !== OffloadLayer.TCP) {
    violate('TERM-26', `a retrieve request names ${describe(named)}`);
  }
  const object = indicatedConnection(model, handle, 'a TCP event');
  if (object.life === Life.INITIATING) violate('INIT-10', `an event of ${describe(object)} during its initiate`);
  const connection = object.connection;
  switch (type) {
    case TcpOffloadEventType.DISCONNECT:
      if (connection.heldBytes > 0) {
        violate('EVT-01', `TcpIndicateDisconnect with ${connection.heldBytes} bytes not consumed`);
      }
      connection.peerClosed = true;
      break;
    case TcpOffloadEventType.ABORT:
      connection.aborted = true;
      break;
    case TcpOffloadEventType.RETRIEVE:
      if (!(information >= TcpUploadReason.LOW_ACTIVITY && information <= TcpUploadReason.HARDWARE_FAILURE)) {
        violate('EVT-06', `a retrieve request with reason ${information}`);
      }
      if (information === TcpUploadReason.HARDWARE_FAILURE) connection.hardwareFailed = true;
      break;
    case TcpOffloadEventType.SEND_BACKLOG_CHANGE:
      if (!Number.isInteger(information) || information < 0) {
        violate('EVT-06', `a send backlog change to ${information} bytes`);
      }
      break;
    default:
      violate('EVT-06', `a TCP event of unknown type ${type}`);
  }
  connection.inEvent++;
}

/** The event call has returned. */
export function leaveTcpEvent(model: Model, handle: NdisOffloadHandle): void {
  const object = model.objectOf(handle);
  if (object !== null) object.connection.inEvent--;
}

/** A generic event is about to be indicated. */
export function checkOffloadEvent(model: Model, block: MiniportOffloadBlockList | null, code: OffloadEvent): void {
  if (code !== OffloadEvent.NEIGHBOR_REACHABILITY_QUERY) {
    if (block !== null) violate('NBR-10', `offload event ${code} carries a block`);
    return;
  }
  if (
    block === null ||
    block.header.type !== OffloadStateType.NEIGHBOR ||
    block.nextBlock !== null ||
    block.dependentBlockList !== null ||
    block.status !== NdisStatus.SUCCESS
  ) {
    violate('NBR-09', 'a neighbor reachability query without one lone neighbor block with status success');
  }
  if (block.state === null || !isComplete(block.state)) {
    violate('NBR-08', 'a neighbor reachability query without the three structures of the neighbor');
  }
  const handle = block.ndisOffloadHandle;
  if (handle === null || model.objectOf(handle)?.layer !== OffloadLayer.NEIGHBOR) {
    violate('NBR-08', 'a neighbor reachability query without the stored handle of an offloaded neighbor');
  }
}

/** The host has answered: HostReachabilityDelta holds ticks (NBR-11). */
export function checkOffloadEventAnswer(block: MiniportOffloadBlockList | null, code: OffloadEvent): void {
  if (code !== OffloadEvent.NEIGHBOR_REACHABILITY_QUERY || block?.state?.kind !== 'neighbor') return;
  const delta = block.state.cached?.hostReachabilityDelta ?? -1;
  if (!Number.isInteger(delta) || delta < 0)
    violate('NBR-11', `the host answered with a reachability delta of ${delta}`);
}

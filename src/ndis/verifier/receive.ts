/** RECV: receive requests, receive indications, and lists that are returned. */
import { dataLengthOf, type NetBufferList } from '../net-buffer.ts';
import type { NdisOffloadHandle } from '../offload-handle.ts';
import { OffloadLayer } from '../offload-state.ts';
import { NdisStatus, statusName } from '../status.ts';
import { transferredWritten } from './data-requests.ts';
import { type BindingRecord, describe, type ListRecord, type Model, type ObjectRecord } from './model.ts';
import { violate } from './verified-rules.ts';

/** A list about to be posted (RECV-04, RECV-34). */
export function checkPost(list: NetBufferList): void {
  if (list.firstNetBuffer.next !== null) violate('RECV-04', 'a receive request has several buffers');
  if (!list.tcpReceiveNoPush && list.tcpReceiveBytesTransferred > 0) {
    violate('RECV-34', 'a push-mode receive request is partly filled already');
  }
}

/** Notes how posted requests relate to what was indicated before. */
export function notePosted(object: ObjectRecord, records: readonly ListRecord[]): void {
  const connection = object.connection;
  for (const record of records) {
    record.afterDisconnect = connection.peerClosed;
    if (connection.refused && record.length > 0) oweBeforeIndication(object, record);
  }
  connection.refused = false;
  connection.heldFromOffload = false;
}

/** The connections of a chain of receive completions; none is in the middle of something else (RECV-06, RECV-07). */
export function completingConnections(binding: BindingRecord, head: NetBufferList): ObjectRecord[] {
  const objects = new Set<ObjectRecord>();
  for (let list: NetBufferList | null = head; list !== null; list = list.next) {
    const record = binding.lists.get(list);
    if (record !== undefined) objects.add(record.object);
  }
  for (const object of objects) checkNotBusy(object, 'a receive completion');
  return [...objects];
}

/** The completion is passed on now. */
export function enterCompletion(binding: BindingRecord, objects: ObjectRecord[]): void {
  for (const object of objects) object.connection.inReceiveCompletion++;
  binding.completing.push(objects);
}

/** The completion call has returned. */
export function leaveCompletion(binding: BindingRecord): void {
  for (const object of binding.completing.pop() ?? []) object.connection.inReceiveCompletion--;
}

/** One completed receive request. */
export function checkReceiveCompleted(record: ListRecord): void {
  const list = record.list;
  const connection = record.object.connection;
  if (connection.receives[0] !== record)
    violate('RECV-02', 'a receive was completed before an earlier one of its connection');
  if (record.length === 0 && list.tcpOffloadBytesTransferred > 0) {
    violate('RECV-25', 'data was placed in a zero-length receive request');
  }
  if (!transferredWritten(record)) violate('RECV-31', 'a completed receive has no TcpOffloadBytesTransferred');
  const placed = list.tcpOffloadBytesTransferred;
  checkStatus(record, list.status, placed);
  const remaining = dataLengthOf(list);
  // Bytes that the host had placed may count as placed or not: the contract does not say.
  if (remaining !== record.length - placed && remaining !== record.length - placed - list.tcpReceiveBytesTransferred) {
    violate('RECV-31', 'the data start of a completed receive was not advanced by its bytes');
  }
  if (connection.endedShort && placed > 0) {
    violate('RECV-19', 'a non-push receive was completed before it was full, and more data followed');
  }
  const full = placed === record.length || placed + list.tcpReceiveBytesTransferred === record.length;
  if (list.tcpReceiveNoPush && list.status === NdisStatus.SUCCESS && !full) connection.endedShort = true;
  connection.heldBytes = Math.max(0, connection.heldBytes - placed);
  if (record.afterRefusal) connection.owedBeforeIndication--;
}

function checkStatus(record: ListRecord, status: NdisStatus, placed: number): void {
  const connection = record.object.connection;
  switch (status) {
    case NdisStatus.SUCCESS:
      if (record.afterDisconnect) violate('RECV-30', 'a receive posted after the disconnect indication succeeded');
      if (connection.aborted) violate('EVT-04', 'a receive succeeded after TcpIndicateAbort');
      break;
    case NdisStatus.INVALID_STATE:
      if (!record.afterDisconnect) violate('RECV-30', `${statusName(status)} without an earlier disconnect indication`);
      if (placed > 0) violate('RECV-30', 'data was placed in a receive posted after the disconnect indication');
      break;
    case NdisStatus.REQUEST_ABORTED:
    case NdisStatus.UPLOAD_IN_PROGRESS:
      break;
    default:
      violate('RECV-27', `${statusName(status)} is no result of a receive`);
  }
  if (connection.hardwareFailed && status !== NdisStatus.REQUEST_ABORTED) {
    violate('HWF-04', `a receive was completed with ${statusName(status)} after a hardware failure`);
  }
}

/** The object that an indication names: a connection (CTX-08, CTX-09). */
export function indicatedConnection(model: Model, handle: NdisOffloadHandle, what: string): ObjectRecord {
  const object = model.objectOf(handle);
  if (object === null) violate('CTX-08', `${what} names a handle of no offloaded object`);
  if (object.layer === OffloadLayer.PATH) violate('CTX-09', `${what} names a path`);
  if (object.layer !== OffloadLayer.TCP) violate('CTX-08', `${what} names a neighbor`);
  return object;
}

/** Data is about to be indicated. */
export function enterIndication(object: ObjectRecord, list: NetBufferList, status: NdisStatus): void {
  const connection = object.connection;
  if (!object.announced)
    violate('INIT-09', `data of ${describe(object)} was indicated before its initiate had completed`);
  if (status !== NdisStatus.SUCCESS) violate('RECV-35', `data was indicated with ${statusName(status)}`);
  if (list.next !== null || list.firstNetBuffer.next !== null) {
    violate('RECV-36', 'a receive indication has several lists or several buffers');
  }
  checkNotBusy(object, 'a receive indication');
  if (object.binding.indicated.has(list)) violate('RECV-37', 'an indicated list is with the host already');
  if (connection.refused && connection.heldFromOffload) {
    violate('RECV-44', 'data handed over with the offload was indicated before a receive was posted');
  }
  if (connection.refused) violate('RECV-24', 'refused data was indicated again before a receive was posted');
  if (connection.owedBeforeIndication > 0) {
    violate('RECV-24', 'data was indicated before the receives posted after a refusal were completed');
  }
  if (connection.abortRequested) violate('DISC-04', 'data was indicated after an abortive disconnect');
  if (connection.peerClosed) violate('EVT-01', 'data was indicated after TcpIndicateDisconnect');
  if (connection.endedShort) {
    violate('RECV-19', 'a non-push receive was completed before it was full, and more data followed');
  }
  connection.inIndication++;
  connection.indicatedLength = dataLengthOf(list);
  object.binding.indicated.add(list);
}

/** The host has answered an indication. */
export function leaveIndication(object: ObjectRecord, list: NetBufferList, status: NdisStatus, consumed: number): void {
  const connection = object.connection;
  const length = connection.indicatedLength;
  connection.inIndication--;
  if (status === NdisStatus.SUCCESS) {
    if (consumed !== length) violate('RECV-37', `${consumed} of ${length} indicated bytes were consumed with success`);
    connection.heldBytes = Math.max(0, connection.heldBytes - length);
    return;
  }
  if (!object.binding.indicated.delete(list)) violate('RECV-38', 'the host returned a list that it refused');
  if (status === NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED) {
    if (consumed !== 0) violate('RECV-38', `an indication was refused with ${consumed} bytes consumed`);
  } else if (status === NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED) {
    if (consumed <= 0 || consumed >= length) {
      violate('RECV-39', `an indication of ${length} bytes was partially accepted with ${consumed} bytes consumed`);
    }
  } else violate('RECV-37', `${statusName(status)} is no answer to a receive indication`);
  connection.heldBytes = Math.max(connection.heldBytes - consumed, length - consumed);
  // Requests that the host posted inside the indication count as posted after the refusal.
  connection.refused = connection.receives.length === 0;
  for (const record of connection.receives) {
    if (!record.afterRefusal && record.length > 0) oweBeforeIndication(object, record);
  }
}

/** Lists that the host gives back. */
export function checkReturn(binding: BindingRecord, head: NetBufferList): void {
  for (let list: NetBufferList | null = head; list !== null; list = list.next) {
    if (!binding.indicated.delete(list)) violate('RECV-38', 'a list was returned that the host does not own');
  }
}

function oweBeforeIndication(object: ObjectRecord, record: ListRecord): void {
  record.afterRefusal = true;
  object.connection.owedBeforeIndication++;
}

function checkNotBusy(object: ObjectRecord, what: string): void {
  const connection = object.connection;
  if (connection.inReceiveCompletion + connection.inIndication === 0) return;
  if (connection.inReceivePost > 0) {
    violate('RECV-07', `${what} inside a receive post that came during another completion or indication`);
  }
  violate('RECV-06', `${what} while another completion or indication of ${describe(object)} is in progress`);
}

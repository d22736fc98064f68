/** What all four data requests share: who may make them, who owns the lists, and that completions come later, in order. */
import { dataLengthOf, type NetBufferList } from '../net-buffer.ts';
import type { NdisOffloadHandle } from '../offload-handle.ts';
import { OffloadLayer } from '../offload-state.ts';
import { DataRequest, dataRequestName } from '../operations.ts';
import { NdisStatus, statusName } from '../status.ts';
import { type BindingRecord, describe, Life, ListRecord, type Model, type ObjectRecord } from './model.ts';
import { type VerifiedRule, violate } from './verified-rules.ts';

/** By request: the call returns PENDING and completes later; the target owns the list; FIFO; bytes and data start. */
const PENDING_RULES: readonly VerifiedRule[] = ['SEND-01', 'RECV-01', 'FWD-01', 'DISC-01'];
const OWNER_RULES: readonly VerifiedRule[] = ['SEND-04', 'RECV-02', 'FWD-07', 'DISC-15'];
const STATUS_RULES: readonly VerifiedRule[] = ['SEND-10', 'RECV-27', 'FWD-08', 'DISC-12'];

/** Marks TcpOffloadBytesTransferred as not written yet. */
const NOT_WRITTEN = -1;

/** The connection that a data request names; it must be offloaded and not about to be taken back. */
export function namedConnection(model: Model, request: DataRequest, handle: NdisOffloadHandle): ObjectRecord {
  const name = dataRequestName(request);
  const object = model.objectOf(handle);
  if (object === null || object.layer !== OffloadLayer.TCP) {
    violate('INIT-07', `a ${name} names a handle of no offloaded connection`);
  }
  if (object.life === Life.INITIATING) violate('INIT-07', `a ${name} before the initiate of the connection completed`);
  if (object.connection.uploading) {
    const rule = request === DataRequest.FORWARD ? 'FWD-05' : 'TERM-17';
    violate(rule, `a ${name} after the terminate of the connection was called`);
  }
  if (handle.miniportOffloadContext !== object.context) {
    violate('CTX-04', `the context value of ${describe(object)} has changed`);
  }
  return object;
}

/** Hands the lists of a request to the driver below. */
export function handDown(
  binding: BindingRecord,
  request: DataRequest,
  object: ObjectRecord,
  head: NetBufferList,
  flags: number,
): ListRecord[] {
  const queue = queueOf(object, request);
  const records: ListRecord[] = [];
  for (let list: NetBufferList | null = head; list !== null; list = list.next) {
    if (binding.lists.has(list)) {
      violate(
        OWNER_RULES[request] as VerifiedRule,
        `a list of a ${dataRequestName(request)} is owned by the target already`,
      );
    }
    const record = new ListRecord(list, request, object, dataLengthOf(list), flags);
    list.status = NdisStatus.PENDING;
    list.tcpOffloadBytesTransferred = NOT_WRITTEN;
    binding.lists.set(list, record);
    queue.push(record);
    records.push(record);
  }
  return records;
}

/** The entry point has returned. */
export function checkReturned(request: DataRequest, records: readonly ListRecord[], status: NdisStatus): void {
  for (const record of records) record.inCall = false;
  if (status !== NdisStatus.PENDING) {
    violate(PENDING_RULES[request] as VerifiedRule, `a ${dataRequestName(request)} returned ${statusName(status)}`);
  }
}

/** The record of a completed list: one that was handed down by such a request, the oldest of its connection. */
export function completedRecord(binding: BindingRecord, request: DataRequest, list: NetBufferList): ListRecord {
  const name = dataRequestName(request);
  const record = binding.lists.get(list);
  if (record === undefined || record.request !== request) {
    violate(OWNER_RULES[request] as VerifiedRule, `a ${name} completed a list that is no outstanding ${name}`);
  }
  if (record.inCall && !record.handedOver) {
    violate(PENDING_RULES[request] as VerifiedRule, `a ${name} was completed inside the call down`);
  }
  if (list.status === NdisStatus.PENDING) {
    violate(STATUS_RULES[request] as VerifiedRule, `a ${name} was completed without a status`);
  }
  return record;
}

/** The target no longer owns the list. */
export function release(binding: BindingRecord, record: ListRecord): void {
  binding.lists.delete(record.list);
  const queue = queueOf(record.object, record.request);
  if (queue[0] === record) queue.shift();
  else queue.splice(queue.indexOf(record), 1);
}

/** Whether TcpOffloadBytesTransferred was written at all. */
export function transferredWritten(record: ListRecord): boolean {
  const bytes = record.list.tcpOffloadBytesTransferred;
  return Number.isInteger(bytes) && bytes >= 0 && bytes <= record.length;
}

/** Whether the data start was moved by exactly the bytes transferred, first buffers first. */
export function advancedByTransferred(record: ListRecord): boolean {
  return dataLengthOf(record.list) === record.length - record.list.tcpOffloadBytesTransferred;
}

function queueOf(object: ObjectRecord, request: DataRequest): ListRecord[] {
  const connection = object.connection;
  if (request === DataRequest.SEND) return connection.sends;
  if (request === DataRequest.RECEIVE) return connection.receives;
  return request === DataRequest.FORWARD ? connection.forwards : connection.disconnects;
}

/** DISC and FWD: disconnects and forwarded segments. */
import { TcpDisconnectFlag } from '../events.ts';
import type { NetBufferList } from '../net-buffer.ts';
import { copyFromNetBuffer } from '../net-buffer-data.ts';
import { NdisStatus, statusName } from '../status.ts';
import { advancedByTransferred, transferredWritten } from './data-requests.ts';
import type { ListRecord, ObjectRecord } from './model.ts';
import { violate } from './verified-rules.ts';

const TCP_HEADER_LENGTH = 20;
const DATA_OFFSET_POSITION = 12;
const header = new Uint8Array(TCP_HEADER_LENGTH);

/** A disconnect is about to go down (DISC-02, DISC-13). */
export function checkDisconnect(object: ObjectRecord, list: NetBufferList, flags: number): void {
  if (list.next !== null || list.firstNetBuffer.next !== null)
    violate('DISC-02', 'a disconnect has several lists or buffers');
  const abortive = flags === TcpDisconnectFlag.ABORTIVE_CLOSE;
  if (!abortive && flags !== TcpDisconnectFlag.GRACEFUL_CLOSE) violate('DISC-02', `a disconnect has flags ${flags}`);
  if (abortive && list.firstNetBuffer.dataLength !== 0) violate('DISC-02', 'an abortive disconnect carries data');
  if (object.connection.failedDisconnect === flags) violate('DISC-13', 'a failed disconnect was issued again');
}

/** The entry point of an abortive disconnect has returned: the target has stopped receiving (DISC-04). */
export function noteDisconnect(object: ObjectRecord, flags: number): void {
  if (flags === TcpDisconnectFlag.ABORTIVE_CLOSE) object.connection.abortRequested = true;
}

/** A disconnect was completed, alone (DISC-15). */
export function checkDisconnectCompleted(record: ListRecord): void {
  const list = record.list;
  const connection = record.object.connection;
  const abortive = record.flags === TcpDisconnectFlag.ABORTIVE_CLOSE;
  if (list.next !== null) violate('DISC-15', 'a disconnect completion returned more than its own list');
  if (connection.sends.length > 0) {
    const rule = abortive ? 'DISC-05' : 'DISC-10';
    violate(rule, `a disconnect was completed before ${connection.sends.length} earlier sends`);
  }
  if (!transferredWritten(record)) violate('DISC-14', 'a completed disconnect has no TcpOffloadBytesTransferred');
  if (!advancedByTransferred(record))
    violate('DISC-14', 'the data start of a disconnect was not advanced by its bytes');
  const status = list.status;
  if (status === NdisStatus.SUCCESS) {
    if (list.tcpOffloadBytesTransferred !== record.length) {
      violate('DISC-11', 'a disconnect succeeded before all of its data was acknowledged');
    }
    if (connection.aborted && !abortive) violate('EVT-04', 'a disconnect succeeded after TcpIndicateAbort');
    return;
  }
  connection.failedDisconnect = record.flags;
  if (status === NdisStatus.UPLOAD_IN_PROGRESS || status === NdisStatus.REQUEST_ABORTED) return;
  violate(abortive ? 'DISC-06' : 'DISC-12', `${statusName(status)} is no result of a disconnect`);
}

/** One forwarded list holds one TCP segment without IP header (FWD-02). */
export function checkForward(list: NetBufferList): void {
  const buffer = list.firstNetBuffer;
  if (buffer.next !== null) violate('FWD-02', 'a forwarded list has several buffers');
  if (copyFromNetBuffer(buffer, 0, TCP_HEADER_LENGTH, header, 0) < TCP_HEADER_LENGTH) {
    violate('FWD-02', `a forwarded segment has ${buffer.dataLength} bytes, less than a TCP header`);
  }
  const headerLength = ((header[DATA_OFFSET_POSITION] ?? 0) >> 4) * 4;
  if (headerLength < TCP_HEADER_LENGTH || headerLength > buffer.dataLength) {
    violate('FWD-02', `a forwarded list does not begin with a TCP header: data offset ${headerLength} bytes`);
  }
}

/** Legal results of a forward: spec/decisions.md 14. */
export function checkForwardCompleted(record: ListRecord): void {
  const status = record.list.status;
  if (
    status !== NdisStatus.SUCCESS &&
    status !== NdisStatus.UPLOAD_IN_PROGRESS &&
    status !== NdisStatus.REQUEST_ABORTED
  ) {
    violate('FWD-08', `${statusName(status)} is no result of a forward`);
  }
}

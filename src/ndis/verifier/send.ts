/** SEND: completions of sends. */
import { NdisStatus, statusName } from '../status.ts';
import { advancedByTransferred, transferredWritten } from './data-requests.ts';
import type { ListRecord, ObjectRecord } from './model.ts';
import { violate } from './verified-rules.ts';

/** What one chain of completed sends has shown so far. */
export class SendChain {
  private partial = 0;
  private requestUpload = false;

  /** Checks the next list of the chain. */
  check(record: ListRecord): void {
    const list = record.list;
    const status = list.status;
    const connection = record.object.connection;
    // Of a connection that is being taken back the older sends may be handed back later, with the state (TERM-18).
    const isHandedBack = connection.uploading && status !== NdisStatus.SUCCESS;
    if (connection.sends[0] !== record && !isHandedBack)
      violate('SEND-02', 'a send was completed before an earlier one of its connection');
    if (!transferredWritten(record)) violate('SEND-13', 'a completed send has no TcpOffloadBytesTransferred');
    const transferred = list.tcpOffloadBytesTransferred;
    checkStatus(record.object, status);
    if (status === NdisStatus.SUCCESS && transferred !== record.length) {
      violate('SEND-08', `a send of ${record.length} bytes succeeded with ${transferred} bytes`);
    }
    if (!advancedByTransferred(record))
      violate('SEND-14', 'the data start of a completed send was not advanced by its bytes');
    if (transferred > 0 && transferred < record.length && ++this.partial > 1) {
      violate('SEND-12', 'two sends of one chain were completed partly sent');
    }
    if (status === NdisStatus.REQUEST_UPLOAD) this.requestUpload = true;
    else if (status === NdisStatus.UPLOAD_REQUESTED && !this.requestUpload) {
      violate('SEND-23', `${statusName(status)} without NDIS_STATUS_REQUEST_UPLOAD on the first list`);
    }
  }
}

function checkStatus(object: ObjectRecord, status: NdisStatus): void {
  const connection = object.connection;
  switch (status) {
    case NdisStatus.SUCCESS:
      if (connection.aborted) violate('EVT-04', 'a send succeeded after TcpIndicateAbort');
      break;
    case NdisStatus.UPLOAD_IN_PROGRESS:
    case NdisStatus.REQUEST_ABORTED:
    case NdisStatus.REQUEST_UPLOAD:
    case NdisStatus.UPLOAD_REQUESTED:
      break;
    case NdisStatus.PAUSED:
      violate('PAUSE-05', 'a send was completed with NDIS_STATUS_PAUSED');
      break;
    default:
      violate('SEND-10', `${statusName(status)} is no result of a send`);
  }
  if (connection.hardwareFailed && status !== NdisStatus.REQUEST_ABORTED) {
    violate('HWF-04', `a send was completed with ${statusName(status)} after a hardware failure`);
  }
}

import { Mdl, NetBuffer, NetBufferList } from './net-buffer.ts';
import { NdisStatus } from './status.ts';

const EMPTY = new Uint8Array(0);

/** Idle lists kept: what bursts of segments use. More were needed once, at most, and are left to the garbage collector. */
const MAXIMUM_IDLE = 1024;

/**
 * NDIS_HANDLE of a NET_BUFFER_LIST pool: lists with exactly one buffer and one descriptor each (REG-14), used again and
 * again. A miniport has one pool for chimney indications and one for ordinary ones (REG-13).
 */
export class NetBufferListPool {
  private readonly idle: NetBufferList[] = [];
  private outstandingLists = 0;

  /** Lists allocated and not freed yet. */
  get outstanding(): number {
    return this.outstandingLists;
  }

  /**
   * A list whose one buffer describes all of `bytes`, by reference; every other member as in a new list.
   *
   * @ddi NdisAllocateNetBufferAndNetBufferList
   */
  allocate(bytes: Uint8Array): NetBufferList {
    this.outstandingLists++;
    const list = this.idle.pop();
    if (list === undefined) {
      const created = new NetBufferList(new NetBuffer(new Mdl(bytes)));
      created.poolHandle = this;
      return created;
    }
    const buffer = list.firstNetBuffer;
    const mdl = buffer.mdlChain;
    mdl.bytes = bytes;
    buffer.currentMdl = mdl;
    buffer.currentMdlOffset = 0;
    buffer.dataLength = bytes.length;
    list.poolHandle = this;
    return list;
  }

  /**
   * Takes a list back, alone: its `next` is cut. References to the bytes are dropped at once.
   *
   * @throws Error when the list is not out of this pool, which includes freeing it twice.
   * @ddi NdisFreeNetBufferList
   */
  free(list: NetBufferList): void {
    if (list.poolHandle !== this)
      throw new Error('NET_BUFFER_LIST freed twice, or to a pool that it did not come from');
    this.outstandingLists--;
    const buffer = list.firstNetBuffer;
    const mdl = buffer.mdlChain;
    mdl.bytes = EMPTY;
    mdl.next = null;
    buffer.next = null;
    list.next = null;
    list.status = NdisStatus.SUCCESS;
    list.tcpOffloadBytesTransferred = 0;
    list.tcpReceiveNoPush = false;
    list.tcpReceiveBytesTransferred = 0;
    list.congestionExperienced = false;
    list.vlanId = 0;
    list.userPriority = 0;
    list.tcpLargeSendMss = 0;
    list.tcpChecksumSucceeded = false;
    list.hashValue = 0;
    list.protocolReserved = null;
    list.miniportReserved = null;
    list.context = null;
    list.sourceHandle = null;
    list.poolHandle = null;
    if (this.idle.length < MAXIMUM_IDLE) this.idle.push(list);
  }

  /** Frees every list of a chain. */
  freeChain(head: NetBufferList | null): void {
    let list = head;
    while (list !== null) {
      const next: NetBufferList | null = list.next;
      this.free(list);
      list = next;
    }
  }
}

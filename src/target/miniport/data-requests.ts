/**
 * Data requests and indications: lists go down as ids and views, and come back with their status, byte count and data
 * start (SEND-13, SEND-14, RECV-31, DISC-14).
 */
import {
  advanceNetBufferList,
  BytesConsumed,
  contiguousBytes,
  copyIntoNetBuffer,
  dataLengthOf,
  linkNetBufferLists,
  Mdl,
  type MiniportAdapter,
  NdisStatus,
  type NetBufferList,
  NetBufferListPool,
  netBufferListsOf,
  TcpDisconnectFlag,
  type TcpOffloadEventHandlers,
  viewsOfNetBuffer,
} from '../../ndis/index.ts';
import type {
  ForwardCompletion,
  ForwardedSegment,
  ReceiveCompletion,
  ReceiveRequest,
  SendCompletion,
  ToMiniport,
  ToNic,
} from '../messages.ts';
import { ListKind, type OffloadContext } from './offload-context.ts';
import { sendListsOf } from './state-messages.ts';

export class DataRequests {
  /** Lists of chimney indications; it has no other use (REG-13, REG-14). */
  readonly indicationPool = new NetBufferListPool();
  private readonly adapter: MiniportAdapter;
  private readonly handlers: TcpOffloadEventHandlers;
  private readonly post: (message: ToNic) => void;
  private readonly nextId: () => number;
  private readonly bytesConsumed = new BytesConsumed();

  constructor(
    adapter: MiniportAdapter,
    handlers: TcpOffloadEventHandlers,
    post: (message: ToNic) => void,
    nextId: () => number,
  ) {
    this.adapter = adapter;
    this.handlers = handlers;
    this.post = post;
    this.nextId = nextId;
  }

  send(context: OffloadContext, head: NetBufferList): NdisStatus {
    const lists = sendListsOf(head, this.nextId, context);
    this.post({ kind: 'send', connection: context.id, lists });
    return NdisStatus.PENDING;
  }

  receive(context: OffloadContext, head: NetBufferList): NdisStatus {
    const requests: ReceiveRequest[] = [];
    for (const list of netBufferListsOf(head)) {
      const id = this.nextId();
      context.hold(ListKind.RECEIVE, id, list);
      const length = dataLengthOf(list);
      const prefilled = Math.min(list.tcpReceiveBytesTransferred, length);
      requests.push({ id, length, prefilled, noPush: list.tcpReceiveNoPush });
    }
    this.post({ kind: 'postReceive', connection: context.id, requests });
    return NdisStatus.PENDING;
  }

  /** The segments are copied: delivered data refers to them for longer than the host lends its lists (FWD-07). */
  forward(context: OffloadContext, head: NetBufferList): NdisStatus {
    const segments: ForwardedSegment[] = [];
    for (const list of netBufferListsOf(head)) {
      const id = this.nextId();
      context.hold(ListKind.FORWARD, id, list);
      const { congestionExperienced } = list;
      segments.push({ id, bytes: contiguousBytes(list.firstNetBuffer).slice(), congestionExperienced });
    }
    this.post({ kind: 'forward', connection: context.id, segments });
    return NdisStatus.PENDING;
  }

  disconnect(context: OffloadContext, list: NetBufferList, flag: TcpDisconnectFlag): NdisStatus {
    const id = this.nextId();
    context.hold(ListKind.DISCONNECT, id, list);
    if (flag === TcpDisconnectFlag.ABORTIVE_CLOSE) context.abortRequested = true;
    this.post({ kind: 'disconnect', connection: context.id, id, flag, chunks: viewsOfNetBuffer(list.firstNetBuffer) });
    return NdisStatus.PENDING;
  }

  /** RECV-45, spec/decisions.md 13: cannot fail. */
  receiveReturn(head: NetBufferList): NdisStatus {
    this.indicationPool.freeChain(head);
    return NdisStatus.SUCCESS;
  }

  sendComplete(context: OffloadContext, completions: readonly SendCompletion[]): void {
    const lists: NetBufferList[] = [];
    for (const { id, status, bytes } of completions) finishList(context, id, status, bytes, lists);
    this.completeSends(lists);
  }

  disconnectComplete(context: OffloadContext, { id, status, bytes }: SendCompletion): void {
    const lists: NetBufferList[] = [];
    finishList(context, id, status, bytes, lists);
    for (const list of lists) this.handlers.tcpOffloadDisconnectComplete(this.adapter, list); // DISC-15
  }

  forwardComplete(context: OffloadContext, completions: readonly ForwardCompletion[]): void {
    const lists: NetBufferList[] = [];
    for (const { id, status } of completions) {
      const list = context.take(id);
      if (list === null) continue;
      list.status = status;
      lists.push(list);
    }
    const head = linkNetBufferLists(lists);
    if (head !== null) this.handlers.tcpOffloadForwardComplete(this.adapter, head);
  }

  /** Puts received data into the host's buffers, as the hardware would, completes, and says when that is over. */
  receiveComplete(context: OffloadContext, completions: readonly ReceiveCompletion[]): void {
    const lists: NetBufferList[] = [];
    for (const { id, status, chunks } of completions) {
      const list = context.find(id);
      if (list === null) continue;
      let bytes = Math.min(list.tcpReceiveBytesTransferred, dataLengthOf(list));
      // A request without a byte of ours reports none (RECV-30).
      if (chunks.length === 0 && status === NdisStatus.INVALID_STATE) bytes = 0;
      for (const chunk of chunks) bytes += copyIntoNetBuffer(list.firstNetBuffer, bytes, chunk, 0, chunk.length);
      finishList(context, id, status, bytes, lists);
    }
    const head = linkNetBufferLists(lists);
    if (head !== null) this.handlers.tcpOffloadReceiveComplete(this.adapter, head);
    this.post({ kind: 'receiveCompleted', connection: context.id });
  }

  /** Indicates data in one list with one buffer (RECV-35, RECV-36) and passes the host's answer on. */
  receiveIndicate(context: OffloadContext, { chunks }: Extract<ToMiniport, { kind: 'receiveIndicate' }>): void {
    let status: NdisStatus = NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED;
    const { bytesConsumed } = this;
    bytesConsumed.value = 0;
    const list = context.abortRequested ? null : this.listOf(chunks);
    if (list !== null) {
      status = this.handlers.tcpOffloadReceiveHandler(context.handle, list, NdisStatus.SUCCESS, bytesConsumed);
      // RECV-38, RECV-39: the list is ours again at once.
      if (status !== NdisStatus.SUCCESS) this.indicationPool.free(list);
    }
    this.post({
      kind: 'receiveIndicated',
      connection: context.id,
      status,
      bytesConsumed: bytesConsumed.value,
    });
  }

  /** Undelivered data as lists that the host gives back by receive-return (TERM-23, TERM-24); null when there is none. */
  bufferedDataOf(chunks: readonly Uint8Array[]): NetBufferList | null {
    return this.listOf(chunks);
  }

  /**
   * Completes what is still open when a connection has left the NIC: it came after the NIC had answered.
   *
   * @param acknowledged bytes of the first send that were acknowledged
   */
  completeLeft(context: OffloadContext, acknowledged: number): void {
    const status = NdisStatus.UPLOAD_IN_PROGRESS;
    const sends: NetBufferList[] = [];
    let bytes = acknowledged;
    for (const id of context.idsOf(ListKind.SEND)) {
      finishList(context, id, status, bytes, sends);
      bytes = 0;
    }
    this.completeSends(sends);
    const receives: NetBufferList[] = [];
    for (const id of context.idsOf(ListKind.RECEIVE)) {
      const list = context.find(id);
      const prefilled = list === null ? 0 : Math.min(list.tcpReceiveBytesTransferred, dataLengthOf(list));
      finishList(context, id, status, prefilled, receives);
    }
    const head = linkNetBufferLists(receives);
    if (head !== null) this.handlers.tcpOffloadReceiveComplete(this.adapter, head);
    this.forwardComplete(
      context,
      context.idsOf(ListKind.FORWARD).map((id) => ({ id, status })),
    );
    for (const id of context.idsOf(ListKind.DISCONNECT)) this.disconnectComplete(context, { id, status, bytes: 0 });
  }

  private completeSends(lists: readonly NetBufferList[]): void {
    const head = linkNetBufferLists(lists);
    if (head !== null) this.handlers.tcpOffloadSendComplete(this.adapter, head);
  }

  /** One list whose buffer chains a descriptor per chunk. */
  private listOf(chunks: readonly Uint8Array[]): NetBufferList | null {
    if (chunks.length === 0) return null;
    const list = this.indicationPool.allocate(chunks[0]);
    const buffer = list.firstNetBuffer;
    let last = buffer.mdlChain;
    for (let index = 1; index < chunks.length; index += 1) {
      const mdl = new Mdl(chunks[index]);
      last.next = mdl;
      last = mdl;
      buffer.dataLength += chunks[index].length;
    }
    return list;
  }
}

/** Takes a pending list out and writes its result. */
function finishList(
  context: OffloadContext,
  id: number,
  status: NdisStatus,
  bytes: number,
  into: NetBufferList[],
): void {
  const list = context.take(id);
  if (list === null) return;
  list.next = null;
  list.status = status;
  list.tcpOffloadBytesTransferred = bytes;
  advanceNetBufferList(list, bytes);
  into.push(list);
}

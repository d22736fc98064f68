/**
 * NET_BUFFER_LIST, NET_BUFFER and MDL: how bytes travel through the contract by reference. A list (NBL) is one request
 * or indication; it has one or more buffers (NB); each describes `dataLength` used bytes in a chain of memory
 * descriptors (MDL), beginning `currentMdlOffset` bytes into `currentMdl`.
 *
 * Whoever receives a list by a call owns it, its buffers and the memory behind them until it completes or returns them.
 */
import type { NdisBinding } from './binding.ts';
import { NdisStatus } from './status.ts';

/** MDL: one piece of memory. The view is not copied. */
export class Mdl {
  next: Mdl | null = null;
  bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** NET_BUFFER: one run of used bytes over a chain of descriptors. */
export class NetBuffer {
  next: NetBuffer | null = null;
  /** The first descriptor of the chain, used or not. */
  mdlChain: Mdl;
  /** The descriptor in which the used bytes begin. */
  currentMdl: Mdl;
  /** Where in `currentMdl` the used bytes begin, bytes. */
  currentMdlOffset: number;
  /** Number of used bytes, over as many descriptors as it takes. */
  dataLength: number;

  /** Describes `dataLength` bytes from the start of the chain; by default all of the first descriptor. */
  constructor(mdlChain: Mdl, dataLength: number = mdlChain.bytes.length) {
    this.mdlChain = mdlChain;
    this.currentMdl = mdlChain;
    this.currentMdlOffset = 0;
    this.dataLength = dataLength;
  }
}

/** NET_BUFFER_LIST with the out-of-band slots that Chimney uses. */
export class NetBufferList {
  next: NetBufferList | null = null;
  firstNetBuffer: NetBuffer;
  /** Result; written by the driver below before it completes the list. */
  status: NdisStatus = NdisStatus.SUCCESS;
  /** TcpOffloadBytesTransferred: bytes moved by a completed send, receive or disconnect (SEND-13, RECV-31, DISC-14). */
  tcpOffloadBytesTransferred = 0;
  /** TcpReceiveNoPush: a posted request that completes only when it is full (RECV-33). */
  tcpReceiveNoPush = false;
  /** TcpReceiveBytesTransferred: bytes that the host has already placed in a posted non-push request (RECV-34). */
  tcpReceiveBytesTransferred = 0;
  /**
   * Ours, beyond the contract: the datagram around a forwarded segment was marked "congestion experienced" (RFC 3168
   * section 5), which the segment itself does not say (spec/decisions.md 37).
   */
  congestionExperienced = false;
  /** Ieee8021QNetBufferListInfo: VLAN of a frame on the ordinary path, 0 none. */
  vlanId = 0;
  /** Ieee8021QNetBufferListInfo: 802.1p priority of a frame on the ordinary path. */
  userPriority = 0;
  /**
   * TcpLargeSendNetBufferListInfo: the adapter completes the TCP checksum of this frame, whose field holds the partial sum
   * of the pseudo header, and cuts its text into segments of at most so many bytes; 0 for a frame that is complete. Only for
   * an adapter with `taskOffload`.
   */
  tcpLargeSendMss = 0;
  /** TcpIpChecksumNetBufferListInfo of a received frame: its TCP checksum needs no verification, and may be unfinished. */
  tcpChecksumSucceeded = false;
  /** NetBufferListHashValue: RSS hash of a frame on the ordinary path. */
  hashValue = 0;
  /** For the protocol driver that created the list; others leave it alone. */
  protocolReserved: unknown = null;
  /** For the miniport while it owns the list, for instance its place in a queue (SEND-03). */
  miniportReserved: unknown = null;
  /** The creator's context area. */
  context: unknown = null;
  /**
   * The binding that sent the list on the ordinary path; NDIS writes it. A driver that passes on a list of another one
   * puts the value back before it completes the list upward, when its adapter has several bindings.
   */
  sourceHandle: NdisBinding | null = null;
  /** Set by the pool that the list came from. */
  poolHandle: object | null = null;

  constructor(firstNetBuffer: NetBuffer) {
    this.firstNetBuffer = firstNetBuffer;
  }
}

/** A list with one buffer over the given memory, all of it used. An array becomes one chain of descriptors. */
export function netBufferListOf(bytes: Uint8Array | readonly Uint8Array[]): NetBufferList {
  if (bytes instanceof Uint8Array) return new NetBufferList(new NetBuffer(new Mdl(bytes)));
  const first = new Mdl(bytes[0] ?? new Uint8Array(0));
  let last = first;
  let length = first.bytes.length;
  for (let i = 1; i < bytes.length; i++) {
    const mdl = new Mdl(bytes[i] as Uint8Array);
    last.next = mdl;
    last = mdl;
    length += mdl.bytes.length;
  }
  return new NetBufferList(new NetBuffer(first, length));
}

/** Links lists into one chain in the given order and returns its head; null when there are none. */
export function linkNetBufferLists(lists: readonly NetBufferList[]): NetBufferList | null {
  for (let i = 0; i < lists.length; i++) (lists[i] as NetBufferList).next = lists[i + 1] ?? null;
  return lists[0] ?? null;
}

/** The lists of a chain, in order. */
export function* netBufferListsOf(head: NetBufferList | null): Generator<NetBufferList> {
  let list = head;
  while (list !== null) {
    // Read first: the caller may relink or complete the list that it was given.
    const next: NetBufferList | null = list.next;
    yield list;
    list = next;
  }
}

/** The last list of a chain. */
export function lastNetBufferList(head: NetBufferList): NetBufferList {
  let list = head;
  while (list.next !== null) list = list.next;
  return list;
}

/** How many lists a chain has. */
export function countNetBufferLists(head: NetBufferList | null): number {
  let count = 0;
  for (let list = head; list !== null; list = list.next) count++;
  return count;
}

/** Used bytes of one list, over all its buffers. */
export function dataLengthOf(list: NetBufferList): number {
  let length = 0;
  for (let buffer: NetBuffer | null = list.firstNetBuffer; buffer !== null; buffer = buffer.next) {
    length += buffer.dataLength;
  }
  return length;
}

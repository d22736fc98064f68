/**
 * What host and target have in flight between them for one offloaded connection: sends, one disconnect, posted
 * receives, forwarded segments, lists to give back. Lives from the initiate to the end of the terminate.
 */

import type { TcpUploadReason } from '../../ndis/events.ts';
import type { NetBufferList } from '../../ndis/net-buffer.ts';
import type { ExtensionPart } from '../../tcp/variables.ts';
import type { Connection } from '../connection.ts';

/** One send list, or the list of a graceful disconnect, from posting to completion. */
export class SendRequest {
  readonly connection: Connection;
  readonly io: OffloadedIo;
  readonly list: NetBufferList;
  readonly bytes: Uint8Array;
  /** Bytes at the end of `bytes` that the peer has not acknowledged: all of them until the list comes back. */
  remaining: number;
  /** The list is the host's again. */
  completed = false;

  constructor(connection: Connection, io: OffloadedIo, list: NetBufferList, bytes: Uint8Array) {
    this.connection = connection;
    this.io = io;
    this.list = list;
    this.bytes = bytes;
    this.remaining = bytes.length;
  }
}

/** One posted receive request; `bytes` is empty for the form that only allows indications again (RECV-25). */
export class ReceiveRequest {
  readonly connection: Connection;
  readonly io: OffloadedIo;
  readonly bytes: Uint8Array;

  constructor(connection: Connection, io: OffloadedIo, bytes: Uint8Array) {
    this.connection = connection;
    this.io = io;
    this.bytes = bytes;
  }
}

/** One forwarded segment. */
export class ForwardRequest {
  readonly connection: Connection;
  readonly io: OffloadedIo;
  readonly segment: Uint8Array;

  constructor(connection: Connection, io: OffloadedIo, segment: Uint8Array) {
    this.connection = connection;
    this.io = io;
    this.segment = segment;
  }
}

/** How far an abortive or graceful disconnect has got. */
export const DisconnectPhase = { NONE: 0, POSTED: 1, DONE: 2 } as const;
export type DisconnectPhase = (typeof DisconnectPhase)[keyof typeof DisconnectPhase];

/** Shared by all connections that have none, and never changed. */
const NO_REQUESTS: SendRequest[] = [];
const NOTHING_LOST: readonly ExtensionPart[] = [];

export class OffloadedIo {
  /** Sends in the order of their bytes, the graceful disconnect last; those at the front are not all completed. */
  private requests = NO_REQUESTS;
  private head = 0;
  /** Bytes of outstanding sends. */
  outstandingBytes = 0;
  /** Bytes that the target wants outstanding at most (SendBacklogChange, EVT-10). */
  sendBacklogBytes: number;

  graceful: DisconnectPhase = DisconnectPhase.NONE;
  abortive: DisconnectPhase = DisconnectPhase.NONE;

  /** Received bytes that we know the target holds for us: handed over at the offload, or refused. */
  refusedBytes = 0;
  /** The target holds data and waits for a request (RECV-24); one must be posted as soon as there is room. */
  waitsForPost = false;
  /** The peer's FIN came before data that was handed over unread: the target reports it behind that data (EVT-01). */
  endAwaited = false;
  receivePosted: ReceiveRequest | null = null;

  /** Segments to forward, and those that came back unprocessed, in order of arrival; null when there are none. */
  toForward: Uint8Array[] | null = null;
  returnedForwards: Uint8Array[] | null = null;
  forwardsOutstanding = 0;

  /** Chain of lists to give back with the next receive-return; the last one is at its front. */
  toReturn: NetBufferList | null = null;

  /** The target will not process the connection any more: nothing is posted, the upload follows (EVT-07, TERM-16). */
  givenUp = false;
  /** Reason of the target's mandatory upload request; null when there was none. */
  retrieveReason: TcpUploadReason | null = null;
  /** TcpIndicateAbort: the connection was reset, or lost with its hardware. */
  aborted = false;
  /** Parts of the state extension that were lost on the way down. */
  lost: readonly ExtensionPart[] = NOTHING_LOST;

  constructor(sendBacklogBytes: number) {
    this.sendBacklogBytes = sendBacklogBytes;
  }

  /** Adds a request behind all others. */
  add(request: SendRequest): void {
    if (this.sendsDone) this.requests = [request];
    else this.requests.push(request);
    this.outstandingBytes += request.bytes.length;
  }

  /** Adds a segment to those that are to be forwarded. */
  addForward(segment: Uint8Array): void {
    if (this.toForward === null) this.toForward = [segment];
    else this.toForward.push(segment);
  }

  /** Adds a segment that came back unprocessed. */
  addReturnedForward(segment: Uint8Array): void {
    if (this.returnedForwards === null) this.returnedForwards = [segment];
    else this.returnedForwards.push(segment);
  }

  /** Marks a request as completed with `remaining` bytes left, and forgets finished requests at the front. */
  complete(request: SendRequest, remaining: number): void {
    request.completed = true;
    request.remaining = remaining;
    this.outstandingBytes -= request.bytes.length;
    while (this.head < this.requests.length) {
      const first = this.requests[this.head];
      if (!first.completed || first.remaining > 0) break;
      this.head++;
    }
    if (this.sendsDone) {
      this.requests = NO_REQUESTS;
      this.head = 0;
    } else if (this.head >= 64) {
      this.requests = this.requests.slice(this.head);
      this.head = 0;
    }
  }

  /** Requests with bytes or lists that are not done with, in the order of their bytes. */
  unfinished(): SendRequest[] {
    return this.requests.slice(this.head).filter((request) => !request.completed || request.remaining > 0);
  }

  /** Sends that the target has, or has given back. */
  get pieces(): number {
    return this.requests.length - this.head;
  }

  /** No send and no graceful disconnect is outstanding. */
  get sendsDone(): boolean {
    return this.head === this.requests.length;
  }
}

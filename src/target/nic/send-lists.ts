import { NdisStatus } from '../../ndis/index.ts';
import type { SendCompletion } from '../messages.ts';

/** One request whose bytes lie in the send queue. */
export interface QueuedSend {
  readonly id: number;
  /** Bytes of the request. */
  readonly length: number;
  /** Bytes of it that were acknowledged. */
  acknowledged: number;
  /** A graceful disconnect: completed with its FIN, not with its last byte (DISC-11). */
  readonly isDisconnect: boolean;
  /** Came too late to be sent: not in the send queue, completed without success at the terminate (INIT-30, PAUSE-05). */
  readonly isLate: boolean;
}

/**
 * Where the requests end in a connection's send queue, oldest first: acknowledged bytes turn into completions in the
 * order posted (SEND-02, SEND-08).
 */
export class SendLists {
  private lists: QueuedSend[] = [];
  private head = 0;

  /** Requests that are not completed. */
  get size(): number {
    return this.lists.length - this.head;
  }

  /** Requests that came too late wait here; they are always the newest. */
  get hasLate(): boolean {
    return this.size > 0 && this.lists[this.lists.length - 1].isLate;
  }

  /** Adds a request behind all others. */
  append(id: number, length: number, isDisconnect: boolean, isLate: boolean): QueuedSend {
    const queued = { id, length, acknowledged: 0, isDisconnect, isLate };
    this.lists.push(queued);
    return queued;
  }

  /**
   * Accounts for `bytes` more acknowledged bytes and adds every send that is finished by them to `completions`
   * (SEND-08, SEND-13). An empty request is finished when all before it are.
   */
  acknowledge(bytes: number, completions: SendCompletion[]): void {
    let left = bytes;
    while (this.head < this.lists.length) {
      const list = this.lists[this.head];
      const taken = Math.min(left, list.length - list.acknowledged);
      list.acknowledged += taken;
      left -= taken;
      if (list.acknowledged < list.length || list.isDisconnect || list.isLate) break;
      completions.push({ id: list.id, status: NdisStatus.SUCCESS, bytes: list.length });
      this.head += 1;
    }
    this.compact();
  }

  /** Takes all requests out, oldest first. */
  takeAll(): QueuedSend[] {
    const rest = this.lists.slice(this.head);
    this.lists = [];
    this.head = 0;
    return rest;
  }

  private compact(): void {
    if (this.head === this.lists.length) {
      this.lists.length = 0;
      this.head = 0;
    } else if (this.head > 256 && this.head * 2 > this.lists.length) {
      this.lists = this.lists.slice(this.head);
      this.head = 0;
    }
  }
}

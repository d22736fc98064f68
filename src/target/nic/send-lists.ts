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
  /** Null while there are none. */
  private lists: QueuedSend[] | null = null;
  private head = 0;

  /** Requests that are not completed. */
  get size(): number {
    return this.lists === null ? 0 : this.lists.length - this.head;
  }

  /** Requests that came too late wait here; they are always the newest. */
  get hasLate(): boolean {
    return this.lists?.[this.lists.length - 1].isLate ?? false;
  }

  /** Adds a request behind all others. */
  append(id: number, length: number, isDisconnect: boolean, isLate: boolean): QueuedSend {
    const queued = { id, length, acknowledged: 0, isDisconnect, isLate };
    if (this.lists === null) this.lists = [queued];
    else this.lists.push(queued);
    return queued;
  }

  /**
   * Accounts for `bytes` more acknowledged bytes. Answers `completions` with every send that is finished by them added
   * to it (SEND-08, SEND-13); null when that is none. An empty request is finished when all before it are.
   */
  acknowledge(bytes: number, completions: SendCompletion[] | null): SendCompletion[] | null {
    const { lists } = this;
    if (lists === null) return completions;
    let left = bytes;
    let finished = completions;
    while (this.head < lists.length) {
      const list = lists[this.head];
      const taken = Math.min(left, list.length - list.acknowledged);
      list.acknowledged += taken;
      left -= taken;
      if (list.acknowledged < list.length || list.isDisconnect || list.isLate) break;
      finished ??= [];
      finished.push({ id: list.id, status: NdisStatus.SUCCESS, bytes: list.length });
      this.head += 1;
    }
    this.compact(lists);
    return finished;
  }

  /** Takes all requests out, oldest first. */
  takeAll(): QueuedSend[] {
    const rest = this.lists?.slice(this.head) ?? [];
    this.lists = null;
    this.head = 0;
    return rest;
  }

  private compact(lists: readonly QueuedSend[]): void {
    if (this.head === lists.length) {
      this.lists = null;
      this.head = 0;
    } else if (this.head > 256 && this.head * 2 > lists.length) {
      this.lists = lists.slice(this.head);
      this.head = 0;
    }
  }
}

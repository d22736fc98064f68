/**
 * The way between the two halves of the target. Each direction keeps the order of its messages; a message never arrives
 * within the call that posts it.
 */
import type { ToMiniport, ToNic } from './messages.ts';

/** One end: what it posts the other end receives, later. */
export interface Channel<Out, In> {
  post(message: Out): void;
  /** Set by the half that holds this end, before anything is delivered. */
  onMessage: (message: In) => void;
}

/** Both ends with what lies between them. A carrier with delays of its own implements this as well. */
export interface ChannelPair {
  readonly miniport: Channel<ToNic, ToMiniport>;
  readonly nic: Channel<ToMiniport, ToNic>;
  /** Delivers what is due at a time of the adapter's clock, microseconds. Messages posted meanwhile may wait for the next call. */
  advance(nowMicroseconds: number): void;
  /** When the next message is due, microseconds; in the past when one waits; Infinity when none does. */
  nextDeadline(): number;
  /** Called when a message was posted, so that the owner comes back to `advance`. */
  onWork: (() => void) | null;
}

/** First in, first out; the storage is reused. */
class MessageQueue<Message> {
  private messages: (Message | null)[] = [];
  private head = 0;

  get length(): number {
    return this.messages.length - this.head;
  }

  push(message: Message): void {
    this.messages.push(message);
  }

  /** The oldest message; null when there is none. */
  shift(): Message | null {
    if (this.head === this.messages.length) return null;
    const message = this.messages[this.head];
    this.messages[this.head] = null;
    this.head += 1;
    if (this.head === this.messages.length) {
      this.messages.length = 0;
      this.head = 0;
    } else if (this.head > 1024 && this.head * 2 > this.messages.length) {
      this.messages = this.messages.slice(this.head);
      this.head = 0;
    }
    return message;
  }
}

function unset(): never {
  throw new Error('a message arrived at an end of the channel that nobody has taken');
}

/** A channel within one thread: queues that `advance` empties, no copies. */
export class InProcessChannel implements ChannelPair {
  readonly miniport: Channel<ToNic, ToMiniport>;
  readonly nic: Channel<ToMiniport, ToNic>;
  onWork: (() => void) | null = null;
  private readonly down = new MessageQueue<ToNic>();
  private readonly up = new MessageQueue<ToMiniport>();

  constructor() {
    this.miniport = {
      post: (message) => {
        this.down.push(message);
        this.onWork?.();
      },
      onMessage: unset,
    };
    this.nic = {
      post: (message) => {
        this.up.push(message);
        this.onWork?.();
      },
      onMessage: unset,
    };
  }

  /** Delivers as many messages as wait at the moment of the call, downward ones first. */
  advance(_nowMicroseconds: number): void {
    for (let waiting = this.down.length; waiting > 0; waiting -= 1) {
      const message = this.down.shift();
      if (message !== null) this.nic.onMessage(message);
    }
    for (let waiting = this.up.length; waiting > 0; waiting -= 1) {
      const message = this.up.shift();
      if (message !== null) this.miniport.onMessage(message);
    }
  }

  nextDeadline(): number {
    return this.down.length > 0 || this.up.length > 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
}

/** A channel between the halves of a target that takes its time, so that moves overlap with everything else. */
import type { ChannelPair } from '../../src/target/channel.ts';

type Pair = ChannelPair;
type Down = Parameters<Pair['miniport']['post']>[0];
type Up = Parameters<Pair['nic']['post']>[0];

/** One direction: first in, first out, each message delayed. */
class Lane<Message> {
  private readonly messages: { readonly due: number; readonly message: Message }[] = [];
  private last = 0;

  push(message: Message, due: number): void {
    this.last = Math.max(this.last, due);
    this.messages.push({ due: this.last, message });
  }

  next(): number {
    return this.messages[0]?.due ?? Number.POSITIVE_INFINITY;
  }

  shift(): Message | undefined {
    return this.messages.shift()?.message;
  }
}

export class SlowChannel implements ChannelPair {
  readonly miniport: Pair['miniport'];
  readonly nic: Pair['nic'];
  onWork: (() => void) | null = null;
  private readonly down = new Lane<Down>();
  private readonly up = new Lane<Up>();

  /** @param now the adapter's clock. @param delay microseconds for one message. */
  constructor(now: () => number, delay: () => number) {
    const unset = (): never => {
      throw new Error('nobody has taken this end');
    };
    this.miniport = {
      post: (message) => {
        this.down.push(message, now() + delay());
        this.onWork?.();
      },
      onMessage: unset,
    };
    this.nic = {
      post: (message) => {
        this.up.push(message, now() + delay());
        this.onWork?.();
      },
      onMessage: unset,
    };
  }

  advance(nowMicroseconds: number): void {
    while (this.down.next() <= nowMicroseconds) {
      const message = this.down.shift();
      if (message !== undefined) this.nic.onMessage(message);
    }
    while (this.up.next() <= nowMicroseconds) {
      const message = this.up.shift();
      if (message !== undefined) this.miniport.onMessage(message);
    }
  }

  nextDeadline(): number {
    return Math.min(this.down.next(), this.up.next());
  }
}

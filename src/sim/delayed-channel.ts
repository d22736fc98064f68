/** The way between the halves of a target, with delays: so that every interleaving of the two happens. */
import type { Random } from '../link/index.ts';
import type { Channel, ChannelPair } from '../target/channel.ts';
import type { ToMiniport, ToNic } from '../target/messages.ts';

/** Delays of one direction, microseconds. */
export interface ChannelDelay {
  readonly minimum: number;
  readonly maximum: number;
  /** How many messages in a thousand are held up for as long as `stall`. */
  readonly stallsPerMille: number;
  readonly stall: number;
}

interface Waiting<Message> {
  readonly due: number;
  readonly message: Message;
}

/** First in, first out, each message delayed on its own. */
class DelayedQueue<Message> {
  receive: (message: Message) => void = unset;
  private readonly waiting: Waiting<Message>[] = [];
  private readonly random: Random;
  private readonly delay: ChannelDelay;
  private lastDue = 0;

  constructor(random: Random, delay: ChannelDelay) {
    this.random = random;
    this.delay = delay;
  }

  get length(): number {
    return this.waiting.length;
  }

  post(message: Message, now: number): void {
    const { minimum, maximum, stallsPerMille, stall } = this.delay;
    let delay = minimum + this.random.below(maximum - minimum + 1);
    if (this.random.chance(stallsPerMille / 1000)) delay += this.random.below(stall + 1);
    this.lastDue = Math.max(this.lastDue, now + delay);
    this.waiting.push({ due: this.lastDue, message });
  }

  next(): number {
    return this.waiting.length === 0 ? Number.POSITIVE_INFINITY : this.waiting[0].due;
  }

  /** Delivers what is due of the messages that wait at the moment of the call. */
  advance(now: number): void {
    let due = 0;
    while (due < this.waiting.length && this.waiting[due].due <= now) due += 1;
    for (const { message } of this.waiting.splice(0, due)) this.receive(message);
  }
}

function unset(): never {
  throw new Error('a message arrived at an end of the channel that nobody has taken');
}

/** A channel whose messages take a random time. Times are those of the clock that `now` reads. */
export class DelayedChannel implements ChannelPair {
  readonly miniport: Channel<ToNic, ToMiniport>;
  readonly nic: Channel<ToMiniport, ToNic>;
  onWork: (() => void) | null = null;
  private readonly down: DelayedQueue<ToNic>;
  private readonly up: DelayedQueue<ToMiniport>;

  /** @param now the adapter's clock, microseconds */
  constructor(random: Random, now: () => number, down: ChannelDelay, up: ChannelDelay) {
    const downward = new DelayedQueue<ToNic>(random.fork(), down);
    const upward = new DelayedQueue<ToMiniport>(random.fork(), up);
    this.down = downward;
    this.up = upward;
    this.miniport = {
      post: (message) => {
        downward.post(message, now());
        this.onWork?.();
      },
      set onMessage(receive: (message: ToMiniport) => void) {
        upward.receive = receive;
      },
      get onMessage() {
        return upward.receive;
      },
    };
    this.nic = {
      post: (message) => {
        upward.post(message, now());
        this.onWork?.();
      },
      set onMessage(receive: (message: ToNic) => void) {
        downward.receive = receive;
      },
      get onMessage() {
        return downward.receive;
      },
    };
  }

  /** Messages under way in both directions. */
  get length(): number {
    return this.down.length + this.up.length;
  }

  advance(nowMicroseconds: number): void {
    this.down.advance(nowMicroseconds);
    this.up.advance(nowMicroseconds);
  }

  nextDeadline(): number {
    return Math.min(this.down.next(), this.up.next());
  }
}

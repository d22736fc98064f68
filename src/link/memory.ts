/** A wire in memory: two ports, and what a network does to the frames between them. */

import { type DirectionSettings, deliverDue, type FrameObserver, ImpairedDirection } from './impairment.ts';
import { discardFrame, type LinkPort, type Stepped } from './link.ts';
import { Random } from './random.ts';

/** The two directions of a memory wire. */
export type WireDirection = 'a-to-b' | 'b-to-a';

/** How a memory wire behaves; what is left out is perfect (`PERFECT_DIRECTION`). */
export interface MemoryWireOptions {
  /** Decides every random event of the wire. Default 1. */
  seed?: number;
  /** Properties of both directions. */
  both?: Partial<DirectionSettings>;
  /** Properties of frames from port a to port b, over those of `both`. */
  aToB?: Partial<DirectionSettings>;
  /** Properties of frames from port b to port a, over those of `both`. */
  bToA?: Partial<DirectionSettings>;
  /**
   * The present time in microseconds. Without it a frame counts as sent at the time of the last `advance`, so that the owner
   * has to advance the wire before those who send.
   */
  now?: () => number;
  /** Names of the ports, `'a'` and `'b'` when left out. */
  names?: readonly [string, string];
}

class MemoryPort implements LinkPort {
  readonly name: string;
  onReceive: (frame: Uint8Array) => void = discardFrame;
  readonly #wire: MemoryWire;
  readonly #outgoing: ImpairedDirection<WireDirection>;

  constructor(name: string, wire: MemoryWire, outgoing: ImpairedDirection<WireDirection>) {
    this.name = name;
    this.#wire = wire;
    this.#outgoing = outgoing;
  }

  get mtu(): number {
    return this.#outgoing.settings.mtu;
  }

  send(frame: Uint8Array): void {
    this.#outgoing.send(frame, this.#wire.now);
  }
}

/**
 * A full-duplex wire. A frame arrives during a later `advance`, never during `send`.
 * The same seed, settings and calls give the same events.
 */
export class MemoryWire implements Stepped {
  readonly a: LinkPort;
  readonly b: LinkPort;
  /** Counters and settings of the frames from a to b. */
  readonly aToB: ImpairedDirection<WireDirection>;
  /** Counters and settings of the frames from b to a. */
  readonly bToA: ImpairedDirection<WireDirection>;
  #now = 0;
  readonly #clock: (() => number) | null;
  readonly #deliverToA = (frame: Uint8Array): void => this.a.onReceive(frame);
  readonly #deliverToB = (frame: Uint8Array): void => this.b.onReceive(frame);

  /** @throws RangeError when an option makes no sense */
  constructor(options: MemoryWireOptions = {}) {
    this.#clock = options.now ?? null;
    // Each direction draws from a generator of its own, so that traffic one way does not change the fate of the other.
    const random = new Random(options.seed ?? 1);
    this.aToB = new ImpairedDirection<WireDirection>('a-to-b', { ...options.both, ...options.aToB }, random.fork());
    this.bToA = new ImpairedDirection<WireDirection>('b-to-a', { ...options.both, ...options.bToA }, random.fork());
    const [nameA, nameB] = options.names ?? ['a', 'b'];
    this.a = new MemoryPort(nameA, this, this.aToB);
    this.b = new MemoryPort(nameB, this, this.bToA);
  }

  /** The present, microseconds: by the wire's clock if it has one, otherwise the time of the last `advance`. */
  get now(): number {
    return this.#clock === null ? this.#now : Math.max(this.#now, this.#clock());
  }

  /** Sees every frame of both directions once; null for none. */
  set observer(observer: FrameObserver<WireDirection> | null) {
    this.aToB.observer = observer;
    this.bToA.observer = observer;
  }

  /** Frames under way in both directions. */
  get inFlight(): number {
    return this.aToB.inFlight + this.bToA.inFlight;
  }

  /** Delivers the frames that have arrived by `nowMicroseconds`; what is sent meanwhile waits for the next call. */
  advance(nowMicroseconds: number): void {
    this.#now = Math.max(this.#now, nowMicroseconds);
    deliverDue(this.aToB, this.#deliverToB, this.bToA, this.#deliverToA, this.#now);
  }

  nextDeadline(): number {
    return Math.min(this.aToB.next(), this.bToA.next());
  }
}

/** What a real network does to frames in one direction, from a seed. */

import { ETHERNET_HEADER_LENGTH, EtherType, readUint16, VLAN_TAG_LENGTH } from '../wire/index.ts';
import { markCongestion } from './congestion-mark.ts';
import { DelayQueue } from './delay-queue.ts';
import type { Random } from './random.ts';

/** Properties of one direction of a link. Probabilities are per frame, 0…1. */
export interface DirectionSettings {
  /** Propagation delay. */
  delayMicroseconds: number;
  /** Speed at which frames are put on the wire; 0 is unlimited. */
  bandwidthBitsPerSecond: number;
  /** How many bytes may wait for the wire before frames are dropped; has no effect without a bandwidth. */
  queueBytes: number;
  loss: number;
  reorder: number;
  /** How much later a reordered frame arrives, so that others overtake it; with an extent at most so much later. */
  reorderDelayMicroseconds: number;
  /**
   * How many frames overtake a reordered one (the reordering extent of RFC 4737 section 4.2); 0: as many as its delay
   * lets pass. Up to two are what TCP takes for reordering and not for loss (RFC 5681 section 3.2).
   */
  reorderExtent: number;
  duplicate: number;
  /** One random bit of the frame is flipped. */
  corrupt: number;
  /** A packet whose transport uses ECN is marked "congestion experienced" (RFC 3168); others are left alone. */
  congestion: number;
  /** The largest IP packet, bytes; larger ones are dropped. */
  mtu: number;
}

/** A perfect direction: no delay, no limit but an Ethernet MTU. */
export const PERFECT_DIRECTION: Readonly<DirectionSettings> = {
  delayMicroseconds: 0,
  bandwidthBitsPerSecond: 0,
  queueBytes: 1 << 20,
  loss: 0,
  reorder: 0,
  reorderDelayMicroseconds: 1000,
  reorderExtent: 0,
  duplicate: 0,
  corrupt: 0,
  congestion: 0,
  mtu: 1500,
};

/**
 * What became of a frame. Each frame has one fate: impairments exclude each other, drawn in the order lost, corrupted,
 * duplicated, reordered, marked.
 */
export type FrameFate =
  | 'sent'
  | 'lost'
  | 'duplicated'
  | 'reordered'
  | 'corrupted'
  | 'marked'
  | 'queue-full'
  | 'too-large';

/**
 * Sees every frame once, when it is sent and as it was sent (a corrupted frame before the damage, a marked one before the mark).
 *
 * @param timeMicroseconds when the frame was handed to the link
 * @param frame not the observer's: copy what is to be kept
 */
export type FrameObserver<Direction extends string> = (
  timeMicroseconds: number,
  direction: Direction,
  frame: Uint8Array,
  fate: FrameFate,
) => void;

/** What one direction has done so far, in frames unless it says bytes. */
export class DirectionCounters {
  /** Handed to the link, whatever became of them. */
  sent = 0;
  sentBytes = 0;
  /** Handed to the receiver, duplicates included. */
  delivered = 0;
  deliveredBytes = 0;
  lost = 0;
  duplicated = 0;
  reordered = 0;
  corrupted = 0;
  marked = 0;
  queueFull = 0;
  tooLarge = 0;
}

/** Bytes of the IP packet in a frame: what an MTU limits. */
function networkLength(frame: Uint8Array): number {
  const isTagged = frame.length > ETHERNET_HEADER_LENGTH && readUint16(frame, 12) === EtherType.VLAN;
  return frame.length - ETHERNET_HEADER_LENGTH - (isTagged ? VLAN_TAG_LENGTH : 0);
}

function checkSettings(settings: DirectionSettings): void {
  for (const [name, value] of Object.entries(settings) as [string, number][]) {
    if (!(value >= 0)) throw new RangeError(`${name} is ${value}: a link property must be a number of at least 0`);
  }
  for (const name of ['loss', 'reorder', 'duplicate', 'corrupt', 'congestion'] as const) {
    if (settings[name] > 1) throw new RangeError(`${name} is ${settings[name]}: a probability must be between 0 and 1`);
  }
}

/** One direction of a link: takes frames, delivers them later, or not, or twice, as its settings say. */
export class ImpairedDirection<Direction extends string> {
  readonly name: Direction;
  readonly counters = new DirectionCounters();
  observer: FrameObserver<Direction> | null = null;

  readonly #random: Random;
  readonly #queue = new DelayQueue();
  #settings: DirectionSettings = { ...PERFECT_DIRECTION };
  /** When the last frame has left the sender, microseconds (not an integer). */
  #wireFreeAt = 0;
  /** A reordered frame that waits to be overtaken, how many are still to pass it, and when it arrives at the latest. */
  #held: Uint8Array | null = null;
  #heldOrder = 0;
  #heldCount = 0;
  #heldUntil = 0;

  /** @throws RangeError when a setting makes no sense */
  constructor(name: Direction, settings: Partial<DirectionSettings>, random: Random) {
    this.name = name;
    this.#random = random;
    this.configure(settings);
  }

  /** The settings in force. */
  get settings(): Readonly<DirectionSettings> {
    return this.#settings;
  }

  /** Changes some settings for the frames sent from now on. @throws RangeError when one makes no sense */
  configure(changes: Partial<DirectionSettings>): void {
    const settings = { ...this.#settings, ...changes };
    checkSettings(settings);
    this.#settings = settings;
  }

  /** Frames under way. */
  get inFlight(): number {
    return this.#queue.length + (this.#held === null ? 0 : 1);
  }

  /** Takes a frame at `now` microseconds; it belongs to the link from here on. */
  send(frame: Uint8Array, now: number): void {
    this.counters.sent += 1;
    this.counters.sentBytes += frame.length;
    const fate = this.#dispatch(frame, now);
    if (this.observer !== null) this.observer(now, this.name, frame, fate);
  }

  #dispatch(frame: Uint8Array, now: number): FrameFate {
    const { counters } = this;
    const settings = this.#settings;
    const random = this.#random;
    if (networkLength(frame) > settings.mtu) {
      counters.tooLarge += 1;
      return 'too-large';
    }
    const departure = this.#departure(frame.length, now);
    if (departure < 0) {
      counters.queueFull += 1;
      return 'queue-full';
    }
    if (random.chance(settings.loss)) {
      counters.lost += 1;
      return 'lost';
    }
    // Rounded up, so that integer clocks reach deadlines exactly.
    const arrival = Math.ceil(departure + settings.delayMicroseconds);
    if (random.chance(settings.corrupt)) {
      counters.corrupted += 1;
      this.#queue.push(arrival, this.#corrupt(frame), false);
      return 'corrupted';
    }
    if (random.chance(settings.duplicate)) {
      counters.duplicated += 1;
      this.#queue.push(arrival, frame, false);
      // A copy: each receiver of a frame owns it.
      this.#queue.push(arrival, frame.slice(), false);
      return 'duplicated';
    }
    if (random.chance(settings.reorder)) {
      counters.reordered += 1;
      this.#reorder(frame, arrival, settings);
      return 'reordered';
    }
    const marked = settings.congestion > 0 && random.chance(settings.congestion) ? markCongestion(frame) : null;
    this.#queue.push(arrival, marked ?? frame, false);
    this.#overtaken(arrival);
    if (marked === null) return 'sent';
    counters.marked += 1;
    return 'marked';
  }

  #reorder(frame: Uint8Array, arrival: number, settings: DirectionSettings): void {
    const latest = arrival + settings.reorderDelayMicroseconds;
    if (settings.reorderExtent === 0) {
      this.#queue.push(latest, frame, true);
      return;
    }
    this.#release(arrival);
    this.#held = frame;
    this.#heldOrder = this.#queue.pushed++;
    this.#heldCount = settings.reorderExtent;
    this.#heldUntil = latest;
  }

  /** A frame has passed the one that waits. */
  #overtaken(arrival: number): void {
    if (this.#held === null) return;
    this.#heldCount -= 1;
    if (this.#heldCount <= 0) this.#release(arrival);
  }

  /** Puts the waiting frame right behind the one that arrives at `arrival`. */
  #release(arrival: number): void {
    if (this.#held !== null) this.#queue.push(Math.min(arrival, this.#heldUntil), this.#held, false);
    this.#held = null;
  }

  /** When the frame will have left the sender, -1 when the queue in front of the wire is full. */
  #departure(length: number, now: number): number {
    const { bandwidthBitsPerSecond, queueBytes } = this.#settings;
    if (bandwidthBitsPerSecond === 0) return now;
    const bytesPerMicrosecond = bandwidthBitsPerSecond / 8e6;
    const start = Math.max(now, this.#wireFreeAt);
    const waiting = (start - now) * bytesPerMicrosecond;
    if (waiting > 0 && waiting + length > queueBytes) return -1;
    this.#wireFreeAt = start + length / bytesPerMicrosecond;
    return this.#wireFreeAt;
  }

  #corrupt(frame: Uint8Array): Uint8Array {
    const copy = frame.slice();
    const bit = this.#random.below(copy.length * 8);
    copy[bit >>> 3] ^= 1 << (bit & 7);
    return copy;
  }

  /** Marks the frames that are under way now, for `nextBefore`. */
  mark(): number {
    return this.#queue.pushed;
  }

  /** When the next frame arrives that was sent before `mark`; `Infinity` when there is none. */
  nextBefore(mark: number): number {
    if (this.#heldIsNext()) return this.#heldOrder < mark ? this.#heldUntil : Number.POSITIVE_INFINITY;
    return this.#queue.firstOrder() < mark ? this.#queue.firstTime() : Number.POSITIVE_INFINITY;
  }

  /** When the next frame arrives, `Infinity` when none is under way. */
  next(): number {
    return this.#heldIsNext() ? this.#heldUntil : this.#queue.firstTime();
  }

  /** The waiting frame was not overtaken in time. */
  #heldIsNext(): boolean {
    return this.#held !== null && this.#heldUntil < this.#queue.firstTime();
  }

  /** Takes the frame that arrives next; there must be one. */
  take(): Uint8Array {
    const frame = this.#heldIsNext() ? (this.#held as Uint8Array) : this.#queue.shift();
    if (frame === this.#held) this.#held = null;
    this.counters.delivered += 1;
    this.counters.deliveredBytes += frame.length;
    return frame;
  }
}

/**
 * Delivers what is due in two directions, in the order of arrival. What the receivers send meanwhile waits for the next call,
 * also without any delay: no exchange of frames can keep one call busy for ever.
 */
export function deliverDue<A extends string, B extends string>(
  first: ImpairedDirection<A>,
  toFirst: (frame: Uint8Array) => void,
  second: ImpairedDirection<B>,
  toSecond: (frame: Uint8Array) => void,
  now: number,
): void {
  const firstMark = first.mark();
  const secondMark = second.mark();
  for (;;) {
    const firstTime = first.nextBefore(firstMark);
    const secondTime = second.nextBefore(secondMark);
    if (firstTime > now && secondTime > now) return;
    if (firstTime <= secondTime) toFirst(first.take());
    else toSecond(second.take());
  }
}

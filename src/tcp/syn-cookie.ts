/**
 * SYN cookies (RFC 4987 section 3.6): what a listener would have to remember of a SYN, in the sequence number and the
 * timestamp of its SYN-ACK. Nothing is kept; the ACK that completes the handshake brings it back.
 *
 * The cookie is F(endpoints) + SEG.SEQ + slot * 2^24 + ((G(endpoints, SEG.SEQ, slot) + index) mod 2^24), where F and G are
 * keyed hashes, a slot is 64 seconds long, and the index names one of eight segment sizes. One in 2^28 forged ACKs is
 * taken for an honest one.
 */
import type { RandomInt32 } from './context.ts';
import { SipHash } from './siphash.ts';

/** Segment sizes that a cookie can name, bytes: the largest that does not exceed the peer's is used. */
const SEGMENT_SIZES = [48, 256, 536, 1220, 1360, 1440, 1460, 8940] as const;

/** How long a slot lasts, microseconds. */
const SLOT_MICROSECONDS = 64_000_000;

/** A cookie of this slot or the one before is good: for 64 to 128 seconds. */
const VALID_SLOTS = 2;

/** Low bits of the timestamp that hold what the SYN offered: window scale, and SACK. */
const TIMESTAMP_BITS = 6;
const TIMESTAMP_MASK = (1 << TIMESTAMP_BITS) - 1;
const SCALE_MASK = 0xf;
const NO_SCALE = 0xf;
const SACK_BIT = 0x10;

/** Kind of hash, two addresses, two ports, sequence number, slot. */
const MAXIMUM_INPUT = 1 + 16 + 16 + 4 + 4 + 1;

/** Both ends of a connection; addresses are 4 or 16 bytes in network order. */
export interface CookieEnds {
  readonly local: Uint8Array;
  readonly localPort: number;
  readonly remote: Uint8Array;
  readonly remotePort: number;
}

/** One per stack. The key is drawn with the first use: a stack that is never flooded draws none. */
export class SynCookies {
  private readonly random: RandomInt32;
  private readonly input = new Uint8Array(MAXIMUM_INPUT);
  private siphash: SipHash | null = null;
  /** When the last cookie left, microseconds. */
  private sentAt = Number.NEGATIVE_INFINITY;

  /** @param random cryptographically strong wherever attackers are to be feared */
  constructor(random: RandomInt32) {
    this.random = random;
  }

  /** The initial sequence number that answers a SYN, int32. @param sequence of the SYN, int32 */
  make(ends: CookieEnds, sequence: number, segmentSize: number, nowMicroseconds: number): number {
    this.sentAt = nowMicroseconds;
    const slot = slotOf(nowMicroseconds);
    const body = (this.hash(1, ends, sequence, slot) + indexOf(segmentSize)) & 0xffffff;
    return (this.hash(0, ends, 0, 0) + sequence + (slot << 24) + body) | 0;
  }

  /**
   * The segment size in a cookie that came back, bytes; 0 when it is none of ours, or too old.
   *
   * @param sequence of the SYN that it answered: one less than that of the ACK
   * @param cookie one less than what the ACK acknowledges
   */
  segmentSize(ends: CookieEnds, sequence: number, cookie: number, nowMicroseconds: number): number {
    // Nothing that is true can come back when nothing was sent.
    if (nowMicroseconds - this.sentAt > VALID_SLOTS * SLOT_MICROSECONDS) return 0;
    const rest = (cookie - this.hash(0, ends, 0, 0) - sequence) | 0;
    const age = (slotOf(nowMicroseconds) - (rest >>> 24)) & 0xff;
    if (age >= VALID_SLOTS) return 0;
    const index = (rest - this.hash(1, ends, sequence, rest >>> 24)) & 0xffffff;
    return index < SEGMENT_SIZES.length ? SEGMENT_SIZES[index] : 0;
  }

  private hash(kind: 0 | 1, ends: CookieEnds, sequence: number, slot: number): number {
    const { random, input } = this;
    this.siphash ??= new SipHash(random(), random(), random(), random());
    const size = ends.local.length;
    input[0] = kind;
    input.set(ends.local, 1);
    input.set(ends.remote, 1 + size);
    let at = 1 + 2 * size;
    for (const port of [ends.localPort, ends.remotePort]) {
      input[at++] = port >>> 8;
      input[at++] = port;
    }
    for (let shift = 24; shift >= 0; shift -= 8) input[at++] = sequence >>> shift;
    input[at++] = slot;
    this.siphash.hash(input, at);
    return this.siphash.low;
  }
}

/**
 * The timestamp of a SYN-ACK that says in its low six bits what the SYN offered; never ahead of `timestamp`, so that the
 * timestamps that follow are not older (RFC 7323 section 5). @param windowScale -1: none
 */
export function cookieTimestamp(timestamp: number, windowScale: number, sackPermitted: boolean): number {
  const bits = (windowScale < 0 ? NO_SCALE : windowScale) | (sackPermitted ? SACK_BIT : 0);
  const value = (timestamp & ~TIMESTAMP_MASK) | bits;
  return ((value - timestamp) | 0) > 0 ? (value - (1 << TIMESTAMP_BITS)) | 0 : value;
}

/** The window scale in an echoed `cookieTimestamp`, -1 for none. */
export function cookieWindowScale(timestampEcho: number): number {
  const scale = timestampEcho & SCALE_MASK;
  return scale === NO_SCALE ? -1 : scale;
}

/** Whether an echoed `cookieTimestamp` says that the SYN offered selective acknowledgments. */
export function cookieSackPermitted(timestampEcho: number): boolean {
  return (timestampEcho & SACK_BIT) !== 0;
}

function slotOf(nowMicroseconds: number): number {
  return Math.floor(nowMicroseconds / SLOT_MICROSECONDS) & 0xff;
}

function indexOf(segmentSize: number): number {
  let index = SEGMENT_SIZES.length - 1;
  while (index > 0 && SEGMENT_SIZES[index] > segmentSize) index--;
  return index;
}

/**
 * What the connections of one stack share: settings, time, randomness, the timing wheel, counters. The engine reads
 * time from here and nowhere else; the owner moves it forward.
 */
import { TcpHeader } from '../wire/tcp-header.ts';
import { CachedStates } from './cached-states.ts';
import { FlightPool } from './flight-state.ts';
import { MemoryState } from './memory-state.ts';
import type { TcpParameters } from './parameters.ts';
import { TimingWheel, type WheelEntry } from './timing-wheel.ts';

/** Counters of one engine (RFC 4022 names where it has one). They only grow. */
export class TcpStatistics {
  inSegments = 0;
  inErrors = 0;
  outSegments = 0;
  /** Segments that contain at least one byte sent before (STAT-13). */
  retransmittedSegments = 0;
  retransmittedBytes = 0;
  outResets = 0;
  activeOpens = 0;
  passiveOpens = 0;
  attemptFails = 0;
  establishedResets = 0;
  duplicateAcks = 0;
  fastRetransmits = 0;
  /** Tail loss probes (RFC 8985 section 7.3), and those that repaired a loss (7.4.2). */
  lossProbes = 0;
  lossProbeRecoveries = 0;
  /** Reductions of cWnd taken back because nothing had been lost. */
  undoneReductions = 0;
  timeouts = 0;
  windowProbes = 0;
  keepAliveProbes = 0;
  challengeAcks = 0;
  outOfOrderSegments = 0;
  /** Segments with text that were dropped for want of memory. */
  textRefused = 0;
  /** Segments dropped by PAWS (RFC 7323 section 5.3). */
  pawsDrops = 0;
  /** Segments with text that had CE on connections with ECN, and windows reduced for an ECE (RFC 3168). */
  congestionMarks = 0;
  congestionResponses = 0;
  /** Segments outside the window, answered with an ACK. */
  unacceptableSegments = 0;
  /** ACKs for data never sent, or too old (RFC 5961 section 5). */
  unacceptableAcks = 0;
}

/** Source of randomness: a uniformly distributed int32. */
export type RandomInt32 = () => number;

/** One per host stack or offload target. */
export class TcpContext {
  readonly parameters: TcpParameters;
  readonly random: RandomInt32;
  readonly wheel: TimingWheel;
  readonly statistics = new TcpStatistics();
  /** How much memory is left for buffers: set by the owner. */
  memoryState: MemoryState = MemoryState.NORMAL;
  readonly flights = new FlightPool();
  /** Cached variables that connections have in common. */
  readonly cachedStates = new CachedStates();
  /** Header of the segment being sent: filled by the engine, read by `ConnectionOwner.transmit`, then reused. */
  readonly outgoing = new TcpHeader();
  /** Monotonic time of this stack, microseconds. */
  now: number;
  /** The same time in whole ticks: the clock of timers and timestamps. */
  ticks: number;
  /** The tick that begins now or next: a timer that counts from here never runs for less than its ticks. */
  nextTick: number;
  /** Challenge ACKs left in this second, and the second it is (RFC 5961 section 7). */
  challengeBudget = 0;
  challengeSecond = -1;
  private readonly microsecondsPerTick: number;

  constructor(parameters: TcpParameters, random: RandomInt32, nowMicroseconds: number) {
    this.parameters = parameters;
    this.random = random;
    this.microsecondsPerTick = 1_000_000 / parameters.ticksPerSecond;
    this.now = nowMicroseconds;
    this.ticks = Math.floor(nowMicroseconds / this.microsecondsPerTick);
    this.nextTick = Math.ceil(nowMicroseconds / this.microsecondsPerTick);
    this.wheel = new TimingWheel(this.ticks);
  }

  /** Moves time forward without firing timers. A clock that steps back is read as standing still. */
  setTime(nowMicroseconds: number): void {
    if (nowMicroseconds <= this.now) return;
    this.now = nowMicroseconds;
    this.ticks = Math.floor(nowMicroseconds / this.microsecondsPerTick);
    this.nextTick = Math.ceil(nowMicroseconds / this.microsecondsPerTick);
  }

  /** Moves time forward and fires what is due. */
  advance(nowMicroseconds: number, expire: (entry: WheelEntry) => void): void {
    this.setTime(nowMicroseconds);
    this.wheel.advance(this.ticks, expire);
  }

  /** When `advance` is needed next, microseconds of this stack's clock; Infinity when nothing is armed. */
  nextDeadline(): number {
    return this.wheel.nextDeadline() * this.microsecondsPerTick;
  }
}

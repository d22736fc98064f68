/**
 * Buffers that follow what a connection needs, as long as nobody has chosen their sizes: the receive window what the
 * application reads in a round trip (dynamic right-sizing), what `send` takes the congestion window. They only grow, so a
 * window that was advertised is never taken back (RFC 9293 SHLD-14).
 */
import type { ControlBlock } from '../tcp/index.ts';
import { MemoryState, TcpConstantFlag } from '../tcp/index.ts';
import type { TcpHeader } from '../wire/index.ts';
import type { Connection } from './connection.ts';
import type { HostCore } from './core.ts';
import type { HostSettings } from './settings.ts';

/** A round trip when nobody knows better, microseconds: a longer one only lets the window grow later, and further. */
const UNKNOWN_ROUND_TRIP = 100_000;

/** The shortest round trip of so long counts: what waits in queues, ours included, is no reason for a larger window. Microseconds. */
const PERIOD = 10_000_000;

/** What was read in the first round trip must be more than these segments for the window to grow (RFC 6928's window). */
const FIRST_SEGMENTS = 10;

/** What is known of one connection's reading; made with its first read. */
export class ReceiveTuning {
  /** Microseconds when the bytes below began to count. */
  since: number;
  /** Bytes read since then. */
  bytes = 0;
  /** Most bytes read in a round trip so far. */
  most: number;
  /** Shortest round trip seen from the receiver by echoed timestamps, microseconds; 0: less than a tick; -1: no sample. */
  roundTrip = -1;
  /** Round trip of the sender's own measurement, as of the last time that the host owned the connection; microseconds. */
  measured = 0;
  /** The shortest one of this period, and when it began. */
  private shortest = -1;
  private periodBegan = 0;
  /** The echo of the last sample: a flight of segments has one in common. */
  private lastEcho = 0;

  constructor(now: number, most: number) {
    this.since = now;
    this.most = most;
  }

  /** Takes a sample from a full-sized segment: its echo tells when we sent what it answers (RFC 7323 section 3). */
  sample(now: number, ticks: number, microsecondsPerTick: number, timestampEcho: number): void {
    if (timestampEcho === this.lastEcho || timestampEcho === 0) return;
    this.lastEcho = timestampEcho;
    const elapsed = (ticks - timestampEcho) | 0;
    if (elapsed < 0) return;
    const roundTrip = elapsed * microsecondsPerTick;
    if (this.shortest < 0 || roundTrip < this.shortest) this.shortest = roundTrip;
    if (this.roundTrip < 0 || roundTrip < this.roundTrip) this.roundTrip = roundTrip;
    if (now - this.periodBegan < PERIOD) return;
    this.periodBegan = now;
    this.roundTrip = this.shortest;
    this.shortest = -1;
  }
}

/** One per stack. */
export class BufferTuning {
  private readonly core: HostCore;
  private readonly settings: HostSettings;
  /** Microseconds of a tick. */
  private readonly tick: number;

  constructor(core: HostCore, settings: HostSettings) {
    this.core = core;
    this.settings = settings;
    this.tick = 1_000_000 / core.tcp.parameters.ticksPerSecond;
  }

  /** A segment was processed by the host's engine. */
  arrived(tuning: ReceiveTuning, cb: ControlBlock, header: TcpHeader): void {
    tuning.measured = cb.rtt.srtt;
    if (!header.hasTimestamp || header.payloadLength < cb.receiveMss) return;
    if (!(cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED)) return;
    const { now, ticks } = this.core.tcp;
    tuning.sample(now, (ticks + cb.timestampDelta) | 0, this.tick, header.timestampEcho);
  }

  /** The application has read bytes: after each round trip the window may grow. */
  read(connection: Connection, bytes: number): void {
    if (!connection.tunesReceiveBuffer || this.core.tcp.memoryState !== MemoryState.NORMAL) return;
    const { now } = this.core.tcp;
    const mtu = connection.path?.pathMtu ?? this.core.interface.mtuOf(connection.localAddress.family);
    connection.tuning ??= new ReceiveTuning(now, Math.min(connection.receiveBuffer, FIRST_SEGMENTS * mtu));
    const { tuning } = connection;
    tuning.bytes += bytes;
    const elapsed = now - tuning.since;
    const roundTrip = this.roundTripOf(tuning);
    if (elapsed < roundTrip) return;
    // Who is looked at seldom has read more meanwhile than a round trip brings; and what waited behind a gap comes at once,
    // but no sender does more than double what it sends.
    const perRoundTrip = Math.min((tuning.bytes * roundTrip) / elapsed, 2 * tuning.most);
    if (perRoundTrip > tuning.most) {
      this.grow(connection, perRoundTrip, tuning.most, mtu);
      tuning.most = perRoundTrip;
    }
    tuning.since = now;
    tuning.bytes = 0;
  }

  /** Bytes were acknowledged: the application may have twice the congestion window unacknowledged. */
  acknowledged(connection: Connection, congestionWindow: number): void {
    if (this.core.tcp.memoryState !== MemoryState.NORMAL) return;
    const wanted = Math.min(2 * congestionWindow, this.settings.sendBufferLimitBytes);
    if (wanted > connection.sendLimit) connection.sendLimit = wanted;
  }

  /**
   * Twice what was read in the last round trip, and more in the measure in which the rate has grown: a sender in slow start
   * doubles it. Rounded up to a power of two, so that a connection changes its window a few times only.
   */
  private grow(connection: Connection, bytes: number, most: number, mtu: number): void {
    const wanted = (2 * bytes * bytes) / most + 16 * mtu;
    if (wanted <= connection.receiveBuffer) return;
    const largest = Math.min(this.settings.receiveBufferLimitBytes, 0xffff << connection.constant.rcvWindScale);
    let size = connection.receiveBuffer;
    while (size < wanted && size < largest) size *= 2;
    size = Math.min(size, largest);
    if (size > connection.receiveBuffer) connection.growReceiveBuffer(size);
  }

  /** Microseconds, at least one. */
  private roundTripOf({ roundTrip, measured }: ReceiveTuning): number {
    if (roundTrip > 0) return roundTrip;
    if (roundTrip < 0) return measured > 0 ? measured : UNKNOWN_ROUND_TRIP;
    return measured > 0 ? Math.min(measured, this.tick) : this.tick;
  }
}

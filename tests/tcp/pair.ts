/**
 * Two engines joined by a wire in memory, on a virtual clock: the harness of the engine tests. Segments cross as header
 * objects and payload copies, so that nothing but `src/tcp` is under test.
 */
import {
  adopt,
  type ConnectionOwner,
  ControlBlock,
  closeSend,
  consumed,
  DEFAULT_TCP_PARAMETERS,
  exportDelegated,
  exportExtension,
  openActive,
  openPassive,
  output,
  quiesce,
  release,
  segmentArrives,
  send,
  TcpCachedState,
  TcpConstantFlag,
  TcpConstantState,
  TcpContext,
  type TcpParameters,
  timersExpire,
} from '../../src/tcp/index.ts';
import { TcpFlag, TcpHeader } from '../../src/wire/tcp-header.ts';

/** One segment as the wire carries it. */
export interface WireSegment {
  readonly from: string;
  readonly sentAt: number;
  readonly header: TcpHeader;
  readonly payload: Uint8Array;
}

/** What the wire does with a segment: deliver after so many microseconds each; an empty list loses it. */
export type Fate = (segment: WireSegment, index: number) => number[];

export const ALL_OPTIONS =
  TcpConstantFlag.TIMESTAMP_ENABLED | TcpConstantFlag.SACK_ENABLED | TcpConstantFlag.WINDOW_SCALING_ENABLED;

/** A small seeded generator (mulberry32): int32. */
export function seededRandom(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) | 0;
  };
}

export function copyHeader(header: TcpHeader): TcpHeader {
  const copy = new TcpHeader();
  const { sackLeft, sackRight, ...rest } = header;
  Object.assign(copy, rest);
  copy.sackLeft.set(sackLeft);
  copy.sackRight.set(sackRight);
  return copy;
}

/** A clock that runs beside the one of the pair: microseconds ahead, and how many of them pass for each of the pair's. */
export interface Clock {
  readonly offset: number;
  readonly rate: number;
}

export const SAME_CLOCK: Clock = { offset: 0, rate: 1 };

/** One end: an engine context, a control block and the application that reads and writes it. */
export class End implements ConnectionOwner {
  tcp: TcpContext;
  cb: ControlBlock;
  clock = SAME_CLOCK;
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  acknowledgedBytes = 0;
  /** Disposition bits of everything that happened. */
  seen = 0;
  /** The application reads at once what arrives. */
  reading = true;

  readonly name: string;
  private readonly pair: Pair;

  constructor(
    name: string,
    pair: Pair,
    parameters: TcpParameters,
    ports: { local: number; remote: number },
    flags: number,
    receiveBuffer: number,
    mtu: number,
    seed: number,
  ) {
    this.name = name;
    this.pair = pair;
    this.tcp = new TcpContext(parameters, seededRandom(seed), pair.now);
    const constant = new TcpConstantState();
    constant.flags = flags;
    constant.localPort = ports.local;
    constant.remotePort = ports.remote;
    constant.rcvWindScale = 7;
    const cached = new TcpCachedState();
    cached.initialRcvWnd = receiveBuffer;
    this.cb = new ControlBlock(this.tcp, this, this, constant, cached, 40, mtu);
  }

  transmit(cb: ControlBlock, header: TcpHeader, payloadOffset: number, payloadLength: number): void {
    const payload = new Uint8Array(payloadLength);
    if (payloadLength > 0) cb.sendQueue.copyTo(payloadOffset, payloadLength, payload, 0);
    this.pair.transmit({ from: this.name, sentAt: this.pair.now, header: copyHeader(header), payload });
  }

  deliver(_cb: ControlBlock, buffer: Uint8Array, offset: number, length: number): void {
    this.received.push(buffer.slice(offset, offset + length));
    this.receivedBytes += length;
  }

  acknowledged(_cb: ControlBlock, bytes: number): void {
    this.acknowledgedBytes += bytes;
  }

  expired(cb: ControlBlock): void {
    this.seen |= timersExpire(this.tcp, cb);
  }

  /** The time of the pair on this end's clock. */
  get now(): number {
    return Math.floor(this.pair.now * this.clock.rate + this.clock.offset);
  }

  /** When this end is due next, on the pair's clock. */
  nextDeadline(): number {
    const { offset, rate } = this.clock;
    if (rate === 1) return this.tcp.nextDeadline() - offset;
    return Math.ceil((this.tcp.nextDeadline() - offset) / rate) + 1;
  }

  advance(): void {
    this.tcp.advance(this.now, (entry) => this.expired(entry as ControlBlock));
  }

  /** Moves the connection to a fresh control block on a fresh engine with another clock, at once. */
  move(clock: Clock, extension: boolean, seed: number): void {
    this.tcp.setTime(this.now);
    const { parameters } = this.tcp;
    this.clock = clock;
    const tcp = new TcpContext(parameters, seededRandom(seed), this.now);
    const from = this.tcp;
    this.tcp = tcp;
    this.cb = moveConnection(from, this.cb, tcp, extension);
  }

  /** The application writes, or closes. */
  write(bytes: Uint8Array): void {
    this.tcp.setTime(this.now);
    send(this.tcp, this.cb, bytes);
  }

  close(): void {
    this.tcp.setTime(this.now);
    closeSend(this.tcp, this.cb);
  }

  arrive(segment: WireSegment): void {
    this.tcp.setTime(this.now);
    const header = copyHeader(segment.header);
    header.payloadOffset = 0;
    header.payloadLength = segment.payload.length;
    this.seen |= segmentArrives(this.tcp, this.cb, header, segment.payload);
    if (this.reading) this.read();
  }

  /** The application takes everything that was delivered. */
  read(): void {
    if (this.cb.receiveBuffered > 0) consumed(this.tcp, this.cb, this.cb.receiveBuffered);
  }

  /** The application takes up to `limit` bytes of what was delivered. */
  take(limit: number): void {
    this.tcp.setTime(this.now);
    consumed(this.tcp, this.cb, Math.min(limit, this.cb.receiveBuffered));
  }

  /** Everything received, in one piece. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.receivedBytes);
    let at = 0;
    for (const chunk of this.received) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }
}

export interface PairOptions {
  readonly parameters?: Partial<TcpParameters>;
  readonly flags?: number;
  readonly receiveBuffer?: number;
  readonly mtu?: number;
  readonly delay?: number;
  readonly iss?: readonly [number, number];
  readonly fate?: Fate;
}

/** Two ends `a` (client) and `b` (server), a wire between them, and a clock. */
export class Pair {
  now = 1_000_000;
  readonly a: End;
  readonly b: End;
  /** Every segment sent, in order. */
  readonly log: WireSegment[] = [];
  fate: Fate;
  private readonly delay: number;
  private readonly iss: readonly [number, number];
  private flights: { at: number; order: number; segment: WireSegment }[] = [];
  private order = 0;

  constructor(options: PairOptions = {}) {
    const parameters = { ...DEFAULT_TCP_PARAMETERS, maximumSegmentPayload: 0, ...options.parameters };
    const flags = options.flags ?? ALL_OPTIONS;
    const buffer = options.receiveBuffer ?? 1 << 20;
    this.delay = options.delay ?? 5_000;
    this.iss = options.iss ?? [1_000, 5_000];
    const mtu = options.mtu ?? 1500;
    this.fate = options.fate ?? (() => [this.delay]);
    this.a = new End('a', this, parameters, { local: 40_000, remote: 80 }, flags, buffer, mtu, 1);
    this.b = new End('b', this, parameters, { local: 80, remote: 40_000 }, flags, buffer, mtu, 2);
  }

  transmit(segment: WireSegment): void {
    const index = this.log.push(segment) - 1;
    for (const delay of this.fate(segment, index)) {
      this.flights.push({ at: this.now + delay, order: this.order++, segment });
    }
  }

  /** Three-way handshake: `a` opens, `b` listens. */
  open(): this {
    this.a.tcp.setTime(this.a.now);
    openActive(this.a.tcp, this.a.cb, this.iss[0]);
    return this;
  }

  /** Runs until nothing is due before `until` (microseconds from now), or `done` answers true. */
  run(until: number, done: () => boolean = () => false): this {
    const end = this.now + until;
    for (let steps = 0; steps < 2_000_000; steps++) {
      if (done()) return this;
      this.flights.sort((x, y) => x.at - y.at || x.order - y.order);
      const flight = this.flights[0];
      const next = Math.min(flight?.at ?? Number.POSITIVE_INFINITY, this.a.nextDeadline(), this.b.nextDeadline());
      if (next > end) {
        this.now = end;
        return this;
      }
      this.now = Math.max(this.now, next);
      if (flight !== undefined && flight.at <= this.now) {
        this.flights.shift();
        this.deliver(flight.segment);
      }
      this.a.advance();
      this.b.advance();
    }
    throw new Error('the pair did not come to rest');
  }

  private deliver(segment: WireSegment): void {
    const to = segment.from === 'a' ? this.b : this.a;
    const listening = to === this.b && to.cb.delegated.state === 0 && to.cb.iss === 0;
    if (listening && (segment.header.flags & ~(TcpFlag.ECE | TcpFlag.CWR)) === TcpFlag.SYN) {
      to.tcp.setTime(to.now);
      openPassive(to.tcp, to.cb, segment.header, this.iss[1]);
      return;
    }
    to.arrive(segment);
  }
}

/**
 * Hands a connection from one engine to another as a host and a target do, and lets it go on there. What crosses is cloned,
 * as between threads. Without `extension`, what the contract has no room for is lost.
 */
export function moveConnection(from: TcpContext, old: ControlBlock, to: TcpContext, extension: boolean): ControlBlock {
  quiesce(from, old);
  const delegated = structuredClone(exportDelegated(from, old));
  const more = extension ? structuredClone(exportExtension(from, old)) : null;
  const unacknowledged = new Uint8Array(old.sendQueue.length);
  old.sendQueue.copyTo(0, unacknowledged.length, unacknowledged, 0);
  const buffered = old.receiveBuffered;
  release(from, old);
  const constant = Object.assign(new TcpConstantState(), structuredClone(old.constant));
  const cached = Object.assign(new TcpCachedState(), structuredClone(old.cached));
  const cb = new ControlBlock(to, old.owner, old.attachment, constant, cached, old.headerOverhead, old.pathMtu);
  // In pieces, so that nothing depends on how the chain is cut.
  for (let at = 0; at < unacknowledged.length; at += 1000) cb.sendQueue.append(unacknowledged.slice(at, at + 1000));
  adopt(to, cb, delegated, more, buffered);
  output(to, cb);
  return cb;
}

/** A time on the clock of somebody else, microseconds: any number of moves stays far below what a number holds. */
export function otherClock(now: number): number {
  return (now % 1e12) * 3 + 17;
}

/** Whether two byte strings are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Bytes that differ from position to position, for byte-exact comparison. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  const random = seededRandom(seed);
  for (let i = 0; i < length; i++) bytes[i] = random();
  return bytes;
}

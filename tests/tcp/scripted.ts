/**
 * One engine and a peer made by hand: the test injects segments and reads which segments the engine emits, and when, on a
 * virtual clock. Sequence numbers are relative: 0 is the first data byte of either side, so that a table reads the same
 * at any initial sequence number. Both streams have known bytes, and every payload sent or delivered is compared.
 */
import {
  type ConnectionOwner,
  ControlBlock,
  closeSend,
  consumed,
  DEFAULT_TCP_PARAMETERS,
  openActive,
  openPassive,
  segmentArrives,
  send,
  stateName,
  TcpCachedState,
  TcpConstantState,
  TcpContext,
  type TcpParameters,
  TcpState,
  timersExpire,
} from '../../src/tcp/index.ts';
import { TcpFlag, TcpHeader } from '../../src/wire/tcp-header.ts';
import { moveConnection, seededRandom } from './pair.ts';

/** A segment of the peer; what is left out is what an ideal peer would send. */
export interface Incoming {
  /** `S F R P U E W .` in any order; `.` is ACK, E is ECE, W is CWR. */
  readonly flags?: string;
  /** Relative; RCV.NXT when absent. */
  readonly seq?: number;
  /** Relative; SND.UNA when absent. */
  readonly ack?: number;
  /** Payload bytes. */
  readonly length?: number;
  /** Window field as on the wire. */
  readonly window?: number;
  /** Urgent pointer, as an offset from the sequence number; counts with flag `U`. */
  readonly urgent?: number;
  readonly mss?: number;
  readonly scale?: number;
  readonly sackOk?: boolean;
  /** TSval and TSecr; null leaves the option out. When absent, both follow the clock if timestamps are in use. */
  readonly ts?: readonly [number, number] | null;
  /** ECN code point of its datagram. */
  readonly ecn?: number;
  readonly sack?: readonly (readonly [number, number])[];
}

/** A segment that the engine emitted. */
export interface Outgoing {
  /** Milliseconds since the script began. */
  readonly at: number;
  readonly header: TcpHeader;
  readonly length: number;
}

export interface ScriptOptions {
  readonly parameters?: Partial<TcpParameters>;
  /** `TcpConstantFlag` bits that both sides use. */
  readonly flags?: number;
  readonly iss?: number;
  readonly irs?: number;
  readonly receiveBuffer?: number;
  readonly receiveScale?: number;
  /** Window field that the peer advertises unless a segment says otherwise. */
  readonly window?: number;
  /** Shift of the peer's windows. */
  readonly sendScale?: number;
  readonly mtu?: number;
  /** IP version; 4 when absent. */
  readonly family?: 4 | 6;
  /** MSS that the peer announces. */
  readonly mss?: number;
  readonly cached?: Partial<TcpCachedState>;
  /** The application reads at once what arrives. */
  readonly reading?: boolean;
  readonly start?: number;
  /** Flags of the peer's SYN, or SYN-ACK: with ECN. */
  readonly synFlags?: string;
  readonly synAckFlags?: string;
}

const FLAG_LETTERS = [
  ['S', TcpFlag.SYN],
  ['F', TcpFlag.FIN],
  ['R', TcpFlag.RST],
  ['P', TcpFlag.PSH],
  ['U', TcpFlag.URG],
  ['E', TcpFlag.ECE],
  ['W', TcpFlag.CWR],
  ['.', TcpFlag.ACK],
] as const;

function parseFlags(text: string): number {
  let flags = 0;
  for (const [letter, bit] of FLAG_LETTERS) if (text.includes(letter)) flags |= bit;
  return flags;
}

/** Byte `position` of the peer's stream, or of ours. */
const peerByte = (position: number) => (Math.imul(position, 31) + (position >>> 8) * 7 + 11) & 0xff;
const ownByte = (position: number) => (Math.imul(position, 17) + (position >>> 8) * 5 + 3) & 0xff;

export class Script implements ConnectionOwner {
  tcp: TcpContext;
  cb: ControlBlock;
  /** Disposition bits of everything that happened since the last `takeSeen`. */
  seen = 0;
  delivered = 0;
  /** Where the peer's urgent data ends, each time that the engine said so: relative to its first byte. */
  readonly urgentEnds: number[] = [];
  acknowledgedBytes = 0;
  readonly options: ScriptOptions;
  readonly iss: number;
  readonly irs: number;
  private startedAt: number;
  private queued = 0;
  private sent: Outgoing[] = [];
  private lastValue = 0;

  constructor(options: ScriptOptions = {}) {
    this.options = options;
    this.iss = (options.iss ?? 1000) | 0;
    this.irs = (options.irs ?? 5000) | 0;
    this.startedAt = options.start ?? 1_000_000;
    const parameters = { ...DEFAULT_TCP_PARAMETERS, maximumSegmentPayload: 0, ...options.parameters };
    this.tcp = new TcpContext(parameters, seededRandom(7), this.startedAt);
    const constant = new TcpConstantState();
    constant.flags = options.flags ?? 0;
    constant.localPort = 40_000;
    constant.remotePort = 80;
    constant.rcvWindScale = options.receiveScale ?? 0;
    const cached = new TcpCachedState();
    cached.initialRcvWnd = options.receiveBuffer ?? 65_535;
    Object.assign(cached, options.cached);
    this.cb = new ControlBlock(
      this.tcp,
      this,
      this,
      constant,
      cached,
      options.family === 6 ? 60 : 40,
      options.mtu ?? 1500,
    );
  }

  /** In SYN-SENT: the SYN has left and is still in `take`. */
  static synSent(options: ScriptOptions = {}): Script {
    const script = new Script(options);
    openActive(script.tcp, script.cb, script.iss);
    return script;
  }

  /** In SYN-RECEIVED by a listener: the SYN-ACK has left and is still in `take`. */
  static synReceived(options: ScriptOptions = {}): Script {
    const script = new Script(options);
    const syn = script.header({ flags: options.synFlags ?? 'S', seq: -1, ...script.synOptions() });
    openPassive(script.tcp, script.cb, syn, script.iss);
    return script;
  }

  /** In ESTABLISHED by an active open, with nothing left in `take`. */
  static established(options: ScriptOptions = {}): Script {
    const script = Script.synSent(options);
    script.arrive({ flags: options.synAckFlags ?? 'S.', seq: -1, ack: 0, ...script.synOptions() });
    script.mustBe(TcpState.ESTABLISHED);
    script.take();
    script.seen = 0;
    return script;
  }

  /** In any synchronized state, reached by closing from either side, with nothing left in `take`. */
  static inState(state: TcpState, options: ScriptOptions = {}): Script {
    const script = Script.established(options);
    const { FIN_WAIT_1, FIN_WAIT_2, CLOSING, TIME_WAIT, CLOSE_WAIT, LAST_ACK } = TcpState;
    if (state === CLOSE_WAIT || state === LAST_ACK) script.arrive({ flags: 'F.' });
    if (
      state === FIN_WAIT_1 ||
      state === FIN_WAIT_2 ||
      state === CLOSING ||
      state === TIME_WAIT ||
      state === LAST_ACK
    ) {
      closeSend(script.tcp, script.cb);
    }
    if (state === FIN_WAIT_2 || state === TIME_WAIT) script.arrive({ ack: 1 });
    if (state === CLOSING || state === TIME_WAIT) script.arrive({ flags: 'F.' });
    script.mustBe(state);
    script.take();
    script.seen = 0;
    return script;
  }

  private mustBe(state: TcpState): void {
    if (this.state !== state) throw new Error(`the connection is in ${stateName(this.state)}, not ${stateName(state)}`);
  }

  get state(): TcpState {
    return this.cb.delegated.state;
  }

  /** Milliseconds since the script began. */
  get time(): number {
    return (this.tcp.now - this.startedAt) / 1000;
  }

  /** RCV.NXT, SND.UNA, SND.NXT and SND.MAX as relative numbers. */
  get rcvNxt(): number {
    return (this.cb.delegated.rcvNxt - this.irs - 1) | 0;
  }
  get sndUna(): number {
    return (this.cb.delegated.sndUna - this.iss - 1) | 0;
  }
  get sndNxt(): number {
    return (this.cb.delegated.sndNxt - this.iss - 1) | 0;
  }
  get sndMax(): number {
    return (this.cb.delegated.sndMax - this.iss - 1) | 0;
  }

  /** Injects one segment of the peer; returns the disposition. */
  arrive(segment: Incoming): number {
    return this.inject(this.header(segment));
  }

  /** Injects a segment as it stands; its payload is what the peer's stream has at its sequence number. */
  inject(header: TcpHeader): number {
    const buffer = new Uint8Array(header.payloadLength);
    header.payloadOffset = 0;
    // A SYN comes before the text.
    const first = (header.flags & TcpFlag.SYN) === 0 ? header.sequence : header.sequence + 1;
    const from = (first - this.irs - 1) | 0;
    for (let i = 0; i < buffer.length; i++) buffer[i] = peerByte(from + i);
    const disposition = segmentArrives(this.tcp, this.cb, header, buffer);
    this.seen |= disposition;
    if (this.options.reading !== false && this.cb.receiveBuffered > 0) this.read(this.cb.receiveBuffered);
    return disposition;
  }

  /** The application queues `length` more bytes of our stream. */
  send(length: number): void {
    send(this.tcp, this.cb, this.ownBytes(length));
  }

  /** The next `length` bytes of our stream. */
  ownBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = ownByte(this.queued + i);
    this.queued += length;
    return bytes;
  }

  /** The application takes `length` bytes. */
  read(length: number): void {
    consumed(this.tcp, this.cb, length);
  }

  /** Moves the connection to a fresh engine whose clock stands at `nowMicroseconds`; the script's own time goes on. */
  moveTo(nowMicroseconds: number, extension: boolean, parameters: Partial<TcpParameters> = {}): this {
    const elapsed = this.tcp.now - this.startedAt;
    const tcp = new TcpContext({ ...this.tcp.parameters, ...parameters }, seededRandom(8), nowMicroseconds);
    const from = this.tcp;
    this.tcp = tcp;
    this.startedAt = nowMicroseconds - elapsed;
    this.cb = moveConnection(from, this.cb, tcp, extension);
    return this;
  }

  close(): void {
    closeSend(this.tcp, this.cb);
  }

  /** Lets the clock run to `milliseconds` after the beginning of the script; every timer fires at its own time. */
  runTo(milliseconds: number): this {
    const end = this.startedAt + milliseconds * 1000;
    for (let steps = 0; steps < 100_000; steps++) {
      const next = this.tcp.nextDeadline();
      if (next > end) {
        this.tcp.setTime(end);
        return this;
      }
      this.tcp.advance(Math.max(next, this.tcp.now), (entry) => this.expired(entry as ControlBlock));
    }
    throw new Error('the timers did not come to rest');
  }

  run(milliseconds: number): this {
    return this.runTo(this.time + milliseconds);
  }

  /** What was emitted since the last call, one line each: ECN, flags, relative sequence range, ACK, SACK blocks. */
  take(): string[] {
    return this.takeSegments().map((segment) => this.line(segment));
  }

  /** As `take`, with the millisecond of each in front. */
  takeTimed(): string[] {
    return this.takeSegments().map((segment) => `${segment.at} ${this.line(segment)}`);
  }

  takeSegments(): Outgoing[] {
    const taken = this.sent;
    this.sent = [];
    return taken;
  }

  /** The disposition bits gathered since the last call. */
  takeSeen(): number {
    const seen = this.seen;
    this.seen = 0;
    return seen;
  }

  transmit(cb: ControlBlock, header: TcpHeader, payloadOffset: number, payloadLength: number): void {
    const payload = new Uint8Array(payloadLength);
    cb.sendQueue.copyTo(payloadOffset, payloadLength, payload, 0);
    if (header.sourcePort !== 40_000 || header.destinationPort !== 80) throw new Error('wrong ports');
    const first = (header.sequence - this.iss - 1) | 0;
    for (let i = 0; i < payloadLength; i++) {
      if (payload[i] !== ownByte(first + i)) throw new Error(`wrong byte sent at ${first + i}`);
    }
    const copy = new TcpHeader();
    const { sackLeft, sackRight, ...rest } = header;
    Object.assign(copy, rest);
    copy.sackLeft.set(sackLeft);
    copy.sackRight.set(sackRight);
    if (header.hasTimestamp) this.lastValue = header.timestampValue;
    this.sent.push({ at: this.time, header: copy, length: payloadLength });
  }

  deliver(_cb: ControlBlock, buffer: Uint8Array, offset: number, length: number): void {
    for (let i = 0; i < length; i++) {
      if (buffer[offset + i] !== peerByte(this.delivered + i)) {
        throw new Error(`wrong byte delivered at ${this.delivered + i}`);
      }
    }
    this.delivered += length;
  }

  urgent(_cb: ControlBlock, ahead: number): void {
    this.urgentEnds.push(this.delivered + ahead);
  }

  acknowledged(_cb: ControlBlock, bytes: number): void {
    this.acknowledgedBytes += bytes;
  }

  expired(cb: ControlBlock): void {
    this.seen |= timersExpire(this.tcp, cb);
  }

  private synOptions(): Incoming {
    const flags = this.options.flags ?? 0;
    return {
      mss: this.options.mss ?? 1460,
      ...(flags & 0x04 ? { scale: this.options.sendScale ?? 0 } : {}),
      ...(flags & 0x02 ? { sackOk: true } : {}),
      ...(flags & 0x01 ? {} : { ts: null }),
    };
  }

  private header(segment: Incoming): TcpHeader {
    const d = this.cb.delegated;
    const h = new TcpHeader();
    h.sourcePort = 80;
    h.destinationPort = 40_000;
    h.flags = parseFlags(segment.flags ?? '.');
    h.sequence = segment.seq === undefined ? d.rcvNxt : (this.irs + 1 + segment.seq) | 0;
    const ack = segment.ack === undefined ? d.sndUna : (this.iss + 1 + segment.ack) | 0;
    h.acknowledgment = h.flags & TcpFlag.ACK ? ack : 0;
    h.window = segment.window ?? this.options.window ?? 65_535;
    h.urgentPointer = segment.urgent ?? 0;
    h.maximumSegmentSize = segment.mss ?? 0;
    h.windowScale = segment.scale ?? -1;
    h.sackPermitted = segment.sackOk ?? false;
    if (segment.ts !== null && (segment.ts !== undefined || (this.options.flags ?? 0) & 0x01)) {
      h.hasTimestamp = true;
      h.timestampValue = segment.ts?.[0] ?? (700_000 + Math.floor(this.time)) | 0;
      h.timestampEcho = segment.ts?.[1] ?? this.lastValue;
    }
    for (const [left, right] of segment.sack ?? []) {
      h.sackLeft[h.sackCount] = (this.iss + 1 + left) | 0;
      h.sackRight[h.sackCount] = (this.iss + 1 + right) | 0;
      h.sackCount++;
    }
    h.ecn = segment.ecn ?? 0;
    h.payloadOffset = 0;
    h.payloadLength = segment.length ?? 0;
    return h;
  }

  private line(segment: Outgoing): string {
    const h = segment.header;
    let flags = '';
    for (const [letter, bit] of FLAG_LETTERS) if (h.flags & bit) flags += letter;
    const first = (h.sequence - this.iss - 1) | 0;
    let line = `${['', 'ect1 ', 'ect0 ', 'ce '][h.ecn]}${flags} ${first}:${first + segment.length}`;
    if (h.flags & TcpFlag.ACK) line += ` ack ${(h.acknowledgment - this.irs - 1) | 0}`;
    for (let i = 0; i < h.sackCount; i++) {
      line += ` sack ${(h.sackLeft[i] - this.irs - 1) | 0}:${(h.sackRight[i] - this.irs - 1) | 0}`;
    }
    return line;
  }
}

/** Pairs of initial sequence numbers at which the streams cross 2^31 and 2^32 within the first bytes. */
export const SEQUENCE_BASES: readonly (readonly [number, number])[] = [
  [1000, 5000],
  [0x7fffffff - 40, -50],
  [-30, 0x7fffffff - 20],
];

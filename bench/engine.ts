/** The bare engine: two control blocks that exchange header objects. No frames, no checksums, no copies of payload. */
import {
  type ConnectionOwner,
  ControlBlock,
  consumed,
  DEFAULT_TCP_PARAMETERS,
  openActive,
  openPassive,
  segmentArrives,
  send,
  TcpCachedState,
  TcpConstantFlag,
  TcpConstantState,
  TcpContext,
  type TcpParameters,
  timersExpire,
} from '../src/tcp/index.ts';
import { TcpHeader } from '../src/wire/index.ts';
import { clock } from './lab.ts';

export interface Engine {
  readonly mtu: number;
  /** Segments that arrived at either end, acknowledgments included. */
  readonly segmentsPerSecond: number;
  readonly megabitsPerSecond: number;
}

const FLAGS = TcpConstantFlag.TIMESTAMP_ENABLED | TcpConstantFlag.SACK_ENABLED | TcpConstantFlag.WINDOW_SCALING_ENABLED;
const BUFFER = 1 << 20;
const PAYLOAD = new Uint8Array(65_536);
const QUEUE = 4_096;

/** Segments on their way to one end: header objects that are used again and again. */
class Segments {
  private readonly headers = Array.from({ length: QUEUE }, () => new TcpHeader());
  private first = 0;
  private count = 0;

  push(header: TcpHeader, payloadLength: number): void {
    if (this.count === QUEUE) throw new Error('more segments in flight than the windows allow');
    const to = this.headers[(this.first + this.count++) % QUEUE];
    to.sourcePort = header.sourcePort;
    to.destinationPort = header.destinationPort;
    to.sequence = header.sequence;
    to.acknowledgment = header.acknowledgment;
    to.flags = header.flags;
    to.window = header.window;
    to.maximumSegmentSize = header.maximumSegmentSize;
    to.windowScale = header.windowScale;
    to.sackPermitted = header.sackPermitted;
    to.hasTimestamp = header.hasTimestamp;
    to.timestampValue = header.timestampValue;
    to.timestampEcho = header.timestampEcho;
    to.payloadLength = payloadLength;
  }

  /** The oldest segment, valid until as many others were pushed as there is room for; null when there is none. */
  shift(): TcpHeader | null {
    if (this.count === 0) return null;
    const header = this.headers[this.first];
    this.first = (this.first + 1) % QUEUE;
    this.count--;
    return header;
  }
}

class End implements ConnectionOwner {
  readonly tcp: TcpContext;
  readonly cb: ControlBlock;
  readonly incoming = new Segments();
  peer: End | null = null;
  segments = 0;
  bytes = 0;
  queued = 0;

  constructor(parameters: TcpParameters, local: number, remote: number, mtu: number) {
    let seed = local;
    this.tcp = new TcpContext(
      parameters,
      () => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) | 0),
      Math.floor(clock()),
    );
    const constant = new TcpConstantState();
    constant.flags = FLAGS;
    constant.localPort = local;
    constant.remotePort = remote;
    constant.rcvWindScale = 7;
    const cached = new TcpCachedState();
    cached.initialRcvWnd = BUFFER;
    this.cb = new ControlBlock(this.tcp, this, this, constant, cached, 40, mtu);
  }

  transmit(_cb: ControlBlock, header: TcpHeader, _payloadOffset: number, payloadLength: number): void {
    this.peer?.incoming.push(header, payloadLength);
  }

  deliver(_cb: ControlBlock, _buffer: Uint8Array, _offset: number, length: number): void {
    this.bytes += length;
  }

  acknowledged(_cb: ControlBlock, bytes: number): void {
    this.queued -= bytes;
  }

  expired(cb: ControlBlock): void {
    timersExpire(this.tcp, cb);
  }

  /** Processes what has arrived. */
  run(now: number): void {
    this.tcp.advance(now, (entry) => this.expired(entry as ControlBlock));
    for (let header = this.incoming.shift(); header !== null; header = this.incoming.shift()) {
      this.segments++;
      segmentArrives(this.tcp, this.cb, header, PAYLOAD);
      if (this.cb.receiveBuffered > 0) consumed(this.tcp, this.cb, this.cb.receiveBuffered);
    }
  }

  fill(): void {
    while (this.queued < BUFFER) {
      this.queued += PAYLOAD.length;
      send(this.tcp, this.cb, PAYLOAD);
    }
  }
}

export function measureEngine(mtu: number, milliseconds: number): Engine {
  const parameters = { ...DEFAULT_TCP_PARAMETERS, maximumSegmentPayload: 0 };
  const a = new End(parameters, 40_000, 80, mtu);
  const b = new End(parameters, 80, 40_000, mtu);
  a.peer = b;
  b.peer = a;
  openActive(a.tcp, a.cb, 1);
  const syn = b.incoming.shift();
  if (syn === null) throw new Error('no SYN was sent');
  openPassive(b.tcp, b.cb, syn, 2);
  const during = (microseconds: number): number => {
    const begun = clock();
    let now = begun;
    for (; now < begun + microseconds; now = clock()) {
      a.fill();
      a.run(Math.floor(now));
      b.run(Math.floor(now));
    }
    return now - begun;
  };
  during(milliseconds * 250);
  const before = { segments: a.segments + b.segments, bytes: b.bytes };
  const microseconds = during(milliseconds * 1_000);
  return {
    mtu,
    segmentsPerSecond: ((a.segments + b.segments - before.segments) * 1e6) / microseconds,
    megabitsPerSecond: ((b.bytes - before.bytes) * 8) / microseconds,
  };
}

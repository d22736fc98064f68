/** A target for state that another owner hands over: whatever its fields say, the connection that goes on stays in bounds. */
import {
  abort,
  adopt,
  type ConnectionOwner,
  ControlBlock,
  closeSend,
  consumed,
  DEFAULT_TCP_PARAMETERS,
  Disposition,
  isContinuable,
  isOffloadable,
  type LossRecoveryState,
  output,
  segmentArrives,
  send,
  TcpCachedState,
  TcpConstantState,
  TcpContext,
  TcpDelegatedState,
  type TcpExtensionState,
  TcpState,
  timersExpire,
  type WheelEntry,
} from '../../src/tcp/index.ts';
import { TcpFlag, TcpHeader } from '../../src/wire/tcp-header.ts';
import { moveConnection, otherClock, seededRandom } from '../../tests/tcp/pair.ts';
import { InputReader } from '../engine/input-reader.ts';
import { type InputRecord, readRecords, writeRecords } from '../engine/records.ts';
import { check, type FuzzTarget, stateless } from '../engine/target.ts';

const SND = 1_000;
const RCV = 5_000;
/** Bytes that come with the state. */
const MOST_QUEUED = 30_000;
const MOST_BUFFERED = 30_000;

/** One for each tick that an input may let pass, and some more. */
const MOST_ROUNDS = 70_000;

/** Operations of records: fields of the state, the extension, then what happens afterwards. */
const Operation = {
  NUMBER: 0,
  EXTENSION: 1,
  SEGMENT: 2,
  TIME: 3,
  SEND: 4,
  READ: 5,
  CLOSE: 6,
  MOVE: 7,
  COUNT: 8,
} as const;

const DELEGATED = Object.keys(new TcpDelegatedState()) as (keyof TcpDelegatedState)[];

/** Any number that a field may hold. */
function anyNumber(reader: InputReader): number {
  switch (reader.below(5)) {
    case 0:
      return reader.nearby();
    case 1:
      return SND + reader.nearby();
    case 2:
      return RCV + reader.nearby();
    case 3:
      return reader.int32();
    default:
      return reader.u16();
  }
}

class HandOver implements ConnectionOwner {
  private tcp = new TcpContext({ ...DEFAULT_TCP_PARAMETERS, maximumSegmentPayload: 0 }, seededRandom(7), 50_000_000);
  private cb: ControlBlock;
  private segments = 0;
  private timedOut = false;

  constructor(records: readonly InputRecord[]) {
    const first = new InputReader(records[0]?.bytes ?? new Uint8Array(0));
    const queued = first.u16() % MOST_QUEUED;
    const buffered = first.u16() % MOST_BUFFERED;
    const constant = new TcpConstantState();
    constant.flags = first.below(8);
    constant.sndWindScale = first.below(15);
    constant.rcvWindScale = first.below(15);
    constant.remoteMss = first.u16();
    const cached = new TcpCachedState();
    cached.flags = first.below(4);
    cached.initialRcvWnd = first.int32() & 0x3fffffff;
    cached.kaTimeout = first.u16();
    cached.kaInterval = first.u16();
    this.cb = new ControlBlock(this.tcp, this, this, constant, cached, 40, 1500);
    this.cb.sendQueue.append(new Uint8Array(queued));
    const delegated = this.delegated(records, queued);
    if (!isOffloadable(delegated.state) || !isContinuable(delegated, queued)) {
      delegated.state = TcpState.ESTABLISHED;
      delegated.sndUna = SND;
      delegated.sndNxt = SND;
      delegated.sndMax = SND;
    }
    const carrier = records.find(({ operation }) => operation % Operation.COUNT === Operation.EXTENSION);
    const extension = carrier === undefined ? null : this.extension(new InputReader(carrier.bytes));
    adopt(this.tcp, this.cb, delegated, extension, buffered);
    output(this.tcp, this.cb);
    this.check();
  }

  apply({ operation, bytes }: InputRecord): void {
    const reader = new InputReader(bytes);
    const { tcp, cb } = this;
    const { state } = cb.delegated;
    switch (operation % Operation.COUNT) {
      case Operation.SEGMENT:
        this.segment(reader);
        break;
      case Operation.TIME:
        this.elapse(reader.u16() >>> reader.below(8));
        break;
      case Operation.SEND: {
        const maySend = state === TcpState.ESTABLISHED || state === TcpState.CLOSE_WAIT;
        if (maySend && cb.sendQueue.length < 100_000) send(tcp, cb, new Uint8Array(reader.u16() % 20_000));
        break;
      }
      case Operation.READ:
        consumed(tcp, cb, Math.min(cb.receiveBuffered, reader.u16()));
        break;
      case Operation.CLOSE:
        closeSend(tcp, cb);
        break;
      case Operation.MOVE:
        if (isOffloadable(state)) this.move(reader.below(2) === 0);
        break;
      default:
        return;
    }
    this.check();
  }

  end(): void {
    abort(this.tcp, this.cb);
    check(this.tcp.nextDeadline() === Number.POSITIVE_INFINITY, 'a timer outlives its connection');
  }

  transmit(cb: ControlBlock, _header: TcpHeader, payloadOffset: number, payloadLength: number): void {
    this.segments++;
    check(this.segments < 2_000, 'segments without end');
    cb.sendQueue.copyTo(payloadOffset, payloadLength, new Uint8Array(payloadLength), 0);
  }

  deliver(_cb: ControlBlock, buffer: Uint8Array, offset: number, length: number): void {
    check(offset >= 0 && length > 0 && offset + length <= buffer.length, 'bytes outside of what came');
  }

  acknowledged(): void {}

  expired(cb: ControlBlock): void {
    this.noteEnd(timersExpire(this.tcp, cb));
  }

  private delegated(records: readonly InputRecord[], queued: number): TcpDelegatedState {
    const d = new TcpDelegatedState();
    const given: Partial<TcpDelegatedState> = {
      state: TcpState.ESTABLISHED,
      rcvNxt: RCV,
      rcvWnd: 20_000,
      sndUna: SND,
      sndNxt: SND + (queued >>> 1),
      sndMax: SND + (queued >>> 1),
      sndWnd: 65_535,
      maxSndWnd: 65_535,
      sendWl1: RCV,
      cWnd: 14_600,
    };
    Object.assign(d, given);
    for (const { operation, bytes } of records) {
      if (operation % Operation.COUNT !== Operation.NUMBER) continue;
      const reader = new InputReader(bytes);
      const field = reader.pick(DELEGATED);
      const value = anyNumber(reader);
      if (field === 'state') d.state = (value & 15) as TcpState;
      else if (field === 'keepAlive') d.keepAlive = { probeCount: value, timeoutDelta: anyNumber(reader) };
      else if (field === 'retransmit') d.retransmit = { count: value, timeoutDelta: anyNumber(reader) };
      else d[field] = value;
    }
    return d;
  }

  private extension(reader: InputReader): TcpExtensionState {
    const list = <T>(most: number, make: () => T): T[] => Array.from({ length: reader.below(most + 1) }, make);
    const extension: TcpExtensionState = {
      revision: 1,
      outOfOrder: list(4, () => ({ sequence: RCV + reader.nearby(), bytes: new Uint8Array(reader.u16() % 5_000) })),
      scoreboard: list(8, () => SND + reader.nearby()),
      recoveryPoint: SND + reader.nearby(),
      inRecovery: reader.below(2) === 1,
      highRxt: SND + reader.nearby(),
      srttMicroseconds: anyNumber(reader),
      rttvarMicroseconds: anyNumber(reader),
      congestionControl: reader.pick(['cubic', 'newreno'] as const),
      congestion: Object.fromEntries(list(8, () => [reader.pick(CONGESTION), anyNumber(reader)])),
      timedAge: anyNumber(reader),
      timedSequence: anyNumber(reader),
      swsDelta: anyNumber(reader),
      quickAcks: anyNumber(reader),
      outOfOrderFin: reader.below(3) === 0 ? RCV + reader.nearby() : null,
    };
    if (reader.below(2) === 1) extension.lossRecovery = this.lossRecovery(reader);
    return extension;
  }

  private lossRecovery(reader: InputReader): LossRecoveryState {
    const flag = (): boolean => reader.below(2) === 1;
    const ranges: number[] = [];
    for (let i = reader.below(6); i > 0; i--) ranges.push(SND + reader.nearby(), anyNumber(reader), reader.u8());
    return {
      minimumRtt: anyNumber(reader),
      recentMinimumRtt: anyNumber(reader),
      reorderingSeen: flag(),
      reorderingMultiplier: anyNumber(reader),
      reorderingPersist: anyNumber(reader),
      duplicateSackRound: flag() ? anyNumber(reader) : null,
      timeoutRecovery: flag(),
      flight: flag()
        ? {
            ranges: flag() ? [SND, anyNumber(reader), reader.u8()] : ranges,
            rackAge: flag() ? anyNumber(reader) : null,
            rackEnd: SND + reader.nearby(),
            rackRtt: anyNumber(reader),
            fack: anyNumber(reader),
            probeEnd: flag() ? SND + reader.nearby() : null,
            probeIsRetransmission: flag(),
            prrDelivered: anyNumber(reader),
            prrOut: anyNumber(reader),
            recoverFlightSize: anyNumber(reader),
            frto: reader.u8(),
            timerDelta: anyNumber(reader),
            timerProbes: flag(),
          }
        : null,
      undo: flag()
        ? {
            cWnd: anyNumber(reader),
            ssThresh: anyNumber(reader),
            congestion: {},
            age: anyNumber(reader),
            marker: anyNumber(reader),
            afterTimeout: flag(),
            retransmittedBytes: anyNumber(reader),
            retransmitted: flag(),
            timestamp: anyNumber(reader),
          }
        : null,
    };
  }

  private segment(reader: InputReader): void {
    const { cb } = this;
    const d = cb.delegated;
    const header = new TcpHeader();
    const choices = reader.u8();
    header.flags = choices & 1 ? TcpFlag.ACK : reader.u8();
    header.sequence = (d.rcvNxt + reader.nearby()) | 0;
    header.acknowledgment = ((choices & 2 ? d.sndMax : d.sndUna) + reader.nearby()) | 0;
    header.window = reader.u16();
    header.hasTimestamp = (choices & 4) !== 0;
    header.timestampValue = (d.tsRecent + reader.nearby()) | 0;
    header.timestampEcho = (this.tcp.ticks + reader.nearby()) | 0;
    header.sackCount = choices >>> 6;
    for (let block = 0; block < header.sackCount; block++) {
      header.sackLeft[block] = (d.sndUna + reader.nearby()) | 0;
      header.sackRight[block] = (header.sackLeft[block] + reader.nearby()) | 0;
    }
    header.payloadLength = choices & 8 ? reader.u16() % 3_000 : 0;
    this.noteEnd(segmentArrives(this.tcp, cb, header, new Uint8Array(header.payloadLength)));
  }

  /** The owner would end the connection now. */
  private noteEnd(disposition: number): void {
    if (disposition & (Disposition.TIMED_OUT | Disposition.MITIGATION_EXPIRED)) this.timedOut = true;
  }

  private move(extension: boolean): void {
    const { tcp, cb } = this;
    if (!isContinuable(cb.delegated, cb.sendQueue.length))
      check(false, 'the state became one that cannot be continued');
    this.tcp = new TcpContext(tcp.parameters, seededRandom(8), otherClock(tcp.now));
    this.cb = moveConnection(tcp, cb, this.tcp, extension);
  }

  private elapse(milliseconds: number): void {
    const end = this.tcp.now + milliseconds * 1000;
    for (let round = 0; ; round++) {
      check(round < MOST_ROUNDS, 'the timers do not come to rest');
      const next = this.tcp.nextDeadline();
      if (next > end) break;
      this.segments = 0;
      this.tcp.advance(Math.max(next, this.tcp.now), (entry: WheelEntry) => this.expired(entry as ControlBlock));
    }
    this.tcp.setTime(end);
  }

  private check(): void {
    const { cb } = this;
    this.segments = 0;
    const d = cb.delegated;
    if (d.state === TcpState.CLOSED) return;
    const outstanding = (d.sndMax - d.sndUna) | 0;
    check(((d.sndNxt - d.sndUna) | 0) >= 0 && ((d.sndMax - d.sndNxt) | 0) >= 0, 'positions out of order');
    check(outstanding <= cb.sendQueue.length + 1, 'more is outstanding than is queued');
    check(Number.isFinite(d.cWnd) && d.cWnd >= cb.sendMss && d.cWnd <= 2 ** 31, `cWnd ${d.cWnd}`);
    if (outstanding > 0 && !this.timedOut)
      check(cb.retransmitDeadline >= 0, 'nothing will retransmit what is outstanding');
    check((cb.scoreboard?.toArray().length ?? 0) <= 1024, 'the scoreboard has no bound');
  }
}

const CONGESTION = [
  'wMax',
  'cwndPrior',
  'wEst',
  'kMicroseconds',
  'epochAge',
  'bytesAcked',
  'afterTimeout',
  'timeoutEnd',
] as const;

function record(operation: number, ...bytes: number[]): InputRecord {
  return { operation, bytes: Uint8Array.from(bytes) };
}

const AFTERWARDS = [
  record(Operation.SEGMENT, 1, 0, 0, 0, 8, 0xff, 0xff),
  record(Operation.TIME, 8, 0, 0),
  record(Operation.SEND, 20, 0),
  record(Operation.SEGMENT, 9, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 4, 0),
  record(Operation.READ, 1, 0),
  record(Operation.MOVE, 0),
  record(Operation.TIME, 200, 0, 0),
];
const FIRST = record(Operation.COUNT - 1, 20, 0, 1, 0, 7, 3, 3, 5, 0xb4, 1, 0, 1, 0, 0, 20, 0, 10, 0);
const EXTENSION = record(
  Operation.EXTENSION,
  1,
  0,
  0x30,
  4,
  0,
  2,
  0,
  0x20,
  0,
  0x40,
  0,
  0x70,
  1,
  0,
  0x20,
  4,
  9,
  9,
  4,
  4,
  4,
);

export const handOver: FuzzTarget = stateless(
  {
    name: 'hand-over',
    covers: 'state and extension that another owner hands over, with any values in them, and what follows',
    shape: 'records',
    maximumLength: 3_000,
    seeds: () => [
      writeRecords([FIRST, ...AFTERWARDS]),
      writeRecords([FIRST, EXTENSION, ...AFTERWARDS]),
      ...DELEGATED.map((_, field) => writeRecords([FIRST, record(Operation.NUMBER, field, 0, 0, 0x40), ...AFTERWARDS])),
    ],
  },
  (input) => {
    const records = readRecords(input);
    const subject = new HandOver(records);
    for (const each of records.slice(1)) subject.apply(each);
    subject.end();
  },
);

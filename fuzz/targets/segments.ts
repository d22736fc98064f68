/** The engine under a peer that sends anything, from any state on; the peer's stream and ours have known bytes. */
import { abort, Disposition, TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { TcpFlag, TcpHeader } from '../../src/wire/tcp-header.ts';
import { ALL_OPTIONS, otherClock } from '../../tests/tcp/pair.ts';
import { Script } from '../../tests/tcp/scripted.ts';
import { InputReader } from '../engine/input-reader.ts';
import { readRecords, writeRecords } from '../engine/records.ts';
import { check, type FuzzTarget, stateless } from '../engine/target.ts';

const S = TcpState;

const STATES = [
  S.SYN_SENT,
  S.SYN_RECEIVED,
  S.ESTABLISHED,
  S.FIN_WAIT_1,
  S.FIN_WAIT_2,
  S.CLOSE_WAIT,
  S.CLOSING,
  S.LAST_ACK,
  S.TIME_WAIT,
] as const;

const FLAGS = [ALL_OPTIONS, 0, TcpConstantFlag.SACK_ENABLED, TcpConstantFlag.TIMESTAMP_ENABLED, ALL_OPTIONS] as const;
const BASES = [
  [1000, 5000],
  [0x7fffffff - 40, -50],
  [-30, 0x7fffffff - 20],
] as const;
const COMMON_FLAGS = [TcpFlag.ACK, TcpFlag.ACK, TcpFlag.ACK | TcpFlag.PSH, TcpFlag.ACK | TcpFlag.FIN] as const;

const RECEIVE_BUFFER = 20_000;
/** What may be buffered beyond the buffer: a window rounded up to its scale, and decision 31. */
const RECEIVE_SLACK = RECEIVE_BUFFER / 16 + 8;
const MOST_QUEUED = 200_000;

const Operation = { SEGMENT: 0, TIME: 5, SEND: 6, READ: 7, CLOSE: 8, MOVE: 9, COUNT: 10 } as const;

/** One connection, and the peer that works on it. */
class Siege {
  readonly script: Script;
  private timedOut = false;

  /** @param choice which state, options and sequence numbers */
  constructor(choice: InputReader) {
    const state = choice.pick(STATES);
    const [iss, irs] = choice.pick(BASES);
    const options = {
      flags: choice.pick(FLAGS),
      iss,
      irs,
      receiveBuffer: RECEIVE_BUFFER,
      receiveScale: 3,
      sendScale: choice.below(15),
      reading: false,
      cached: { flags: choice.below(4), kaTimeout: 5000, kaInterval: 1000 },
      parameters: { congestionControl: choice.pick(['cubic', 'newreno'] as const) },
    };
    if (state === S.SYN_SENT) this.script = Script.synSent(options);
    else if (state === S.SYN_RECEIVED) this.script = Script.synReceived(options);
    else this.script = Script.inState(state, options);
  }

  apply(operation: number, reader: InputReader): void {
    const { script } = this;
    const { cb, tcp } = script;
    const { state } = cb.delegated;
    switch (operation % Operation.COUNT) {
      case Operation.TIME:
        script.run(reader.u16() >>> reader.below(8));
        break;
      case Operation.SEND: {
        const isOpening = state === S.SYN_SENT || state === S.SYN_RECEIVED;
        const maySend = isOpening || state === S.ESTABLISHED || state === S.CLOSE_WAIT;
        if (maySend && !cb.closeRequested && cb.sendQueue.length < MOST_QUEUED) script.send(reader.u16() % 20_000);
        break;
      }
      case Operation.READ:
        script.read(Math.min(cb.receiveBuffered, reader.u16()));
        break;
      case Operation.CLOSE:
        script.close();
        break;
      case Operation.MOVE:
        if (state >= S.ESTABLISHED && state <= S.LAST_ACK) script.moveTo(otherClock(tcp.now), reader.below(2) === 0);
        break;
      default:
        script.inject(this.header(reader));
    }
    this.check();
  }

  end(): void {
    const { script } = this;
    abort(script.tcp, script.cb);
    check(script.tcp.nextDeadline() === Number.POSITIVE_INFINITY, 'a timer outlives its connection');
  }

  private header(reader: InputReader): TcpHeader {
    const { delegated, constant } = this.script.cb;
    const h = new TcpHeader();
    h.sourcePort = 80;
    h.destinationPort = 40_000;
    const flags = reader.u8();
    h.flags = flags < 192 ? COMMON_FLAGS[flags & 3] : reader.u8();
    h.sequence = (delegated.rcvNxt + reader.nearby()) | 0;
    // Where the peer's stream begins is up to its SYN; the bytes compared begin at IRS.
    if (this.script.state === S.SYN_SENT) h.sequence = this.script.irs;
    const choices = reader.u8();
    h.acknowledgment = ((choices & 1 ? delegated.sndMax : delegated.sndUna) + reader.nearby()) | 0;
    h.window = reader.u16();
    h.urgentPointer = choices & 2 ? reader.u16() : 0;
    if (choices & 4 || constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED) {
      h.hasTimestamp = !(choices & 8);
      h.timestampValue = (delegated.tsRecent + reader.nearby()) | 0;
      h.timestampEcho = (this.script.tcp.ticks + reader.nearby()) | 0;
    }
    h.sackCount = choices >>> 6;
    for (let block = 0; block < h.sackCount; block++) {
      h.sackLeft[block] = (delegated.sndUna + reader.nearby()) | 0;
      h.sackRight[block] = (h.sackLeft[block] + reader.nearby()) | 0;
    }
    if (h.flags & TcpFlag.SYN) {
      h.maximumSegmentSize = reader.u16();
      h.windowScale = reader.below(16) - 1;
      h.sackPermitted = reader.below(2) === 1;
    }
    h.payloadLength = choices & 16 ? reader.u16() : reader.u16() % 3000;
    if (choices & 32) h.payloadLength = 0;
    return h;
  }

  private check(): void {
    const { script } = this;
    const { cb } = script;
    const d = cb.delegated;
    check(script.takeSegments().length < 400, 'too many segments for one event');
    if (script.takeSeen() & (Disposition.TIMED_OUT | Disposition.MITIGATION_EXPIRED)) this.timedOut = true;
    if (d.state === S.CLOSED) return;
    check(((d.sndNxt - d.sndUna) | 0) >= 0, 'SND.NXT is before SND.UNA');
    check(((d.sndMax - d.sndNxt) | 0) >= 0, 'SND.NXT is after what was ever sent');
    if (d.state < S.ESTABLISHED) return;
    const outstanding = (d.sndMax - d.sndUna) | 0;
    check(outstanding <= cb.sendQueue.length + 1, 'more is outstanding than is queued');
    check(cb.receiveBuffered <= RECEIVE_BUFFER + RECEIVE_SLACK, `${cb.receiveBuffered} bytes delivered`);
    check((cb.reassembly?.bytes ?? 0) <= RECEIVE_BUFFER + RECEIVE_SLACK, `${cb.reassembly?.bytes} bytes out of order`);
    const board = cb.scoreboard?.toArray() ?? [];
    for (let i = 0; i < board.length; i++) {
      check(
        ((board[i] - (i === 0 ? d.sndUna : board[i - 1])) | 0) >= (i === 0 ? 0 : 1),
        'the scoreboard is out of order',
      );
      check(((d.sndMax - board[i]) | 0) >= 0, 'the scoreboard has what was not sent');
    }
    check(board.length <= 1024, 'the scoreboard has no bound');
    check(d.cWnd >= cb.sendMss && d.cWnd <= 2 ** 30, `cWnd ${d.cWnd}`);
    if (this.timedOut) return;
    if (outstanding > 0) check(cb.retransmitDeadline >= 0, 'nothing will retransmit what is outstanding');
    if (cb.sendQueue.length > 0) check(cb.wheelDeadline >= 0, 'nothing will send what is queued');
    if (d.state === S.TIME_WAIT) check(cb.retransmitDeadline >= 0, 'TIME-WAIT does not end');
  }
}

function record(operation: number, ...bytes: number[]) {
  return { operation, bytes: Uint8Array.from(bytes) };
}

function seed(state: number, flags = 0): Uint8Array {
  return writeRecords([
    record(0, state, 0, flags, 2, 0, 0),
    record(Operation.SEND, 20, 0),
    record(Operation.SEGMENT, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0),
    record(Operation.TIME, 3, 0, 0),
    record(Operation.SEGMENT, 2, 0, 0x30, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 5, 100),
    record(Operation.READ, 1, 0),
    record(Operation.MOVE, 0),
    record(Operation.CLOSE),
    record(Operation.TIME, 30, 0, 0),
  ]);
}

export const segments: FuzzTarget = stateless(
  {
    name: 'segments',
    covers: 'segment arrival, timers, calls and moves of a control block, from every state on',
    shape: 'records',
    maximumLength: 4_000,
    seeds: () => STATES.flatMap((_, state) => FLAGS.map((_, flags) => seed(state, flags))),
  },
  (input) => {
    const [first, ...steps] = readRecords(input);
    const siege = new Siege(new InputReader(first?.bytes ?? input));
    for (const { operation, bytes } of steps) siege.apply(operation, new InputReader(bytes));
    siege.end();
  },
);

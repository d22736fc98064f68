import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { abort, Disposition, TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { TcpFlag, TcpHeader } from '../../src/wire/tcp-header.ts';
import { ALL_OPTIONS } from './pair.ts';
import { Script } from './scripted.ts';

const S = TcpState;
const RECEIVE_BUFFER = 20_000;

/** Distances from a variable of the connection at which mistakes live. */
const nearby = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 4, arbitrary: fc.integer({ min: -70_000, max: 70_000 }) },
  { weight: 2, arbitrary: fc.constantFrom(RECEIVE_BUFFER, RECEIVE_BUFFER - 1, -RECEIVE_BUFFER, 1460, 2920) },
  { weight: 1, arbitrary: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) },
);

const segment = fc.record({
  kind: fc.constant('segment' as const),
  flags: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(TcpFlag.ACK, TcpFlag.ACK | TcpFlag.PSH, TcpFlag.ACK | TcpFlag.FIN) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
  ),
  fromRcvNxt: nearby,
  /** Measured from SND.UNA, or from SND.MAX. */
  ack: nearby,
  ackFromMax: fc.boolean(),
  length: fc.oneof(fc.constant(0), fc.nat(3000), fc.constantFrom(1, 1460, 65_000)),
  window: fc.oneof(fc.constantFrom(0, 1, 65_535), fc.nat(65_535)),
  timestamp: fc.option(nearby, { nil: null }),
  echo: nearby,
  sack: fc.array(fc.tuple(nearby, nearby), { maxLength: 4 }),
  options: fc.record({ mss: fc.nat(65_535), scale: fc.integer({ min: -1, max: 14 }), sackOk: fc.boolean() }),
});

const step = fc.oneof(
  { weight: 10, arbitrary: segment },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat(2000) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('send' as const), length: fc.nat(20_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), share: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'close' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('move' as const), extension: fc.boolean() }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

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
];

/** Follows a connection under attack and holds what must hold after every step. */
class Siege {
  readonly script: Script;
  private edge = 0;
  private timedOut = false;

  constructor(state: TcpState, flags: number, bases: readonly [number, number]) {
    const options = {
      flags,
      iss: bases[0],
      irs: bases[1],
      receiveBuffer: RECEIVE_BUFFER,
      receiveScale: 3,
      sendScale: 2,
      reading: false,
    };
    if (state === S.SYN_SENT) this.script = Script.synSent(options);
    else if (state === S.SYN_RECEIVED) this.script = Script.synReceived(options);
    else this.script = Script.inState(state, options);
    this.edge = RECEIVE_BUFFER + 8;
  }

  apply(action: Step): void {
    const { script } = this;
    const { cb, tcp } = script;
    const { state } = cb.delegated;
    switch (action.kind) {
      case 'segment':
        script.inject(this.header(action));
        break;
      case 'time':
        script.run(action.ms);
        break;
      case 'send':
        if (
          state >= S.SYN_SENT &&
          (state <= S.ESTABLISHED || state === S.CLOSE_WAIT) &&
          cb.sendQueue.length < 200_000
        ) {
          if (!cb.closeRequested) script.send(action.length);
        }
        break;
      case 'read':
        script.read(Math.floor((cb.receiveBuffered * action.share) / 100));
        break;
      case 'close':
        script.close();
        break;
      case 'move':
        if (state >= S.ESTABLISHED && state <= S.LAST_ACK) script.moveTo(tcp.now * 3 + 17, action.extension);
        break;
    }
    this.check();
  }

  private header(action: Extract<Step, { kind: 'segment' }>): TcpHeader {
    const { delegated, constant } = this.script.cb;
    const h = new TcpHeader();
    h.sourcePort = 80;
    h.destinationPort = 40_000;
    h.flags = action.flags;
    h.sequence = (delegated.rcvNxt + action.fromRcvNxt) | 0;
    // Where the peer's stream begins is up to its SYN; the bytes compared begin at IRS.
    if (this.script.state === S.SYN_SENT) h.sequence = this.script.irs;
    h.acknowledgment = ((action.ackFromMax ? delegated.sndMax : delegated.sndUna) + action.ack) | 0;
    h.window = action.window;
    if (action.timestamp !== null || constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED) {
      h.hasTimestamp = true;
      h.timestampValue = (delegated.tsRecent + (action.timestamp ?? 0)) | 0;
      h.timestampEcho = (this.script.tcp.ticks + action.echo) | 0;
    }
    for (const [left, right] of action.sack) {
      h.sackLeft[h.sackCount] = (delegated.sndUna + left) | 0;
      h.sackRight[h.sackCount++] = (delegated.sndUna + right) | 0;
    }
    if (action.flags & TcpFlag.SYN) {
      h.maximumSegmentSize = action.options.mss;
      h.windowScale = action.options.scale;
      h.sackPermitted = action.options.sackOk;
    }
    h.payloadLength = action.length;
    return h;
  }

  private check(): void {
    const { script } = this;
    const { cb } = script;
    const d = cb.delegated;
    const sent = script.takeSegments();
    expect(sent.length).toBeLessThan(400);
    const scale = cb.constant.flags & TcpConstantFlag.WINDOW_SCALING_ENABLED ? cb.constant.rcvWindScale : 0;
    for (const { header } of sent) {
      if (!(header.flags & TcpFlag.ACK) || header.flags & (TcpFlag.RST | TcpFlag.SYN)) continue;
      this.edge = Math.max(this.edge, ((header.acknowledgment - script.irs - 1) | 0) + (header.window << scale));
    }
    if (script.takeSeen() & (Disposition.TIMED_OUT | Disposition.MITIGATION_EXPIRED)) this.timedOut = true;
    if (d.state === S.CLOSED) return;
    expect((d.sndNxt - d.sndUna) | 0).toBeGreaterThanOrEqual(0);
    expect((d.sndMax - d.sndNxt) | 0).toBeGreaterThanOrEqual(0);
    const outstanding = (d.sndMax - d.sndUna) | 0;
    if (d.state < S.ESTABLISHED) return;
    expect(outstanding).toBeLessThanOrEqual(cb.sendQueue.length + 1);
    // Nothing is delivered, or held, that no window offered.
    expect(script.delivered).toBeLessThanOrEqual(this.edge);
    expect(cb.receiveBuffered).toBeLessThanOrEqual(RECEIVE_BUFFER + RECEIVE_BUFFER / 16 + 8);
    expect(cb.reassembly?.bytes ?? 0).toBeLessThanOrEqual(RECEIVE_BUFFER + RECEIVE_BUFFER / 16 + 8);
    const board = cb.scoreboard?.toArray() ?? [];
    for (let i = 0; i < board.length; i++) {
      expect((board[i] - (i === 0 ? d.sndUna : board[i - 1])) | 0).toBeGreaterThanOrEqual(i === 0 ? 0 : 1);
      expect((d.sndMax - board[i]) | 0).toBeGreaterThanOrEqual(0);
    }
    expect(d.cWnd).toBeGreaterThanOrEqual(cb.sendMss);
    expect(d.cWnd).toBeLessThanOrEqual(2 ** 30);
    if (this.timedOut) return;
    if (outstanding > 0 || cb.sendQueue.length > 0) expect(cb.wheelDeadline).toBeGreaterThanOrEqual(0);
    if (outstanding > 0) expect(cb.retransmitDeadline).toBeGreaterThanOrEqual(0);
    if (d.state === S.TIME_WAIT) expect(cb.retransmitDeadline).toBeGreaterThanOrEqual(0);
  }
}

describe('segments of an attacker, in every state', () => {
  it.each([
    ['all options', ALL_OPTIONS],
    ['no options', 0],
    ['SACK alone', TcpConstantFlag.SACK_ENABLED],
  ])('never throw, never break an invariant, never grow memory: %s', (_, flags) => {
    const bases = fc.constantFrom<readonly [number, number]>(
      [1000, 5000],
      [0x7fffffff - 40, -50],
      [-30, 0x7fffffff - 20],
    );
    fc.assert(
      fc.property(fc.constantFrom(...STATES), bases, fc.array(step, { maxLength: 60 }), (state, base, steps) => {
        const siege = new Siege(state, flags, base);
        for (const action of steps) siege.apply(action);
        abort(siege.script.tcp, siege.script.cb);
        expect(siege.script.tcp.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
      }),
      { numRuns: 500 },
    );
  });

  it('a flood of tiny segments out of order is bounded in bytes and pieces', () => {
    const script = Script.established({ receiveBuffer: 60_000, parameters: { outOfOrderLimitSegments: 100 } });
    for (let i = 1; i < 29_000; i++) {
      script.arrive({ seq: i * 2, length: 1 });
      if (i % 1000 === 0) script.take();
    }
    expect(script.cb.reassembly?.segments().length).toBeLessThanOrEqual(100);
    expect(script.delivered).toBe(0);
  });

  it('a flood of SACK blocks is bounded', () => {
    const script = Script.established({
      flags: TcpConstantFlag.SACK_ENABLED | TcpConstantFlag.WINDOW_SCALING_ENABLED,
      sendScale: 8,
      parameters: { initialWindowSegments: 1000 },
    });
    script.arrive({});
    script.cb.delegated.cWnd = 1_000_000;
    script.send(900_000);
    for (let i = 1; i < 400_000; i += 400) {
      script.arrive({ sack: [[i * 2, i * 2 + 1]] });
      script.take();
    }
    expect(script.cb.scoreboard?.toArray().length).toBeLessThanOrEqual(512);
  });

  it('optimistic and split ACKs do not open the window beyond what was sent (RFC 3465 2.3)', () => {
    const script = Script.established({ parameters: { congestionControl: 'newreno' } });
    script.send(200_000);
    for (let i = 1; i <= 1460; i++) script.arrive({ ack: i });
    expect(script.cb.delegated.cWnd).toBeLessThanOrEqual(11 * 1460);
  });

  it.each([
    ['sequence numbers', 0, 5_000_000],
    ['timestamps', TcpConstantFlag.TIMESTAMP_ENABLED, 1_000_000],
  ])('two engines that disagree about %s do not answer each other for ever', (_, flags, iss) => {
    const one = Script.established({ flags, iss: 1, irs: 1_000_000 });
    const other = Script.established({ flags, iss, irs: flags === 0 ? 9_000_000 : 1 });
    one.arrive({ seq: 500_000, length: 5 });
    let exchanged = 0;
    for (let i = 0; i < 1000; i++) {
      const crossing = [
        ...one.takeSegments().map((s) => ({ to: other, s })),
        ...other.takeSegments().map((s) => ({ to: one, s })),
      ];
      if (crossing.length === 0) break;
      for (const { to, s } of crossing) {
        exchanged++;
        to.inject(s.header);
      }
    }
    expect(exchanged).toBeLessThan(20);
  });
});

import { describe, expect, it } from 'vitest';
import {
  DEFAULT_TCP_PARAMETERS,
  Disposition,
  exportDelegated,
  isOffloadable,
  quiesce,
  resume,
  TcpCachedFlag,
  TcpConstantFlag,
  type TcpParameters,
  TcpState,
} from '../../src/tcp/index.ts';
import { TcpFlag } from '../../src/wire/tcp-header.ts';
import { ALL_OPTIONS, type Clock, type End, Pair, pattern, sameBytes, seededRandom } from './pair.ts';
import { Script } from './scripted.ts';

/** The defaults in other ticks (OID-03). */
function parametersAt(ticksPerSecond: number): TcpParameters {
  const scaled = (ticks: number) => Math.max(1, Math.round((ticks * ticksPerSecond) / 1000));
  const p = DEFAULT_TCP_PARAMETERS;
  return {
    ...p,
    ticksPerSecond,
    delayedAckTicks: scaled(p.delayedAckTicks),
    swsPreventionTicks: scaled(p.swsPreventionTicks),
    minimumRtoTicks: scaled(p.minimumRtoTicks),
    maximumRtoTicks: scaled(p.maximumRtoTicks),
    initialRtoTicks: scaled(p.initialRtoTicks),
    timeWaitTicks: scaled(p.timeWaitTicks),
    finWait2Ticks: scaled(p.finWait2Ticks),
    maximumSegmentPayload: 0,
  };
}

interface Run {
  readonly seed: number;
  readonly loss: number;
  readonly flags?: number;
  /** Does a move carry the extension? */
  readonly extension: (chance: number) => boolean;
  readonly ticksPerSecond?: number;
  /** Readers that stop now and then, so that windows close. */
  readonly slow?: boolean;
}

/** A transfer both ways, with random moves of either end, until both streams and both FINs have arrived. */
function transferWithMoves(run: Run) {
  const random = seededRandom(run.seed);
  const chance = () => (random() >>> 0) / 2 ** 32;
  const pair = new Pair({
    parameters: parametersAt(run.ticksPerSecond ?? 1000),
    flags: run.flags ?? ALL_OPTIONS,
    receiveBuffer: run.slow ? 30_000 : 200_000,
    iss: [random(), random()],
    fate: () => {
      if (run.loss === 0) return [5000];
      if (chance() < run.loss) return [];
      const delay = 5000 + (chance() < 0.03 ? Math.floor(chance() * 5000) : 0);
      return chance() < 0.01 ? [delay, delay + 2000] : [delay];
    },
  }).open();
  const established = () => pair.a.cb.delegated.state === TcpState.ESTABLISHED && pair.b.cb.delegated.state === 4;
  pair.run(60_000_000, established);
  const up = pattern(120_000 + Math.floor(chance() * 100_000), run.seed);
  const down = pattern(60_000 + Math.floor(chance() * 100_000), run.seed + 1);
  pair.a.write(up);
  pair.b.write(down);
  // Half close: one side ends its stream early, so that moves meet FIN-WAIT and CLOSE-WAIT under load.
  if (chance() < 0.5) pair.a.close();
  const states = new Set<TcpState>();
  let moves = 0;
  const done = () => pair.b.receivedBytes === up.length && pair.a.receivedBytes === down.length;
  const ended = (end: End) =>
    end.cb.delegated.state === TcpState.CLOSED || end.cb.delegated.state === TcpState.TIME_WAIT;
  let closing = false;
  for (let i = 0; i < 8000 && !(ended(pair.a) && ended(pair.b)); i++) {
    pair.run(Math.floor(chance() * (closing ? 8000 : 12_000)));
    const end = chance() < 0.5 ? pair.a : pair.b;
    if (run.slow) {
      end.reading = end.reading ? chance() > 0.3 : chance() < 0.015;
      if (end.reading) end.take(Number.POSITIVE_INFINITY);
    }
    const { state } = end.cb.delegated;
    if (isOffloadable(state) && chance() < (run.slow ? 0.05 : 0.7)) {
      states.add(state);
      const clock: Clock = { offset: Math.floor(chance() * 1e12), rate: 1 + (chance() - 0.5) * 2e-4 };
      end.move(clock, run.extension(chance()), random());
      moves++;
    }
    if (done() && !closing) {
      closing = true;
      pair.a.reading = true;
      pair.b.reading = true;
      pair.a.close();
      if (chance() < 0.5) pair.b.close();
    } else if (closing && chance() < 0.1) {
      pair.b.close();
    }
  }
  return { pair, up, down, moves, states, ended: ended(pair.a) && ended(pair.b) };
}

/** What no run may show: other bytes, resets, timestamps that go back. */
function expectSound(result: ReturnType<typeof transferWithMoves>, label: string): void {
  const { pair, up, down } = result;
  expect(sameBytes(pair.b.bytes(), up), label).toBe(true);
  expect(sameBytes(pair.a.bytes(), down), label).toBe(true);
  expect(result.ended, label).toBe(true);
  expect((pair.a.seen | pair.b.seen) & (Disposition.RESET | Disposition.TIMED_OUT), label).toBe(0);
  for (const name of ['a', 'b']) {
    let last: number | null = null;
    for (const { from, header } of pair.log) {
      expect(header.flags & TcpFlag.RST, label).toBe(0);
      if (from !== name || !header.hasTimestamp) continue;
      if (last !== null && ((header.timestampValue - last) | 0) < 0) expect.fail(`${label}: TS-06 at ${name}`);
      last = header.timestampValue;
    }
  }
}

/** Segments in the log that hold a byte, or a FIN, that was sent before. */
function retransmissions(pair: Pair): number {
  let count = 0;
  for (const name of ['a', 'b']) {
    let end: number | null = null;
    for (const { from, header, payload } of pair.log) {
      if (from !== name) continue;
      const length = payload.length + (header.flags & (TcpFlag.SYN | TcpFlag.FIN) ? 1 : 0);
      if (length === 0) continue;
      if (end !== null && ((header.sequence - end) | 0) < 0) count++;
      const next = (header.sequence + length) | 0;
      if (end === null || ((next - end) | 0) > 0) end = next;
    }
  }
  return count;
}

describe('hand-over at random moments (STATE-06, spec/algorithms.md 12)', () => {
  it.each([
    ['with the extension', () => true],
    ['without', () => false],
    ['sometimes with', (chance: number) => chance < 0.5],
  ] as const)('under loss, reordering and duplication, %s: byte-exact, no reset, TS-06', (_, extension) => {
    const states = new Set<TcpState>();
    let moves = 0;
    for (let seed = 1; seed <= 17; seed++) {
      const result = transferWithMoves({ seed, loss: 0.02, extension });
      expectSound(result, `seed ${seed}`);
      for (const state of result.states) states.add(state);
      moves += result.moves;
    }
    expect(moves).toBeGreaterThan(300);
    for (const state of [4, 5, 6, 7]) expect(states).toContain(state);
  });

  it.each([
    ['no options', 0],
    ['SACK alone', TcpConstantFlag.SACK_ENABLED],
    ['timestamps alone', TcpConstantFlag.TIMESTAMP_ENABLED],
  ])('under loss with %s', (_, flags) => {
    for (let seed = 50; seed <= 56; seed++) {
      expectSound(transferWithMoves({ seed, loss: 0.02, flags, extension: (chance) => chance < 0.5 }), `seed ${seed}`);
    }
  });

  it.each([10, 100, 1000])('without loss no move causes a retransmission, at %i ticks a second', (ticksPerSecond) => {
    const states = new Set<TcpState>();
    let moves = 0;
    for (let seed = 100; seed <= 110; seed++) {
      const result = transferWithMoves({ seed, loss: 0, ticksPerSecond, extension: (chance) => chance < 0.5 });
      expectSound(result, `seed ${seed}`);
      moves += result.moves;
      expect(retransmissions(result.pair), `seed ${seed}`).toBe(0);
      for (const state of result.states) states.add(state);
    }
    expect(moves).toBeGreaterThan(80);
    for (const state of [4, 5, 6, 7, 9]) expect(states).toContain(state);
  });

  it('with readers that stop, so that windows close and probing moves too (TMR-PERSIST-08)', () => {
    let probes = 0;
    for (let seed = 200; seed <= 212; seed++) {
      const result = transferWithMoves({ seed, loss: 0.01, slow: true, extension: (chance) => chance < 0.5 });
      expectSound(result, `seed ${seed}`);
      probes += result.pair.log.filter(({ payload }) => payload.length === 1).length;
    }
    expect(probes).toBeGreaterThan(5);
  });
});

describe('what a hand-over carries', () => {
  const KEEP_ALIVE = {
    cached: { flags: TcpCachedFlag.KEEP_ALIVE_ENABLED, kaTimeout: 10_000, kaInterval: 1000, kaProbeCount: 3 },
  };

  it('TMR-DACK-01: sends the ACK that is owed before, and none later', () => {
    const script = Script.established();
    script.arrive({ length: 100 });
    script.moveTo(0, false);
    expect(script.take()).toEqual(['. 0:0 ack 100']);
    expect(script.run(1000).take()).toEqual([]);
  });

  it('TMR-RTX-07, TMR-RTX-08: the retransmit timer, its count and TotalRT go on', () => {
    const script = Script.established();
    script.send(100);
    script.runTo(450).moveTo(9e12, false);
    expect(script.cb.delegated.retransmit.count).toBe(1);
    expect(script.cb.delegated.totalRt).toBe(450);
    script.runTo(599).moveTo(3e9, false).runTo(1400);
    expect(script.takeTimed()).toEqual([
      '0 P. 0:100 ack 0',
      '200 P. 0:100 ack 0',
      '600 P. 0:100 ack 0',
      '1400 P. 0:100 ack 0',
    ]);
  });

  it('a connection that moves more often than it retransmits still reaches MaxRT (TMR-RTX-06)', () => {
    const script = Script.established({ cached: { maxRt: 5000 } });
    script.send(100);
    for (let at = 150; at < 5000; at += 150) script.runTo(at).moveTo(at * 1e6, false);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
    script.runTo(5000);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
  });

  it('QRY-06, TMR-GEN-04: -1 says not running, 0 says due now', () => {
    const script = Script.established();
    let state = exportDelegated(script.tcp, script.cb);
    expect([state.retransmit.timeoutDelta, state.keepAlive.timeoutDelta]).toEqual([-1, -1]);
    script.send(100);
    script.runTo(50);
    state = exportDelegated(script.tcp, script.cb);
    expect(state.retransmit.timeoutDelta).toBe(150);
    script.tcp.setTime(script.tcp.now + 999_000);
    state = exportDelegated(script.tcp, script.cb);
    expect(state.retransmit.timeoutDelta).toBe(0);
    script.take();
    script.moveTo(0, false).run(0);
    expect(script.take()).toEqual(['P. 0:100 ack 0']);
  });

  it('TMR-PERSIST-08: zero-window probing goes on in its round, with the times of the test vector', () => {
    const script = Script.established({ parameters: { minimumRtoTicks: 100 } });
    script.arrive({ window: 0 });
    script.send(5000);
    script.runTo(320).moveTo(5e9, false).runTo(450).arrive({ ack: 0, window: 0 });
    script.runTo(500).moveTo(8e9, true).runTo(700).moveTo(1e9, false).runTo(800).arrive({ ack: 0, window: 0 });
    script.runTo(1199).moveTo(0, false).runTo(1210);
    expect(script.takeSegments().map(({ at }) => at)).toEqual([100, 200, 400, 650, 750, 1200]);
    script.arrive({ ack: 0, window: 5000 });
    expect(script.take()).toEqual(['. 0:1460 ack 0', '. 1460:2920 ack 0', '. 2920:4380 ack 0']);
  });

  it('TMR-KA-07, TMR-KA-08: keepalive goes on, between probes as well', () => {
    const script = Script.established(KEEP_ALIVE);
    script.runTo(4000).moveTo(5e9, false).runTo(10_500).moveTo(1e9, false).runTo(12_999);
    expect(script.takeSegments().map(({ at }) => at)).toEqual([10_000, 11_000, 12_000]);
    expect(script.takeSeen()).toBe(0);
    script.moveTo(0, false).runTo(13_000);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
  });

  it('keepalive counts from the last segment, also when that came shortly before the move', () => {
    const script = Script.established(KEEP_ALIVE);
    script.runTo(7000).arrive({});
    script.runTo(8000).moveTo(5e9, false);
    script.runTo(16_999);
    expect(script.take()).toEqual([]);
    script.runTo(17_000);
    expect(script.take().length).toBe(1);
  });

  it('TMR-FW2-06: FIN-WAIT-2 goes on with what is left', () => {
    const script = Script.inState(TcpState.FIN_WAIT_2);
    script.runTo(100_000).moveTo(5e9, false);
    expect(exportDelegated(script.tcp, script.cb).retransmit.timeoutDelta).toBe(20_000);
    script.runTo(119_999);
    expect(script.state).toBe(TcpState.FIN_WAIT_2);
    script.runTo(120_000);
    expect(script.state).toBe(TcpState.CLOSED);
  });

  it('RST-12: blind-reset mitigation goes on, and is still ended by an acceptable segment', () => {
    const options = { cached: { flags: 0, kaProbeCount: 2, kaInterval: 1000 } };
    const script = Script.established(options);
    script.arrive({ flags: 'R', seq: 100 });
    script.runTo(200_000).moveTo(5e9, false).runTo(300_500).moveTo(0, false).runTo(301_999);
    expect(script.takeSegments().map(({ at }) => at)).toEqual([0, 300_000, 301_000]);
    script.runTo(302_000);
    expect(script.takeSeen()).toBe(Disposition.MITIGATION_EXPIRED);

    const saved = Script.established(options);
    saved.arrive({ flags: 'R', seq: 100 });
    saved.runTo(200_000).moveTo(5e9, false).arrive({});
    saved.take();
    expect(saved.run(1e7).take()).toEqual([]);
  });

  it('spec/algorithms.md 12: what was rolled back by a timeout is sent first, then the rest', () => {
    for (const base of [1000, -500, 0x7fffffff - 700]) {
      const script = Script.established({ iss: base, mss: 200, cached: { flags: 0 } });
      script.send(1600);
      script.runTo(200);
      script.take();
      script.send(400);
      script.arrive({ ack: 200 });
      script.take();
      script.moveTo(5e9, false);
      script.arrive({ ack: 600 });
      script.arrive({ ack: 1000 });
      const order = script.takeSegments().map(({ header }) => (header.sequence - script.iss - 1) | 0);
      expect(order).toEqual([...order].sort((x, y) => x - y));
      expect(order.at(-1)).toBe(1800);
    }
  });

  it('fast retransmit counts on across a move: DupAckCount (STATE-06)', () => {
    const script = Script.established();
    script.send(14_600);
    script.take();
    script.arrive({ ack: 0 });
    script.arrive({ ack: 0 });
    script.moveTo(5e9, false);
    expect(script.take()).toEqual([]);
    script.arrive({ ack: 0 });
    expect(script.take()).toEqual(['. 0:1460 ack 0']);
    // And recovery goes on after another: the next hole at once, no second reduction.
    const { ssThresh } = script.cb.delegated;
    script.moveTo(0, false);
    script.arrive({ ack: 0 });
    script.arrive({ ack: 4380 });
    expect(script.take()).toEqual(['. 4380:5840 ack 0']);
    expect(script.cb.delegated.ssThresh).toBe(ssThresh);
  });

  it('with the extension, text out of order and a FIN behind it arrive without being sent again', () => {
    const script = Script.established({ flags: TcpConstantFlag.SACK_ENABLED });
    script.arrive({ flags: 'F.', seq: 200, length: 100 });
    script.arrive({ seq: 100, length: 50 });
    script.take();
    script.moveTo(5e9, true);
    script.arrive({ seq: 150, length: 50 });
    expect(script.take()).toEqual(['. 0:0 ack 0 sack 100:300']);
    script.arrive({ seq: 0, length: 100 });
    expect(script.delivered).toBe(300);
    expect(script.state).toBe(TcpState.CLOSE_WAIT);
    expect(script.take()).toEqual(['. 0:0 ack 301']);
  });

  it('with the extension, SACK recovery goes on: no hole twice, nothing that the peer holds', () => {
    const script = Script.established({ flags: TcpConstantFlag.SACK_ENABLED });
    script.send(14_600);
    script.arrive({ ack: 0, sack: [[1460, 5840]] });
    script.arrive({ ack: 0, sack: [[7300, 11_680]] });
    expect(script.take().slice(10)).toEqual(['. 0:1460 ack 0', '. 5840:7300 ack 0']);
    script.moveTo(5e9, true);
    script.arrive({ ack: 5840, sack: [[7300, 11_680]] });
    script.arrive({ ack: 11_680 });
    expect(script.take()).toEqual([]);
    script.arrive({ ack: 14_600 });
    expect(script.cb.inRecovery).toBe(false);
    expect(script.cb.delegated.cWnd).toBe(script.cb.delegated.ssThresh);
  });

  it('with the extension the congestion control of the previous owner goes on, without it the own one begins', () => {
    for (const extension of [true, false]) {
      const script = Script.established({ parameters: { congestionControl: 'newreno' } });
      script.send(50_000);
      script.arrive({ ack: 2920 });
      const { cWnd, ssThresh } = script.cb.delegated;
      script.moveTo(5e9, extension, { congestionControl: 'cubic' });
      expect(script.cb.congestionControl).toBe(extension ? 'newreno' : 'cubic');
      expect([script.cb.delegated.cWnd, script.cb.delegated.ssThresh]).toEqual([cWnd, ssThresh]);
    }
  });

  it('the idle restart counts on the new owner (RFC 5681 4.1)', () => {
    for (const [idle, burst] of [
      [100, 20],
      [1000, 10],
    ]) {
      const script = Script.established();
      script.cb.delegated.cWnd = 20 * 1460;
      script.moveTo(5e9, false).run(idle);
      script.send(30 * 1460);
      expect(script.take().length).toBe(burst);
    }
  });

  it('RTT estimators cross in ticks (STATE-12), and exactly with the extension', () => {
    for (const extension of [true, false]) {
      const script = Script.established();
      script.cb.rtt.restore(123_456, 7891);
      const state = exportDelegated(script.tcp, script.cb);
      expect([state.sRtt, state.rttVar]).toEqual([988, 32]);
      script.moveTo(5e9, extension);
      expect([script.cb.rtt.srtt, script.cb.rtt.rttvar]).toEqual(extension ? [123_456, 7891] : [123_500, 8000]);
    }
  });

  it('the receive window counts unread bytes that came along, and opens when they are read', () => {
    const script = Script.established({ receiveBuffer: 5840, reading: false });
    for (let i = 0; i < 4; i++) script.arrive({ length: 1460 });
    script.take();
    script.moveTo(5e9, false);
    expect(script.cb.receiveBuffered).toBe(5840);
    script.arrive({ length: 1 });
    expect(script.takeSegments()[0].header.window).toBe(0);
    script.read(5840);
    expect(script.takeSegments()[0].header.window).toBe(5840);
  });

  it('tells the peer of a window that opened while nobody was in charge (RFC 9293 3.8.6.2.2)', () => {
    for (const unread of [0, 1460, 5840]) {
      const script = Script.established({ receiveBuffer: 5840, reading: false });
      for (let i = 0; i < 4; i++) script.arrive({ length: 1460 });
      expect(script.takeSegments().pop()?.header.window).toBe(0);
      // Between quiesce and the snapshot the old owner only accounts for what was read.
      script.cb.receiveBuffered = unread;
      script.moveTo(5e9, false);
      const windows = script.takeSegments().map(({ header }) => header.window);
      expect(windows).toEqual(unread === 5840 ? [] : [5840 - unread]);
    }
  });

  it('a failed hand-over leaves no trace: resume after quiesce goes on', () => {
    const script = Script.established({ cached: { flags: TcpCachedFlag.NAGLING_ENABLED } });
    script.send(100);
    script.send(50);
    script.runTo(100);
    quiesce(script.tcp, script.cb);
    expect(script.tcp.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    script.tcp.setTime(script.tcp.now + 20_000);
    resume(script.tcp, script.cb);
    script.runTo(200);
    expect(script.takeTimed()).toEqual(['0 P. 0:100 ack 0', '200 P. 0:150 ack 0']);
    script.arrive({ ack: 150 });
    expect(script.run(10_000).take()).toEqual([]);
  });
});

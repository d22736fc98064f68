import { describe, expect, it } from 'vitest';
import { applyUpdate, Disposition, TcpCachedFlag, TcpCachedState, TcpState } from '../../src/tcp/index.ts';
import { ALL_OPTIONS } from './pair.ts';
import { Script, type ScriptOptions } from './scripted.ts';

const KEEP_ALIVE = {
  cached: { flags: TcpCachedFlag.KEEP_ALIVE_ENABLED, kaTimeout: 10_000, kaInterval: 1000, kaProbeCount: 3 },
};
const PROBE = '. -1:-1 ack 0';

/** RTO is 100 ticks, 5000 bytes wait, and the window is zero, at 0 ms. */
function zeroWindow(options: ScriptOptions = {}): Script {
  const script = Script.established({ ...options, parameters: { minimumRtoTicks: 100, ...options.parameters } });
  script.arrive({ window: 0 });
  script.send(5000);
  expect(script.take()).toEqual([]);
  return script;
}

describe('zero-window probing (spec/algorithms.md 3, RFC 9293 3.8.6.1)', () => {
  it('follows the test vector: TMR-PERSIST-01 to -05 (MUST-36, SHLD-29, SHLD-30)', () => {
    const script = zeroWindow();
    const d = script.cb.delegated;
    script.runTo(449);
    expect(script.takeTimed()).toEqual(['100 . 0:1 ack 0', '200 . 0:1 ack 0', '400 . 0:1 ack 0']);
    expect([d.sndWndProbeCount, d.retransmit.count]).toEqual([0, 3]);
    script.runTo(450).arrive({ ack: 0, window: 0 });
    expect([d.sndWndProbeCount, d.retransmit.count]).toEqual([1, 0]);
    script.runTo(799);
    expect(script.takeTimed()).toEqual(['650 . 0:1 ack 0', '750 . 0:1 ack 0']);
    script.runTo(800).arrive({ ack: 0, window: 0 });
    expect([d.sndWndProbeCount, d.retransmit.count]).toEqual([2, 0]);
    script.runTo(1209);
    expect(script.takeTimed()).toEqual(['1200 . 0:1 ack 0']);
    script.runTo(1210).arrive({ ack: 0, window: 5000 });
    expect(script.takeTimed()).toEqual(['1210 . 0:1460 ack 0', '1210 . 1460:2920 ack 0', '1210 . 2920:4380 ack 0']);
    expect([d.sndWndProbeCount, d.retransmit.count]).toEqual([0, 0]);
  });

  it('starts when the window closes behind what was acknowledged (MUST-35)', () => {
    const script = Script.established({ window: 2920, parameters: { minimumRtoTicks: 100 } });
    script.send(5000);
    script.runTo(50).take();
    script.arrive({ ack: 2920, window: 0 });
    script.runTo(149);
    expect(script.take()).toEqual([]);
    script.runTo(150);
    expect(script.take()).toEqual(['. 2920:2921 ack 0']);
  });

  it('goes on when the peer takes the probe byte and nothing more', () => {
    const script = zeroWindow();
    script.runTo(100).take();
    script.arrive({ ack: 1, window: 0 });
    script.runTo(10_000);
    expect(script.takeSegments()[0]).toMatchObject({ length: 1 });
    expect(script.cb.delegated.sndWndProbeCount).toBe(1);
  });

  it('caps both back-offs (spec/decisions.md 19) and goes on as long as the peer answers (MUST-37)', () => {
    const script = zeroWindow({ parameters: { maximumRtoTicks: 1000, maximumRetransmissions: 3 } });
    const times: number[] = [];
    for (let i = 0; i < 40; i++) {
      while (script.take().length === 0) script.run(1);
      times.push(script.time);
      script.arrive({ ack: 0, window: 0 });
    }
    expect(times.slice(0, 6)).toEqual([100, 300, 700, 1500, 2500, 3500]);
    expect(times.at(-1)).toBe(37_500);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
  });

  it('TMR-PERSIST-06: gives up when the probes of one round exceed TcpMaximumRetransmissions', () => {
    const script = zeroWindow({ parameters: { maximumRetransmissions: 3 } });
    script.runTo(1599);
    expect(script.take().length).toBe(4);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
    script.runTo(1600);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
    expect(script.take()).toEqual([]);
  });

  it('text that flows the other way does not push the next probe out (spec/decisions.md 29)', () => {
    const script = zeroWindow();
    for (let at = 10; at <= 390; at += 10) script.runTo(at).arrive({ length: 10, window: 0 });
    const probes = script.takeTimed().filter((line) => line.includes(' 0:1 '));
    expect(probes.map((line) => Number(line.split(' ')[0]))).toEqual([100, 200]);
  });

  it('probes with a FIN when that is all there is, and it counts when the peer takes it', () => {
    const script = Script.established({ parameters: { minimumRtoTicks: 100 } });
    script.arrive({ window: 0 });
    script.close();
    expect(script.take()).toEqual([]);
    script.runTo(100);
    expect(script.take()).toEqual(['F. 0:0 ack 0']);
    script.arrive({ ack: 1, window: 0 });
    expect(script.state).toBe(TcpState.FIN_WAIT_2);
  });

  it('does not probe when nothing waits', () => {
    const script = Script.established();
    script.arrive({ window: 0 });
    expect(script.runTo(100_000).take()).toEqual([]);
  });
});

describe('keepalive (spec/algorithms.md 4, RFC 9293 3.8.4)', () => {
  it('is off by default (MUST-25)', () => {
    expect(Script.established().runTo(100_000_000).take()).toEqual([]);
  });

  it('TMR-KA-02 to -04, -06: the probes, without text, their times, and then TIMED_OUT (MAY-5, MUST-29, SHLD-12)', () => {
    const script = Script.established(KEEP_ALIVE);
    script.runTo(12_999);
    expect(script.takeTimed()).toEqual([`10000 ${PROBE}`, `11000 ${PROBE}`, `12000 ${PROBE}`]);
    expect(script.takeSeen()).toBe(0);
    script.runTo(13_000);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
    expect(script.take()).toEqual([]);
    expect(script.state).toBe(TcpState.ESTABLISHED);
  });

  it('an answer, or any acceptable segment, starts KaTimeout again (4 step 5)', () => {
    const script = Script.established(KEEP_ALIVE);
    script.runTo(7000).arrive({ length: 10 });
    script.take();
    script.runTo(18_500);
    expect(script.takeTimed().filter((line) => line.includes('-1:-1'))).toEqual([
      '17000 . -1:-1 ack 10',
      '18000 . -1:-1 ack 10',
    ]);
    script.arrive({});
    script.runTo(28_499);
    expect(script.take()).toEqual([]);
    script.runTo(31_499);
    // All three of them again: the answer has set the count back.
    expect(script.takeSegments().map(({ at }) => at)).toEqual([28_500, 29_500, 30_500]);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
    script.runTo(31_500);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
  });

  it('is not sent while text is outstanding, which asks already (MUST-26)', () => {
    const script = Script.established(KEEP_ALIVE);
    script.send(100);
    script.runTo(60_000);
    expect(script.take().every((line) => line === 'P. 0:100 ack 0')).toBe(true);
    expect(script.tcp.statistics.keepAliveProbes).toBe(0);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
  });

  it('answers the probe of a peer, with and without a byte of garbage', () => {
    for (const length of [0, 1]) {
      const script = Script.established();
      script.arrive({ length: 50 });
      script.take();
      script.arrive({ seq: 49, length });
      expect(script.take()).toEqual(['. 0:0 ack 50']);
      expect(script.delivered).toBe(50);
    }
  });

  it('TMR-KA-01, TMR-KA-05: an update switches it on and off, and restarts it', () => {
    const script = Script.established();
    const cached: TcpCachedState = Object.assign(new TcpCachedState(), KEEP_ALIVE.cached);
    script.runTo(5000);
    applyUpdate(script.tcp, script.cb, cached);
    script.runTo(12_000);
    cached.flags |= TcpCachedFlag.KEEP_ALIVE_RESTART;
    applyUpdate(script.tcp, script.cb, cached);
    script.runTo(21_999);
    expect(script.take()).toEqual([]);
    script.runTo(22_000);
    expect(script.take()).toEqual([PROBE]);
    cached.flags = 0;
    applyUpdate(script.tcp, script.cb, cached);
    expect(script.runTo(1_000_000).take()).toEqual([]);
  });

  it('UPD-14, UPD-15: with the restart flag a new count, or new times, reset the probe count and the timer', () => {
    const script = Script.established(KEEP_ALIVE);
    script.runTo(11_500).take();
    const cached: TcpCachedState = Object.assign(new TcpCachedState(), KEEP_ALIVE.cached);
    cached.kaProbeCount = 2;
    cached.flags |= TcpCachedFlag.MAX_RT_RESTART;
    applyUpdate(script.tcp, script.cb, cached);
    expect(script.cb.delegated.keepAlive.probeCount).toBe(0);
    cached.kaTimeout = 500;
    applyUpdate(script.tcp, script.cb, cached);
    script.runTo(12_000);
    expect(script.takeTimed()).toEqual([`12000 ${PROBE}`]);
  });

  it('carries timestamps like every segment (STATE-13)', () => {
    const script = Script.established({ ...KEEP_ALIVE, flags: ALL_OPTIONS });
    script.runTo(10_000);
    expect(script.takeSegments()[0].header.hasTimestamp).toBe(true);
  });
});

describe('FIN-WAIT-2 (spec/algorithms.md 5)', () => {
  it('TMR-FW2-01 to -05: 120 s, restarted by each acceptable segment, then CLOSED', () => {
    const script = Script.inState(TcpState.FIN_WAIT_2);
    script.runTo(100_000).arrive({ length: 10 });
    script.runTo(219_999);
    expect(script.state).toBe(TcpState.FIN_WAIT_2);
    script.takeSeen();
    script.runTo(220_000);
    expect(script.state).toBe(TcpState.CLOSED);
    expect(script.takeSeen()).toBe(Disposition.FIN_WAIT_2_EXPIRED);
    expect(script.tcp.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('is not restarted by what is not acceptable', () => {
    const script = Script.inState(TcpState.FIN_WAIT_2);
    script.runTo(100_000);
    script.arrive({ seq: -500, length: 10 });
    script.arrive({ flags: 'S', seq: 5 });
    script.runTo(120_000);
    expect(script.state).toBe(TcpState.CLOSED);
  });
});

describe('blind-reset mitigation (spec/algorithms.md 9)', () => {
  const MINUTES_5 = 300_000;
  const inWindow = { flags: 'R', seq: 100 } as const;
  const quick = { cached: { flags: 0, kaProbeCount: 2, kaInterval: 1000, kaTimeout: 7_200_000 } };

  it('RST-03: one challenge ACK until an acceptable segment arrives', () => {
    const script = Script.established(quick);
    script.arrive(inWindow);
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    for (let i = 0; i < 5; i++) script.arrive({ flags: 'R', seq: 50 + i });
    expect(script.take()).toEqual([]);
    script.arrive({});
    script.arrive(inWindow);
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    expect(script.tcp.statistics.challengeAcks).toBe(2);
  });

  it('RST-07, RST-08, RST-10: probes after five minutes, every KaInterval, then CLOSED', () => {
    const script = Script.established(quick);
    script.runTo(1000).arrive(inWindow);
    script.take();
    script.runTo(1000 + MINUTES_5 + 1999);
    expect(script.takeTimed()).toEqual([`301000 ${PROBE}`, `302000 ${PROBE}`]);
    expect(script.takeSeen()).toBe(0);
    script.runTo(303_000);
    expect(script.takeSeen()).toBe(Disposition.MITIGATION_EXPIRED);
    expect(script.state).toBe(TcpState.CLOSED);
  });

  it('RST-08: a ProbeCount that was there before counts', () => {
    const script = Script.established(quick);
    script.cb.delegated.keepAlive.probeCount = 1;
    script.arrive(inWindow);
    script.take();
    script.runTo(MINUTES_5 + 1000);
    expect(script.take()).toEqual([PROBE]);
    expect(script.takeSeen()).toBe(Disposition.MITIGATION_EXPIRED);
  });

  it('RST-09: takes 10 probes and 1 s for zero', () => {
    const script = Script.established({ cached: { flags: 0, kaProbeCount: 0, kaInterval: 0 } });
    script.arrive(inWindow);
    script.take();
    script.runTo(MINUTES_5 + 9999);
    expect(script.take().length).toBe(10);
    script.runTo(MINUTES_5 + 10_000);
    expect(script.takeSeen()).toBe(Disposition.MITIGATION_EXPIRED);
  });

  it('RST-07: leaves an earlier expiry alone, and brings a later one forward', () => {
    const earlier = Script.established(KEEP_ALIVE);
    earlier.arrive(inWindow);
    earlier.take();
    earlier.runTo(10_000);
    expect(earlier.takeTimed()).toEqual([`10000 ${PROBE}`]);

    const cached = { ...KEEP_ALIVE.cached, kaTimeout: 7_200_000 };
    const later = Script.established({ cached });
    later.arrive(inWindow);
    later.take();
    later.runTo(MINUTES_5);
    expect(later.takeTimed()).toEqual([`300000 ${PROBE}`]);
  });

  it('RST-11: an acceptable segment stops what the mitigation started, and restarts normal keepalive', () => {
    const off = Script.established(quick);
    off.arrive(inWindow);
    off.runTo(MINUTES_5).arrive({});
    off.take();
    expect(off.runTo(10_000_000).take()).toEqual([]);

    const on = Script.established(KEEP_ALIVE);
    on.arrive(inWindow);
    on.runTo(5000).arrive({});
    on.take();
    on.runTo(15_000);
    expect(on.takeTimed()).toEqual([`15000 ${PROBE}`]);
  });

  it('RST-06: one challenge ACK in 3 s answers SYNs in the window, RCV.NXT included (spec/decisions.md 21)', () => {
    const script = Script.established(quick);
    const answers: number[] = [];
    for (let at = 0; at <= 9000; at += 500) {
      script.runTo(at).arrive({ flags: 'S', seq: at % 1000 === 0 ? 0 : 10 });
      if (script.take().length > 0) answers.push(at);
    }
    expect(answers).toEqual([0, 3000, 6000, 9000]);
    expect(script.state).toBe(TcpState.ESTABLISHED);
  });

  it('RFC5961-7-1: the whole stack has a budget a second, of a size that nobody can count', () => {
    const sizes = new Set<number>();
    const script = Script.established({ parameters: { challengeAcksPerSecond: 10 } });
    for (let second = 1; second <= 30; second++) {
      script.tcp.setTime(script.tcp.now + 1_000_000);
      let answered = 0;
      for (let i = 0; i < 100; i++) {
        script.arrive({ ack: 1 + i });
        answered += script.take().length;
      }
      expect(answered).toBeGreaterThanOrEqual(5);
      expect(answered).toBeLessThanOrEqual(15);
      sizes.add(answered);
    }
    expect(sizes.size).toBeGreaterThan(3);
  });

  it('survives an update that switches keepalive off', () => {
    const script = Script.established({ cached: { ...KEEP_ALIVE.cached, kaTimeout: 7_200_000 } });
    script.arrive(inWindow);
    script.take();
    applyUpdate(script.tcp, script.cb, Object.assign(new TcpCachedState(), quick.cached));
    script.runTo(MINUTES_5);
    expect(script.take()).toEqual([PROBE]);
    script.arrive({});
    expect(script.runTo(10_000_000).take()).toEqual([]);
  });
});

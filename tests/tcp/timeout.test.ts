import { describe, expect, it } from 'vitest';
import { Disposition, MAX_RT_UNLIMITED, TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { ALL_OPTIONS } from './pair.ts';
import { Script } from './scripted.ts';

/** Losses by RFC 6675 alone: no tail loss probe comes before the timeout. */
const COUNTING = { lossDetection: 'dupack' } as const;

describe('retransmission timeout (RFC 6298)', () => {
  it('2.2, 2.4: after a sample it is SRTT + 4 RTTVAR, at least the minimum', () => {
    for (const [rtt, rto] of [
      [20, 200],
      [100, 300],
      [400, 1200],
    ]) {
      const script = Script.synSent();
      script.runTo(rtt).arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460 });
      script.take();
      script.send(100);
      script.runTo(rtt + rto - 1);
      expect(script.take()).toEqual(['P. 0:100 ack 0']);
      script.runTo(rtt + rto);
      expect(script.takeTimed()).toEqual([`${rtt + rto} P. 0:100 ack 0`]);
    }
  });

  it('5.1–5.3: the timer starts with the first text, not again with more, and again with each ACK of new text', () => {
    const script = Script.established({ cached: { flags: 0 } });
    script.send(100);
    script.runTo(100);
    script.send(100);
    script.runTo(150).arrive({ ack: 100 });
    script.take();
    script.runTo(349);
    expect(script.take()).toEqual([]);
    script.runTo(350);
    expect(script.takeTimed()).toEqual(['350 P. 100:200 ack 0']);
  });

  it('never expires early, wherever in a tick it starts (TMR-GEN-02, RFC6298-5-1)', () => {
    for (const ticksPerSecond of [10, 100, 1000]) {
      const minimumRtoTicks = ticksPerSecond / 5;
      for (const offset of [0, 0.001, 0.4, 0.999]) {
        const script = Script.established({ parameters: { ticksPerSecond, minimumRtoTicks } });
        script.run(offset * (1000 / ticksPerSecond));
        const start = script.time;
        script.send(100);
        script.take();
        script.run(500);
        const after = script.takeSegments()[0].at - start;
        expect(after).toBeGreaterThanOrEqual(200);
        expect(after).toBeLessThan(200 + 1000 / ticksPerSecond);
      }
    }
  });

  it('5.2: the timer stops when everything is acknowledged', () => {
    const script = Script.established();
    script.send(100);
    script.arrive({ ack: 100 });
    script.take();
    expect(script.runTo(100_000).take()).toEqual([]);
    expect(script.tcp.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('5.5, 2.5: each expiry doubles it, up to the maximum (RFC6298-5.5, RFC 9293 MUST-19)', () => {
    const script = Script.established({ parameters: { maximumRtoTicks: 5000 } });
    script.send(100);
    script.take();
    script.runTo(22_000);
    const times = script.takeSegments().map(({ at }) => at);
    expect(times).toEqual([200, 600, 1400, 3000, 6200, 11_200, 16_200, 21_200]);
  });

  it('3, Karn: an ACK after a retransmission is no sample, and the back-off ends with it (RFC6298-3-1, RFC 9293 MUST-18)', () => {
    const script = Script.established();
    const { srtt } = script.cb.rtt;
    script.send(100);
    script.runTo(350);
    script.arrive({ ack: 100 });
    expect(script.cb.rtt.srtt).toBe(srtt);
    script.take();
    script.send(100);
    script.runTo(549);
    expect(script.take()).toEqual(['P. 100:200 ack 0']);
    script.runTo(550);
    expect(script.take()).toEqual(['P. 100:200 ack 0']);
  });

  it('3: one segment of a flight is timed, and once (RFC6298-3-2)', () => {
    const script = Script.established();
    script.send(4380);
    script.runTo(50).arrive({ ack: 1460 });
    const { srtt } = script.cb.rtt;
    expect(Math.abs(srtt - 50_000 / 8)).toBeLessThan(1);
    script.runTo(100).arrive({ ack: 2920 });
    script.runTo(120).arrive({ ack: 4380 });
    expect(script.cb.rtt.srtt).toBe(srtt);
  });

  it('with timestamps, an ACK after a retransmission is a sample by its echo (RFC 7323 4.1, TS-05)', () => {
    const script = Script.established({ flags: ALL_OPTIONS });
    script.send(100);
    script.runTo(300);
    const [first, second] = script.takeSegments();
    expect(second.header.timestampValue - first.header.timestampValue).toBe(200);
    const before = script.cb.rtt.srtt;
    script.runTo(360).arrive({ ack: 100, ts: [700_360, first.header.timestampValue] });
    // 360 ms, not 160: the first one was answered.
    expect(script.cb.rtt.srtt - before).toBeCloseTo((360_000 - before) / 8, 0);
  });

  it('many samples of one flight weigh as much as one (RFC 7323 appendix G)', () => {
    const script = Script.established({ flags: ALL_OPTIONS, parameters: { initialWindowSegments: 100 } });
    script.cb.delegated.cWnd = 40 * 1448;
    script.cb.rtt.restore(100_000, 0);
    script.send(40 * 1448);
    const value = script.takeSegments()[0].header.timestampValue;
    script.cb.timing = false; // as after a hand-over: every ACK is measured by its echo
    script.run(200);
    for (let i = 2; i <= 40; i += 2) script.arrive({ ack: i * 1448, ts: [700_200, value] });
    // One sample would move SRTT by an eighth of the difference; 20 full ones would take it to 193 ms.
    expect(script.cb.rtt.srtt).toBeGreaterThan(110_000);
    expect(script.cb.rtt.srtt).toBeLessThan(140_000);
  });

  it('sends one segment, then slow start again, from SND.UNA (RFC5681-3.1-8, RFC 9293 MUST-19)', () => {
    const script = Script.established();
    script.send(14_600);
    script.take();
    script.runTo(200);
    expect(script.take()).toEqual(['. 0:1460 ack 0']);
    expect(script.cb.delegated.ssThresh).toBe(14_600 * 0.7);
    script.arrive({ ack: 1460 });
    expect(script.take()).toEqual(['. 1460:2920 ack 0', '. 2920:4380 ack 0']);
    // What was received before the loss is not sent again.
    script.arrive({ ack: 10_220 });
    expect(script.take()).toEqual(['. 10220:11680 ack 0', '. 11680:13140 ack 0', 'P. 13140:14600 ack 0']);
  });

  it('halves ssthresh only once for the same segment (RFC5681-3.1-7), in NewReno', () => {
    const script = Script.established({ parameters: { congestionControl: 'newreno' } });
    script.send(14_600);
    script.runTo(200);
    expect(script.cb.delegated.ssThresh).toBe(7300);
    script.runTo(5000);
    expect(script.cb.delegated.ssThresh).toBe(7300);
    expect(script.cb.delegated.cWnd).toBe(1460);
  });

  it('skips what the peer has SACKed, until a second timeout says that it may have lost it (RFC 2018 8)', () => {
    const script = Script.established({ flags: TcpConstantFlag.SACK_ENABLED, parameters: COUNTING });
    script.send(5840);
    script.take();
    script.arrive({ ack: 0, sack: [[1460, 4380]] });
    script.take();
    script.runTo(200);
    expect(script.take()).toEqual(['. 0:1460 ack 0']);
    script.runTo(600);
    expect(script.take()).toEqual(['. 0:1460 ack 0']);
    script.arrive({ ack: 1460 });
    expect(script.take()).toEqual(['. 1460:2920 ack 0', '. 2920:4380 ack 0']);
  });

  it('continues behind what the peer has SACKed after the first timeout (RFC 6675 5.1)', () => {
    const script = Script.established({ flags: TcpConstantFlag.SACK_ENABLED, parameters: COUNTING });
    script.send(7300);
    script.take();
    script.arrive({ ack: 0, sack: [[1460, 4380]] });
    script.runTo(200).take();
    script.arrive({ ack: 1460 });
    expect(script.take()).toEqual(['. 4380:5840 ack 0', 'P. 5840:7300 ack 0']);
  });

  it('sends again what a peer SACKed and then threw away: SND.UNA itself is SACKed (RFC 2018 8)', () => {
    const script = Script.established({ flags: TcpConstantFlag.SACK_ENABLED });
    script.send(4380);
    script.take();
    script.arrive({ ack: 0, sack: [[1460, 2920]] });
    script.arrive({ ack: 1460 });
    script.runTo(200);
    expect(script.take()).toEqual(['. 1460:2920 ack 0']);
  });
});

describe('limits (RFC 9293 3.8.3, TMR-RTX)', () => {
  it('TMR-RTX-01: TcpMaximumRetransmissions times, then TIMED_OUT; the state stays (MUST-20)', () => {
    for (const maximumRetransmissions of [1, 3]) {
      const script = Script.established({ parameters: { maximumRetransmissions } });
      script.send(100);
      script.take();
      script.runTo(60_000);
      expect(script.take().length).toBe(maximumRetransmissions);
      expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
      expect(script.state).toBe(TcpState.ESTABLISHED);
    }
  });

  it('TMR-RTX-03, TMR-RTX-06: MaxRT limits the total time, to the tick, whatever the count (MUST-21)', () => {
    for (const maxRt of [150, 1000, 1400]) {
      const script = Script.established({ parameters: { maximumRetransmissions: 1 }, cached: { maxRt } });
      script.send(100);
      script.runTo(maxRt - 1);
      expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
      script.runTo(maxRt);
      expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
      expect(script.cb.delegated.totalRt).toBe(maxRt);
    }
  });

  it('TMR-RTX-03: the time counts for one segment, and starts again with the next', () => {
    const script = Script.established({ cached: { maxRt: 500 } });
    script.send(100);
    script.runTo(450);
    script.arrive({ ack: 100 });
    script.send(100);
    script.runTo(949);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
    script.runTo(950);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
  });

  it('TMR-RTX-04: MaxRT 0xFFFFFFFF goes on for ever', () => {
    const script = Script.established({
      parameters: { maximumRetransmissions: 1 },
      cached: { maxRt: MAX_RT_UNLIMITED },
    });
    script.send(100);
    script.take();
    script.runTo(3_600_000);
    expect(script.take().length).toBeGreaterThan(60);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
  });

  it('OID-05: says that the neighbor is in doubt after TcpDoubtReachabilityRetransmissions', () => {
    const script = Script.established({ parameters: { doubtReachabilityRetransmissions: 2 } });
    script.send(100);
    script.runTo(599);
    expect(script.takeSeen() & Disposition.NEIGHBOR_IN_DOUBT).toBe(0);
    script.runTo(600);
    expect(script.takeSeen() & Disposition.NEIGHBOR_IN_DOUBT).not.toBe(0);
    script.runTo(20_000);
    expect(script.takeSeen() & Disposition.NEIGHBOR_IN_DOUBT).toBe(0);
  });

  it('an ACK after TIMED_OUT lets the connection go on, if its owner has not ended it', () => {
    const script = Script.established({ parameters: { maximumRetransmissions: 1 } });
    script.send(4380);
    script.runTo(1000).take();
    script.arrive({ ack: 1460 });
    expect(script.take()).toEqual(['. 1460:2920 ack 0', 'P. 2920:4380 ack 0']);
    expect(script.tcp.nextDeadline()).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});

import { describe, expect, it } from 'vitest';
import { TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { ALL_OPTIONS } from './pair.ts';
import { Script, type ScriptOptions, SEQUENCE_BASES } from './scripted.ts';

const MSS = 1460;
const SACK = TcpConstantFlag.SACK_ENABLED;
const segment = (i: number, psh = false) => `${psh ? 'P' : ''}. ${i * MSS}:${(i + 1) * MSS} ack 0`;
const block = (from: number, to: number) => [from * MSS, to * MSS] as const;

/** Established over a path of `rtt` milliseconds, measured by the handshake and one segment; no time is left to run. */
function over(rtt: number, options: ScriptOptions = {}): Script {
  const parameters = { congestionControl: 'newreno', initialWindowSegments: 100, ...options.parameters } as const;
  const script = Script.synSent({ flags: SACK, mss: MSS, ...options, parameters });
  script.runTo(rtt).arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460, sackOk: true, ts: null });
  expect(script.state).toBe(TcpState.ESTABLISHED);
  script.take();
  return script;
}

/** `count` segments out, one of which was acknowledged after `rtt`: RACK.min_RTT is known. Positions count from there. */
function flying(rtt: number, count: number, options: ScriptOptions = {}): Script {
  const script = over(rtt, options);
  script.send(count * MSS);
  script.take();
  script.run(rtt);
  script.arrive({ ack: MSS });
  script.take();
  return script;
}

describe.each(SEQUENCE_BASES)('RACK (RFC 8985 6), ISS %i IRS %i', (iss, irs) => {
  const bases = { iss, irs };

  it('6.2 step 5: one SACK is enough, when the reordering window has passed', () => {
    const script = flying(100, 10, bases);
    const start = script.time;
    script.arrive({ ack: MSS, sack: [block(2, 3)] });
    expect(script.take()).toEqual([]);
    script.run(24);
    expect(script.take()).toEqual([]);
    script.run(2);
    // RACK.rtt and a quarter of the smallest round trip after it left.
    expect(script.takeTimed()).toEqual([`${start + 25} ${segment(1)}`]);
    expect(script.cb.inRecovery).toBe(true);
    expect(script.tcp.statistics.fastRetransmits).toBe(1);
  });

  it('6.2 step 4: at DupThresh SACKed segments there is no window, while no reordering was seen', () => {
    const script = flying(100, 10, bases);
    script.arrive({ ack: MSS, sack: [block(2, 4)] });
    expect(script.take()).toEqual([]);
    script.arrive({ ack: MSS, sack: [block(2, 5)] });
    expect(script.take()).toEqual([segment(1)]);
  });

  it('6.2 step 3: what arrives late and was sent once is reordering; from then on three SACKed segments wait as well', () => {
    const script = flying(100, 12, bases);
    script.arrive({ ack: MSS, sack: [block(2, 3)] });
    script.run(5);
    script.arrive({ ack: 3 * MSS });
    expect(script.cb.reordering?.seen).toBe(true);
    const start = script.time;
    script.arrive({ ack: 3 * MSS, sack: [block(4, 8)] });
    expect(script.take()).toEqual([]);
    script.run(30);
    // Sent 105 ms ago when it was overtaken: RACK.rtt is 105 ms, the window 25 ms.
    expect(script.takeTimed()).toEqual([`${start + 25} ${segment(3)}`]);
  });

  it('6.2 step 5: a retransmission that is lost is found by what was sent after it', () => {
    const script = flying(100, 10, bases);
    script.send(5 * MSS);
    script.take();
    script.arrive({ ack: MSS, sack: [block(2, 6)] });
    expect(script.take()).toEqual([segment(1)]);
    script.run(50);
    script.arrive({ ack: MSS, sack: [block(2, 13)] });
    const sent = script.take();
    expect(sent.filter((line) => line === segment(1))).toEqual([]);
    script.send(2 * MSS);
    const later = script.take();
    expect(later).toContain(segment(15));
    script.run(100);
    script.arrive({ ack: MSS, sack: [block(2, 16)] });
    expect(script.take()).toContain(segment(1));
    script.arrive({ ack: 17 * MSS });
    expect(script.cb.inRecovery).toBe(false);
    expect(script.tcp.statistics.timeouts).toBe(0);
  });

  it('6.2 step 2: an ACK too early for the retransmission is for the original, and condemns nothing', () => {
    const script = flying(100, 10, bases);
    script.arrive({ ack: MSS, sack: [block(2, 5)] });
    expect(script.take()).toEqual([segment(1)]);
    script.run(10);
    script.arrive({ ack: 2 * MSS, sack: [block(2, 5)] });
    script.take();
    // The retransmission left after all others: had its ACK counted, segment 5 and what follows would be lost now.
    expect(script.cb.flight?.record.lostBytes).toBe(0);
  });

  it('6.2 step 4: a D-SACK widens the window, once in a round trip, for sixteen recoveries', () => {
    const script = flying(100, 20, bases);
    script.arrive({ ack: MSS, sack: [block(2, 5)] });
    script.take();
    script.run(5);
    script.arrive({ ack: 5 * MSS });
    script.run(5);
    script.arrive({ ack: 5 * MSS, sack: [block(1, 2)] });
    expect(script.cb.reordering?.multiplier).toBe(2);
    script.arrive({ ack: 5 * MSS, sack: [block(1, 2)] });
    expect(script.cb.reordering?.multiplier).toBe(2);
    expect(script.cb.reordering?.persist).toBe(16);
    const start = script.time;
    script.arrive({ ack: 5 * MSS, sack: [block(6, 7)] });
    script.take();
    script.run(80);
    expect(script.takeTimed().map((line) => line.split(' ')[0])).toEqual([`${start + 50}`]);
  });
});

describe('RACK and the timeout (RFC 8985 6.3)', () => {
  it('condemns the first segment and what was sent long ago, not what has just left', () => {
    const script = flying(100, 3, { flags: SACK, parameters: { tailLossProbe: false, forwardRto: false } });
    script.runTo(449);
    script.send(MSS);
    expect(script.take()).toEqual([segment(3, true)]);
    script.run(60);
    expect(script.take()).toEqual([segment(1)]);
    expect(script.cb.flight?.record.lostBytes).toBe(MSS);
    expect(script.cb.delegated.cWnd).toBe(MSS);
    expect(script.cb.timeoutRecovery).toBe(true);
    script.run(100);
    script.arrive({ ack: 4 * MSS });
    expect(script.cb.timeoutRecovery).toBe(false);
    expect(script.take()).toEqual([]);
  });

  it('RFC 6675 stays for who asks for it: the third duplicate, and no timer before it', () => {
    const script = flying(100, 10, { parameters: { lossDetection: 'dupack' } });
    script.arrive({ ack: MSS, sack: [block(2, 3)] });
    script.arrive({ ack: MSS, sack: [block(2, 4)] });
    script.run(80);
    expect(script.take()).toEqual([]);
    script.arrive({ ack: MSS, sack: [block(2, 5)] });
    expect(script.take()).toEqual([segment(1)]);
  });

  it('without SACK there is no record, no probe and no reordering timer', () => {
    const script = over(20, { flags: 0 });
    script.send(5 * MSS);
    expect(script.cb.flight).toBe(null);
    expect(script.cb.lossDeadline).toBe(-1);
    script.take();
    script.run(199);
    expect(script.take()).toEqual([]);
    script.run(2);
    expect(script.take()).toEqual([segment(0)]);
  });

  it('an idle connection holds nothing of a flight', () => {
    const script = flying(100, 5);
    expect(script.cb.flight).not.toBe(null);
    script.arrive({ ack: 5 * MSS });
    expect(script.cb.flight).toBe(null);
    expect([script.cb.lossDeadline, script.cb.retransmitDeadline]).toEqual([-1, -1]);
  });
});

describe('Proportional Rate Reduction (RFC 6937 3)', () => {
  /** Segments that leave with each SACK of one more segment, from the entry of recovery on. */
  function clockOf(flags: number): number[] {
    const script = flying(100, 20, { flags });
    script.cb.delegated.cWnd = 19 * MSS;
    script.send(40 * MSS);
    expect(script.take()).toEqual([]);
    const sent: number[] = [];
    script.arrive({ ack: MSS, sack: [block(2, 5)] });
    for (let i = 6; i <= 20; i++) {
      sent.push(script.take().length);
      script.arrive({ ack: MSS, sack: [block(2, i)] });
    }
    return sent;
  }

  it('comes down to ssthresh in proportion: every other ACK sends, from the first to the last', () => {
    const sent = clockOf(SACK);
    expect(sent[0]).toBe(2); // half of the three that the first ACK reports, rounded up
    const total = sent.reduce((sum, count) => sum + count, 0);
    expect(Math.max(...sent.slice(1))).toBe(1);
    // NewReno halves: half of what is delivered may leave.
    expect(Math.abs(total - sent.length / 2)).toBeLessThanOrEqual(2);
    for (let i = 0; i + 4 <= sent.length; i += 4) {
      expect(
        sent.slice(i, i + 4).reduce((sum, count) => sum + count, 0),
        `ACKs ${i} to ${i + 3}`,
      ).toBeGreaterThan(0);
    }
  });

  it('below ssthresh sends what was delivered, and one more when SND.UNA moves (PRR-SSRB)', () => {
    const script = flying(100, 21);
    script.cb.delegated.cWnd = 20 * MSS;
    script.send(40 * MSS);
    expect(script.take()).toEqual([]);
    // All but the last four of twenty are lost: the pipe is far below ssthresh at once.
    script.arrive({ ack: MSS, sack: [block(17, 21)] });
    const { ssThresh } = script.cb.delegated;
    expect(ssThresh).toBe(10 * MSS);
    // Conservative for the ACK that finds the loss: the four segments that it reports.
    expect(script.take()).toEqual([1, 2, 3, 4].map((i) => segment(i)));
    script.run(100);
    script.arrive({ ack: 2 * MSS, sack: [block(17, 21)] });
    expect(script.take()).toEqual([segment(5), segment(6)]);
    script.arrive({ ack: 3 * MSS, sack: [block(17, 21)] });
    expect(script.take()).toEqual([segment(7), segment(8)]);
  });

  it('ends with cWnd at ssthresh', () => {
    const script = flying(100, 11);
    script.cb.delegated.cWnd = 10 * MSS;
    script.arrive({ ack: MSS, sack: [block(2, 5)] });
    script.run(100);
    script.arrive({ ack: 11 * MSS });
    expect([script.cb.inRecovery, script.cb.delegated.cWnd]).toEqual([false, 5 * MSS]);
  });
});

describe('what an owner that has just taken over may still be forwarded (FWD-04)', () => {
  const receiver = () => {
    const script = Script.established({ flags: ALL_OPTIONS, reading: true });
    script.cb.forwardsUntil = script.tcp.ticks + 40;
    return script;
  };

  it('a gap is not reported while what fills it may be on its way, and then in one ACK', () => {
    const script = receiver();
    script.arrive({ seq: 2896, length: 1448 });
    script.arrive({ seq: 4344, length: 1448 });
    expect(script.take()).toEqual([]);
    script.arrive({ seq: 0, length: 1448 });
    expect(script.take()).toEqual([]);
    script.arrive({ seq: 1448, length: 1448 });
    expect(script.take()).toEqual(['. 0:0 ack 5792']);
  });

  it('a gap that stays is reported within the delay of an ACK', () => {
    const script = receiver();
    script.arrive({ seq: 1448, length: 1448 });
    expect(script.take()).toEqual([]);
    script.run(41);
    expect(script.take()).toEqual(['. 0:0 ack 0 sack 1448:2896']);
    script.arrive({ seq: 2896, length: 1448 });
    expect(script.take()).toEqual(['. 0:0 ack 0 sack 1448:4344']);
  });
});

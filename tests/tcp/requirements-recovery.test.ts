/** Requirements of RFC 8985, RFC 6675 and RFC 5681 on loss recovery; the ids are those of spec/requirements.yaml. */
import { describe, expect, it } from 'vitest';
import { TcpConstantFlag } from '../../src/tcp/index.ts';
import { Script, type ScriptOptions } from './scripted.ts';

const MSS = 1460;
const SACK = TcpConstantFlag.SACK_ENABLED;

/** Established over a path of 100 ms: SRTT 100 ms, RTO 300 ms. The script's clock stands at 100. */
function distant(options: ScriptOptions = {}): Script {
  const script = Script.synSent({ flags: SACK, cached: { flags: 0 }, ...options });
  script.runTo(100);
  script.arrive({ flags: 'S.', seq: -1, ack: 0, mss: MSS, sackOk: true, ts: null });
  script.take();
  return script;
}

/** What leaves, as `time first end`, in segments. */
const sent = (script: Script) =>
  script.takeSegments().map(({ at, header, length }) => {
    const first = (header.sequence - script.iss - 1) | 0;
    return [at, first / MSS, (first + length) / MSS];
  });

describe('loss probes (RFC 8985 section 7)', () => {
  it('one leaves after two round trips, and the retransmission timer starts anew (RFC8985-7.3-1, RFC8985-7.3-3)', () => {
    const script = distant();
    script.send(4 * MSS);
    script.take();
    script.runTo(1300);
    const [probe, ...timeouts] = sent(script);
    expect(probe.slice(1)).toEqual([3, 4]);
    expect(probe[0]).toBeGreaterThanOrEqual(300);
    expect(probe[0]).toBeLessThan(310);
    // No second probe while the first is not answered: the timer, 300 ms after the probe, not after the text.
    expect(timeouts).toEqual([
      [probe[0] + 300, 0, 1],
      [probe[0] + 900, 0, 1],
    ]);
  });

  it('none leaves while no round trip was measured since the last one (RFC8985-7.3-1)', () => {
    const script = distant();
    script.send(MSS);
    script.runTo(450);
    expect(script.tcp.statistics.lossProbes).toBe(1);
    script.arrive({ ack: MSS }); // by Karn's rule it measures nothing
    script.arrive({ ack: MSS }); // and the probe was answered: it is not in flight any more
    expect(script.cb.flight).toBeNull();
    script.take();
    script.send(4 * MSS);
    script.take();
    script.run(310);
    expect(sent(script)).toEqual([[750, 1, 2]]); // the timer, for the first segment
    expect(script.tcp.statistics.lossProbes).toBe(1);
    script.arrive({ ack: 5 * MSS });
    script.take();
    // New text is measured, and then the end of a flight is probed again.
    script.send(MSS);
    script.run(100);
    script.arrive({ ack: 6 * MSS });
    script.send(2 * MSS);
    script.take();
    script.run(250);
    expect(sent(script).map((line) => line.slice(1))).toEqual([[7, 8]]);
  });

  it('the probe counts as a transmission like any other: what it overtook is lost when it is SACKed', () => {
    // By its time, not by a count: one SACKed segment is enough (RFC8985-7.3-2, RFC8985-4-2, RFC8985-9.2-1).
    const script = distant();
    script.send(4 * MSS);
    script.runTo(310);
    script.take();
    script.run(100);
    script.arrive({ ack: 0, sack: [[3 * MSS, 4 * MSS]] });
    script.run(30);
    expect(sent(script)[0].slice(1)).toEqual([0, 1]);
    expect(script.cb.inRecovery).toBe(true);
  });

  it.each([
    ['with text behind the probe', true],
    ['with nothing outstanding in between', false],
  ])('a loss that the probe repaired is answered like any other, %s (RFC8985-7.4.2-1)', (_name, before) => {
    const script = distant();
    script.send(4 * MSS);
    script.runTo(310);
    const { cWnd } = script.cb.delegated;
    expect(script.tcp.statistics.lossProbes).toBe(1);
    if (before) script.send(MSS);
    else script.arrive({ ack: 4 * MSS });
    expect(script.cb.delegated.cWnd).toBeGreaterThanOrEqual(cWnd);
    if (!before) script.send(MSS);
    script.run(10);
    script.arrive({ ack: 5 * MSS });
    expect(script.tcp.statistics.lossProbeRecoveries).toBe(1);
    expect(script.cb.delegated.cWnd).toBeLessThan(cWnd);
  });

  it.each([
    ['a D-SACK', { sack: [[3 * MSS, 4 * MSS]] }],
    ['a duplicate ACK', {}],
  ] as const)('and not when %s says that probe and original have both arrived', (_name, answer) => {
    const script = distant();
    script.send(4 * MSS);
    script.runTo(310);
    const { cWnd } = script.cb.delegated;
    script.arrive({ ack: 4 * MSS });
    script.arrive({ ack: 4 * MSS, ...answer });
    script.send(MSS);
    script.run(10);
    script.arrive({ ack: 5 * MSS });
    expect(script.tcp.statistics.lossProbeRecoveries).toBe(0);
    expect(script.cb.delegated.cWnd).toBeGreaterThanOrEqual(cWnd);
    expect(script.cb.flight).toBeNull();
  });
});

describe('RACK (RFC 8985 section 6)', () => {
  it('needs SACK: without it neither probe nor reordering timer runs (RFC8985-4-1)', () => {
    const script = distant({ flags: 0 });
    script.send(4 * MSS);
    script.take();
    expect([script.cb.flight, script.cb.lossDeadline]).toEqual([null, -1]);
    script.run(350);
    expect(sent(script).map((line) => line.slice(1))).toEqual([[0, 1]]);
    expect(script.tcp.statistics.lossProbes).toBe(0);
  });

  it('what is lost waits for congestion control (RFC8985-9.3-1)', () => {
    const script = distant({ parameters: { initialWindowSegments: 40 } });
    script.send(20 * MSS);
    script.take();
    script.run(100);
    script.arrive({ ack: 0, sack: [[19 * MSS, 20 * MSS]] });
    script.run(60);
    const lost = script.cb.flight?.record.lostBytes ?? 0;
    // Nearly all is known to be lost; as much is sent again as was delivered, and not more.
    expect(lost).toBeGreaterThan(15 * MSS);
    expect(sent(script).length).toBeLessThanOrEqual(2);
  });
});

describe('the SACK recovery of RFC 6675', () => {
  const dupack = { parameters: { lossDetection: 'dupack', forwardRto: false } } as const;

  it('begins to count duplicates anew with each cumulative ACK (RFC6675-5-2)', () => {
    const script = distant(dupack);
    script.send(10 * MSS);
    script.take();
    // Three duplicates in all, of 100 bytes each: too few bytes to condemn anything, and never three in a row.
    script.arrive({ ack: 0, sack: [[2 * MSS, 2 * MSS + 100]] });
    script.arrive({ ack: 0, sack: [[2 * MSS, 2 * MSS + 200]] });
    script.arrive({ ack: MSS });
    expect(script.cb.delegated.dupAckCount).toBe(0);
    script.arrive({ ack: MSS, sack: [[2 * MSS, 2 * MSS + 300]] });
    script.arrive({ ack: MSS, sack: [[2 * MSS, 2 * MSS + 400]] });
    expect(script.cb.inRecovery).toBe(false);
    script.arrive({ ack: MSS, sack: [[2 * MSS, 2 * MSS + 500]] });
    expect(script.cb.inRecovery).toBe(true);
  });

  it('is ended by a timeout, which moves RecoveryPoint to the end of what was sent (RFC6675-5.1-1, RFC6675-5.1-2)', () => {
    const script = distant(dupack);
    script.send(8 * MSS);
    for (let i = 2; i <= 4; i++) script.arrive({ ack: 0, sack: [[MSS, i * MSS]] });
    expect(script.cb.inRecovery).toBe(true);
    const recoveries = script.tcp.statistics.fastRetransmits;
    script.send(MSS);
    script.run(400);
    expect(script.tcp.statistics.timeouts).toBe(1);
    expect([script.cb.inRecovery, script.cb.recoveryPoint]).toEqual([false, script.cb.delegated.sndMax]);
    for (let i = 5; i <= 8; i++) script.arrive({ ack: 0, sack: [[MSS, i * MSS]] });
    expect(script.cb.inRecovery).toBe(false);
    expect(script.tcp.statistics.fastRetransmits).toBe(recoveries);
  });
});

describe('congestion', () => {
  it.each([
    ['without SACK', 0],
    ['with SACK', SACK],
  ])(
    'the loss of a retransmission is a second sign of it, and lowers both windows again, %s (RFC5681-4.3-1)',
    (_name, flags) => {
      const script = distant({ flags, parameters: { congestionControl: 'newreno', tailLossProbe: false } });
      const d = script.cb.delegated;
      script.send(10 * MSS);
      for (let i = 2; i <= 5; i++) script.arrive(flags === 0 ? { ack: 0 } : { ack: 0, sack: [[MSS, i * MSS]] });
      expect(script.cb.inRecovery).toBe(true);
      expect(d.ssThresh).toBe(5 * MSS);
      script.run(1000);
      expect(script.tcp.statistics.timeouts).toBeGreaterThan(0);
      expect([d.cWnd, d.ssThresh]).toEqual([MSS, (5 * MSS) >> 1]);
    },
  );
});

/** Requirements of RFC 8985 and RFC 5681 on loss recovery; the ids are those of spec/requirements.yaml. */
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

  it('the probe counts as a transmission like any other: what it overtook is lost when it is SACKed (RFC8985-7.3-2)', () => {
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

import { describe, expect, it } from 'vitest';
import { Cubic } from '../../src/tcp/congestion/cubic.ts';
import { TcpConstantFlag } from '../../src/tcp/index.ts';
import { TcpDelegatedState } from '../../src/tcp/variables.ts';
import { ALL_OPTIONS } from './pair.ts';
import { Script, type ScriptOptions } from './scripted.ts';

const MSS = 1460;
const SACK = TcpConstantFlag.SACK_ENABLED;
const segment = (i: number, psh = false) => `${psh ? 'P' : ''}. ${i * MSS}:${(i + 1) * MSS} ack 0`;
const block = (from: number, to: number) => [from * MSS, to * MSS] as const;

/** `count` segments in flight, all that cWnd allows, and `more` queued; the timer has expired for the first of them. */
function timedOut(count: number, more: number, options: ScriptOptions = {}): Script {
  const parameters = { congestionControl: 'newreno', initialWindowSegments: 100, tailLossProbe: false } as const;
  const script = Script.established({ flags: SACK, ...options, parameters: { ...parameters, ...options.parameters } });
  script.cb.delegated.cWnd = count * MSS;
  script.send((count + more) * MSS);
  script.take();
  script.run(201);
  expect(script.take().length).toBe(1);
  expect(script.cb.delegated.cWnd).toBe(script.cb.sendMss);
  expect(script.cb.timeoutRecovery).toBe(true);
  return script;
}

describe('F-RTO (RFC 5682 3.1)', () => {
  it('step 3.b: data sent only once is acknowledged: the timeout was spurious, and the reduction is taken back', () => {
    const script = timedOut(10, 20);
    script.arrive({ ack: MSS });
    // Step 2.b: new data instead of retransmissions.
    expect(script.take()).toEqual([segment(10), segment(11)]);
    script.arrive({ ack: 2 * MSS });
    expect([script.cb.timeoutRecovery, script.cb.delegated.cWnd]).toEqual([false, 10 * MSS]);
    expect(script.tcp.statistics.undoneReductions).toBe(1);
    expect(script.take()).toEqual([]); // ten are in flight again
    script.arrive({ ack: 12 * MSS });
    expect(script.cb.retransmittedSegments).toBe(1);
  });

  it('at once, when the first ACK covers more than what was sent again', () => {
    const script = timedOut(10, 20);
    script.arrive({ ack: 4 * MSS });
    expect(script.cb.timeoutRecovery).toBe(false);
    expect(script.cb.delegated.cWnd).toBeGreaterThanOrEqual(10 * MSS);
    expect(script.take().every((line) => Number(line.split(/[ :]/)[1]) >= 10 * MSS)).toBe(true);
  });

  it('step 3.a: a duplicate, or SACK of the new data alone, says that the loss was real: slow start goes on', () => {
    const script = timedOut(10, 20);
    script.arrive({ ack: MSS });
    expect(script.take()).toEqual([segment(10), segment(11)]);
    script.run(10);
    script.arrive({ ack: MSS, sack: [block(10, 11)] });
    expect(script.cb.timeoutRecovery).toBe(true);
    // One of the two new ones has left the network: cWnd of two segments has room for one.
    expect(script.take()).toEqual([segment(1)]);
    script.arrive({ ack: MSS, sack: [block(10, 12)] });
    expect(script.take()).toEqual([segment(2)]);
    expect(script.tcp.statistics.undoneReductions).toBe(0);
  });

  it('step 2.a: without new data to send the retransmissions go on', () => {
    const script = timedOut(4, 0);
    script.arrive({ ack: MSS });
    expect(script.take()).toEqual([segment(1), segment(2)]);
  });

  it('a timeout in the middle of fast recovery is not doubted; a second one for the same segment is', () => {
    const script = timedOut(10, 20);
    script.run(400);
    expect(script.take()).toEqual([segment(0)]);
    script.arrive({ ack: 3 * MSS });
    expect(script.cb.timeoutRecovery).toBe(false);
    expect(script.cb.delegated.cWnd).toBeGreaterThanOrEqual(10 * MSS);
    const recovering = Script.established({
      flags: SACK,
      parameters: { congestionControl: 'newreno', initialWindowSegments: 100 },
    });
    recovering.send(10 * MSS);
    recovering.arrive({ ack: 0, sack: [block(1, 4)] });
    recovering.take();
    recovering.run(201);
    expect(recovering.take()).toEqual([segment(0)]);
    recovering.arrive({ ack: 5 * MSS });
    expect(recovering.cb.timeoutRecovery).toBe(true);
  });

  it('is left out for who does not want it', () => {
    const script = timedOut(10, 20, { parameters: { forwardRto: false } });
    script.arrive({ ack: MSS });
    expect(script.take()).toEqual([segment(1), segment(2)]);
  });
});

describe('Eifel (RFC 3522, RFC 4015)', () => {
  it.each([
    ['with SACK', ALL_OPTIONS],
    ['without', TcpConstantFlag.TIMESTAMP_ENABLED],
  ])('%s: an ACK that echoes a timestamp from before the retransmission takes the timeout back', (_, flags) => {
    const script = timedOut(10, 0, { flags, parameters: { forwardRto: false } });
    const echo = (script.cb.timestampDelta + script.tcp.ticks - 201) | 0;
    const before = script.sndMax;
    script.arrive({ ack: MSS, ts: [700_500, echo] });
    expect(script.tcp.statistics.undoneReductions).toBe(1);
    expect(script.cb.delegated.cWnd).toBeGreaterThanOrEqual(10 * 1448);
    expect([script.sndNxt, script.sndMax]).toEqual([before, before]);
    expect(script.take()).toEqual([]);
  });

  it.each([
    ['with SACK', ALL_OPTIONS],
    ['without', TcpConstantFlag.TIMESTAMP_ENABLED],
  ])('%s: an ACK that echoes the retransmission does not', (_, flags) => {
    const script = timedOut(10, 0, { flags, parameters: { forwardRto: false } });
    script.arrive({ ack: 1448 });
    expect(script.tcp.statistics.undoneReductions).toBe(0);
    expect(script.take().length).toBeGreaterThan(0);
  });

  it('takes a fast recovery back when the late segment was the only one sent again', () => {
    const script = Script.established({
      flags: ALL_OPTIONS,
      parameters: { congestionControl: 'newreno', initialWindowSegments: 100, tailLossProbe: false },
    });
    const mss = script.cb.sendMss;
    script.cb.delegated.cWnd = 10 * mss;
    script.send(10 * mss);
    script.run(20);
    const echo = (script.cb.timestampDelta + script.tcp.ticks - 20) | 0;
    script.arrive({ ack: 0, sack: [[mss, 4 * mss]] });
    expect(script.take().slice(10)).toEqual([`. 0:${mss} ack 0`]);
    script.run(5);
    script.arrive({ ack: 4 * mss, ts: [700_100, echo] });
    expect([script.cb.inRecovery, script.cb.delegated.cWnd]).toEqual([false, 10 * mss]);
    expect(script.cb.reordering?.seen).toBe(true);
  });
});

describe('D-SACK (RFC 3708 3, RFC 2883)', () => {
  function recovered(): Script {
    const script = Script.established({
      flags: SACK,
      parameters: { congestionControl: 'newreno', initialWindowSegments: 100 },
    });
    script.cb.delegated.cWnd = 10 * MSS;
    script.send(30 * MSS);
    script.run(20);
    script.arrive({ ack: 0, sack: [block(1, 4)] });
    script.take();
    return script;
  }

  it('every retransmission reported as a duplicate: the reduction is taken back, in recovery', () => {
    const script = recovered();
    expect(script.cb.inRecovery).toBe(true);
    script.arrive({ ack: 4 * MSS });
    script.take();
    const again = script.cb.retransmittedSegments;
    expect(again).toBe(1);
    script.arrive({ ack: 4 * MSS, sack: [block(0, 1)] });
    expect([script.cb.inRecovery, script.cb.delegated.cWnd]).toEqual([false, 10 * MSS]);
    expect(script.cb.delegated.ssThresh).toBe(0x7fffffff);
  });

  it('or after it, also when nothing is outstanding any more', () => {
    const script = recovered();
    for (let ack = 4; ack <= 30; ack += 2) script.arrive({ ack: ack * MSS });
    script.arrive({ ack: 30 * MSS });
    expect(script.cb.flight).toBe(null);
    expect(script.cb.delegated.ssThresh).toBe(5 * MSS);
    script.arrive({ ack: 30 * MSS, sack: [block(0, 1)] });
    expect(script.cb.delegated.ssThresh).toBe(0x7fffffff);
    expect(script.tcp.statistics.undoneReductions).toBe(1);
  });

  it('not while another retransmission may have been needed, and not for what is older', () => {
    const script = recovered();
    script.arrive({ ack: 0, sack: [block(6, 9), block(1, 4)] });
    expect(script.cb.retransmittedSegments).toBeGreaterThan(1);
    script.arrive({ ack: 4 * MSS, sack: [block(0, 1)] });
    expect(script.cb.inRecovery).toBe(true);
    script.arrive({ ack: 4 * MSS, sack: [[-5 * MSS, -4 * MSS]] });
    expect(script.cb.inRecovery).toBe(true);
    expect(script.tcp.statistics.undoneReductions).toBe(0);
  });

  it('nobody who was sent nothing twice can widen the window, or make a duplicate', () => {
    const script = Script.established({ flags: SACK });
    script.send(MSS);
    script.arrive({ ack: MSS });
    script.arrive({ ack: MSS, sack: [[0, MSS]] });
    expect(script.cb.reordering).toBe(null);
  });
});

describe('what the congestion control knew (RFC 9438 4.9)', () => {
  it('CUBIC grows on as if there had been no reduction', () => {
    const grow = (cubic: Cubic, v: TcpDelegatedState, from: number): number => {
      for (let i = 0; i < 50; i++) cubic.onAcknowledged(v, MSS, MSS, 20_000, from + i * 20_000, 0);
      return v.cWnd;
    };
    const make = (): [Cubic, TcpDelegatedState] => {
      const v = new TcpDelegatedState();
      v.cWnd = 40 * MSS;
      const cubic = new Cubic();
      cubic.onLoss(v, 40 * MSS, MSS);
      v.cWnd = v.ssThresh;
      grow(cubic, v, 1_000_000);
      return [cubic, v];
    };
    const [undisturbed, a] = make();
    const [disturbed, b] = make();
    const { cWnd, ssThresh } = b;
    const saved = disturbed.save(2_000_000);
    disturbed.onTimeout(b, 40 * MSS, MSS);
    disturbed.restore(saved, 2_000_000);
    Object.assign(b, { cWnd, ssThresh });
    const expected = grow(undisturbed, a, 3_000_000);
    expect(Math.abs(grow(disturbed, b, 3_000_000) - expected)).toBeLessThanOrEqual(2);
  });
});

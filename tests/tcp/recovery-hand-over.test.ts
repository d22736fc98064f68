import { describe, expect, it } from 'vitest';
import { exportDelegated, exportExtension, TcpConstantFlag } from '../../src/tcp/index.ts';
import { Script, type ScriptOptions } from './scripted.ts';

const MSS = 1460;
const SACK = TcpConstantFlag.SACK_ENABLED;
const segment = (i: number, psh = false) => `${psh ? 'P' : ''}. ${i * MSS}:${(i + 1) * MSS} ack 0`;
const block = (from: number, to: number) => [from * MSS, to * MSS] as const;
/** Clocks of the next owner: far ahead, far behind, and with a fraction of a tick. */
const CLOCKS = [5e12, 3_000, 77_000_123];

/** Over a path of 100 ms: `count` segments out, the first of which has been acknowledged. */
function flying(count: number, options: ScriptOptions = {}): Script {
  const parameters = { congestionControl: 'newreno', initialWindowSegments: 100, ...options.parameters } as const;
  const script = Script.synSent({ flags: SACK, ...options, parameters });
  script.runTo(100).arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460, sackOk: true, ts: null });
  script.send(count * MSS);
  script.run(100);
  script.arrive({ ack: MSS });
  script.take();
  return script;
}

describe.each(CLOCKS)(
  'loss recovery moves with the extension, to a clock at %i µs (spec/decisions.md 23, 36)',
  (clock) => {
    it('with the reordering timer running: it expires when it would have', () => {
      const script = flying(10);
      const start = script.time;
      script.arrive({ ack: MSS, sack: [block(2, 3)] });
      script.run(10);
      script.moveTo(clock, true);
      expect(script.take()).toEqual([]);
      script.run(40);
      const [line, ...rest] = script.takeTimed();
      expect(rest).toEqual([]);
      expect(line.split(' ').slice(1).join(' ')).toBe(segment(1));
      expect(Math.abs(Number(line.split(' ')[0]) - start - 25)).toBeLessThanOrEqual(1);
    });

    it('with the probe timer running, and with a probe out: no second one, and its answer is understood', () => {
      const script = flying(3);
      script.run(50);
      script.moveTo(clock, true);
      script.run(140);
      expect(script.take()).toEqual([]);
      script.run(20);
      expect(script.take()).toEqual([segment(2, true)]);
      script.moveTo(clock + 1e9, true);
      script.run(150);
      expect(script.take()).toEqual([]);
      script.send(MSS);
      script.arrive({ ack: 3 * MSS });
      const { cWnd } = script.cb.delegated;
      script.arrive({ ack: 4 * MSS });
      expect(script.tcp.statistics.lossProbeRecoveries).toBe(1);
      expect(script.cb.delegated.cWnd).toBeLessThan(cWnd);
    });

    it('in the middle of a recovery: what was sent again is not sent once more, PRR goes on, its end is the same', () => {
      const run = (moves: boolean): string[] => {
        const script = flying(21);
        script.cb.delegated.cWnd = 20 * MSS;
        script.send(20 * MSS);
        script.arrive({ ack: MSS, sack: [block(2, 5)] });
        for (let i = 6; i <= 21; i++) {
          if (moves) script.moveTo(clock + i * 1e6, true);
          script.arrive({ ack: MSS, sack: [block(2, i)] });
        }
        script.run(100);
        if (moves) script.moveTo(clock, true);
        script.arrive({ ack: 21 * MSS });
        expect(script.cb.inRecovery).toBe(false);
        expect(script.cb.retransmittedSegments).toBe(1);
        return script.take();
      };
      expect(run(true)).toEqual(run(false));
    });

    it('a retransmission lost before the move is found lost after it', () => {
      const script = flying(10);
      script.send(5 * MSS);
      script.arrive({ ack: MSS, sack: [block(2, 6)] });
      expect(script.take()).toContain(segment(1));
      script.run(50);
      script.send(MSS);
      script.run(100);
      script.moveTo(clock, true);
      script.take();
      script.arrive({ ack: MSS, sack: [block(2, 16)] });
      expect(script.take()).toEqual([segment(1)]);
    });

    it('after a timeout: F-RTO goes on, and what stood before the reduction is still known', () => {
      const script = flying(11, { parameters: { tailLossProbe: false } });
      script.cb.delegated.cWnd = 10 * MSS;
      script.send(10 * MSS);
      script.run(400);
      expect(script.take()).toEqual([segment(1)]);
      script.moveTo(clock, true);
      script.arrive({ ack: 2 * MSS });
      expect(script.take()).toEqual([segment(11), segment(12)]);
      script.moveTo(clock + 1e9, true);
      script.arrive({ ack: 3 * MSS });
      expect(script.tcp.statistics.undoneReductions).toBe(1);
      expect([script.cb.timeoutRecovery, script.cb.delegated.cWnd]).toEqual([false, 10 * MSS]);
    });

    it('after a timeout that was none: the rest is sent again once, in order', () => {
      const script = flying(6, { parameters: { tailLossProbe: false } });
      script.run(400);
      expect(script.take()).toEqual([segment(1)]);
      script.moveTo(clock, true);
      script.arrive({ ack: 2 * MSS });
      expect(script.take()).toEqual([segment(2), segment(3)]);
      script.moveTo(clock + 1e9, true);
      script.arrive({ ack: 4 * MSS });
      expect(script.take()).toEqual([segment(4), segment(5, true)]);
    });

    it('what is known of the path: the smallest round trip, reordering, the widened window', () => {
      const script = flying(10);
      script.arrive({ ack: MSS, sack: [block(2, 5)] });
      script.arrive({ ack: 5 * MSS });
      script.arrive({ ack: 5 * MSS, sack: [block(1, 2)] });
      const { minimumRtt } = script.cb;
      script.moveTo(clock, true);
      expect(script.cb.minimumRtt).toBe(minimumRtt);
      expect(script.cb.reordering).toMatchObject({ seen: true, multiplier: 2, persist: 16, inRound: true });
    });
  },
);

describe('loss recovery without that part', () => {
  it('an owner that left it out: what is outstanding counts as sent a round trip ago, and is recovered', () => {
    const script = flying(10);
    script.arrive({ ack: MSS, sack: [block(2, 3)] });
    const extension = exportExtension(script.tcp, script.cb);
    expect(extension.revision).toBe(1);
    expect(extension.lossRecovery?.flight?.ranges.length).toBe(9);
    script.moveTo(5e9, false);
    script.run(5);
    script.arrive({ ack: MSS, sack: [block(2, 5)] });
    script.run(120);
    expect(script.take()).toEqual([segment(1)]);
  });

  it('SND.NXT tells an owner that knows the delegated class alone where a timeout stands (spec/algorithms.md 12)', () => {
    const script = flying(6, { parameters: { tailLossProbe: false, forwardRto: false } });
    script.run(400);
    script.arrive({ ack: 2 * MSS });
    expect(script.take()).toEqual([segment(1), segment(2), segment(3)]);
    const delegated = exportDelegated(script.tcp, script.cb);
    expect((delegated.sndNxt - script.iss - 1) | 0).toBe(4 * MSS);
    expect(script.sndNxt).toBe(6 * MSS);
    script.moveTo(5e9, false);
    script.arrive({ ack: 4 * MSS });
    expect(script.take().slice(-2)).toEqual([segment(4), segment(5, true)]);
  });

  it('an owner that knows nothing of probes comes to its timeout, however often it moves', () => {
    const script = flying(3);
    for (let i = 0; i < 60; i++) {
      script.run(10);
      script.moveTo(5e9 + i * 1e6, false);
    }
    expect(script.cb.delegated.retransmit.count).toBeGreaterThan(0);
  });
});

import { describe, expect, it } from 'vitest';
import { TcpConstantFlag } from '../../src/tcp/index.ts';
import { ALL_OPTIONS } from './pair.ts';
import { Script, type ScriptOptions } from './scripted.ts';

const MSS = 1460;
const SACK = TcpConstantFlag.SACK_ENABLED;

/** Established, with a round trip of `rtt` milliseconds measured by the handshake. */
function over(rtt: number, options: ScriptOptions = {}): Script {
  const parameters = { congestionControl: 'newreno', ...options.parameters } as const;
  const flags = options.flags ?? SACK;
  const script = Script.synSent({ ...options, flags, parameters });
  const scale = flags & TcpConstantFlag.WINDOW_SCALING_ENABLED ? 0 : undefined;
  script
    .runTo(rtt)
    .arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460, sackOk: true, ...(scale === 0 ? { scale } : {}) });
  script.take();
  return script;
}

describe('tail loss probe: when (RFC 8985 7.2)', () => {
  it('two round trips after the last segment of a flight of several', () => {
    const script = over(50);
    script.send(3 * MSS);
    script.take();
    script.run(101);
    expect(script.take()).toEqual([]);
    script.run(2);
    expect(script.takeTimed()).toEqual(['152 P. 2920:4380 ack 0']);
    expect(script.tcp.statistics.lossProbes).toBe(1);
    expect(script.cb.delegated.retransmit.count).toBe(0);
  });

  it('a lone segment is given the time that the peer may delay its ACK', () => {
    const script = over(200, { parameters: { maximumAckDelayTicks: 100 } });
    script.send(100);
    script.take();
    script.run(499);
    expect(script.take()).toEqual([]);
    script.run(2);
    expect(script.takeTimed()).toEqual(['700 P. 0:100 ack 0']);
  });

  it('never later than the retransmission timer, whose place it takes, and which it starts anew', () => {
    const script = over(10);
    script.send(100);
    script.take();
    script.run(199);
    expect(script.take()).toEqual([]);
    script.run(2);
    expect(script.takeTimed()).toEqual(['210 P. 0:100 ack 0']);
    expect(script.cb.delegated.cWnd).toBeGreaterThan(MSS);
    script.run(197);
    expect(script.take()).toEqual([]);
    script.run(3);
    expect(script.takeTimed()).toEqual(['410 P. 0:100 ack 0']);
    expect(script.tcp.statistics.timeouts).toBe(1);
    expect(script.cb.delegated.cWnd).toBe(MSS);
  });

  it('each ACK of new data puts it off; what is SACKed, and a recovery, do without it', () => {
    const script = over(50);
    script.send(6 * MSS);
    script.take();
    script.run(60);
    script.arrive({ ack: MSS });
    script.run(60);
    script.arrive({ ack: 2 * MSS });
    script.run(60);
    expect(script.take()).toEqual([]);
    script.arrive({ ack: 2 * MSS, sack: [[3 * MSS, 6 * MSS]] });
    expect(script.take()).toEqual([`. ${2 * MSS}:${3 * MSS} ack 0`]);
    script.run(150);
    expect(script.take()).toEqual([]);
    expect(script.tcp.statistics.lossProbes).toBe(0);
  });

  it('a second one waits until the first is answered', () => {
    const script = over(50);
    script.send(2 * MSS);
    script.run(110);
    expect(script.take().length).toBe(3);
    script.send(MSS);
    script.take();
    script.run(120);
    expect(script.take()).toEqual([]);
    expect(script.tcp.statistics.lossProbes).toBe(1);
  });

  it('none while a zero window is probed, none for who does not want it', () => {
    const probed = over(50);
    probed.send(2 * MSS);
    probed.arrive({ ack: 2 * MSS, window: 0 });
    probed.send(100);
    probed.run(150);
    expect(probed.tcp.statistics.lossProbes).toBe(0);
    const without = over(50, { parameters: { tailLossProbe: false } });
    without.send(2 * MSS);
    without.take();
    without.run(190);
    expect(without.take()).toEqual([]);
  });
});

describe('tail loss probe: what (RFC 8985 7.3)', () => {
  it('new data, whatever cWnd and Nagle say', () => {
    const script = over(50);
    script.cb.delegated.cWnd = 2 * MSS;
    script.send(2 * MSS + 700);
    script.take();
    script.run(103);
    expect(script.take()).toEqual(['P. 2920:3620 ack 0']);
    expect(script.cb.retransmittedSegments).toBe(0);
  });

  it('the last segment once more when the window is full', () => {
    const script = over(50, { window: 2 * MSS });
    script.send(5 * MSS);
    script.take();
    script.run(103);
    expect(script.take()).toEqual(['. 1460:2920 ack 0']);
  });

  it('the last segment with the FIN that followed it, or the FIN alone', () => {
    const script = over(50);
    script.send(2 * MSS);
    script.close();
    script.take();
    script.run(103);
    expect(script.take()).toEqual(['FP. 1460:2920 ack 0']);
    const alone = over(50);
    alone.send(2 * MSS);
    alone.run(10);
    alone.close();
    alone.take();
    alone.run(103);
    expect(alone.take()).toEqual(['F. 2920:2920 ack 0']);
  });

  it('makes of a lost tail a fast recovery: the probe is SACKed, RACK finds the rest', () => {
    const script = over(50);
    script.send(5 * MSS);
    script.take();
    script.run(50);
    script.arrive({ ack: 2 * MSS });
    script.run(110);
    expect(script.take()).toEqual(['P. 5840:7300 ack 0']);
    script.run(50);
    script.arrive({ ack: 2 * MSS, sack: [[4 * MSS, 5 * MSS]] });
    expect(script.take()).toEqual(['. 2920:4380 ack 0']);
    script.run(50);
    script.arrive({ ack: 3 * MSS, sack: [[4 * MSS, 5 * MSS]] });
    expect(script.take()).toEqual(['. 4380:5840 ack 0']);
    script.arrive({ ack: 5 * MSS });
    expect(script.tcp.statistics.timeouts).toBe(0);
    expect(script.tcp.statistics.fastRetransmits).toBe(1);
  });
});

describe('tail loss probe: what its ACK says (RFC 8985 7.4.2)', () => {
  /** Two segments, the second sent again by a probe; the congestion window is ten segments. */
  function probed(flags = SACK): Script {
    const script = over(50, { flags });
    script.send(2 * MSS);
    script.run(110);
    expect(script.take().length).toBe(3);
    expect(script.cb.flight?.probing).toBe(true);
    return script;
  }

  it('the ACK that covers it alone is not yet an answer; beyond it, it has repaired a loss: cWnd is reduced', () => {
    const script = probed();
    script.send(MSS);
    const before = script.cb.delegated.cWnd;
    script.arrive({ ack: 2 * MSS });
    expect(script.cb.delegated.cWnd).toBe(before);
    script.arrive({ ack: 3 * MSS });
    expect(script.tcp.statistics.lossProbeRecoveries).toBe(1);
    expect(script.cb.delegated.cWnd).toBe(script.cb.delegated.ssThresh);
    expect(script.cb.delegated.cWnd).toBeLessThan(before);
  });

  it('a D-SACK of it: both have arrived, nothing was lost', () => {
    const script = probed();
    script.send(MSS);
    script.arrive({ ack: 2 * MSS });
    script.arrive({ ack: 2 * MSS, sack: [[MSS, 2 * MSS]] });
    expect(script.cb.flight?.probing).toBe(false);
    expect(script.cb.reordering).toBe(null);
    script.arrive({ ack: 3 * MSS });
    expect(script.tcp.statistics.lossProbeRecoveries).toBe(0);
  });

  it('a duplicate ACK without SACK says the same', () => {
    const script = probed();
    script.send(MSS);
    script.arrive({ ack: 2 * MSS });
    script.arrive({ ack: 2 * MSS });
    expect(script.cb.flight?.probing).toBe(false);
    script.arrive({ ack: 3 * MSS });
    expect(script.tcp.statistics.lossProbeRecoveries).toBe(0);
  });

  it('a probe of new data asks for no reaction', () => {
    const script = over(50);
    script.cb.delegated.cWnd = 2 * MSS;
    script.send(3 * MSS);
    script.run(110);
    script.take();
    script.arrive({ ack: 3 * MSS });
    expect(script.tcp.statistics.lossProbeRecoveries).toBe(0);
    expect(script.cb.flight).toBe(null);
  });

  it('its time counts into MaxRT (TMR-RTX-03)', () => {
    const script = over(10, { flags: ALL_OPTIONS, cached: { maxRt: 500, flags: 0 } });
    script.send(100);
    script.run(2000);
    expect(script.takeTimed().map((line) => Number(line.split(' ')[0]))).toEqual([10, 210, 410]);
    expect(script.time - 10).toBeGreaterThan(500);
    expect(script.seen).not.toBe(0);
  });
});

/** State that no owner in its senses hands over: what cannot be continued is recognised, the rest is put into bounds. */
import { describe, expect, it } from 'vitest';
import {
  adopt,
  ControlBlock,
  DEFAULT_TCP_PARAMETERS,
  exportDelegated,
  exportExtension,
  isContinuable,
  output,
  quiesce,
  TcpCachedFlag,
  TcpContext,
  type TcpDelegatedState,
  type TcpExtensionState,
  TcpState,
} from '../../src/tcp/index.ts';
import { ALL_OPTIONS, seededRandom } from './pair.ts';
import { Script } from './scripted.ts';

/** A connection with 5000 bytes in flight, handed over with what `change` makes of its state. */
function adopted(change: (delegated: TcpDelegatedState, extension: TcpExtensionState) => void, seq = 0): ControlBlock {
  const script = Script.established({ flags: ALL_OPTIONS });
  script.send(5000);
  if (seq > 0) script.arrive({ seq, length: 100 });
  quiesce(script.tcp, script.cb);
  const delegated = exportDelegated(script.tcp, script.cb);
  const extension = exportExtension(script.tcp, script.cb);
  change(delegated, extension);
  const tcp = new TcpContext({ ...DEFAULT_TCP_PARAMETERS, maximumSegmentPayload: 0 }, seededRandom(1), 9_000_000);
  const { constant, cached } = script.cb;
  const cb = new ControlBlock(tcp, script, script, constant, cached, 40, 1500);
  cb.sendQueue.append(new Uint8Array(5000));
  adopt(tcp, cb, delegated, extension, 0);
  return cb;
}

describe('positions', () => {
  it.each([
    ['nothing in flight', TcpState.ESTABLISHED, 0, 0, 0, true],
    ['all in flight', TcpState.ESTABLISHED, 100, 100, 100, true],
    ['rolled back by a timeout', TcpState.ESTABLISHED, 0, 100, 100, true],
    ['a FIN behind the data', TcpState.FIN_WAIT_1, 101, 101, 100, true],
    ['a FIN in a state without one', TcpState.CLOSE_WAIT, 101, 101, 100, false],
    ['more sent than is there', TcpState.FIN_WAIT_1, 102, 102, 100, false],
    ['SND.NXT beyond SND.MAX', TcpState.ESTABLISHED, 51, 50, 100, false],
    ['SND.NXT before SND.UNA', TcpState.ESTABLISHED, -1, 50, 100, false],
    ['whatever it says when it is over', TcpState.CLOSED, 500, -1, 0, true],
  ])('%s', (_, state, next, max, bytes, expected) => {
    for (const sndUna of [0, 0x7fffffff - 50, -50]) {
      const delegated = { state, sndUna, sndNxt: (sndUna + next) | 0, sndMax: (sndUna + max) | 0 } as TcpDelegatedState;
      expect(isContinuable(delegated, bytes)).toBe(expected);
    }
  });
});

describe('values out of bounds', () => {
  it('negative counts, windows and ages count as none', () => {
    const cb = adopted((d) => {
      Object.assign(d, { rcvWnd: -1, sndWnd: -5, maxSndWnd: -9, dupAckCount: -1, totalRt: -1, sndWndProbeCount: -7 });
      Object.assign(d, { tsRecentAge: -100, cWnd: -2, ssThresh: -1 });
      d.retransmit = { count: -2867, timeoutDelta: 0 };
      d.keepAlive = { probeCount: -1, timeoutDelta: -1 };
    });
    const { rcvWnd, sndWnd, maxSndWnd, dupAckCount, totalRt, sndWndProbeCount, cWnd, ssThresh } = cb.delegated;
    expect([rcvWnd, sndWnd, maxSndWnd, dupAckCount, totalRt, sndWndProbeCount]).toEqual([0, 0, 0, 0, 0, 0]);
    expect([cWnd, ssThresh]).toEqual([cb.sendMss, 0x7fffffff]);
    expect(cb.delegated.retransmit.count).toBe(0);
    expect(cb.delegated.keepAlive.probeCount).toBe(0);
    expect(cb.tsRecentSetAt).toBe(9_000);
  });

  it('windows end where sequence space does; a threshold below a segment would stop the sender', () => {
    const cb = adopted((d) => Object.assign(d, { cWnd: 2 ** 31 - 1, sndWnd: 2 ** 31 - 1, ssThresh: 0 }));
    expect([cb.delegated.cWnd, cb.delegated.sndWnd, cb.delegated.ssThresh]).toEqual([2 ** 30, 2 ** 30, cb.sendMss]);
  });

  it('of the extension, what is outstanding or behind a gap is used', () => {
    const cb = adopted((d, extension) => {
      const { sndUna, sndMax, rcvNxt } = d;
      extension.scoreboard = [sndUna - 5, sndUna + 5, sndUna + 10, sndUna + 20, sndMax - 1, sndMax + 1, sndMax, sndUna];
      extension.outOfOrder = [
        { sequence: rcvNxt - 10, bytes: new Uint8Array(5) },
        { sequence: rcvNxt, bytes: new Uint8Array(5) },
        { sequence: rcvNxt + 10, bytes: new Uint8Array(0) },
        { sequence: rcvNxt + 20, bytes: new Uint8Array(7) },
        { sequence: (rcvNxt + 2 ** 30) | 0, bytes: new Uint8Array(5) },
      ];
      extension.inRecovery = true;
      extension.recoveryPoint = sndMax + 1000;
      extension.highRxt = sndMax + 1;
      extension.quickAcks = -3;
      extension.outOfOrderFin = rcvNxt - 1;
    });
    const { sndUna, sndMax, rcvNxt } = cb.delegated;
    expect(cb.scoreboard?.toArray()).toEqual([sndUna + 10, sndUna + 20]);
    expect(cb.reassembly?.segments().map(({ sequence, bytes }) => [sequence - rcvNxt, bytes.length])).toEqual([
      [20, 7],
    ]);
    expect([cb.recoveryPoint, cb.quickAcks, cb.finReceived]).toEqual([sndMax, 0, false]);
    expect(cb.flight?.record.highRetransmitted).toBe(sndMax);
  });

  it('what is in order stays as it is', () => {
    let before: TcpExtensionState | null = null;
    const cb = adopted((d, extension) => {
      extension.scoreboard = [d.sndUna + 1460, d.sndMax];
      extension.outOfOrderFin = d.rcvNxt + 300;
      before = structuredClone(extension);
    }, 200);
    expect(cb.scoreboard?.toArray()).toEqual((before as TcpExtensionState | null)?.scoreboard);
    expect(cb.reassembly?.bytes).toBe(100);
    expect(cb.finSequence).toBe(cb.delegated.rcvNxt + 300);
  });

  it('a keepalive time of nothing does not fire for ever within one tick', () => {
    const script = Script.established({
      cached: { flags: TcpCachedFlag.KEEP_ALIVE_ENABLED, kaTimeout: 0, kaInterval: 0, kaProbeCount: 3 },
    });
    script.send(1000);
    script.cb.keepAliveDeadline = script.tcp.ticks;
    output(script.tcp, script.cb);
    script.run(50); // throws when the timers do not come to rest
    script.arrive({ ack: 1000 });
    script.take();
    script.run(10);
    expect(script.takeTimed().length).toBeLessThanOrEqual(3);
  });
});

describe('duplicates that began no recovery', () => {
  it('a hand-over without the extension does not make one of them, whose end would open the window', () => {
    const script = Script.established({ flags: ALL_OPTIONS });
    script.send(5000);
    script.run(1000); // a timeout: duplicates of what it sends again start no recovery (RFC 6582 section 4)
    script.arrive({ ack: 5000 });
    script.send(5000);
    script.cb.delegated.dupAckCount = 3;
    script.cb.delegated.ssThresh = 0x7fffffff;
    script.moveTo(9_000_000, false);
    expect(script.cb.inRecovery).toBe(false);
    script.arrive({ ack: 10_000 });
    expect(script.cb.delegated.cWnd).toBeLessThan(100_000);
  });
});

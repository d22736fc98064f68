import { describe, expect, it } from 'vitest';
import {
  adopt,
  applyUpdate,
  exportDelegated,
  exportExtension,
  type TcpParameters,
  TcpState,
} from '../../src/tcp/index.ts';
import { EcnCodepoint, TcpFlag } from '../../src/wire/tcp-header.ts';
import { Pair, pattern, sameBytes, seededRandom } from './pair.ts';
import { Script, type ScriptOptions } from './scripted.ts';

const MSS = 1460;
const REQUEST: Partial<TcpParameters> = { ecn: 'request' };
const CE = EcnCodepoint.CE;

/** Established by an active open that asked for ECN and was granted it. */
function agreed(options: ScriptOptions = {}): Script {
  const script = Script.established({
    ...options,
    parameters: { ...REQUEST, congestionControl: 'newreno', initialWindowSegments: 10, ...options.parameters },
    synAckFlags: 'SE.',
  });
  return script;
}

/** The line that `take` has for the segment number `i` of our stream. */
const segment = (i: number, flags = '.', ecn = 'ect0 ') => `${ecn}${flags} ${i * MSS}:${(i + 1) * MSS} ack 0`;

describe('the handshake (RFC 3168 6.1.1)', () => {
  it.each([
    ['off', 'S'],
    ['accept', 'S'],
    ['request', 'SEW'],
  ] as const)('%s: our SYN is %s', (ecn, flags) => {
    expect(Script.synSent({ parameters: { ecn } }).take()).toEqual([`${flags} -1:-1`]);
  });

  it.each([
    ['off', 'SEW', 'S.'],
    ['accept', 'SEW', 'SE.'],
    ['request', 'SEW', 'SE.'],
    ['accept', 'S', 'S.'],
    ['accept', 'SE', 'S.'],
    ['accept', 'SW', 'S.'],
  ] as const)('%s: a SYN %s is answered with %s, never with ECT', (ecn, synFlags, answer) => {
    expect(Script.synReceived({ parameters: { ecn }, synFlags }).take()).toEqual([`${answer} -1:-1 ack 0`]);
  });

  it.each([
    ['SE.', 'ect0 P.'],
    ['S.', 'P.'],
    ['SEW.', 'P.'], // the reflection of reserved bits (RFC 3168 section 6.1.1)
    ['SW.', 'P.'],
  ])('a SYN-ACK %s makes text leave as %s', (synAckFlags, text) => {
    const script = Script.established({ parameters: REQUEST, synAckFlags });
    script.send(100);
    expect(script.take()).toEqual([`${text} 0:100 ack 0`]);
  });

  it('who has not asked gets no ECN from a SYN-ACK that has ECE', () => {
    const script = Script.established({ parameters: { ecn: 'accept' }, synAckFlags: 'SE.' });
    script.send(100);
    script.arrive({ length: 10, ecn: CE });
    script.arrive({ length: 10 });
    expect(script.take().filter((line) => /ect|E/.test(line))).toEqual([]);
  });

  it('the answer to an ECN-setup SYN uses ECN (RFC 9293 SHLD-8)', () => {
    const script = Script.synReceived({ synFlags: 'SEW' });
    script.arrive({ ack: 0 });
    script.send(100);
    expect(script.take()).toEqual(['SE. -1:-1 ack 0', 'ect0 P. 0:100 ack 0']);
  });

  it('a SYN that is repeated does not ask any more, and the sender never sets ECT (6.1.1.1)', () => {
    const script = Script.synSent({ parameters: REQUEST });
    script.run(1000);
    expect(script.take()).toEqual(['SEW -1:-1', 'S -1:-1']);
    // The peer had heard the first one: it marks its text, and we must echo CE, but may not mark ours.
    script.arrive({ flags: 'SE.', seq: -1, ack: 0, mss: MSS });
    script.send(100);
    script.arrive({ ack: 100, length: 10, ecn: CE });
    expect(script.take()).toEqual(['. 0:0 ack 0', 'P. 0:100 ack 0', 'E. 100:100 ack 10']);
  });

  it('a listener that hears the SYN again without ECN gives it up', () => {
    const script = Script.synReceived({ synFlags: 'SEW' });
    script.arrive({ flags: 'S', seq: -1 });
    script.arrive({ ack: 0 });
    script.send(100);
    expect(script.take()).toEqual(['SE. -1:-1 ack 0', 'S. -1:-1 ack 0', 'P. 0:100 ack 0']);
  });

  it('a SYN-ACK that is repeated keeps its ECE', () => {
    const script = Script.synReceived({ synFlags: 'SEW' });
    script.run(1000);
    expect(script.take()).toEqual(['SE. -1:-1 ack 0', 'SE. -1:-1 ack 0']);
  });

  it.each([
    ['request', 'SEW', 'SE.', 'ect0 '],
    ['request', 'S', 'S.', ''],
    ['accept', 'SEW', 'S.', ''], // our SYN was no ECN-setup SYN: ECT may never be set
  ] as const)('simultaneous open: %s and a SYN %s', (ecn, syn, answer, ecnOfText) => {
    const script = Script.synSent({ parameters: { ecn } });
    script.take();
    script.arrive({ flags: syn, seq: -1, mss: MSS });
    expect(script.take()).toEqual([`${answer} -1:-1 ack 0`]);
    script.arrive({ flags: `S.${syn === 'S' ? '' : 'E'}`, seq: -1, ack: 0, mss: MSS });
    expect(script.state).toBe(TcpState.ESTABLISHED);
    script.take();
    script.send(100);
    expect(script.take()).toEqual([`${ecnOfText}P. 0:100 ack 0`]);
    expect(script.cb.delegated.cWnd).toBeGreaterThan(2 * MSS); // the ECE of the SYN-ACK was no sign of congestion
  });

  it('simultaneous open: a SYN-ACK without ECE ends it', () => {
    const script = Script.synSent({ parameters: REQUEST });
    script.arrive({ flags: 'SEW', seq: -1, mss: MSS });
    script.arrive({ flags: 'S.', seq: -1, ack: 0, mss: MSS });
    script.take();
    script.send(100);
    expect(script.take()).toEqual(['P. 0:100 ack 0']);
  });
});

describe('which segments have ECT(0)', () => {
  it('new text has; pure ACKs, a FIN alone and resets do not (6.1.4)', () => {
    const script = agreed();
    script.send(100);
    script.arrive({ ack: 100, length: 2 * MSS });
    script.close();
    expect(script.take()).toEqual(['ect0 P. 0:100 ack 0', '. 100:100 ack 2920', 'F. 100:100 ack 2920']);
  });

  it('text that is sent again does not (6.1.5)', () => {
    const script = agreed();
    script.send(100);
    script.run(250);
    expect(script.take()).toEqual(['ect0 P. 0:100 ack 0', 'P. 0:100 ack 0']);
  });

  it('the fast retransmit does not, and the new text that goes with it does', () => {
    const script = agreed();
    script.cb.delegated.cWnd = 10 * MSS;
    script.send(30 * MSS);
    script.take();
    for (let i = 0; i < 3; i++) script.arrive({ ack: 0 });
    const lines = script.take();
    expect(lines).toContain(segment(0, '.', ''));
    expect(lines).toContain(segment(10));
  });

  it('a window probe does not (6.1.6)', () => {
    const script = agreed({ window: 0 });
    script.send(100);
    script.run(250);
    expect(script.take()).toEqual(['. 0:1 ack 0']);
  });
});

describe('the receiver (RFC 3168 6.1.3)', () => {
  it('echoes CE in every ACK until CWR arrives, and acknowledges both at once', () => {
    const script = agreed();
    script.arrive({ length: 100, ecn: CE });
    expect(script.take()).toEqual(['E. 0:0 ack 100']);
    script.arrive({ length: 100, ecn: EcnCodepoint.ECT_0 });
    script.run(40);
    script.send(50);
    expect(script.take()).toEqual(['E. 0:0 ack 200', 'ect0 PE. 0:50 ack 200']);
    script.arrive({ flags: 'W.', ack: 50, length: 100, ecn: EcnCodepoint.ECT_0 });
    expect(script.take()).toEqual(['. 50:50 ack 300']);
    expect(script.tcp.statistics.congestionMarks).toBe(1);
  });

  it('CE together with CWR begins the echo anew', () => {
    const script = agreed();
    script.arrive({ length: 100, ecn: CE });
    script.arrive({ flags: 'W.', length: 100, ecn: CE });
    expect(script.take()).toEqual(['E. 0:0 ack 100', 'E. 0:0 ack 200']);
  });

  it('echoes CE of a segment that came out of order', () => {
    const script = agreed();
    script.arrive({ seq: 100, length: 100, ecn: CE });
    expect(script.take()).toEqual(['E. 0:0 ack 0']);
  });

  it('ignores CE outside of the window, on a pure ACK, and on a connection without ECN (6.1.5)', () => {
    const outside = agreed({ receiveBuffer: 1000 });
    outside.arrive({ seq: 5000, length: 100, ecn: CE });
    outside.arrive({ ecn: CE });
    expect(outside.take()).toEqual(['. 0:0 ack 0']);
    const without = Script.established();
    without.arrive({ length: 100, ecn: CE });
    without.run(40);
    expect(without.take()).toEqual(['. 0:0 ack 100']);
    expect(without.tcp.statistics.congestionMarks).toBe(0);
  });

  it('ignores CE of text that it has already', () => {
    const script = agreed();
    script.arrive({ length: 100 });
    script.arrive({ seq: 0, length: 100, ecn: CE });
    expect(script.take()).toEqual(['. 0:0 ack 100']);
  });
});

describe('the sender (RFC 3168 6.1.2)', () => {
  it.each(['newreno', 'cubic'] as const)(
    '%s: reduces the window once, without a retransmission, and says so',
    (name) => {
      const script = agreed({ parameters: { congestionControl: name } });
      script.send(30 * MSS);
      expect(script.take()).toHaveLength(10);
      script.arrive({ flags: 'E.', ack: MSS });
      const reduced = Math.floor(10 * MSS * (name === 'cubic' ? 0.7 : 0.5));
      expect(script.cb.delegated.cWnd).toBe(reduced);
      expect(script.cb.delegated.ssThresh).toBe(reduced);
      for (let i = 2; i <= 10; i++) {
        script.arrive({ flags: 'E.', ack: i * MSS });
        expect(script.cb.delegated.cWnd).toBe(reduced); // neither reduced twice nor raised
      }
      const lines = script.take();
      expect(lines[0]).toBe(segment(10, 'W.'));
      expect(lines.slice(1).filter((line) => line.includes('W'))).toEqual([]);
      expect(script.tcp.statistics.congestionResponses).toBe(1);
      expect(script.tcp.statistics.retransmittedSegments).toBe(0);
    },
  );

  it('answers again when data sent after the reduction is acknowledged with ECE', () => {
    const script = agreed();
    script.send(100 * MSS);
    script.arrive({ flags: 'E.', ack: MSS });
    script.arrive({ flags: 'E.', ack: 10 * MSS });
    expect(script.cb.delegated.cWnd).toBe(5 * MSS);
    script.arrive({ flags: 'E.', ack: 11 * MSS });
    expect(script.cb.delegated.cWnd).toBe(Math.floor(2.5 * MSS));
  });

  it('an ACK without ECE raises the window again', () => {
    const script = agreed();
    script.send(100 * MSS);
    script.arrive({ flags: 'E.', ack: 5 * MSS });
    script.arrive({ ack: 10 * MSS });
    expect(script.cb.delegated.cWnd).toBe(6 * MSS);
  });

  it('CWR is on one segment, also where a link cuts large ones', () => {
    const script = agreed({ parameters: { maximumSegmentPayload: 65_535 } });
    script.send(100 * MSS);
    script.arrive({ flags: 'E.', ack: 10 * MSS });
    const after = script.takeSegments().filter(({ header }) => header.sequence - script.iss > 10 * MSS);
    expect(after.map(({ length, header }) => [length, (header.flags & TcpFlag.CWR) !== 0])).toEqual([
      [MSS, true],
      [4 * MSS, false],
    ]);
  });

  it('a mark and a loss in the same window reduce it once', () => {
    const script = agreed();
    script.send(30 * MSS);
    script.arrive({ flags: 'E.', ack: MSS });
    for (let i = 0; i < 3; i++) script.arrive({ flags: 'E.', ack: MSS });
    expect(script.cb.inRecovery).toBe(true);
    expect(script.cb.delegated.ssThresh).toBe(5 * MSS);
    const other = agreed();
    other.send(30 * MSS);
    for (let i = 0; i < 3; i++) other.arrive({ ack: 0 });
    other.arrive({ flags: 'E.', ack: 0 });
    expect(other.cb.delegated.ssThresh).toBe(5 * MSS);
    expect(other.tcp.statistics.congestionResponses).toBe(0);
  });

  it('a loss is announced by CWR too', () => {
    const script = agreed();
    script.send(10 * MSS);
    script.run(1500);
    script.take();
    script.arrive({ ack: 10 * MSS });
    script.send(MSS);
    expect(script.take()).toEqual([`ect0 PW. ${10 * MSS}:${11 * MSS} ack 0`]);
  });

  it('never falls below one segment; there the retransmission timer sets the pace', () => {
    const script = agreed({ parameters: { initialWindowSegments: 1, minimumRtoTicks: 300 } });
    script.run(100);
    script.send(10 * MSS);
    expect(script.take()).toHaveLength(1);
    script.run(10).arrive({ flags: 'E.', ack: MSS });
    expect(script.cb.delegated.cWnd).toBe(MSS);
    script.run(200);
    expect(script.take()).toEqual([]); // "able to send a new packet only when the retransmit timer expires"
    script.run(1000);
    expect(script.take()[0]).toBe(segment(1, 'W.'));
    script.run(10).arrive({ ack: 2 * MSS });
    expect(script.take().length).toBeGreaterThan(0);
  });

  it('a window of two falls to one', () => {
    const script = agreed();
    script.cb.delegated.cWnd = 2 * MSS;
    script.send(10 * MSS);
    script.arrive({ flags: 'E.', ack: MSS });
    expect(script.cb.delegated.cWnd).toBe(MSS);
  });

  it('ECE on a connection without ECN says nothing', () => {
    const script = Script.established();
    script.send(30 * MSS);
    const { cWnd } = script.cb.delegated;
    script.arrive({ flags: 'E.', ack: MSS });
    expect(script.cb.delegated.cWnd).toBeGreaterThanOrEqual(cWnd);
  });
});

describe('a connection that moves', () => {
  it('keeps the echo, the announcement and the window of the reduction (decision 37)', () => {
    const script = agreed();
    script.send(30 * MSS);
    script.arrive({ flags: 'E.', ack: MSS, length: 10, ecn: CE });
    script.moveTo(77_000_000, true);
    script.take();
    script.arrive({ flags: 'E.', ack: 6 * MSS });
    expect(script.cb.delegated.cWnd).toBe(5 * MSS);
    expect(script.take()).toEqual([`ect0 EW. ${10 * MSS}:${11 * MSS} ack 10`]);
  });

  it('takes no nonsense from another owner', () => {
    const script = agreed();
    script.send(MSS);
    const extension = exportExtension(script.tcp, script.cb);
    extension.ecn = { flags: Number.NaN, reductionEnd: script.cb.delegated.sndMax + 1000 };
    extension.counters = [1, -5, Number.NaN];
    const other = Script.established();
    adopt(other.tcp, other.cb, exportDelegated(script.tcp, script.cb), extension, 0);
    expect(other.cb.ecn).toBe(0);
    expect(other.cb.ecnReductionEnd).toBe(script.cb.delegated.sndMax);
    const { segmentsIn, segmentsOut, dataSegmentsIn, busyTicks } = other.cb;
    expect([segmentsIn, segmentsOut, dataSegmentsIn, busyTicks]).toEqual([1, 0, 0, 0]);
  });

  it('without the extension goes on without ECN', () => {
    const script = agreed();
    script.moveTo(77_000_000, false);
    script.send(100);
    expect(script.take()).toEqual(['P. 0:100 ack 0']);
  });

  it('is not held for ever when its timer is gone', () => {
    const script = agreed({ parameters: { initialWindowSegments: 1 } });
    script.send(10 * MSS);
    script.arrive({ flags: 'E.', ack: MSS });
    script.take();
    script.cb.retransmitDeadline = -1;
    applyUpdate(script.tcp, script.cb, script.cb.cached);
    expect(script.take()).toHaveLength(1);
  });
});

describe('two ends', () => {
  it.each([0, 1, 2, 3])('transfer over a path that marks: byte-exact, without a retransmission (seed %i)', (seed) => {
    const random = seededRandom(seed + 40);
    const chance = () => (random() >>> 0) / 2 ** 32;
    const pair = new Pair({
      parameters: REQUEST,
      fate: (segment) => {
        const { header } = segment;
        expect(header.ecn).not.toBe(EcnCodepoint.ECT_1);
        if (header.ecn === EcnCodepoint.ECT_0 && chance() < 0.03) header.ecn = CE;
        return [5000];
      },
    });
    pair.open();
    const bytes = pattern(600_000, seed + 1);
    const back = pattern(300_000, seed + 100);
    pair.run(1_000_000, () => pair.a.cb.delegated.state === TcpState.ESTABLISHED);
    pair.a.write(bytes);
    pair.run(20_000);
    pair.b.write(back);
    pair.run(60_000_000, () => pair.a.receivedBytes === back.length && pair.b.receivedBytes === bytes.length);
    expect(sameBytes(pair.b.bytes(), bytes)).toBe(true);
    expect(sameBytes(pair.a.bytes(), back)).toBe(true);
    expect(pair.a.tcp.statistics.congestionResponses).toBeGreaterThan(2);
    expect(pair.b.tcp.statistics.congestionResponses).toBeGreaterThan(0);
    expect(pair.a.tcp.statistics.retransmittedSegments + pair.b.tcp.statistics.retransmittedSegments).toBe(0);
  });

  it.each([0, 1, 2, 3, 4, 5])('and with losses, moves and marks together (seed %i)', (seed) => {
    const random = seededRandom(seed + 400);
    const chance = () => (random() >>> 0) / 2 ** 32;
    const pair = new Pair({
      parameters: REQUEST,
      fate: ({ header }) => {
        if (chance() < 0.02) return [];
        if (header.ecn === EcnCodepoint.ECT_0 && chance() < 0.05) header.ecn = CE;
        return [5000];
      },
    });
    pair.open();
    const bytes = pattern(300_000, seed + 1);
    pair.run(60_000_000, () => pair.b.cb.delegated.state === TcpState.ESTABLISHED);
    pair.a.write(bytes);
    for (let i = 0; i < 20; i++) {
      pair.run(30_000);
      const end = chance() < 0.5 ? pair.a : pair.b;
      end.move({ offset: Math.floor(chance() * 1e9), rate: 1 }, true, i);
    }
    pair.run(600_000_000, () => pair.b.receivedBytes === bytes.length);
    expect(sameBytes(pair.b.bytes(), bytes)).toBe(true);
  });
});

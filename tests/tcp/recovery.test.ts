import { describe, expect, it } from 'vitest';
import { TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { ALL_OPTIONS, Pair, pattern, sameBytes } from './pair.ts';
import { Script, type ScriptOptions, SEQUENCE_BASES } from './scripted.ts';

const MSS = 1460;
const SACK = TcpConstantFlag.SACK_ENABLED;
/** The segment number `i`, counted from 0. */
const segment = (i: number, psh = false) => `${psh ? 'P' : ''}. ${i * MSS}:${(i + 1) * MSS} ack 0`;

/** `count` segments are outstanding, and more is queued when `more` says so. */
function flight(count: number, more: number, options: ScriptOptions = {}): Script {
  const script = Script.established({
    ...options,
    parameters: { congestionControl: 'newreno', initialWindowSegments: 100, ...options.parameters },
  });
  script.cb.delegated.cWnd = count * MSS;
  script.send((count + more) * MSS);
  expect(script.take().length).toBe(count);
  return script;
}

describe('fast retransmit without SACK (RFC 5681 3.2, RFC 6582)', () => {
  it('comes with exactly TcpDuplicateAckThreshold duplicate ACKs (OID-04)', () => {
    for (const duplicateAckThreshold of [2, 3, 5]) {
      const script = flight(10, 0, { parameters: { duplicateAckThreshold } });
      for (let i = 1; i < duplicateAckThreshold; i++) {
        script.arrive({ ack: 0 });
        expect(script.take(), `${i} of ${duplicateAckThreshold}`).toEqual([]);
      }
      script.arrive({ ack: 0 });
      expect(script.take()).toEqual([segment(0)]);
      expect(script.cb.delegated.ssThresh).toBe(5 * MSS);
      script.arrive({ ack: 0 });
      expect(script.take()).toEqual([]);
    }
  });

  it('counts only what RFC 5681 2 calls a duplicate: no text, no window update, nothing new', () => {
    const script = flight(10, 0);
    script.arrive({ ack: 0 });
    script.arrive({ ack: 0 });
    script.arrive({ ack: 0, length: 10 });
    script.arrive({ ack: 0, window: 60_000 });
    script.arrive({ ack: MSS, window: 60_000 });
    script.arrive({ ack: MSS, window: 60_000 });
    script.arrive({ ack: MSS, window: 60_000 });
    expect(script.take().filter((line) => line.includes(`:${2 * MSS}`))).toEqual([]);
    script.arrive({ ack: MSS, window: 60_000 });
    expect(script.take()).toContain('. 1460:2920 ack 10');
  });

  it('limited transmit: one new segment for each of the first two duplicates (RFC 3042, RFC5681-3.2-1, RFC5681-3.2-3)', () => {
    const script = flight(10, 5);
    script.arrive({ ack: 0 });
    expect(script.take()).toEqual([segment(10)]);
    script.arrive({ ack: 0 });
    expect(script.take()).toEqual([segment(11)]);
    script.arrive({ ack: 0 });
    expect(script.take()).toEqual([segment(0)]);
    // What limited transmit sent does not count into FlightSize (RFC 5681 3.2 step 2).
    expect(script.cb.delegated.ssThresh).toBe(5 * MSS);
  });

  it('inflates by each further duplicate, sends new text with it, and deflates at the end (RFC 6582 3.2, RFC5681-3.2-4, RFC5681-3.2-5, RFC5681-3.2-6)', () => {
    const script = flight(10, 20);
    for (let i = 0; i < 3; i++) script.arrive({ ack: 0 });
    script.take();
    // ssthresh 5, plus 3, plus one for each duplicate; 12 are outstanding.
    for (let i = 0; i < 4; i++) script.arrive({ ack: 0 });
    expect(script.take()).toEqual([]);
    script.arrive({ ack: 0 });
    script.arrive({ ack: 0 });
    expect(script.take()).toEqual([segment(12), segment(13)]);
    script.arrive({ ack: 12 * MSS });
    expect(script.cb.inRecovery).toBe(false);
    expect(script.cb.delegated.cWnd).toBe(3 * MSS);
    expect(script.take()).toEqual([segment(14)]);
  });

  it('a partial ACK retransmits the next hole at once and stays in recovery (RFC 6582 3.2 step 3)', () => {
    const script = flight(10, 0);
    for (let i = 0; i < 3; i++) script.arrive({ ack: 0 });
    script.take();
    script.arrive({ ack: 4 * MSS });
    expect(script.take()).toEqual([segment(4)]);
    script.arrive({ ack: 7 * MSS });
    expect(script.take()).toEqual([segment(7)]);
    expect(script.cb.inRecovery).toBe(true);
    script.arrive({ ack: 10 * MSS });
    expect(script.cb.inRecovery).toBe(false);
    expect(script.take()).toEqual([]);
    expect(script.cb.retransmittedSegments).toBe(3);
  });

  it('duplicate ACKs after a timeout, or right after a recovery, start none (RFC 6582 3.2 step 2, 4)', () => {
    const script = flight(10, 30);
    script.runTo(200);
    expect(script.take()).toEqual([segment(0)]);
    for (let i = 0; i < 6; i++) script.arrive({ ack: 0 });
    expect(script.cb.inRecovery).toBe(false);
    script.arrive({ ack: 10 * MSS });
    script.take();
    for (let i = 0; i < 6; i++) script.arrive({ ack: 10 * MSS });
    expect(script.take().filter((line) => line.startsWith(segment(10)))).toEqual([]);
    expect(script.tcp.statistics.fastRetransmits).toBe(0);
    // Once more is acknowledged, duplicates mean a loss again.
    script.arrive({ ack: 11 * MSS });
    script.take();
    for (let i = 0; i < 3; i++) script.arrive({ ack: 11 * MSS });
    expect(script.take()).toContain(segment(11));
  });

  it('retransmits a FIN that is all that is missing', () => {
    const script = flight(4, 0);
    script.close();
    expect(script.take()).toEqual(['F. 5840:5840 ack 0']);
    script.arrive({ ack: 3 * MSS });
    for (let i = 0; i < 3; i++) script.arrive({ ack: 3 * MSS });
    expect(script.take()).toEqual(['FP. 4380:5840 ack 0']);
    script.arrive({ ack: 4 * MSS + 1 });
    expect(script.state).toBe(TcpState.FIN_WAIT_2);
  });
});

describe.each(SEQUENCE_BASES)('SACK recovery (RFC 6675), ISS %i IRS %i', (iss, irs) => {
  const sack = { flags: SACK, iss, irs, parameters: { lossDetection: 'dupack', forwardRto: false } } as const;
  const block = (from: number, to: number) => [from * MSS, to * MSS] as const;

  it('begins at the third duplicate, halves, and retransmits the first hole (5 step 4, RFC6675-5-3)', () => {
    const script = flight(10, 0, sack);
    script.arrive({ ack: 0, sack: [block(1, 2)] });
    script.arrive({ ack: 0, sack: [block(1, 3)] });
    expect(script.take()).toEqual([]);
    script.arrive({ ack: 0, sack: [block(1, 4)] });
    expect(script.take()).toEqual([segment(0)]);
    expect(script.cb.delegated.ssThresh).toBe(5 * MSS);
    // Six are in flight; cWnd comes down to ssthresh by RFC 6937, and lets the first retransmission go.
    expect(script.cb.delegated.cWnd).toBe(7 * MSS);
    expect(script.sndNxt).toBe(10 * MSS);
  });

  it('no ACK is a duplicate that reports nothing new (2, RFC5681-3.2-2): repeated blocks, D-SACK, pure window updates', () => {
    const script = flight(10, 0, sack);
    for (let i = 0; i < 8; i++) script.arrive({ ack: 0 });
    for (let i = 0; i < 8; i++) script.arrive({ ack: 0, sack: [block(1, 2)] });
    script.arrive({ ack: MSS * 2, sack: [block(0, 1)] });
    for (let i = 0; i < 8; i++) script.arrive({ ack: 2 * MSS, sack: [block(0, 2)] });
    expect(script.take()).toEqual([]);
    expect(script.tcp.statistics.fastRetransmits).toBe(0);
  });

  it('sends new text for the first two duplicates while cWnd lets it (5 step 3, limited transmit)', () => {
    const script = flight(10, 5, sack);
    script.arrive({ ack: 0, sack: [block(1, 2)] });
    expect(script.take()).toEqual([segment(10)]);
    script.arrive({ ack: 0, sack: [block(1, 3)] });
    expect(script.take()).toEqual([segment(11)]);
    script.arrive({ ack: 0, sack: [block(1, 4)] });
    expect(script.take()).toEqual([segment(0)]);
    expect(script.cb.delegated.ssThresh).toBe(5 * MSS);
  });

  it('is early when one ACK reports more than the threshold less one segments: ACKs were lost (5 step 2)', () => {
    const script = flight(10, 0, sack);
    script.arrive({ ack: 0, sack: [block(5, 7)] });
    expect(script.take()).toEqual([]);
    script.arrive({ ack: 0, sack: [block(5, 8)] });
    // Five of ten are lost, three SACKed. RFC 6937 sends no more than was delivered: one for this ACK, one for the next.
    expect(script.take()).toEqual([segment(0)]);
    script.arrive({ ack: 0, sack: [block(5, 9)] });
    expect(script.take()).toEqual([segment(1)]);
  });

  it('pipe: retransmits a hole for every two segments that leave, lost ones first (RFC6675-4-1, RFC6675-5-5, NextSeg 1)', () => {
    // Segments 0, 2 and 4 are lost of 12; cWnd becomes 6.
    const script = flight(12, 6, sack);
    script.arrive({ ack: 0, sack: [block(1, 2)] });
    script.arrive({ ack: 0, sack: [block(3, 4), block(1, 2)] });
    expect(script.take()).toEqual([segment(12), segment(13)]);
    script.arrive({ ack: 0, sack: [block(5, 6), block(3, 4), block(1, 2)] });
    // Entered: 14 sent, 3 SACKed; 0 is lost by the count of runs, the others are not yet. Pipe 11, and 0 again is 12 > 6.
    expect(script.take()).toEqual([segment(0)]);
    const rest: string[][] = [];
    for (let i = 7; i <= 12; i++) {
      script.arrive({ ack: 0, sack: [block(5, i), block(3, 4), block(1, 2)] });
      rest.push(script.take());
    }
    // 2 and 4 become lost when more than two segments above them are SACKed: pipe falls below cWnd, and they go first.
    expect(rest.flat().slice(0, 2)).toEqual([segment(2), segment(4)]);
    script.arrive({ ack: 14 * MSS });
    expect(script.cb.inRecovery).toBe(false);
    expect(script.cb.delegated.cWnd).toBe(script.cb.delegated.ssThresh);
    expect(script.cb.retransmittedSegments).toBe(3);
  });

  it('never retransmits what is SACKed, and each hole once (RFC6675-3-1, RFC6675-5-1, RFC6675-5-6)', () => {
    const script = flight(20, 0, sack);
    script.arrive({ ack: 0, sack: [block(1, 5)] });
    script.arrive({ ack: 0, sack: [block(7, 9), block(1, 5)] });
    script.arrive({ ack: 0, sack: [block(7, 15), block(1, 5)] });
    script.arrive({ ack: 0, sack: [block(7, 20), block(1, 5)] });
    script.arrive({ ack: 5 * MSS, sack: [block(7, 20)] });
    script.arrive({ ack: 6 * MSS, sack: [block(7, 20)] });
    const sent = script.take();
    expect(sent.sort()).toEqual([segment(0), segment(5), segment(6)].sort());
  });

  it('sends new text between, when nothing more is lost (NextSeg 2), then holes not yet lost (NextSeg 3; RFC6675-4-2)', () => {
    const fresh = flight(10, 20, sack);
    fresh.arrive({ ack: 0, sack: [block(1, 4)] });
    expect(fresh.take().filter((line) => line.startsWith(segment(0)))).toEqual([segment(0)]);
    for (let i = 5; i <= 10; i++) fresh.arrive({ ack: 0, sack: [block(1, i)] });
    const sent = fresh.take();
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.every((line) => Number(line.split(/[ :]/)[1]) >= 10 * MSS)).toBe(true);

    const none = flight(10, 0, sack);
    none.arrive({ ack: 0, sack: [block(1, 4)] });
    none.arrive({ ack: 0, sack: [block(8, 9), block(1, 7)] });
    // Hole 7 has one segment above it: not lost, but pipe has room and there is nothing else to send.
    expect(none.take()).toEqual([segment(0), segment(7)]);
  });

  it('repeats no tail of which nothing is known (NextSeg 4 is left out, spec/decisions.md 28): the timeout does', () => {
    const script = flight(10, 0, sack);
    script.arrive({ ack: 0, sack: [block(1, 8)] });
    expect(script.take()).toEqual([segment(0)]);
    script.arrive({ ack: 8 * MSS });
    expect(script.take()).toEqual([]);
    expect(script.cb.inRecovery).toBe(true);
    script.runTo(200);
    expect(script.take()).toEqual([segment(8)]);
    script.arrive({ ack: 10 * MSS });
    expect(script.cb.inRecovery).toBe(false);
  });

  it('ends at RecoveryPoint and not before, and starts no second one below it (RFC6675-5-4, 5.1)', () => {
    const script = flight(10, 10, sack);
    for (let i = 2; i <= 4; i++) script.arrive({ ack: 0, sack: [block(1, i)] });
    script.take();
    const point = script.cb.recoveryPoint;
    const threshold = script.cb.delegated.ssThresh;
    script.arrive({ ack: 4 * MSS, sack: [block(6, 9)] });
    expect(script.cb.inRecovery).toBe(true);
    script.arrive({ ack: 11 * MSS });
    expect(script.cb.inRecovery).toBe(true);
    expect(script.cb.delegated.ssThresh).toBe(threshold);
    script.arrive({ ack: (point - script.iss - 1) | 0 });
    expect(script.cb.inRecovery).toBe(false);
    expect(script.tcp.statistics.fastRetransmits).toBe(1);
  });

  it('after a timeout, SACK below what was outstanding starts no recovery (RFC6675-5.1-2)', () => {
    const script = flight(10, 0, sack);
    script.runTo(200).take();
    script.arrive({ ack: MSS, sack: [block(3, 8)] });
    expect(script.cb.inRecovery).toBe(false);
    expect(script.tcp.statistics.fastRetransmits).toBe(0);
    // It continues behind the timeout, around what is SACKed.
    expect(script.take()).toEqual([segment(1), segment(2)]);
    script.arrive({ ack: 8 * MSS });
    expect(script.take()).toEqual([segment(8), segment(9, true)]);
  });

  it('ignores SACK blocks that cannot be: beyond SND.MAX, below SND.UNA, inverted', () => {
    const script = flight(10, 0, sack);
    const blocks = [block(1, 11), block(-5, 0), block(5, 3), block(-900_000, 2_000_000)];
    for (let i = 0; i < 5; i++) script.arrive({ ack: 0, sack: blocks });
    expect(script.take()).toEqual([]);
    expect(script.cb.scoreboard).toBe(null);
  });

  it('holds a small tail back in recovery as well (Nagle)', () => {
    const script = flight(10, 0, sack);
    script.send(100);
    for (let i = 2; i <= 8; i++) script.arrive({ ack: 0, sack: [block(1, i)] });
    expect(script.take().filter((line) => line.startsWith('P. 14600'))).toEqual([]);
    script.arrive({ ack: 10 * MSS });
    expect(script.take()).toEqual(['P. 14600:14700 ack 0']);
  });
});

describe('two engines', () => {
  it.each([
    ['SACK', ALL_OPTIONS],
    ['no SACK', 0],
  ])('reordering by one or two segments causes no retransmission, with %s', (_, flags) => {
    let free = 0;
    let count = 0;
    // A link that takes 100 µs for a segment; every 25th is overtaken by the next one or two.
    const pair: Pair = new Pair({
      flags,
      fate: ({ from, payload }) => {
        if (from === 'b' || payload.length === 0) return [5000];
        free = Math.max(free, pair.now) + 100;
        count++;
        const late = count % 25 !== 0 ? 0 : count % 50 === 0 ? 150 : 250;
        return [free - pair.now + 5000 + late];
      },
    }).open();
    pair.run(100_000);
    const bytes = pattern(1_000_000, 5);
    pair.a.write(bytes);
    pair.run(10_000_000, () => pair.b.receivedBytes === bytes.length);
    expect(sameBytes(pair.b.bytes(), bytes)).toBe(true);
    expect(pair.b.tcp.statistics.outOfOrderSegments).toBeGreaterThan(25);
    expect(pair.a.tcp.statistics.retransmittedSegments).toBe(0);
  });

  it('a single loss in a long flight costs one retransmission and no timeout, with and without SACK', () => {
    for (const flags of [ALL_OPTIONS, 0]) {
      let count = 0;
      const pair = new Pair({
        flags,
        receiveBuffer: 60_000,
        fate: ({ from, payload }) => (from === 'a' && payload.length > 0 && ++count === 40 ? [] : [5000]),
      }).open();
      pair.run(100_000);
      const bytes = pattern(300_000, 6);
      pair.a.write(bytes);
      pair.run(10_000_000, () => pair.b.receivedBytes === bytes.length);
      expect(sameBytes(pair.b.bytes(), bytes)).toBe(true);
      expect(pair.a.tcp.statistics.retransmittedSegments).toBe(1);
      expect(pair.a.tcp.statistics.timeouts).toBe(0);
      expect(pair.a.tcp.statistics.fastRetransmits).toBe(1);
    }
  });

  it('with SACK, a burst of losses in one flight costs each one once and no timeout', () => {
    let count = 0;
    const pair = new Pair({
      fate: ({ from, payload }) => {
        if (from === 'a' && payload.length > 0) count++;
        return from === 'a' && payload.length > 0 && count > 60 && count <= 70 && count % 2 === 0 ? [] : [5000];
      },
    }).open();
    pair.run(100_000);
    const bytes = pattern(400_000, 7);
    pair.a.write(bytes);
    pair.run(10_000_000, () => pair.b.receivedBytes === bytes.length);
    expect(sameBytes(pair.b.bytes(), bytes)).toBe(true);
    expect(pair.a.tcp.statistics.retransmittedSegments).toBe(5);
    expect(pair.a.tcp.statistics.timeouts).toBe(0);
  });

  it('a receiver that throws out-of-order text away (reneging) gets it again', () => {
    let count = 0;
    const pair = new Pair({
      fate: ({ from, payload }) => (from === 'a' && payload.length > 0 && ++count === 20 ? [] : [5000]),
    }).open();
    pair.run(100_000);
    const bytes = pattern(200_000, 8);
    pair.a.write(bytes);
    pair.run(10_000_000, () => (pair.b.cb.reassembly?.bytes ?? 0) > 5000);
    pair.b.cb.reassembly?.clear();
    pair.run(60_000_000, () => pair.b.receivedBytes === bytes.length);
    expect(sameBytes(pair.b.bytes(), bytes)).toBe(true);
  });
});

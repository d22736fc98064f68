import { describe, expect, it } from 'vitest';
import { TcpConstantFlag } from '../../src/tcp/index.ts';
import { ALL_OPTIONS } from './pair.ts';
import { Script } from './scripted.ts';

const TIMESTAMPS = { flags: TcpConstantFlag.TIMESTAMP_ENABLED };
const DAY = 24 * 3600 * 1000;

describe('the timestamps option (RFC 7323 3, 4)', () => {
  it('is in every segment, and echoes TS.Recent (STATE-13; RFC7323-3.2-1, RFC7323-3.2-3)', () => {
    const script = Script.established({ ...TIMESTAMPS, flags: ALL_OPTIONS });
    script.arrive({ length: 10, ts: [800_000, 0] });
    script.send(3000);
    script.run(500);
    script.arrive({ flags: 'R', seq: 20 });
    const sent = script.takeSegments();
    expect(sent.length).toBeGreaterThan(3);
    for (const { header, at } of sent) {
      expect(header.hasTimestamp).toBe(true);
      expect(header.timestampEcho).toBe(800_000);
      expect(header.timestampValue).toBe(1000 + at);
    }
  });

  it('TS.Recent is that of the segment that Last.ACK.sent points into: delayed ACKs echo the earliest (4.3, RFC7323-5.3-3)', () => {
    const script = Script.established({ ...TIMESTAMPS, parameters: { ackFrequency: 3 } });
    script.arrive({ length: 100, ts: [800_001, 0] });
    script.arrive({ length: 100, ts: [800_002, 0] });
    script.arrive({ length: 100, ts: [800_003, 0] });
    expect(script.takeSegments()[0].header.timestampEcho).toBe(800_001);
  });

  it('text beyond a gap does not change it, what fills the gap does (4.3)', () => {
    const script = Script.established(TIMESTAMPS);
    script.arrive({ length: 100, ts: [800_001, 0] });
    script.run(40).take();
    script.arrive({ seq: 200, length: 100, ts: [800_005, 0] });
    expect(script.takeSegments()[0].header.timestampEcho).toBe(800_001);
    script.arrive({ seq: 100, length: 100, ts: [800_007, 0] });
    expect(script.takeSegments()[0].header.timestampEcho).toBe(800_007);
  });

  it('a segment without it is dropped silently, except a reset (RFC7323-3.2-4)', () => {
    const script = Script.established(TIMESTAMPS);
    script.arrive({ length: 10, ts: null });
    script.arrive({ ack: 5, ts: null });
    expect(script.take()).toEqual([]);
    expect(script.delivered).toBe(0);
    script.arrive({ flags: 'S', seq: 0, ts: null });
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    script.arrive({ flags: 'R', ts: null });
    expect(script.state).toBe(0);
  });
});

describe('PAWS (RFC 7323 5)', () => {
  const make = () => {
    const script = Script.established(TIMESTAMPS);
    script.arrive({ length: 10, ts: [800_000, 0] });
    script.run(1000).take();
    return script;
  };

  it('R1 (RFC7323-5.3-1): rejects an older timestamp with an ACK, and takes equal and newer ones, across the wrap', () => {
    for (const recent of [1000, 0x7fffffff, -1, -0x80000000, 0]) {
      const script = Script.established(TIMESTAMPS);
      script.cb.delegated.tsRecent = recent;
      script.arrive({ length: 10, ts: [(recent - 1) | 0, 0] });
      expect(script.take(), `${recent}`).toEqual(['. 0:0 ack 0']);
      expect(script.delivered).toBe(0);
      script.arrive({ length: 10, ts: [recent, 0] });
      script.arrive({ length: 10, ts: [(recent + 1) | 0, 0] });
      expect(script.delivered).toBe(20);
      expect(script.tcp.statistics.pawsDrops).toBe(1);
    }
  });

  it('drops an old duplicate whose sequence numbers have come round', () => {
    const script = make();
    script.arrive({ seq: 10, length: 100, ts: [799_900, 0] });
    expect(script.delivered).toBe(10);
  });

  it('RFC7323-5.5-1: after 24 days without a segment TS.Recent counts no more, and is replaced', () => {
    for (const [idle, taken] of [
      [23 * DAY, 10],
      [25 * DAY, 20],
    ]) {
      const script = make();
      script.run(idle);
      script.arrive({ length: 10, ts: [799_000, 0] });
      expect(script.delivered).toBe(taken);
      if (taken === 20) expect(script.cb.delegated.tsRecent).toBe(799_000);
    }
  });

  it('does not apply to a reset (RFC7323-5.2-1)', () => {
    const script = make();
    script.arrive({ flags: 'R', ts: [1, 0] });
    expect(script.state).toBe(0);
  });

  it('a forged segment with a timestamp far ahead and an ACK that cannot be does not poison TS.Recent', () => {
    const script = make();
    for (const ack of [1, 100_000, -100_000]) script.arrive({ length: 0, ack, ts: [0x70000000, 0] });
    script.take();
    script.arrive({ length: 10, ts: [801_000, 0] });
    expect(script.delivered).toBe(20);
  });
});

describe('timestamps across hand-overs (spec/algorithms.md 7)', () => {
  /** Samples of the estimator: the last one, recovered from the mean that it moved. */
  const sample = (script: Script, act: () => void) => {
    script.cb.rtt.reset();
    script.cb.timing = false;
    act();
    return script.cb.rtt.srtt / 1000;
  };
  const make = (start: number) => {
    const script = Script.established({ ...TIMESTAMPS, start: start * 1000 });
    script.take();
    return script;
  };
  const sendOne = (script: Script) => {
    script.send(1);
    return script.takeSegments()[0].header.timestampValue;
  };
  /** An ACK of everything with this echo gives which round trip? */
  const acknowledged = (script: Script, echo: number) =>
    sample(script, () => script.arrive({ ack: script.sndMax, ts: [700_000 + Math.floor(script.time), echo] }));

  it('test vector 1', () => {
    const script = make(100);
    expect(sendOne(script)).toBe(100);
    script.moveTo(200_000, true);
    expect(script.cb.timestampDelta).toBe(-100);
    script.run(5);
    expect(acknowledged(script, 100)).toBe(5);
    script.run(5);
    expect(sendOne(script)).toBe(110);
    script.run(5);
    expect(acknowledged(script, 110)).toBe(5);
    script.run(35);
    expect(sendOne(script)).toBe(150);
    script.moveTo(150_000, true);
    expect(script.cb.timestampDelta).toBe(0);
    script.run(5);
    expect(acknowledged(script, 150)).toBe(5);
  });

  it('test vector 2: the host clock drifts twice, and the connection is offloaded a second time', () => {
    const script = make(100);
    expect(sendOne(script)).toBe(100);
    script.moveTo(200_000, false);
    expect(script.cb.timestampDelta).toBe(-100);
    script.run(5);
    expect(acknowledged(script, 100)).toBe(5);
    script.run(45);
    expect(sendOne(script)).toBe(150);
    script.moveTo(200_000, false);
    expect(script.cb.timestampDelta).toBe(-50);
    script.run(5);
    expect(acknowledged(script, 150)).toBe(5);
    script.run(45);
    expect(sendOne(script)).toBe(200);
    script.run(5);
    expect(acknowledged(script, 200)).toBe(5);
    script.run(145);
    expect(sendOne(script)).toBe(350);
    script.moveTo(320_000, false);
    expect(script.cb.timestampDelta).toBe(30);
    script.run(5);
    expect(acknowledged(script, 350)).toBe(5);
  });

  it('TS-08: TsRecent and its age go along: PAWS and the echo do not change by a move', () => {
    const script = make(1_000_000);
    script.arrive({ length: 10, ts: [800_000, 0] });
    script.run(12 * DAY).moveTo(77_000_000, false);
    script.arrive({ length: 10, ts: [799_999, 0] });
    expect(script.delivered).toBe(10);
    script.run(12.1 * DAY);
    script.arrive({ length: 10, ts: [799_999, 0] });
    expect(script.delivered).toBe(20);
  });

  it('TS-06: never backwards, across many moves between clocks that stand anywhere', () => {
    const script = make(5000);
    let last = sendOne(script);
    for (let i = 0; i < 200; i++) {
      script.run((i * 7) % 13);
      script.moveTo((i * 7_919_000_003) % 1e13, i % 2 === 0);
      const value = script.time;
      script.send(1);
      script.arrive({ ack: script.sndUna });
      for (const { header } of script.takeSegments()) {
        expect((header.timestampValue - last) | 0).toBeGreaterThanOrEqual(0);
        last = header.timestampValue;
      }
      expect(value).toBe(script.time);
      script.arrive({ ack: script.sndMax });
    }
  });
});

import { describe, expect, it } from 'vitest';
import { applyUpdate, TcpCachedFlag, TcpCachedState, TcpConstantFlag } from '../../src/tcp/index.ts';
import { ALL_OPTIONS, seededRandom } from './pair.ts';
import { Script } from './scripted.ts';

const SCALING = TcpConstantFlag.WINDOW_SCALING_ENABLED;

/** Right edges of the windows in what was emitted: relative ACK plus the scaled window. */
function edges(script: Script): number[] {
  const scale = script.cb.constant.flags & SCALING ? script.cb.constant.rcvWindScale : 0;
  return script
    .takeSegments()
    .map(({ header }) => ((header.acknowledgment - script.irs - 1) | 0) + (header.window << scale));
}

describe('delayed ACK (RFC 9293 3.8.6.3)', () => {
  it('acknowledges every second segment at once, and no other (TMR-DACK-02, SHLD-19, MUST-58)', () => {
    const script = Script.established();
    for (let i = 1; i <= 6; i++) {
      script.arrive({ length: 1460 });
      expect(script.take()).toEqual(i % 2 === 0 ? [`. 0:0 ack ${i * 1460}`] : []);
    }
  });

  it('follows TcpAckFrequency', () => {
    for (const ackFrequency of [1, 3, 4]) {
      const script = Script.established({ parameters: { ackFrequency } });
      for (let i = 1; i <= 12; i++) {
        script.arrive({ length: 100 });
        expect(script.take().length).toBe(i % ackFrequency === 0 ? 1 : 0);
      }
    }
  });

  it('acknowledges a lone segment after TcpDelayedAckTicks, exactly (TMR-DACK-03, SHLD-18)', () => {
    const script = Script.established();
    script.runTo(100).arrive({ length: 100 });
    script.runTo(139);
    expect(script.take()).toEqual([]);
    script.runTo(140);
    expect(script.takeTimed()).toEqual(['140 . 0:0 ack 100']);
    expect(script.runTo(10_000).take()).toEqual([]);
  });

  it('lets data carry the ACK, and then owes none', () => {
    const script = Script.established();
    script.arrive({ length: 100 });
    script.send(50);
    expect(script.take()).toEqual(['P. 0:50 ack 100']);
    script.arrive({ ack: 50 });
    expect(script.runTo(10_000).take()).toEqual([]);
  });

  it('acknowledges the first segments at once when told to (TcpParameters.quickAcks), until text goes both ways', () => {
    const script = Script.established({ parameters: { quickAcks: 3 } });
    for (let i = 1; i <= 3; i++) {
      script.arrive({ length: 100 });
      expect(script.take()).toEqual([`. 0:0 ack ${i * 100}`]);
    }
    script.arrive({ length: 100 });
    expect(script.take()).toEqual([]);

    const both = Script.established({ parameters: { quickAcks: 3 } });
    both.send(10); // text of ours alone changes nothing
    both.arrive({ ack: 10, length: 100 });
    expect(both.take()).toEqual(['P. 0:10 ack 0', '. 10:10 ack 100']);
    both.send(10); // an answer
    both.arrive({ ack: 20, length: 100 });
    expect(both.take()).toEqual(['P. 10:20 ack 100']);
  });

  it('counts bytes, not segments: one of two full sizes or more is acknowledged at once (up to 64 KiB)', () => {
    for (const [length, atOnce] of [
      [1460, false],
      [2919, false],
      [2920, true],
      [65_160, true],
    ] as const) {
      const script = Script.established({ flags: SCALING, receiveBuffer: 1 << 20, receiveScale: 7 });
      script.send(10); // takes the first window, so that the whole buffer is on offer
      script.arrive({ ack: 10 });
      script.take();
      script.arrive({ length });
      expect(script.take(), `${length}`).toEqual(atOnce ? [`. 10:10 ack ${length}`] : []);
    }
  });

  it('acknowledges at once what is out of order, fills a gap, or is a duplicate (RFC 5681 4.2, RFC 9293 MAY-13)', () => {
    const script = Script.established();
    script.arrive({ seq: 100, length: 100 });
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    script.arrive({ seq: 0, length: 50 });
    // The gap is not closed yet, and the ACK of a part of it may not wait either.
    script.arrive({ seq: 50, length: 50 });
    expect(script.take().at(-1)).toBe('. 0:0 ack 200');
    script.arrive({ seq: 0, length: 200 });
    expect(script.take()).toEqual(['. 0:0 ack 200']);
    expect(script.delivered).toBe(200);
  });

  it('acknowledges a FIN at once', () => {
    const script = Script.established();
    script.arrive({ flags: 'F.', length: 1 });
    expect(script.take()).toEqual(['. 0:0 ack 2']);
  });
});

describe('the window that is advertised (RFC 9293 3.8.6.2.2)', () => {
  it('closes with unread bytes, and opens by an update when two segments or half the buffer are free', () => {
    const script = Script.established({ receiveBuffer: 5840, reading: false });
    for (let i = 0; i < 4; i++) script.arrive({ length: 1460 });
    expect(edges(script)).toEqual([5840, 5840]);
    script.read(1000);
    expect(script.take()).toEqual([]);
    script.read(1919);
    expect(script.take()).toEqual([]);
    script.read(1);
    expect(edges(script)).toEqual([5840 + 2920]);
    script.read(2920);
    expect(edges(script)).toEqual([5840 + 5840]);
  });

  it('opens a small buffer by half (silly-window avoidance, MUST-39)', () => {
    const script = Script.established({ receiveBuffer: 1000, reading: false });
    script.arrive({ length: 1000 });
    script.runTo(40);
    expect(edges(script)).toEqual([1000]);
    script.read(499);
    script.arrive({ length: 1 });
    expect(edges(script)).toEqual([1000]);
    script.read(1);
    expect(edges(script)).toEqual([1500]);
  });

  it('sends an update that was not worth it at first when the silly-window timer expires (TMR-SWS-03)', () => {
    const script = Script.established({ receiveBuffer: 5840, reading: false });
    for (let i = 0; i < 4; i++) script.arrive({ length: 1460 });
    script.take();
    script.read(1459);
    expect(script.runTo(1000).take()).toEqual([]);
    script.read(1);
    expect(script.take()).toEqual([]);
    script.runTo(1199);
    expect(script.take()).toEqual([]);
    script.runTo(1200);
    expect(edges(script)).toEqual([5840 + 1460]);
  });

  it('is honoured: nothing beyond it is kept', () => {
    const script = Script.established({ receiveBuffer: 4000, reading: false });
    script.arrive({ seq: 2000, length: 5000 });
    script.arrive({ seq: 0, length: 2000 });
    expect(script.delivered).toBe(4000);
  });

  it('never moves its right edge to the left, at any scale that fits the buffer (SHLD-14, RFC7323-2.3-2, RFC7323-2.4-2)', () => {
    for (const scale of [0, 1, 2, 5, 7]) {
      const random = seededRandom(scale + 1);
      const receiveBuffer = 30_000 << scale;
      const script = Script.established({ flags: SCALING, receiveScale: scale, receiveBuffer, reading: false });
      let edge = 0;
      let unread = 0;
      for (let i = 0; i < 600; i++) {
        const length = 1 + ((random() >>> 0) % (500 << scale));
        script.arrive({ length: Math.min(length, script.cb.delegated.rcvWnd) });
        unread = script.cb.receiveBuffered;
        if (unread > receiveBuffer * 0.9 || random() % 20 === 0)
          script.read(unread - ((random() >>> 0) % (unread + 1)));
        for (const next of edges(script)) {
          expect(next, `scale ${scale}`).toBeGreaterThanOrEqual(edge);
          edge = next;
        }
      }
      expect(script.delivered).toBeGreaterThan(receiveBuffer);
    }
  });

  it('is bounded by the buffer and little more, however small the segments of the peer', () => {
    for (const scale of [0, 7, 14]) {
      const receiveBuffer = scale === 0 ? 65_535 : 100_000;
      const script = Script.established({ flags: SCALING, receiveScale: scale, receiveBuffer, reading: false });
      for (let i = 0; i < 140_000; i += 7) script.arrive({ length: 7 });
      expect(script.delivered).toBeGreaterThan(receiveBuffer - (1 << scale));
      expect(script.delivered).toBeLessThan(receiveBuffer + Math.max(1 << scale, receiveBuffer / 16));
      script.take();
      expect(script.cb.delegated.rcvWnd).toBeLessThan(1 << scale);
      // What was offered once is taken, even if the field could not say so any more.
      script.read(receiveBuffer);
      expect(edges(script)[0]).toBeGreaterThan(script.delivered + 60_000);
    }
  });

  it('follows an update of InitialRcvWnd, at once when asked (UPD-13), and never backwards', () => {
    const script = Script.established({ receiveBuffer: 10_000, reading: false });
    const cached = new TcpCachedState();
    cached.initialRcvWnd = 10_500;
    cached.flags |= TcpCachedFlag.UPDATE_RCV_WND;
    applyUpdate(script.tcp, script.cb, cached);
    expect(edges(script)).toEqual([10_500]);
    cached.initialRcvWnd = 2000;
    applyUpdate(script.tcp, script.cb, cached);
    expect(edges(script)).toEqual([10_500]);
    script.arrive({ length: 1000 });
    script.arrive({ length: 1000 });
    expect(edges(script)).toEqual([10_500]);
  });

  it('is 0 at a full buffer, and a probe byte is answered and not taken (MAY-8)', () => {
    const script = Script.established({ receiveBuffer: 3000, reading: false });
    script.arrive({ length: 3000 });
    const [full] = script.takeSegments();
    expect(full.header.window).toBe(0);
    script.arrive({ length: 1 });
    expect(edges(script)).toEqual([3000]);
    expect(script.delivered).toBe(3000);
    // With room again the answer to a probe tells of it, although no update was due.
    script.read(1460);
    expect(script.take()).toEqual([]);
    script.arrive({ length: 1 });
    expect(edges(script)).toEqual([4460]);
  });
});

describe('SACK and D-SACK blocks (RFC 2018 4, RFC 2883 4)', () => {
  const sack = { flags: ALL_OPTIONS, receiveBuffer: 1 << 20, receiveScale: 7 };

  it('reports the run of the latest segment first, and at most three beside timestamps', () => {
    const script = Script.established(sack);
    script.arrive({ seq: 1000, length: 500 });
    expect(script.take()).toEqual(['. 0:0 ack 0 sack 1000:1500']);
    script.arrive({ seq: 3000, length: 500 });
    expect(script.take()).toEqual(['. 0:0 ack 0 sack 3000:3500 sack 1000:1500']);
    script.arrive({ seq: 5000, length: 500 });
    script.arrive({ seq: 7000, length: 500 });
    expect(script.take()[1]).toBe('. 0:0 ack 0 sack 7000:7500 sack 5000:5500 sack 3000:3500');
    script.arrive({ seq: 1500, length: 500 });
    expect(script.take()).toEqual(['. 0:0 ack 0 sack 1000:2000 sack 7000:7500 sack 5000:5500']);
    script.arrive({ seq: 0, length: 1000 });
    expect(script.take()).toEqual(['. 0:0 ack 2000 sack 7000:7500 sack 5000:5500 sack 3000:3500']);
  });

  it('never carries blocks on text: they would not fit beside it (RFC 9293 MUST-16)', () => {
    const script = Script.established(sack);
    script.send(50_000);
    script.take();
    script.arrive({ seq: 1000, length: 500, ack: 14_480 });
    const [first, ...rest] = script.takeSegments();
    expect([first.length, first.header.sackCount]).toEqual([0, 1]);
    expect(rest.length).toBeGreaterThan(0);
    for (const { header, length } of rest) expect([header.sackCount, length > 0]).toEqual([0, true]);
  });

  it('sends none when the peer does not know them (STATE-14)', () => {
    const script = Script.established({ flags: TcpConstantFlag.TIMESTAMP_ENABLED });
    script.arrive({ seq: 1000, length: 500 });
    expect(script.take()).toEqual(['. 0:0 ack 0']);
  });

  it('reports a duplicate below RCV.NXT once, as the first block (RFC 2883 4.1.1, 4.1.2)', () => {
    const script = Script.established(sack);
    script.arrive({ seq: 0, length: 1000 });
    script.arrive({ seq: 1000, length: 1000 });
    script.take();
    script.arrive({ seq: 500, length: 500 });
    expect(script.take()).toEqual(['. 0:0 ack 2000 sack 500:1000']);
    script.arrive({ seq: 3000, length: 500 });
    expect(script.take()).toEqual(['. 0:0 ack 2000 sack 3000:3500']);
    script.arrive({ seq: 1500, length: 700 });
    expect(script.take()).toEqual(['. 0:0 ack 2200 sack 1500:2000 sack 3000:3500']);
  });

  it('reports a duplicate above RCV.NXT before the run that holds it (RFC 2883 4.2)', () => {
    const script = Script.established(sack);
    script.arrive({ seq: 1000, length: 500 });
    script.arrive({ seq: 1500, length: 500 });
    script.arrive({ seq: 3000, length: 500 });
    script.take();
    script.arrive({ seq: 1500, length: 500 });
    expect(script.take()).toEqual(['. 0:0 ack 0 sack 1500:2000 sack 1000:2000 sack 3000:3500']);
    script.arrive({ seq: 0, length: 100 });
    expect(script.take()).toEqual(['. 0:0 ack 100 sack 1000:2000 sack 3000:3500']);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyUpdate, setPathMtu, TcpCachedState, TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { TcpFlag } from '../../src/wire/tcp-header.ts';
import { ALL_OPTIONS, Pair, pattern } from './pair.ts';
import { Script } from './scripted.ts';

const SCALING = TcpConstantFlag.WINDOW_SCALING_ENABLED;
const noNagle = { cached: { flags: 0 } };

describe('Nagle (RFC 9293 3.7.4, SHLD-7, STATE-16)', () => {
  it('sends a small segment when idle, and holds the next ones until the ACK, as one segment (SHLD-27)', () => {
    const script = Script.established();
    for (let i = 0; i < 3; i++) script.send(100);
    expect(script.take()).toEqual(['P. 0:100 ack 0']);
    script.arrive({ ack: 100 });
    expect(script.take()).toEqual(['P. 100:300 ack 0']);
  });

  it('never holds full segments (SHLD-28)', () => {
    const script = Script.established();
    script.send(100);
    script.send(3000);
    expect(script.take()).toEqual(['P. 0:100 ack 0', '. 100:1560 ack 0', '. 1560:3020 ack 0']);
    script.arrive({ ack: 3020 });
    expect(script.take()).toEqual(['P. 3020:3100 ack 0']);
  });

  it('can be switched off (MUST-17), also by an update, which frees what is held', () => {
    const off = Script.established(noNagle);
    off.send(100);
    off.send(100);
    expect(off.take()).toEqual(['P. 0:100 ack 0', 'P. 100:200 ack 0']);

    const script = Script.established();
    script.send(100);
    script.send(50);
    script.take();
    const cached = new TcpCachedState();
    cached.flags = 0;
    applyUpdate(script.tcp, script.cb, cached);
    expect(script.take()).toEqual(['P. 100:150 ack 0']);
  });

  it('does not hold the last text before a FIN', () => {
    const script = Script.established();
    script.send(100);
    script.send(50);
    script.close();
    expect(script.take()).toEqual(['P. 0:100 ack 0', 'FP. 100:150 ack 0']);
  });
});

describe('sender silly-window avoidance (RFC 9293 3.8.6.2.1, MUST-38)', () => {
  it('holds a part back that a small window cuts off, until the timer (TMR-SWS-01, TMR-SWS-02)', () => {
    const script = Script.established();
    script.arrive({ window: 700 });
    script.send(2000);
    expect(script.take()).toEqual([]);
    script.runTo(199);
    expect(script.take()).toEqual([]);
    script.runTo(200);
    expect(script.takeTimed()).toEqual(['200 . 0:700 ack 0']);
  });

  it('sends at once when the window opens before the timer', () => {
    const script = Script.established();
    script.arrive({ window: 700 });
    script.send(2000);
    script.arrive({ window: 5000 });
    expect(script.take()).toEqual(['. 0:1460 ack 0']);
    script.arrive({ ack: 1460, window: 5000 });
    expect(script.take()).toEqual(['P. 1460:2000 ack 0']);
    script.arrive({ ack: 2000 });
    expect(script.runTo(5000).take()).toEqual([]);
  });

  it('sends half of the largest window that there was (rule 3)', () => {
    const script = Script.established({ window: 1000 });
    script.send(2000);
    expect(script.take()).toEqual(['. 0:1000 ack 0']);
    script.arrive({ ack: 1000, window: 500 });
    expect(script.take()).toEqual(['. 1000:1500 ack 0']);
    script.arrive({ ack: 1500, window: 499 });
    expect(script.take()).toEqual([]);
  });

  it('sends what ends with the queue although the window is small', () => {
    const script = Script.established();
    script.arrive({ window: 700 });
    script.send(300);
    expect(script.take()).toEqual(['P. 0:300 ack 0']);
  });
});

describe('windows of the peer', () => {
  it('sends no byte beyond them', () => {
    const script = Script.established({ window: 4000, ...noNagle });
    script.send(10_000);
    expect(script.take().at(-1)).toBe('. 1460:2920 ack 0');
    script.arrive({ ack: 2920, window: 2920 });
    expect(script.take()).toEqual(['. 2920:4380 ack 0', '. 4380:5840 ack 0']);
  });

  it('applies their scale (STATE-15, RFC7323-2.3-1)', () => {
    const script = Script.established({ flags: SCALING, sendScale: 2, window: 730 });
    script.arrive({ window: 730 });
    script.send(5000);
    expect(script.take()).toEqual(['. 0:1460 ack 0', '. 1460:2920 ack 0']);
  });

  it('takes updates by SND.WL1 and SND.WL2: neither from an older segment nor from an older ACK (3.10.7.4 fifth)', () => {
    const script = Script.established();
    script.send(100);
    script.arrive({ length: 10, window: 5000, ack: 50 });
    script.arrive({ length: 10, window: 5000, ack: 50 });
    script.arrive({ seq: 0, length: 10, ack: 50, window: 6000 });
    expect(script.cb.delegated.sndWnd).toBe(5000);
    script.arrive({ ack: 0, window: 7000 });
    expect(script.cb.delegated.sndWnd).toBe(5000);
    script.arrive({ ack: 50, window: 8000 });
    expect(script.cb.delegated.sndWnd).toBe(8000);
  });

  it('survives a peer that takes a window back: nothing new, and all of it again when it opens (MUST-34, RFC7323-2.4-1)', () => {
    const script = Script.established({ window: 6000 });
    script.send(5840);
    script.take();
    script.arrive({ ack: 1460, window: 100 });
    expect(script.take()).toEqual([]);
    script.arrive({ ack: 1460, window: 6000 });
    expect(script.take()).toEqual([]);
    script.arrive({ ack: 5840, window: 6000 });
    expect(script.acknowledgedBytes).toBe(5840);
    expect(script.runTo(5000).take()).toEqual([]);
  });

  it('resends whole segments from the probe byte on when a zero window opens', () => {
    const script = Script.established({ window: 0 });
    script.arrive({ window: 0 });
    script.send(5000);
    script.runTo(1000);
    script.take();
    script.arrive({ ack: 0, window: 65_535 });
    expect(script.take()).toEqual(['. 0:1460 ack 0', '. 1460:2920 ack 0', '. 2920:4380 ack 0']);
  });
});

describe('PSH (SEND-16, RFC 9293 3.9.1.2)', () => {
  it('marks the segment that empties the queue, and no other (MUST-61)', () => {
    const script = Script.established(noNagle);
    script.send(4000);
    expect(script.take()).toEqual(['. 0:1460 ack 0', '. 1460:2920 ack 0', 'P. 2920:4000 ack 0']);
  });
});

describe('segment sizes (RFC 9293 3.7.1 MUST-16, STATE-18)', () => {
  it.each([
    ['RemoteMss', { mss: 1000 }, 1000],
    ['the path MTU', { mtu: 1280 }, 1240],
    ['RemoteMss less the options of every segment', { mss: 1000, flags: TcpConstantFlag.TIMESTAMP_ENABLED }, 988],
    ['the path MTU less the options', { mtu: 1500, flags: ALL_OPTIONS }, 1448],
    ['SACK alone takes nothing', { mtu: 1500, flags: TcpConstantFlag.SACK_ENABLED }, 1460],
  ] as const)('come from %s', (_, options, size) => {
    const script = Script.established(options);
    script.send(size * 2);
    expect(script.takeSegments().map(({ length }) => length)).toEqual([size, size]);
  });

  it('property: no segment exceeds what RemoteMss and the path MTU allow, whatever happens', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 9000 }),
        fc.integer({ min: 128, max: 9000 }),
        fc.constantFrom(0, ALL_OPTIONS, TcpConstantFlag.TIMESTAMP_ENABLED, TcpConstantFlag.SACK_ENABLED),
        fc.array(fc.record({ write: fc.nat(20_000), ack: fc.nat(20_000), mtu: fc.integer({ min: 128, max: 9000 }) }), {
          maxLength: 12,
        }),
        (mss, mtu, flags, steps) => {
          const script = Script.established({ mss, mtu, flags });
          let path = mtu;
          const check = () => {
            for (const { header, length } of script.takeSegments()) {
              const options = (header.hasTimestamp ? 12 : 0) + (header.sackCount > 0 ? 4 + 8 * header.sackCount : 0);
              expect(length === 0 ? 0 : length + options).toBeLessThanOrEqual(mss);
              expect(length + options + 40).toBeLessThanOrEqual(path);
            }
          };
          for (const step of steps) {
            script.send(step.write);
            check();
            const left = script.sndMax - script.sndUna;
            script.arrive({ ack: script.sndUna + Math.min(step.ack, left), seq: script.rcvNxt + 1, length: 1 });
            check();
            setPathMtu(script.tcp, script.cb, step.mtu);
            path = step.mtu;
            script.run(300);
            check();
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('a smaller path MTU cuts anew what was lost for it, at once (RFC 1191 6.4, UPD-12)', () => {
    const script = Script.established();
    script.send(4380);
    script.take();
    const cWnd = script.cb.delegated.cWnd;
    setPathMtu(script.tcp, script.cb, 1040);
    expect(script.takeSegments().map(({ length }) => length)).toEqual([1000, 1000, 1000, 1000, 380]);
    expect(script.cb.delegated.cWnd).toBe(cWnd);
    script.arrive({ ack: 4380 });
    expect(script.runTo(10_000).take()).toEqual([]);
  });

  it('a larger one never leaves a congestion window of less than a segment, which would stop the sender', () => {
    const script = Script.established({ mtu: 576, mss: 8960 });
    script.send(536);
    script.runTo(200).take();
    expect(script.cb.delegated.cWnd).toBe(536);
    script.arrive({ ack: 536 });
    script.take();
    setPathMtu(script.tcp, script.cb, 9000);
    script.send(20_000);
    expect(script.take().length).toBeGreaterThan(0);
  });

  it('lets the link cut up to 64 KiB into whole segments (maximumSegmentPayload), within every window', () => {
    const parameters = { maximumSegmentPayload: 65_535, initialWindowSegments: 60 };
    const script = Script.established({
      parameters: { ...parameters, congestionControl: 'newreno' },
      flags: SCALING,
      sendScale: 2,
      mss: 1460,
    });
    script.cb.delegated.cWnd = 200_000;
    script.arrive({ window: 50_000 });
    script.send(150_000);
    expect(script.takeSegments().map(({ length }) => length)).toEqual([64_240, 64_240, 20_440]);
    script.arrive({ ack: 148_920, window: 50_000 });
    expect(script.take()).toEqual(['P. 148920:150000 ack 0']);
  });
});

describe('congestion window', () => {
  it('begins with ten segments (RFC 6928 2, RFC5681-3.1-2, RFC5681-3.1-3)', () => {
    for (const [mss, segments] of [
      [1460, 10],
      [536, 10],
      [5000, 2],
      [8960, 2],
    ]) {
      const script = Script.established({ mss, mtu: 9000 });
      script.send(200_000);
      expect(script.takeSegments().length, `${mss}`).toBe(segments);
    }
  });

  it('opens by what is acknowledged in slow start (RFC5681-3.1-1)', () => {
    const script = Script.established();
    script.send(100_000);
    expect(script.take().length).toBe(10);
    script.arrive({ ack: 2920 });
    expect(script.take().length).toBe(4);
    script.arrive({ ack: 5840 });
    expect(script.take().length).toBe(4);
  });

  it('does not grow while the application, not the network, limits the sender (RFC 9438 5.8, RFC 5681 3.1)', () => {
    const script = Script.established();
    const before = script.cb.delegated.cWnd;
    for (let i = 1; i <= 30; i++) {
      script.send(1460);
      script.arrive({ ack: i * 1460 });
    }
    expect(script.cb.delegated.cWnd).toBe(before);
  });

  it("stops CUBIC's clock while the application is the limit, across a hand-over too (RFC 9438 5.8)", () => {
    for (const moving of [false, true]) {
      const script = Script.established({ flags: TcpConstantFlag.SACK_ENABLED });
      const d = script.cb.delegated;
      d.cWnd = 30 * 1460;
      script.send(30 * 1460);
      for (let i = 2; i <= 4; i++) script.arrive({ sack: [[1460, i * 1460]] });
      script.arrive({ ack: 30 * 1460 });
      expect(Math.abs(d.cWnd - 21 * 1460)).toBeLessThan(2);
      /** One flight, with a round trip of 10 ms. */
      const flight = (length: number) => {
        script.send(length);
        script.run(10);
        for (let acked = script.sndUna; acked < script.sndMax; acked += 2920) {
          script.arrive({ ack: Math.min(acked + 2920, script.sndMax) });
        }
      };
      for (let i = 0; i < 3; i++) flight(25 * 1460);
      for (let i = 0; i < 600; i++) {
        flight(1000);
        script.run(90);
        if (moving && i % 7 === 0) script.moveTo(i * 1e9, true);
      }
      const before = script.cb.delegated.cWnd;
      expect(before).toBeLessThan(24 * 1460);
      flight(60 * 1460);
      // A minute of the cubic function would be half as much again in one round trip.
      expect(script.cb.delegated.cWnd).toBeLessThan(before * 1.1);
    }
  });

  it('restarts from the initial window after an idle RTO, not before (RFC 5681 4.1)', () => {
    for (const [idle, burst] of [
      [150, 20],
      [1000, 10],
    ]) {
      const script = Script.established();
      script.send(14_600 * 3);
      script.run(50);
      let acked = 0;
      while (acked < 14_600 * 3) {
        acked = Math.min(acked + 2920, 14_600 * 3);
        script.arrive({ ack: acked });
        script.run(1);
      }
      expect(script.cb.delegated.cWnd).toBeGreaterThanOrEqual(20 * 1460);
      script.take();
      script.run(idle);
      script.send(1460 * 20);
      expect(script.take().length).toBe(burst);
    }
  });

  it('holds nothing back for ever: with text waiting and a window, something is sent or a timer runs (MUST-60)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(5000), fc.nat(9000), fc.nat(8000), fc.nat(400)), { maxLength: 30 }),
        fc.boolean(),
        (steps, nagle) => {
          const script = Script.established(nagle ? {} : noNagle);
          for (const [write, window, acked, time] of steps) {
            script.send(write);
            const left = script.sndMax - script.sndUna;
            script.arrive({ ack: script.sndUna + Math.min(acked, left), window });
            script.run(time);
            if (script.cb.sendQueue.length > 0) expect(script.cb.wheelDeadline).toBeGreaterThanOrEqual(0);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('two engines', () => {
  it('move data through windows that are never larger than the reader allows, without silly segments', () => {
    const pair = new Pair({ receiveBuffer: 20_000 }).open();
    pair.run(100_000);
    pair.b.reading = false;
    pair.a.write(pattern(400_000));
    // A reader that takes a little at a time: the silly-window trap.
    for (let i = 0; i < 20_000 && pair.b.receivedBytes < 400_000; i++) {
      pair.run(1000);
      pair.b.take(200);
    }
    expect(pair.b.receivedBytes).toBe(400_000);
    const data = pair.log.filter(({ from, payload }) => from === 'a' && payload.length > 0);
    const small = data.filter(({ payload, header }) => payload.length < 1448 && !(header.flags & TcpFlag.PSH));
    expect(data.length).toBeLessThan(330);
    expect(small.length).toBeLessThan(30);
    expect(pair.a.cb.delegated.state).toBe(TcpState.ESTABLISHED);
  });

  it('fill a window of 64 KiB segments with few ACKs', () => {
    const pair = new Pair({ parameters: { maximumSegmentPayload: 65_535 }, receiveBuffer: 4 << 20 }).open();
    pair.run(100_000);
    pair.a.write(pattern(5_000_000));
    pair.run(3_000_000, () => pair.b.receivedBytes === 5_000_000);
    expect(pair.b.receivedBytes).toBe(5_000_000);
    expect(pair.log.filter(({ from, payload }) => from === 'a' && payload.length > 0).length).toBeLessThan(250);
    expect(pair.a.tcp.statistics.retransmittedSegments).toBe(0);
  });
});

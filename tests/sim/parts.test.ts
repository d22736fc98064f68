import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/link/index.ts';
import { Agenda } from '../../src/sim/agenda.ts';
import { BytePattern } from '../../src/sim/byte-pattern.ts';
import { DriftingClock } from '../../src/sim/clock.ts';
import { DelayedChannel } from '../../src/sim/delayed-channel.ts';
import { drawScenario } from '../../src/sim/index.ts';

describe('a drifting clock', () => {
  it('says when it will show a time: at the first true time and not before', () => {
    fc.assert(
      fc.property(fc.nat(1e10), fc.integer({ min: -500, max: 500 }), fc.nat(1e9), (offset, drift, ahead) => {
        const clock = new DriftingClock(offset, drift);
        const when = clock.when(offset + ahead);
        expect(clock.at(when)).toBeGreaterThanOrEqual(offset + ahead);
        if (when > 0) expect(clock.at(when - 1)).toBeLessThan(offset + ahead);
      }),
    );
  });

  it('drifts', () => {
    const fast = new DriftingClock(5, 100);
    expect(fast.at(0)).toBe(5);
    expect(fast.at(10_000_000)).toBe(10_001_005);
    expect(new DriftingClock(0, -100).at(10_000_000)).toBe(9_999_000);
    expect(fast.when(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(fast.when(Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('the agenda', () => {
  it('runs actions by time, then in the order in which they were added', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (times) => {
        const agenda = new Agenda();
        const ran: [number, number][] = [];
        times.forEach((time, index) => {
          agenda.add(time, () => ran.push([time, index]));
        });
        for (let now = 0; now <= 20; now++) {
          while (agenda.runDue(now));
          expect(agenda.next()).toBeGreaterThan(now);
        }
        const sorted = times.map((time, index): [number, number] => [time, index]);
        sorted.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(ran).toEqual(sorted);
        expect(agenda.length).toBe(0);
      }),
    );
  });
});

describe('a byte pattern', () => {
  it('knows its bytes at every position, and notices a wrong one', () => {
    const pattern = new BytePattern(7);
    const whole = pattern.bytes(0, 30_000);
    expect(pattern.bytes(12_345, 1000)).toEqual(whole.subarray(12_345, 13_345));
    expect(pattern.mismatch(8_000, whole.subarray(8_000, 9_000))).toBe(-1);
    expect(pattern.mismatch(8_001, whole.subarray(8_000, 9_000))).toBeGreaterThanOrEqual(0);
    const damaged = whole.slice(100, 200);
    damaged[42] ^= 1;
    expect(pattern.mismatch(100, damaged)).toBe(42);
    expect(new BytePattern(8).bytes(0, 100)).not.toEqual(pattern.bytes(0, 100));
  });
});

describe('a delayed channel', () => {
  it('keeps the order of each direction, and delivers nothing within the call that posts it', () => {
    let now = 0;
    const delay = { minimum: 0, maximum: 50, stallsPerMille: 100, stall: 500 };
    const channel = new DelayedChannel(new Random(3), () => now, delay, delay);
    const down: number[] = [];
    const up: number[] = [];
    channel.nic.onMessage = (message) => {
      if (message.kind === 'initiateConfirmed') down.push(message.operation);
      channel.nic.post({ kind: 'updateComplete', operation: down.length, statuses: [] });
    };
    channel.miniport.onMessage = (message) => {
      if (message.kind === 'updateComplete') up.push(message.operation);
    };
    for (let operation = 1; operation <= 200; operation++) {
      channel.miniport.post({ kind: 'initiateConfirmed', operation });
      expect(down).toHaveLength(0);
    }
    while (channel.length > 0) {
      now = Math.max(now, channel.nextDeadline());
      channel.advance(now);
    }
    const all = Array.from({ length: 200 }, (_, index) => index + 1);
    expect(down).toEqual(all);
    expect(up).toEqual(all);
    expect(now).toBeGreaterThan(0);
  });
});

describe('a scenario', () => {
  it('depends on its seed and on nothing else', () => {
    expect(drawScenario(5)).toEqual(drawScenario(5));
    expect(drawScenario(5)).not.toEqual(drawScenario(6));
  });

  it('lets somebody close first in every connection', () => {
    for (let seed = 1; seed <= 300; seed++) {
      for (const { parties } of drawScenario(seed).connections) {
        expect(parties.a.close === 'after-peer' && parties.b.close === 'after-peer').toBe(false);
      }
    }
  });
});

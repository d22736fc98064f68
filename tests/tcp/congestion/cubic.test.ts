import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CongestionControl, createCongestionControl } from '../../../src/tcp/congestion/index.ts';
import { TcpDelegatedState } from '../../../src/tcp/variables.ts';

const SMSS = 1000;
const SECOND = 1_000_000;
const ALPHA = (3 * (1 - 0.7)) / (1 + 0.7);

function variables(cWnd: number, ssThresh: number): TcpDelegatedState {
  const v = new TcpDelegatedState();
  v.cWnd = cWnd;
  v.ssThresh = ssThresh;
  return v;
}

/** A connection that lost a segment at `segments` in flight and has finished its recovery; the next ACK starts a stage. */
function afterLoss(segments: number): { control: CongestionControl; v: TcpDelegatedState } {
  const control = createCongestionControl('cubic');
  const v = variables(segments * SMSS, segments * SMSS);
  control.onLoss(v, v.cWnd, SMSS, 0);
  v.cWnd = v.ssThresh;
  return { control, v };
}

/** W_cubic(t) of RFC 9438 figure 1, segments. */
function cubicWindow(t: number, k: number, wMax: number): number {
  return 0.4 * (t - k) ** 3 + wMax;
}

/** Runs round trips in which a whole window is acknowledged segment by segment; answers the time at the end. */
function run(control: CongestionControl, v: TcpDelegatedState, from: number, until: number, rtt: number): number {
  let now = from;
  while (now < until) {
    const segments = Math.floor(v.cWnd / SMSS);
    for (let index = 0; index < segments && now < until; index += 1) {
      now += rtt / segments;
      control.onAcknowledged(v, SMSS, SMSS, rtt, now);
    }
  }
  return now;
}

describe('CUBIC (RFC 9293 MAY-18)', () => {
  test('RFC 9438 4.6: a loss takes beta_cubic of what is in flight, down to two segments', () => {
    const control = createCongestionControl('cubic');
    const v = variables(100_000, 1_000_000);
    control.onLoss(v, 80_000, SMSS, 0);
    expect(v.ssThresh).toBe(56_000);
    expect(v.cWnd).toBe(100_000);
    control.onLoss(v, 1000, SMSS, 0);
    expect(v.ssThresh).toBe(2000);
    control.onTimeout(v, 50_000, SMSS, 0);
    expect(v.ssThresh).toBe(35_000);
  });

  test('RFC 9438 4.2, 4.4, 4.5: single steps follow the formulas in the concave and the convex region', () => {
    const rtt = 0.1;
    const k = Math.cbrt(30 / 0.4);
    for (const t of [0.5, 1, 2, 3, k, 5, 6, 8]) {
      const { control, v } = afterLoss(100);
      control.onAcknowledged(v, 0, SMSS, rtt * SECOND, 10 * SECOND);
      const before = v.cWnd / SMSS;
      expect(before).toBe(70);
      control.onAcknowledged(v, SMSS, SMSS, rtt * SECOND, (10 + t) * SECOND);
      const target = Math.min(Math.max(cubicWindow(t + rtt, k, 100), before), 1.5 * before);
      expect(v.cWnd).toBe(Math.floor((before + (target - before) / before) * SMSS + 1e-6));
    }
  });

  test('RFC 9438 4.2: the window follows W_cubic(t) and reaches W_max after K', () => {
    const { control, v } = afterLoss(1000);
    const k = Math.cbrt(300 / 0.4);
    let now = 0;
    for (const t of [2, 4, 6, 8, k, 11, 13]) {
      now = run(control, v, now, t * SECOND, 100_000);
      expect(Math.abs(v.cWnd / SMSS - cubicWindow(t, k, 1000))).toBeLessThan(12);
    }
  });

  test('RFC 9438 4.3: on short round trips the window follows W_est', () => {
    const { control, v } = afterLoss(20);
    // 14 segments after the loss; W_cubic needs 2.5 s to return to 20.
    const rtt = 5000;
    let estimate = 14;
    let now = 0;
    for (let index = 0; index < 200; index += 1) {
      now += rtt / 14;
      const alpha = estimate >= 20 ? 1 : ALPHA;
      estimate += alpha / (v.cWnd / SMSS);
      control.onAcknowledged(v, SMSS, SMSS, rtt, now);
      expect(v.cWnd).toBe(Math.floor(estimate * SMSS + 1e-6));
    }
    expect(estimate).toBeGreaterThan(20);
  });

  test('RFC 9438 4.7: fast convergence lowers W_max when the window did not reach it', () => {
    const reached = (cWnd: number): number => {
      const { control, v } = afterLoss(100);
      v.cWnd = cWnd;
      control.onLoss(v, cWnd, SMSS, 0);
      return control.save(0)['wMax'];
    };
    expect(reached(90_000)).toBeCloseTo((90_000 * 1.7) / 2);
    expect(reached(100_000)).toBe(100_000);
    expect(reached(110_000)).toBe(110_000);
  });

  test('RFC 9438 4.8: the first stage after a timeout has K = 0 and W_max = cWnd', () => {
    const { control, v } = afterLoss(100);
    control.onTimeout(v, v.cWnd, SMSS, 0);
    v.cWnd = SMSS;
    let now = 0;
    while (v.cWnd < v.ssThresh) {
      now += 10_000;
      v.sndUna += SMSS;
      control.onAcknowledged(v, SMSS, SMSS, 100_000, now);
    }
    expect(v.cWnd).toBe(49_000);
    control.onAcknowledged(v, SMSS, SMSS, 100_000, now);
    const state = control.save(now);
    expect(state['kMicroseconds']).toBe(0);
    expect(state['wMax']).toBe(49_000);
    control.onAcknowledged(v, SMSS, SMSS, 100_000, now + 2 * SECOND);
    const target = cubicWindow(2.1, 0, 49);
    expect(v.cWnd / SMSS).toBeCloseTo(49 + (target - 49) / 49, 1);
  });

  test('RFC 9438 4.10: slow start counts bytes, also those of an ACK for 64 KiB, and ends at ssThresh', () => {
    const control = createCongestionControl('cubic');
    const v = variables(10_000, 200_000);
    control.onAcknowledged(v, 3000, SMSS, 0, 0);
    expect(v.cWnd).toBe(13_000);
    control.onAcknowledged(v, 60_000, SMSS, 0, 0);
    expect(v.cWnd).toBe(73_000);
    control.onAcknowledged(v, 200_000, SMSS, 0, 0);
    expect(v.cWnd).toBe(73_000 + 65_535);
    control.onAcknowledged(v, 61_465, SMSS, 0, 0);
    expect(v.cWnd).toBe(200_000);
  });

  test('RFC 9438 4.2, 5.8: time without data to send does not count', () => {
    const idle = afterLoss(100);
    const busy = afterLoss(100);
    for (const { control, v } of [idle, busy]) control.onAcknowledged(v, 0, SMSS, 100_000, SECOND);
    idle.control.onIdle(2 * SECOND, 60 * SECOND);
    idle.control.onAcknowledged(idle.v, SMSS, SMSS, 100_000, 61 * SECOND);
    busy.control.onAcknowledged(busy.v, SMSS, SMSS, 100_000, 3 * SECOND);
    expect(idle.v.cWnd).toBe(busy.v.cWnd);
    // Idle since before the stage began: the stage begins when the idle time ends.
    const early = afterLoss(100);
    early.control.onAcknowledged(early.v, 0, SMSS, 100_000, SECOND);
    early.control.onIdle(0, 5 * SECOND);
    expect(early.control.save(5 * SECOND)['epochAge']).toBe(0);
  });

  test('slow start after an idle restart begins a new stage towards the same W_max', () => {
    const { control, v } = afterLoss(100);
    control.onAcknowledged(v, SMSS, SMSS, 100_000, SECOND);
    v.cWnd = 10_000;
    control.onAcknowledged(v, SMSS, SMSS, 100_000, 100 * SECOND);
    expect(v.cWnd).toBe(11_000);
    expect(control.save(100 * SECOND)['epochAge']).toBe(-1);
    expect(control.save(100 * SECOND)['wMax']).toBe(100_000);
  });

  test('a hand-over to another clock changes nothing', () => {
    const stay = afterLoss(300);
    const move = afterLoss(300);
    run(stay.control, stay.v, 0, 3 * SECOND, 50_000);
    run(move.control, move.v, 0, 3 * SECOND, 50_000);
    const other = createCongestionControl('cubic');
    const offset = 987_654_321;
    other.restore(structuredClone(move.control.save(3 * SECOND)), 3 * SECOND + offset);
    run(stay.control, stay.v, 3 * SECOND, 9 * SECOND, 50_000);
    run(other, move.v, 3 * SECOND + offset, 9 * SECOND + offset, 50_000);
    expect(Math.abs(stay.v.cWnd - move.v.cWnd)).toBeLessThan(SMSS);
  });

  test('a hand-over to a younger clock keeps the age of the stage', () => {
    const { control, v } = afterLoss(100);
    control.onAcknowledged(v, 0, SMSS, 100_000, 0);
    for (const now of [0, 1_999_999, 5]) {
      const other = createCongestionControl('cubic');
      other.restore(control.save(2 * SECOND), now);
      expect(Math.abs(other.save(now)['epochAge'] - 2 * SECOND)).toBe(0);
    }
  });

  test('restoring nonsense leaves a working algorithm that resumes from cWnd and ssThresh', () => {
    const control = createCongestionControl('cubic');
    control.restore({ wMax: Number.NaN, epochAge: Number.POSITIVE_INFINITY, wEst: -5, other: 1 }, 0);
    const v = variables(50_000, 50_000);
    control.onAcknowledged(v, SMSS, SMSS, 100_000, SECOND);
    control.onAcknowledged(v, SMSS, SMSS, 100_000, 2 * SECOND);
    expect(v.cWnd).toBeGreaterThan(50_000);
    expect(v.cWnd).toBeLessThan(52_000);
  });

  test('under any events cWnd is a whole number that acknowledgments never shrink, and grows by half at most', () => {
    const event = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ kind: fc.constant('ack' as const), size: fc.nat(200_000), wait: fc.nat(500_000) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('loss' as const), size: fc.nat(200_000), wait: fc.nat(500_000) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('timeout' as const), size: fc.nat(200_000), wait: fc.nat(500_000) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('idle' as const), size: fc.nat(1000), wait: fc.nat(90_000_000) }),
      },
    );
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 100 }),
        fc.constantFrom('cubic' as const, 'newreno' as const),
        (events, name) => {
          const control = createCongestionControl(name);
          const v = variables(10 * SMSS, 0x7fffffff);
          let now = 0;
          for (const { kind, size, wait } of events) {
            const since = now;
            now += wait;
            const before = v.cWnd;
            if (kind === 'ack') {
              control.onAcknowledged(v, Math.min(size, v.cWnd), SMSS, 30_000, now);
              expect(v.cWnd).toBeGreaterThanOrEqual(before);
              // Slow start may end and avoidance begin in one call: at most double, then half as much again.
              expect(v.cWnd).toBeLessThanOrEqual(before * 3 + SMSS);
            } else if (kind === 'loss') {
              control.onLoss(v, Math.min(size, v.cWnd), SMSS, now);
              v.cWnd = v.ssThresh;
            } else if (kind === 'timeout') {
              control.onTimeout(v, Math.min(size, v.cWnd), SMSS, now);
              v.cWnd = SMSS;
            } else {
              control.onIdle(since, now);
            }
            expect(Number.isInteger(v.cWnd)).toBe(true);
            expect(Number.isInteger(v.ssThresh)).toBe(true);
            expect(v.ssThresh).toBeGreaterThanOrEqual(2 * SMSS);
            expect(v.cWnd).toBeGreaterThanOrEqual(SMSS);
          }
        },
      ),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TimingWheel, WheelEntry } from '../../src/tcp/timing-wheel.ts';

class Named extends WheelEntry {
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** Advances and answers the names of what fired, in order. */
function fired(wheel: TimingWheel, now: number): string[] {
  const names: string[] = [];
  wheel.advance(now, (entry) => names.push((entry as Named).name));
  return names;
}

describe('TimingWheel', () => {
  test('an empty wheel has no deadline and moves any distance', () => {
    const wheel = new TimingWheel(7);
    expect(wheel.now).toBe(7);
    expect(wheel.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    expect(fired(wheel, 2 ** 50)).toEqual([]);
    expect(wheel.now).toBe(2 ** 50);
  });

  test('entries fire in the order of their deadlines, those of one tick in the order of arming', () => {
    const wheel = new TimingWheel(0);
    const deadlines: [string, number][] = [
      ['e', 40_000_000],
      ['b', 33],
      ['a', 5],
      ['c', 33],
      ['d', 1024],
    ];
    for (const [name, deadline] of deadlines) wheel.arm(new Named(name), deadline);
    expect(wheel.size).toBe(5);
    expect(wheel.nextDeadline()).toBe(5);
    expect(fired(wheel, 4)).toEqual([]);
    expect(fired(wheel, 5)).toEqual(['a']);
    expect(wheel.nextDeadline()).toBe(33);
    expect(fired(wheel, 39_999_999)).toEqual(['b', 'c', 'd']);
    expect(wheel.nextDeadline()).toBe(40_000_000);
    expect(fired(wheel, 40_000_000)).toEqual(['e']);
    expect(wheel.size).toBe(0);
  });

  test('an entry is armed once: the last deadline counts', () => {
    const wheel = new TimingWheel(100);
    const entry = new Named('a');
    wheel.arm(entry, 200);
    wheel.arm(entry, 150);
    expect(wheel.size).toBe(1);
    expect(entry.wheelDeadline).toBe(150);
    expect(wheel.nextDeadline()).toBe(150);
    wheel.arm(entry, 300);
    expect(wheel.nextDeadline()).toBe(300);
    expect(fired(wheel, 299)).toEqual([]);
    expect(fired(wheel, 300)).toEqual(['a']);
    expect(entry.wheelDeadline).toBe(-1);
  });

  test('cancel takes an entry off, and a second cancel does nothing', () => {
    const wheel = new TimingWheel(0);
    const a = new Named('a');
    const b = new Named('b');
    wheel.arm(a, 10);
    wheel.arm(b, 10);
    wheel.cancel(a);
    wheel.cancel(a);
    expect(a.wheelDeadline).toBe(-1);
    expect(wheel.size).toBe(1);
    expect(fired(wheel, 10)).toEqual(['b']);
  });

  test('a deadline that has passed fires at the next advance, also at the same tick', () => {
    const wheel = new TimingWheel(1000);
    wheel.arm(new Named('a'), 500);
    wheel.arm(new Named('b'), 1000);
    expect(wheel.nextDeadline()).toBe(500);
    expect(fired(wheel, 1000)).toEqual(['a', 'b']);
  });

  test('a clock that steps back moves nothing', () => {
    const wheel = new TimingWheel(1000);
    wheel.arm(new Named('a'), 1001);
    wheel.arm(new Named('b'), 1000);
    expect(fired(wheel, 10)).toEqual(['b']);
    expect(wheel.now).toBe(1000);
    expect(fired(wheel, 1001)).toEqual(['a']);
  });

  test('what expire arms for a tick that has come fires in the same advance, in order', () => {
    const wheel = new TimingWheel(0);
    const names: string[] = [];
    const chained = new Named('chained');
    const behind = new Named('behind');
    wheel.arm(new Named('first'), 10);
    wheel.arm(new Named('last'), 90);
    wheel.advance(100, (entry) => {
      const { name } = entry as Named;
      names.push(name);
      if (name !== 'first') return;
      expect(wheel.now).toBe(100);
      wheel.arm(chained, 50);
      wheel.arm(behind, 3);
    });
    expect(names).toEqual(['first', 'behind', 'chained', 'last']);
  });

  test('an entry that arms itself for now fires once in an advance and stays due', () => {
    const wheel = new TimingWheel(0);
    const entry = new Named('a');
    let count = 0;
    const again = (): void => {
      count += 1;
      wheel.arm(entry, wheel.now);
    };
    wheel.arm(entry, 10);
    wheel.advance(20, again);
    expect(count).toBe(1);
    expect(wheel.nextDeadline()).toBe(20);
    expect(wheel.size).toBe(1);
    wheel.advance(20, again);
    expect(count).toBe(2);
    wheel.cancel(entry);
    expect(wheel.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    wheel.advance(30, again);
    expect(count).toBe(2);
  });

  test('two entries that arm each other for now end as well', () => {
    const wheel = new TimingWheel(0);
    const a = new Named('a');
    const b = new Named('b');
    wheel.arm(a, 5);
    let count = 0;
    wheel.advance(5, (entry) => {
      count += 1;
      wheel.arm(entry === a ? b : a, 0);
    });
    expect(count).toBe(2);
    expect(wheel.nextDeadline()).toBe(0);
  });

  test('expire may cancel what is due at the same tick', () => {
    const wheel = new TimingWheel(0);
    const victim = new Named('victim');
    const names: string[] = [];
    wheel.arm(new Named('killer'), 64);
    wheel.arm(victim, 64);
    wheel.arm(new Named('later'), 64);
    wheel.advance(64, (entry) => {
      names.push((entry as Named).name);
      wheel.cancel(victim);
    });
    expect(names).toEqual(['killer', 'later']);
  });

  test('TMR-GEN-03: deadlines beyond 2^31 ticks, and a start beyond 2^32', () => {
    for (const start of [0, 2 ** 31 - 3, 2 ** 32 - 3, 2 ** 40 + 17]) {
      const wheel = new TimingWheel(start);
      wheel.arm(new Named('month'), start + 2 ** 32 + 5);
      wheel.arm(new Named('year'), start + 2 ** 35);
      wheel.arm(new Named('never'), Number.POSITIVE_INFINITY);
      wheel.arm(new Named('day'), start + 2 ** 31 - 1);
      expect(wheel.nextDeadline()).toBe(start + 2 ** 31 - 1);
      expect(fired(wheel, start + 2 ** 31)).toEqual(['day']);
      wheel.arm(new Named('later month'), start + 2 ** 32 + 6);
      expect(wheel.nextDeadline()).toBe(start + 2 ** 32 + 5);
      expect(fired(wheel, start + 2 ** 32 + 4)).toEqual([]);
      expect(fired(wheel, start + 2 ** 36)).toEqual(['month', 'later month', 'year']);
      expect(wheel.size).toBe(1);
      expect(wheel.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    }
  });

  test('agrees with a sorted list under any sequence of operations', () => {
    const delta = fc.oneof(
      fc.integer({ min: -50, max: 100 }),
      fc.integer({ min: 0, max: 5000 }),
      fc.integer({ min: 0, max: 2 ** 31 + 50 }),
      fc.constantFrom(31, 32, 33, 1023, 1024, 32768, 2 ** 20, 2 ** 25, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 33),
    );
    const operation = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('arm' as const), entry: fc.nat(11), delta }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), entry: fc.nat(11), delta }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), entry: fc.nat(11), delta }) },
    );
    const start = fc.oneof(fc.nat(5000), fc.constantFrom(2 ** 31 - 40, 2 ** 32 - 40, 2 ** 45 - 1));
    fc.assert(
      fc.property(start, fc.array(operation, { maxLength: 80 }), (first, operations) => {
        const wheel = new TimingWheel(first);
        const entries = Array.from({ length: 12 }, (_, index) => new Named(String(index)));
        const armed = new Map<string, { deadline: number; effective: number; order: number }>();
        let now = first;
        let order = 0;
        for (const step of operations) {
          const entry = entries[step.entry];
          if (step.kind === 'arm') {
            const deadline = Math.max(0, now + step.delta);
            wheel.arm(entry, deadline);
            // Arming for the same tick again changes nothing.
            if (armed.get(entry.name)?.deadline !== deadline) {
              armed.set(entry.name, { deadline, effective: Math.max(deadline, now), order });
            }
            order += 1;
          } else if (step.kind === 'cancel') {
            wheel.cancel(entry);
            armed.delete(entry.name);
          } else {
            now += Math.max(0, step.delta);
            const due = [...armed].filter(([, timer]) => timer.deadline <= now);
            due.sort(([, a], [, b]) => a.effective - b.effective || a.order - b.order);
            expect(fired(wheel, now)).toEqual(due.map(([name]) => name));
            for (const [name] of due) armed.delete(name);
          }
          const deadlines = [...armed.values()].map((timer) => timer.deadline);
          expect(wheel.nextDeadline()).toBe(Math.min(...deadlines, Number.POSITIVE_INFINITY));
          expect(wheel.size).toBe(armed.size);
          for (const { name, wheelDeadline } of entries) expect(wheelDeadline).toBe(armed.get(name)?.deadline ?? -1);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('agrees with a sorted list when entries arm others while they fire', () => {
    const plan = fc.array(fc.tuple(fc.nat(9), fc.integer({ min: -20, max: 300 })), { maxLength: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 3000 }), plan, fc.integer({ min: 1, max: 700 }), (first, steps, span) => {
        const wheel = new TimingWheel(first);
        const entries = Array.from({ length: 10 }, (_, index) => new Named(String(index)));
        for (const [index, entry] of entries.entries()) wheel.arm(entry, first + index * 7);
        const now = first + span;
        const seen = new Set<WheelEntry>();
        let latest = first;
        let next = 0;
        const effective = new Map<WheelEntry, number>(entries.map((entry) => [entry, entry.wheelDeadline]));
        wheel.advance(now, (entry) => {
          expect(seen.has(entry)).toBe(false);
          seen.add(entry);
          const tick = effective.get(entry) as number;
          expect(tick).toBeLessThanOrEqual(now);
          expect(tick).toBeGreaterThanOrEqual(latest);
          latest = tick;
          if (next >= steps.length) return;
          const [other, delta] = steps[next];
          wheel.arm(entries[other], first + delta);
          effective.set(entries[other], Math.max(first + delta, latest));
          next += 1;
        });
        // Nothing that is due is left behind but what has fired already.
        for (const entry of entries) {
          if (entry.wheelDeadline >= 0 && entry.wheelDeadline <= now) expect(seen.has(entry)).toBe(true);
        }
        // And what is left fires at the next advance.
        const due = entries.filter((entry) => entry.wheelDeadline >= 0 && entry.wheelDeadline <= now);
        expect(fired(wheel, now).sort()).toEqual(due.map((entry) => entry.name).sort());
      }),
    );
  });

  test('a hundred thousand entries over hours cost moves per entry, not per tick', () => {
    const wheel = new TimingWheel(123);
    const entries = Array.from({ length: 100_000 }, (_, index) => new Named(String(index)));
    for (const [index, entry] of entries.entries()) wheel.arm(entry, 123 + ((index * 7919) % 20_000_000));
    let last = 0;
    let count = 0;
    const deadlines = new Map(entries.map((entry) => [entry as WheelEntry, entry.wheelDeadline]));
    wheel.advance(20_000_123, (entry) => {
      const deadline = deadlines.get(entry) as number;
      if (deadline < last) throw new Error(`${deadline} after ${last}`);
      last = deadline;
      count += 1;
    });
    expect(count).toBe(100_000);
  });
});

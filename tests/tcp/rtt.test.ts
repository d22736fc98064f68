import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_TCP_PARAMETERS } from '../../src/tcp/parameters.ts';
import { RttEstimator } from '../../src/tcp/rtt.ts';

const parameters = { ...DEFAULT_TCP_PARAMETERS, minimumRtoTicks: 1 };

describe('RttEstimator', () => {
  test('RFC6298-2.1: the initial RTO until a sample exists', () => {
    expect(new RttEstimator().rtoTicks(DEFAULT_TCP_PARAMETERS)).toBe(1000);
  });

  test('RFC6298-2.2: the first sample', () => {
    const rtt = new RttEstimator();
    rtt.sample(100_000);
    expect(rtt.srtt).toBe(100_000);
    expect(rtt.rttvar).toBe(50_000);
    expect(rtt.rtoTicks(parameters)).toBe(300);
  });

  test('RFC6298-2.3: later samples, the variation first and with the old SRTT', () => {
    const rtt = new RttEstimator();
    rtt.sample(100_000);
    rtt.sample(180_000);
    expect(rtt.rttvar).toBe(0.75 * 50_000 + 0.25 * 80_000);
    expect(rtt.srtt).toBe(0.875 * 100_000 + 0.125 * 180_000);
    expect(rtt.rtoTicks(parameters)).toBe(Math.ceil((110_000 + 4 * 57_500) / 1000));
  });

  test('RFC6298-2.5, RFC6298-4-1: granularity, lower and upper bound', () => {
    const rtt = new RttEstimator();
    for (let index = 0; index < 200; index += 1) rtt.sample(10_000);
    expect(rtt.rttvar).toBeLessThan(1);
    expect(rtt.rtoTicks(parameters)).toBe(11);
    expect(rtt.rtoTicks({ ...parameters, ticksPerSecond: 10 })).toBe(2);
    expect(rtt.rtoTicks(DEFAULT_TCP_PARAMETERS)).toBe(200);
    rtt.reset();
    rtt.sample(50_000_000);
    expect(rtt.rtoTicks(DEFAULT_TCP_PARAMETERS)).toBe(60_000);
  });

  test('a sample below one microsecond is a sample; nonsense is not', () => {
    const rtt = new RttEstimator();
    for (const nonsense of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40]) rtt.sample(nonsense);
    expect(rtt.srtt).toBe(0);
    rtt.sample(0);
    expect(rtt.srtt).toBe(1);
    expect(rtt.rtoTicks(parameters)).toBe(2);
  });

  test('RFC 7323 appendix G: many samples in a round trip remember as long as one', () => {
    const once = new RttEstimator();
    const often = new RttEstimator();
    once.sample(100_000);
    often.sample(100_000);
    once.sample(200_000);
    for (let index = 0; index < 10; index += 1) often.sample(200_000, 10);
    expect(Math.abs(often.srtt - once.srtt)).toBeLessThan(1000);
    expect(Math.abs(often.rttvar - once.rttvar)).toBeLessThan(3000);
  });

  test('STATE-12: SRtt crosses times 8 and RttVar times 4, in ticks', () => {
    const rtt = new RttEstimator();
    rtt.restore(100_000, 30_000);
    expect(rtt.exportSrtt(1000)).toBe(800);
    expect(rtt.exportRttvar(1000)).toBe(120);
    expect(rtt.exportSrtt(100)).toBe(80);
    expect(rtt.exportRttvar(100)).toBe(12);
    const other = new RttEstimator();
    other.import(800, 120, 1000);
    expect([other.srtt, other.rttvar]).toEqual([100_000, 30_000]);
  });

  test('STATE-12: saturated to a USHORT, and a tiny SRTT is not mistaken for none', () => {
    const rtt = new RttEstimator();
    rtt.restore(500_000_000, 500_000_000);
    expect(rtt.exportSrtt(1000)).toBe(65535);
    expect(rtt.exportRttvar(1000)).toBe(65535);
    rtt.restore(3, 1);
    expect(rtt.exportSrtt(10)).toBe(1);
    rtt.reset();
    expect(rtt.exportSrtt(1000)).toBe(0);
    rtt.import(0, 40, 1000);
    expect([rtt.srtt, rtt.rttvar]).toEqual([0, 0]);
    expect(rtt.rtoTicks(DEFAULT_TCP_PARAMETERS)).toBe(1000);
  });

  test('what crossed once crosses unchanged ever after', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65535 }), fc.nat(65535), fc.constantFrom(10, 100, 1000), (s, v, ticks) => {
        const rtt = new RttEstimator();
        rtt.import(s, v, ticks);
        expect(rtt.exportSrtt(ticks)).toBe(s);
        expect(rtt.exportRttvar(ticks)).toBe(v);
      }),
    );
  });

  test('the RTO is never below the smoothed round trip nor outside of its bounds (RFC6298-1-1)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100_000_000), { minLength: 1 }), (samples) => {
        const rtt = new RttEstimator();
        for (const sample of samples) rtt.sample(sample);
        const rto = rtt.rtoTicks(DEFAULT_TCP_PARAMETERS);
        expect(rto).toBeGreaterThanOrEqual(200);
        expect(rto).toBeLessThanOrEqual(60_000);
        expect(rto).toBeGreaterThanOrEqual(Math.min(60_000, rtt.srtt / 1000));
        expect(Number.isInteger(rto)).toBe(true);
      }),
    );
  });
});

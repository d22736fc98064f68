import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sentAfter, TransmissionRecord } from '../../src/tcp/transmission-record.ts';
import { SEQUENCE_BASES } from './scripted.ts';

/** What is known of one byte. */
interface Model {
  time: number;
  sacked: boolean;
  lost: boolean;
  again: boolean;
}

/** The record's ranges spread to bytes: age and marks of each. */
function spread(record: TransmissionRecord, from: number, to: number, now: number): Model[] {
  const ranges = record.save(now);
  const bytes: Model[] = [];
  for (let i = 0; i < ranges.length; i += 3) {
    const end = i + 3 < ranges.length ? ranges[i + 3] : to;
    const marks = ranges[i + 2];
    for (let at = ranges[i]; ((end - at) | 0) > 0; at = (at + 1) | 0) {
      const time = Math.floor(now - ranges[i + 1]);
      bytes.push({ time, sacked: (marks & 1) !== 0, lost: (marks & 2) !== 0, again: (marks & 4) !== 0 });
    }
  }
  expect(bytes.length).toBe((to - from) | 0);
  return bytes;
}

describe('the transmission record (RFC 8985 5.2, 6.1)', () => {
  it.each(SEQUENCE_BASES)('agrees with a record of every byte, from ISS %i', (base) => {
    const operation = fc.record({ kind: fc.nat(6), a: fc.nat(60), b: fc.nat(60), wait: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const record = new TransmissionRecord();
        record.begin(base);
        let una = base;
        let model: Model[] = [];
        let now = 1000;
        for (const { kind, a, b, wait } of operations) {
          now += wait;
          const max = (una + model.length) | 0;
          const from = model.length === 0 ? 0 : a % model.length;
          const to = Math.min(model.length, from + 1 + b);
          switch (kind) {
            case 0:
            case 1:
              record.sent(max, (max + a + 1) | 0, now, b > 20);
              for (let i = 0; i <= a; i++) model.push({ time: now, sacked: false, lost: false, again: false });
              break;
            case 2:
              if (model.length === 0) break;
              record.sack((una + from) | 0, (una + to) | 0);
              for (const byte of model.slice(from, to)) Object.assign(byte, { sacked: true, lost: false });
              break;
            case 3:
              if (model.slice(from, to).length === 0) break;
              record.sent((una + from) | 0, (una + to) | 0, now, false);
              for (const byte of model.slice(from, to)) {
                if (!byte.sacked) Object.assign(byte, { time: now, lost: false, again: true });
              }
              break;
            case 4:
              record.acknowledge((una + from) | 0);
              una = (una + from) | 0;
              model = model.slice(from);
              break;
            case 5:
              record.loseBelow((una + to) | 0);
              for (const byte of model.slice(0, to)) if (!byte.sacked && !byte.again) byte.lost = true;
              break;
            default:
              record.loseFrom((una + from) | 0);
              for (const byte of model.slice(from)) if (!byte.sacked) byte.lost = true;
          }
          const end = (una + model.length) | 0;
          const seen = spread(record, una, end, now);
          expect(seen.map((byte) => [byte.sacked, byte.lost])).toEqual(model.map((byte) => [byte.sacked, byte.lost]));
          const open = (bytes: Model[]) => bytes.filter((byte) => !byte.sacked).map((byte) => [byte.time, byte.again]);
          expect(open(seen)).toEqual(open(model));
          expect(record.sackedBytes).toBe(model.filter((byte) => byte.sacked).length);
          expect(record.lostBytes).toBe(model.filter((byte) => byte.lost).length);
          const lost = model.findIndex((byte) => byte.lost);
          if (lost >= 0) expect(record.firstLost()).toBe((una + lost) | 0);
          // Over and back again: what moves is all there is.
          const moved = new TransmissionRecord();
          expect(moved.restore(record.save(now), una, end, now)).toBe(model.length > 0);
          expect(moved.save(now)).toEqual(record.save(now));
          expect([moved.sackedBytes, moved.lostBytes]).toEqual([record.sackedBytes, record.lostBytes]);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('what leaves at one time in full-sized segments is one range; a short segment ends it', () => {
    const record = new TransmissionRecord();
    record.begin(0);
    record.sent(0, 100, 5, true);
    record.sent(100, 200, 5, true);
    record.sent(200, 250, 5, false);
    record.sent(250, 350, 5, true);
    record.sent(350, 450, 6, true);
    expect(record.save(6)).toEqual([0, 1, 0, 250, 1, 0, 350, 0, 0]);
  });

  it('reports the newest of what an ACK delivers, and the lowest that was sent only once', () => {
    const record = new TransmissionRecord();
    record.begin(0);
    for (let i = 0; i < 6; i++) record.sent(i * 10, i * 10 + 10, 100 + i, true);
    record.sent(10, 20, 200, true);
    record.beginDelivery(Number.POSITIVE_INFINITY, 300);
    record.sack(30, 50);
    expect([record.deliveredTime, record.deliveredEnd, record.lowestOriginal]).toEqual([104, 50, 30]);
    record.acknowledge(20);
    expect([record.deliveredTime, record.deliveredEnd, record.deliveredRetransmitted]).toEqual([200, 20, true]);
    expect(record.lowestOriginal).toBe(0);
    // An ACK that cannot be for the retransmission is for the original: it says nothing of when (6.2 step 2).
    record.sent(20, 30, 250, true);
    record.beginDelivery(250, 300);
    record.acknowledge(30);
    expect(record.deliveredTime).toBe(Number.NEGATIVE_INFINITY);
    expect(record.deliveredOriginal).toBe(false);
  });

  it('finds lost what left before the newest that was delivered, and says how long the rest may take (6.2 step 5)', () => {
    const record = new TransmissionRecord();
    record.begin(0);
    record.sent(0, 10, 100, true);
    record.sent(10, 20, 110, true);
    record.sent(20, 30, 120, true);
    record.sent(30, 40, 130, true);
    record.sack(20, 30);
    expect(record.detectLosses(120, 30, 50, 155)).toBe(5);
    expect(record.lostBytes).toBe(10);
    expect(record.firstLost()).toBe(0);
    expect(record.detectLosses(120, 30, 50, 160)).toBe(0);
    expect(record.lostBytes).toBe(20);
  });

  it('a retransmission counts as younger than what left before it at the same time', () => {
    const record = new TransmissionRecord();
    record.begin(0);
    record.sent(0, 10, 100, true);
    record.sent(10, 20, 100, true);
    record.sent(0, 10, 100, true);
    record.sack(10, 20);
    record.detectLosses(100, 20, 0, 100);
    expect(record.lostBytes).toBe(0);
    expect(sentAfter(100, 20, 100, 10)).toBe(true);
    expect(sentAfter(100, 10, 100, 20)).toBe(false);
  });

  it('refuses ranges that do not fit what is outstanding', () => {
    const record = new TransmissionRecord();
    for (const ranges of [[], [1, 0, 0], [0, Number.NaN, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 100, 0, 0], [0, -5, 0]]) {
      expect(record.restore(ranges, 0, 100, 50)).toBe(false);
      expect([record.count, record.lostBytes, record.sackedBytes]).toEqual([0, 0, 0]);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { HyStart } from '../../../src/tcp/congestion/hystart.ts';
import { createCongestionControl } from '../../../src/tcp/congestion/index.ts';
import { TcpDelegatedState, type TcpParameters, TcpState } from '../../../src/tcp/index.ts';
import { type Fate, Pair, pattern, sameBytes } from '../pair.ts';

const SMSS = 1000;
const MILLISECOND = 1000;

/** A sender in slow start: each round sends and acknowledges cWnd in ACKs of one segment. */
class Rounds {
  readonly v = new TcpDelegatedState();
  control = createCongestionControl('cubic');
  now = 0;

  constructor() {
    this.v.cWnd = 10 * SMSS;
    this.v.sndMax = 10 * SMSS;
  }

  /** One round in which every ACK measures `roundTrip` milliseconds; by how much cWnd has grown, segments. */
  round(roundTrip: number): number {
    const { v } = this;
    const before = v.cWnd;
    this.now += roundTrip * MILLISECOND;
    for (const end = v.sndMax; v.sndUna < end; ) {
      v.sndUna += SMSS;
      this.control.onAcknowledged(v, SMSS, SMSS, roundTrip * MILLISECOND, this.now, roundTrip * MILLISECOND);
      v.sndMax = v.sndUna + v.cWnd;
    }
    return (v.cWnd - before) / SMSS;
  }

  get isOver(): boolean {
    return this.v.cWnd >= this.v.ssThresh;
  }
}

describe('HyStart++ (RFC 9406 4.2)', () => {
  it('doubles the window while round trips stay the same', () => {
    const rounds = new Rounds();
    expect([20, 20, 20, 21, 23].map((rtt) => rounds.round(rtt))).toEqual([10, 20, 40, 80, 160]);
  });

  it.each([
    [20, 24],
    [64, 72],
    [400, 416],
  ])('after %d ms a round of %d ms is slower: the window grows by a quarter', (before, after) => {
    const below = new Rounds();
    below.round(before);
    expect(below.round(after - 1)).toBe(20);
    const rounds = new Rounds();
    rounds.round(before);
    // Eight samples are what it takes to judge (N_RTT_SAMPLE).
    expect(rounds.round(after)).toBe(8 + (20 - 8) / 4);
    expect(rounds.round(after)).toBeCloseTo(rounds.v.cWnd / SMSS / 5, -1);
    expect(rounds.isOver).toBe(false);
  });

  it('ends slow start after five rounds of it, the one that it began in included (CSS_ROUNDS)', () => {
    const rounds = new Rounds();
    rounds.round(20);
    rounds.round(30);
    let count = 1;
    while (!rounds.isOver) {
      rounds.round(30);
      count++;
    }
    expect(count).toBe(5);
    expect(rounds.v.ssThresh).toBeLessThanOrEqual(rounds.v.cWnd);
    const { cWnd } = rounds.v;
    rounds.round(30);
    expect(rounds.v.cWnd).toBeLessThan(cWnd * 1.25); // congestion avoidance
  });

  it('goes on with slow start when the growth was not there to stay', () => {
    const rounds = new Rounds();
    rounds.round(20);
    rounds.round(30);
    rounds.round(30);
    expect(rounds.isOver).toBe(false);
    const { cWnd } = rounds.v;
    const grown = rounds.round(22);
    expect(grown).toBeGreaterThan((cWnd / SMSS) * 0.8); // but for the first eight ACKs
    expect(rounds.round(22)).toBeCloseTo((cWnd + grown * SMSS) / SMSS, 0);
  });

  it('needs eight samples in a round', () => {
    const v = new TcpDelegatedState();
    v.sndMax = 10;
    const hystart = new HyStart(v.sndMax);
    const round = (samples: number, rtt: number): void => {
      const end = v.sndMax;
      for (let i = 0; i < samples; i++) expect(hystart.acknowledged(v, rtt)).toBe(false);
      v.sndUna = end;
      v.sndMax = end + 10;
      hystart.acknowledged(v, 0);
    };
    round(8, 20 * MILLISECOND);
    round(7, 40 * MILLISECOND);
    expect(hystart.divisor).toBe(1);
    round(8, 60 * MILLISECOND);
    expect(hystart.divisor).toBe(4);
  });

  it('is for the first slow start alone: later ones know where to end', () => {
    const rounds = new Rounds();
    rounds.round(20);
    rounds.control.onTimeout(rounds.v, 1000 * SMSS, SMSS, rounds.now);
    rounds.v.cWnd = SMSS;
    rounds.round(20);
    rounds.round(90);
    rounds.round(90);
    const { cWnd } = rounds.v;
    expect(rounds.v.ssThresh).toBe(700 * SMSS);
    expect(rounds.round(90)).toBe(cWnd / SMSS);
  });

  it('moves with the connection', () => {
    const stay = new Rounds();
    const move = new Rounds();
    for (const rtt of [20, 30, 30, 30, 30, 30, 30]) {
      stay.round(rtt);
      move.round(rtt);
      const other = createCongestionControl('cubic');
      other.restore(structuredClone(move.control.save(move.now)), move.now);
      move.control = other;
      expect([move.v.cWnd, move.v.ssThresh]).toEqual([stay.v.cWnd, stay.v.ssThresh]);
    }
    expect(move.isOver).toBe(true);
  });
});

describe('over a narrow path with a queue', () => {
  /** Ten segments fit on the path and `queue` wait before it; one passes every two milliseconds. */
  function narrow(queue: number, delay: number): Fate {
    let free = 0;
    let now = 0;
    return ({ from, sentAt, payload }) => {
      if (from === 'b' || payload.length === 0) return [delay];
      now = sentAt;
      const waits = Math.max(0, free - now);
      if (waits > queue * 2 * MILLISECOND) return [];
      free = Math.max(free, now) + 2 * MILLISECOND;
      return [free - now + delay];
    };
  }

  function run(parameters: Partial<TcpParameters>): { retransmitted: number; time: number } {
    const pair = new Pair({ parameters, fate: narrow(150, 20 * MILLISECOND) });
    pair.open();
    const bytes = pattern(700_000);
    pair.run(10_000_000, () => pair.a.cb.delegated.state === TcpState.ESTABLISHED);
    const begin = pair.now;
    pair.a.write(bytes);
    pair.run(100_000_000, () => pair.b.receivedBytes === bytes.length);
    expect(sameBytes(pair.b.bytes(), bytes)).toBe(true);
    return { retransmitted: pair.a.tcp.statistics.retransmittedSegments, time: pair.now - begin };
  }

  it('loses nothing where slow start alone overruns the queue, and is no slower', () => {
    const without = run({ hystart: false });
    const with_ = run({ hystart: true });
    expect(without.retransmitted).toBeGreaterThan(20);
    expect(with_.retransmitted).toBe(0);
    expect(with_.time).toBeLessThan(without.time * 1.05);
  });
});

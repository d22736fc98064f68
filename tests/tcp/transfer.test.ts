import { describe, expect, it } from 'vitest';
import { closeSend, Disposition, send, TcpState } from '../../src/tcp/index.ts';
import { ALL_OPTIONS, Pair, pattern, sameBytes, seededRandom } from './pair.ts';

describe('a connection between two engines', () => {
  it('opens, carries bytes both ways and closes (RFC 9293 3.5, 3.6)', () => {
    const pair = new Pair().open().run(100_000);
    expect(pair.a.cb.delegated.state).toBe(TcpState.ESTABLISHED);
    expect(pair.b.cb.delegated.state).toBe(TcpState.ESTABLISHED);
    const up = pattern(300_000, 3);
    const down = pattern(200_000, 4);
    send(pair.a.tcp, pair.a.cb, up);
    send(pair.b.tcp, pair.b.cb, down);
    pair.run(10_000_000, () => pair.b.receivedBytes === up.length && pair.a.receivedBytes === down.length);
    expect(sameBytes(pair.b.bytes(), up)).toBe(true);
    expect(sameBytes(pair.a.bytes(), down)).toBe(true);
    closeSend(pair.a.tcp, pair.a.cb);
    pair.run(100_000);
    expect(pair.a.cb.delegated.state).toBe(TcpState.FIN_WAIT_2);
    expect(pair.b.cb.delegated.state).toBe(TcpState.CLOSE_WAIT);
    closeSend(pair.b.tcp, pair.b.cb);
    pair.run(100_000);
    expect(pair.a.cb.delegated.state).toBe(TcpState.TIME_WAIT);
    expect(pair.b.cb.delegated.state).toBe(TcpState.CLOSED);
    pair.run(61_000_000);
    expect(pair.a.cb.delegated.state).toBe(TcpState.CLOSED);
    expect(pair.a.seen & Disposition.CLOSED).not.toBe(0);
    expect(pair.a.tcp.statistics.retransmittedSegments).toBe(0);
    expect(pair.b.tcp.statistics.retransmittedSegments).toBe(0);
  });

  for (const [name, flags] of [
    ['SACK', ALL_OPTIONS],
    ['no options', 0],
  ] as const) {
    for (const loss of [0.01, 0.05]) {
      it(`is byte-exact with ${name} under ${loss * 100} % loss, reordering and duplication`, () => {
        for (let seed = 1; seed <= 8; seed++) {
          const random = seededRandom(seed);
          const chance = () => (random() >>> 0) / 2 ** 32;
          const pair = new Pair({
            flags,
            iss: [0x7fff0000, -70_000],
            fate: () => {
              if (chance() < loss) return [];
              const delay = 5_000 + (chance() < 0.02 ? Math.floor(chance() * 6_000) : 0);
              return chance() < 0.01 ? [delay, delay + 3_000] : [delay];
            },
          }).open();
          pair.run(60_000_000, () => pair.b.cb.delegated.state === TcpState.ESTABLISHED);
          const up = pattern(250_000, seed);
          const down = pattern(150_000, seed + 100);
          send(pair.a.tcp, pair.a.cb, up);
          send(pair.b.tcp, pair.b.cb, down);
          closeSend(pair.a.tcp, pair.a.cb);
          closeSend(pair.b.tcp, pair.b.cb);
          const done = () => pair.b.receivedBytes === up.length && pair.a.receivedBytes === down.length;
          pair.run(600_000_000, done);
          expect(sameBytes(pair.b.bytes(), up), `seed ${seed}`).toBe(true);
          expect(sameBytes(pair.a.bytes(), down), `seed ${seed}`).toBe(true);
          const closed = (state: number) => state === TcpState.CLOSED || state === TcpState.TIME_WAIT;
          pair.run(600_000_000, () => closed(pair.a.cb.delegated.state) && closed(pair.b.cb.delegated.state));
          expect(closed(pair.a.cb.delegated.state), `seed ${seed}`).toBe(true);
          expect(closed(pair.b.cb.delegated.state), `seed ${seed}`).toBe(true);
        }
      });
    }
  }
});

import { describe, expect, it } from 'vitest';
import { CachedStates } from '../../src/tcp/cached-states.ts';
import { TcpCachedFlag, TcpCachedState } from '../../src/tcp/index.ts';

function state(values: Partial<TcpCachedState>): TcpCachedState {
  return Object.assign(new TcpCachedState(), values);
}

describe('cached variables that connections have in common', () => {
  it('gives the same object for the same values, and a copy of what was asked with', () => {
    const states = new CachedStates();
    const asked = state({ initialRcvWnd: 10_000, kaTimeout: 5 });
    const first = states.share(asked);
    expect(first).not.toBe(asked);
    expect(first).toEqual(asked);
    expect(states.share(state({ initialRcvWnd: 10_000, kaTimeout: 5 }))).toBe(first);
    asked.initialRcvWnd = 1;
    expect(first.initialRcvWnd).toBe(10_000);
  });

  it('tells every variable apart', () => {
    for (const name of Object.keys(new TcpCachedState()) as (keyof TcpCachedState)[]) {
      const states = new CachedStates();
      const common = states.share(state({}));
      // 1 is a setting in each of them, the flags included.
      const other = states.share(state({ [name]: common[name] === 1 ? 2 : 1 }));
      expect(other, name).not.toBe(common);
      expect(other[name], name).not.toBe(common[name]);
    }
  });

  it('keeps no commands (STATE-16, UPD-14)', () => {
    const states = new CachedStates();
    const plain = states.share(state({ flags: TcpCachedFlag.NAGLING_ENABLED }));
    const commands = TcpCachedFlag.KEEP_ALIVE_RESTART | TcpCachedFlag.MAX_RT_RESTART | TcpCachedFlag.UPDATE_RCV_WND;
    expect(states.share(state({ flags: TcpCachedFlag.NAGLING_ENABLED | commands }))).toBe(plain);
  });
});

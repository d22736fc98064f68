/**
 * One object for the cached variables of many connections. Nearly all connections of a stack have the same ones, and keep
 * them; so a state is never changed in place, but replaced by another (`Readonly<TcpCachedState>`).
 */
import { TcpCachedFlag, TcpCachedState } from './variables.ts';

/** Flags that are settings; the others are commands, which are obeyed once and not kept. */
const SETTINGS = TcpCachedFlag.KEEP_ALIVE_ENABLED | TcpCachedFlag.NAGLING_ENABLED;

export class CachedStates {
  /** The one asked for last: those who ask are many of a kind, one after the other. */
  private latest: Readonly<TcpCachedState> = new TcpCachedState();

  /** A state with these values and without command flags, perhaps one that others have too. */
  share(values: Readonly<TcpCachedState>): Readonly<TcpCachedState> {
    const flags = values.flags & SETTINGS;
    if (!hasValues(this.latest, values, flags)) {
      const state = Object.assign(new TcpCachedState(), values);
      state.flags = flags;
      this.latest = state;
    }
    return this.latest;
  }
}

function hasValues(state: Readonly<TcpCachedState>, values: Readonly<TcpCachedState>, flags: number): boolean {
  return (
    state.flags === flags &&
    state.flowLabel === values.flowLabel &&
    state.initialRcvWnd === values.initialRcvWnd &&
    state.rcvIndicationSize === values.rcvIndicationSize &&
    state.kaProbeCount === values.kaProbeCount &&
    state.kaTimeout === values.kaTimeout &&
    state.kaInterval === values.kaInterval &&
    state.maxRt === values.maxRt &&
    state.ttlOrHopLimit === values.ttlOrHopLimit &&
    state.tosOrTrafficClass === values.tosOrTrafficClass &&
    state.userPriority === values.userPriority
  );
}

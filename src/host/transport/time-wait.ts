/**
 * A connection in TIME-WAIT that gives way to a new one between the same endpoints: to a SYN of the peer (RFC 9293 section
 * 3.10.7.4 MAY-2, RFC 6191), which the engine judges, and to an opening of ours, which is judged here.
 */
import { after } from '../../tcp/sequence.ts';
import { TcpState } from '../../tcp/state.ts';
import { TcpConstantFlag } from '../../tcp/variables.ts';
import type { Connection } from '../connection.ts';
import type { HostCore } from '../core.ts';

/** How far above the last sequence number of its predecessor a connection begins at least: more than any old window unscaled. */
const DISTANCE = 65_537;

/** Seconds in TIME-WAIT after which timestamps of ours are newer than those of every old segment, by any clock. */
const SECONDS_BEFORE_REUSE = 1;

/**
 * Whether an opening of ours may take the place of the connection: with timestamps, whose clock goes on between the same
 * endpoints, the peer tells old segments from new ones as RFC 6191 section 2 has it (spec/decisions.md 39).
 */
function mayGiveWay(core: HostCore, connection: Connection): boolean {
  const { ownership } = connection;
  if (ownership?.owner !== 'host' || ownership.cb.delegated.state !== TcpState.TIME_WAIT) return false;
  const { cb } = ownership;
  if (!(cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED)) return false;
  const { ticks, parameters } = core.tcp;
  const age = ticks - (cb.retransmitDeadline - parameters.timeWaitTicks);
  return age > SECONDS_BEFORE_REUSE * parameters.ticksPerSecond;
}

/** Whether an opening of ours may use the port of `old`: nobody has it, or who has it may give way. */
export function isPortFree(core: HostCore, old: Connection | null): boolean {
  return old === null || mayGiveWay(core, old);
}

/**
 * A local port for an opening of ours: one that nobody has, and only when there is none that of a connection that may give
 * way; 0 without any.
 *
 * @param pick the first port that a function accepts; 0 without any
 * @param find who has a port towards the peer
 */
export function choosePort(
  core: HostCore,
  pick: (accept: (port: number) => boolean) => number,
  find: (port: number) => Connection | null,
): number {
  return pick((port) => find(port) === null) || pick((port) => isPortFree(core, find(port)));
}

/** Where connections begin that follow another one between the same endpoints. */
export class Successors {
  private readonly ends = new WeakMap<Connection, number>();

  /** `connection` takes the place of one whose last sequence number was before `end`, int32. */
  add(connection: Connection, end: number): void {
    this.ends.set(connection, end);
  }

  /** The initial sequence number `iss`, or a larger one: above all that its predecessor used (RFC 9293 MAY-2 (1)). */
  above(connection: Connection, iss: number): number {
    const end = this.ends.get(connection);
    return end === undefined || after(iss, end) ? iss : (end + DISTANCE) | 0;
  }
}

/** The end of what a connection that the host has was ever sent in sequence space. */
export function sequenceEnd(connection: Connection): number {
  const { ownership } = connection;
  return ownership?.owner === 'host' ? ownership.cb.delegated.sndMax : 0;
}

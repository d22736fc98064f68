/** Whether a connection that another owner hands over can be continued. */
import { after, atOrAfter, atOrBefore, before } from './sequence.ts';
import { TcpState } from './state.ts';
import type { OutOfOrderSegment, TcpDelegatedState, TcpExtensionState } from './variables.ts';

/**
 * Whether the positions of the sender lie in the data that came with them; a FIN may follow it. What says otherwise has
 * been damaged: nothing can be continued from it, and `adopt` must not be called.
 *
 * @param sendBytes bytes from SND.UNA on that came with the state
 */
export function isContinuable(delegated: TcpDelegatedState, sendBytes: number): boolean {
  const { state, sndUna, sndNxt, sndMax } = delegated;
  if (state === TcpState.CLOSED) return true;
  const hasFin = state === TcpState.FIN_WAIT_1 || state === TcpState.CLOSING || state === TcpState.LAST_ACK;
  const limit = sendBytes + (hasFin ? 1 : 0);
  const next = (sndNxt - sndUna) | 0;
  const sent = (sndMax - sndUna) | 0;
  return next >= 0 && next <= sent && sent <= limit;
}

/** The largest window that TCP can use, bytes (RFC 7323 section 2.3). */
export const LARGEST_WINDOW = 2 ** 30;
/** `ssThresh` of a connection without a loss so far: slow start goes on. */
export const NO_THRESHOLD = 0x7fffffff;

/**
 * Puts counters, windows and times into the bounds that the engine works in: a negative count would shift a timeout to
 * nothing, a window without bound would never be used up. What an owner in its senses exports stays as it is.
 */
export function bound(d: TcpDelegatedState, sendMss: number): void {
  d.rcvWnd = within(d.rcvWnd, 0, LARGEST_WINDOW);
  d.sndWnd = within(d.sndWnd, 0, LARGEST_WINDOW);
  d.maxSndWnd = within(d.maxSndWnd, d.sndWnd, LARGEST_WINDOW);
  // Less than a segment, counted with another segment size, would stop the sender for good.
  d.cWnd = within(d.cWnd, sendMss, LARGEST_WINDOW);
  // The contract's member is unsigned: what is negative here was very large.
  if (d.ssThresh < 0) d.ssThresh = NO_THRESHOLD;
  // The window after a recovery.
  if (d.ssThresh < sendMss) d.ssThresh = sendMss;
  d.tsRecentAge = Math.max(0, d.tsRecentAge);
  d.totalRt = Math.max(0, d.totalRt);
  d.dupAckCount = Math.max(0, d.dupAckCount);
  d.sndWndProbeCount = Math.max(0, d.sndWndProbeCount);
  d.keepAlive.probeCount = Math.max(0, d.keepAlive.probeCount);
  d.retransmit.count = Math.max(0, d.retransmit.count);
}

/** What of the bytes received out of order can be used: those behind a gap, within any window. */
export function usableSegments({ outOfOrder }: TcpExtensionState, d: TcpDelegatedState): OutOfOrderSegment[] {
  return outOfOrder.filter(({ sequence, bytes }) => {
    const end = ((sequence - d.rcvNxt) | 0) + bytes.length;
    return after(sequence, d.rcvNxt) && bytes.length > 0 && end <= LARGEST_WINDOW;
  });
}

/** What of the scoreboard can be used: ranges of what is outstanding. */
export function usableRanges({ scoreboard }: TcpExtensionState, d: TcpDelegatedState): (readonly [number, number])[] {
  const ranges: (readonly [number, number])[] = [];
  for (let index = 0; index + 1 < scoreboard.length; index += 2) {
    const [left, right] = [scoreboard[index], scoreboard[index + 1]];
    if (atOrAfter(left, d.sndUna) && before(left, right) && atOrBefore(right, d.sndMax)) ranges.push([left, right]);
  }
  return ranges;
}

/** A sequence number, or SND.MAX when it lies beyond what was sent. */
export function atMostSent(sequence: number, d: TcpDelegatedState): number {
  return after(sequence, d.sndMax) ? d.sndMax : sequence;
}

/** A number between two bounds; what is no number is the lower one. */
export function within(value: number, least: number, most: number): number {
  return value >= least ? Math.min(value, most) : least;
}

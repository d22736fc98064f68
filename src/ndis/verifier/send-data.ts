/** The chain of outstanding send data in a block, on its way down or back up (spec/algorithms.md 12). */

import type { TcpDelegatedState } from '../../tcp/variables.ts';
import { dataLengthOf, type NetBufferList } from '../net-buffer.ts';

/** Used bytes of a whole chain. */
export function chainLength(head: NetBufferList | null): number {
  let length = 0;
  for (let list = head; list !== null; list = list.next) length += dataLengthOf(list);
  return length;
}

/**
 * Whether SND.UNA, SND.NXT and SND.MAX can be the positions that SEND-21 describes over so many bytes of chain. One more
 * than the bytes is possible: a FIN that was sent counts.
 */
export function positionsFit(delegated: TcpDelegatedState, bytes: number): boolean {
  const next = (delegated.sndNxt - delegated.sndUna) | 0;
  const highest = (delegated.sndMax - delegated.sndUna) | 0;
  return next >= 0 && highest >= next && highest <= bytes + 1;
}

/** What a connection learns of reordering on its path, and the window that it allows for it (RFC 8985 section 6.2). */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { atOrAfter } from './sequence.ts';

/** RACK.reo_wnd_persist: recoveries for which a window that D-SACKs have widened stays so. */
export const WINDOW_PERSISTS = 16;
/** Bound of RACK.reo_wnd_mult: the window itself is bounded by SRTT long before. */
export const MAXIMUM_MULTIPLIER = 255;

/** What a connection knows of reordering on its path. Made when there is something to know: on most there never is. */
export class Reordering {
  /** RACK.reordering_seen. */
  seen = false;
  /** RACK.reo_wnd_mult: the reordering window in quarters of the smallest round trip. */
  multiplier = 1;
  /** Recoveries left until the multiplier is 1 again. */
  persist = 0;
  /** RACK.dsack_round: D-SACKs count again when this is acknowledged; meaningful when `inRound`. */
  round = 0;
  inRound = false;
}

/** Something arrived behind what was sent after it, or was sent again for nothing. */
export function seenReordering(cb: ControlBlock): void {
  cb.reordering ??= new Reordering();
  cb.reordering.seen = true;
}

/** Section 6.2 step 4, the D-SACK half: a needless retransmission widens the window, once in a round trip. */
export function adaptReorderingWindow(cb: ControlBlock, duplicateSack: boolean): void {
  const d = cb.delegated;
  const reordering = cb.reordering;
  if (reordering?.inRound && atOrAfter(d.sndUna, reordering.round)) reordering.inRound = false;
  if (!duplicateSack || reordering?.inRound) return;
  cb.reordering ??= new Reordering();
  cb.reordering.inRound = true;
  cb.reordering.round = d.sndMax;
  cb.reordering.multiplier = Math.min(cb.reordering.multiplier + 1, MAXIMUM_MULTIPLIER);
  cb.reordering.persist = WINDOW_PERSISTS;
}

/** The same step, when a recovery ends: a widened window does not last for ever. */
export function recoveryEnded(cb: ControlBlock): void {
  if (cb.reordering === null || cb.reordering.persist === 0) return;
  cb.reordering.persist--;
  if (cb.reordering.persist === 0) cb.reordering.multiplier = 1;
}

/** RACK.reo_wnd, microseconds: how much later than its successors a segment may arrive (section 6.2 step 4). */
export function reorderingWindow(tcp: TcpContext, cb: ControlBlock): number {
  const { reordering } = cb;
  if (reordering === null || !reordering.seen) {
    if (cb.inRecovery || cb.timeoutRecovery || manySacked(tcp, cb)) return 0;
  }
  return Math.min(((reordering?.multiplier ?? 1) * cb.minimumRtt) / 4, cb.rtt.srtt);
}

/** RACK.segs_sacked >= DupThresh, counted as RFC 6675 does. */
function manySacked(tcp: TcpContext, cb: ControlBlock): boolean {
  const d = cb.delegated;
  const threshold = tcp.parameters.duplicateAckThreshold;
  if (d.dupAckCount >= threshold) return true;
  return cb.scoreboard !== null && cb.scoreboard.lostBelow(d.sndUna, threshold, cb.sendMss) !== d.sndUna;
}

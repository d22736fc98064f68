/**
 * Taking back a reduction that was made for nothing: the retransmission was needless because the ACK was only late, or
 * the segment only overtaken. Detected by the echoed timestamp (Eifel, RFC 3522), by D-SACK (RFC 3708 section 3) and after
 * a timeout by F-RTO (RFC 5682); the answer restores cWnd, ssThresh and what the congestion control knew (RFC 4015
 * section 3.2, RFC 9438 section 4.9).
 */
import type { TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { EcnState } from './ecn.ts';
import { FrtoStep } from './flight-state.ts';
import { seenReordering } from './reordering.ts';
import { before } from './sequence.ts';

/** What stood before a reduction. Made with each reduction, replaced by the next, dropped when it has been taken back. */
export class Undo {
  readonly cWnd: number;
  readonly ssThresh: number;
  /** As `CongestionControl.save` answered at `savedAt`. */
  readonly congestion: Record<string, number>;
  /** Microseconds. */
  readonly savedAt: number;
  /** SND.UNA then: D-SACKs below it are about something older. */
  readonly marker: number;
  /** A retransmission timeout was the reason, not duplicate ACKs or RACK. */
  readonly afterTimeout: boolean;
  /** Bytes sent again since and not reported as duplicates. */
  retransmittedBytes: number;
  /** Something was sent again. */
  retransmitted: boolean;
  /** Our timestamp clock when the first of it left; meaningful when `retransmitted`. */
  timestamp: number;

  constructor(
    cWnd: number,
    ssThresh: number,
    congestion: Record<string, number>,
    savedAt: number,
    marker: number,
    afterTimeout: boolean,
    retransmittedBytes: number,
    retransmitted: boolean,
    timestamp: number,
  ) {
    this.cWnd = cWnd;
    this.ssThresh = ssThresh;
    this.congestion = congestion;
    this.savedAt = savedAt;
    this.marker = marker;
    this.afterTimeout = afterTimeout;
    this.retransmittedBytes = retransmittedBytes;
    this.retransmitted = retransmitted;
    this.timestamp = timestamp;
  }
}

/** Before a reduction. */
export function prepareUndo(tcp: TcpContext, cb: ControlBlock, afterTimeout: boolean): void {
  const d = cb.delegated;
  const congestion = cb.congestion.save(tcp.now);
  cb.undo = new Undo(d.cWnd, d.ssThresh, congestion, tcp.now, d.sndUna, afterTimeout, 0, false, 0);
}

/** `length` bytes of sequence space are sent again in the recovery, with `timestamp`. */
export function noteRetransmission(undo: Undo, length: number, timestamp: number): void {
  undo.retransmittedBytes += length;
  if (undo.retransmitted) return;
  undo.retransmitted = true;
  undo.timestamp = timestamp;
}

/** The peer has received [left, right) twice (RFC 2883). */
export function noteDuplicateSack(undo: Undo, left: number, right: number): void {
  if (before(left, undo.marker)) return;
  undo.retransmittedBytes = Math.max(0, undo.retransmittedBytes - ((right - left) | 0));
}

/** Every retransmission since the reduction has been reported as a duplicate: none was needed. */
export function allWereDuplicates(undo: Undo): boolean {
  return undo.retransmitted && undo.retransmittedBytes === 0;
}

/** The ACK answers a transmission earlier than the first retransmission (RFC 3522 section 3.2 step 4). */
export function answersOriginal(undo: Undo, header: TcpHeader): boolean {
  return (
    undo.retransmitted &&
    header.hasTimestamp &&
    header.timestampEcho !== 0 &&
    before(header.timestampEcho, undo.timestamp)
  );
}

/** Takes the reduction back and ends the recovery. What was deemed lost is under way again. */
export function undoReduction(tcp: TcpContext, cb: ControlBlock, undo: Undo): void {
  const d = cb.delegated;
  tcp.statistics.undoneReductions++;
  cb.congestion.restore(undo.congestion, undo.savedAt);
  d.cWnd = Math.max(d.cWnd, undo.cWnd);
  d.ssThresh = Math.max(d.ssThresh, undo.ssThresh);
  d.retransmit.count = 0;
  d.dupAckCount = 0;
  d.sndNxt = d.sndMax;
  cb.ecn &= ~EcnState.REDUCED;
  cb.undo = null;
  cb.inRecovery = false;
  cb.timeoutRecovery = false;
  if (cb.flight === null) return;
  cb.recoveryPointValid = false; // what RACK finds from now on is a new loss
  cb.flight.frto = FrtoStep.NONE;
  cb.flight.record.clearLost();
  if (!undo.afterTimeout) seenReordering(cb);
}

/** How much of cWnd a sender uses: only then may it grow (RFC 7661 section 4, RFC 9438 section 5.8). */
import type { ControlBlock } from './control-block.ts';
import { bytesInFlight } from './flight.ts';
import { atOrAfter } from './sequence.ts';

/**
 * After the sender has sent what it may: whether cWnd was what ended it, or is full now. What is found holds for a window of
 * data, in which the ACKs find ever less in flight.
 *
 * Answers whether cWnd limits the sender at this moment.
 *
 * @param blocked cWnd has kept something back
 * @param sent something new has left
 */
export function noteWindowUse(cb: ControlBlock, blocked: boolean, sent: boolean): boolean {
  const d = cb.delegated;
  if (blocked) {
    cb.cwndLimited = true;
    cb.usedWindow = d.cWnd;
    cb.usageEnd = d.sndMax;
    return true;
  }
  if (!sent) return false;
  const flight = bytesInFlight(cb);
  const full = flight + cb.sendMss > d.cWnd;
  if (full || atOrAfter(d.sndUna, cb.usageEnd) || (!cb.cwndLimited && flight > cb.usedWindow)) {
    cb.cwndLimited = full;
    cb.usedWindow = flight;
    cb.usageEnd = d.sndMax;
  }
  return full;
}

/**
 * Whether an ACK may raise cWnd. In slow start half of it is use enough: more than that is known to be there (RFC 7661
 * section 4.3, the validated phase).
 */
export function mayGrow(cb: ControlBlock): boolean {
  const d = cb.delegated;
  return cb.cwndLimited || (d.cWnd < d.ssThresh && d.cWnd < 2 * cb.usedWindow);
}

/** Proportional Rate Reduction (RFC 6937): how much may be sent for what each ACK of a recovery reports as delivered. */
import type { ControlBlock } from './control-block.ts';
import { bytesInFlight } from './flight.ts';
import type { Flight } from './flight-state.ts';

/** Recovery begins with `flightSize` bytes outstanding (RFC 6937 section 3, "at the beginning of recovery"). */
export function beginReduction(flight: Flight, flightSize: number): void {
  flight.prrDelivered = 0;
  flight.prrOut = 0;
  flight.recoverFlightSize = flightSize;
}

/**
 * Sets cWnd for an ACK that delivered `delivered` bytes (DeliveredData). Down to ssThresh in proportion; below it by slow
 * start (PRR-SSRB) for an ACK that moves SND.UNA and finds no further loss, else by what was delivered (PRR-CRB): the
 * rule that succeeded the choice between the two. Whole segments are counted, as in the formulas' usual unit.
 */
export function reduceProportionally(
  cb: ControlBlock,
  flight: Flight,
  delivered: number,
  advanced: boolean,
  newlyLost: number,
): void {
  const d = cb.delegated;
  const mss = cb.sendMss;
  if (delivered <= 0 && flight.prrOut > 0) return;
  flight.prrDelivered += delivered;
  const pipe = bytesInFlight(cb);
  let count: number;
  if (pipe > d.ssThresh) {
    count = (flight.prrDelivered * d.ssThresh) / Math.max(d.ssThresh, flight.recoverFlightSize) - flight.prrOut;
  } else {
    let limit = Math.max(flight.prrDelivered - flight.prrOut, delivered);
    if (advanced && newlyLost === 0) limit += mss;
    count = Math.min(d.ssThresh - pipe, limit);
  }
  // A hair above a whole number of segments, from bytes that are no multiple of it, is no segment more.
  count = Math.ceil(count / mss - 1e-3) * mss;
  // The first retransmission of a recovery is not held back (RFC 5681 section 3.2 step 3).
  if (flight.prrOut === 0) count = Math.max(count, mss);
  d.cWnd = Math.max(mss, pipe + Math.max(0, count));
}

/**
 * When a neighbor has to be confirmed (spec/algorithms.md 8). HRT and NRT are instants on this target's clock; the host
 * speaks in differences (HRD, NRD). The target's resolution is the tick, so the scaling of NBR-03 is by one.
 *
 * All arithmetic is modulo 2^32 (NBR-02): instants are int32, differences are read as unsigned.
 */

/** What of a neighbor the procedure works on. */
export interface Reachability {
  /** HRT: when the host last had the neighbor confirmed, int32 ticks. */
  hostReachabilityTime: number;
  /** NRT: when this target last had it confirmed, int32 ticks. */
  nicReachabilityTime: number;
  /** A NeighborReachabilityQuery is on its way to the host. */
  queryOutstanding: boolean;
}

/** Ticks from an instant until now, 0…2^32-1. */
export function elapsed(nowTicks: number, instant: number): number {
  return (nowTicks - instant) >>> 0;
}

/** The neighbor is offloaded: HRT = NCT - HRD, NRT = NCT - NRD (NBR-01). */
export function startReachability(reachability: Reachability, nowTicks: number, hrd: number, nrd: number): void {
  reachability.hostReachabilityTime = (nowTicks - hrd) | 0;
  reachability.nicReachabilityTime = (nowTicks - nrd) | 0;
  reachability.queryOutstanding = false;
}

/** A segment showed forward progress: NRT = NCT, and nothing else changes (NBR-05). */
export function forwardProgress(reachability: Reachability, nowTicks: number): void {
  reachability.nicReachabilityTime = nowTicks | 0;
}

/** Before a datagram is sent: whether both confirmations are older than NceStaleTicks, strictly (NBR-06). */
export function isStale(reachability: Reachability, nowTicks: number, nceStaleTicks: number): boolean {
  return (
    elapsed(nowTicks, reachability.nicReachabilityTime) > nceStaleTicks &&
    elapsed(nowTicks, reachability.hostReachabilityTime) > nceStaleTicks
  );
}

/** The host answered a query, or updated its value: HRT = NCT - HRD (NBR-11). */
export function hostConfirmed(reachability: Reachability, nowTicks: number, hrd: number): void {
  reachability.hostReachabilityTime = (nowTicks - hrd) | 0;
}

/** Round-trip time estimation and the retransmission timeout (RFC 6298, RFC6298-1-1; RFC-07). */
import type { TcpParameters } from './parameters.ts';

/** SRtt and RttVar are USHORT members: they end here when they cross the contract (spec/structs.json). */
const USHORT_MAXIMUM = 0xffff;

/** SRtt crosses the contract times 8, RttVar times 4 (STATE-12). */
const SRTT_SCALE = 8;
const RTTVAR_SCALE = 4;

/** Longest time believed, microseconds (36 minutes): beyond what a timer lets pass, and what USHORT ticks can say. */
const MAXIMUM_SAMPLE = 0x7fffffff;

/** SRTT and RTTVAR of one connection. Backing off is the caller's: it shifts what `rtoTicks` answers (RFC 6298 5.5). */
export class RttEstimator {
  /** Smoothed round-trip time, microseconds; 0 while there is no sample. A double: rounding would bias it. */
  srtt = 0;
  /** Round-trip time variation, microseconds. */
  rttvar = 0;

  /**
   * Takes one measurement in microseconds (RFC 6298 2.2, 2.3); the caller keeps Karn's rule (section 3). What is
   * shorter than one microsecond counts as one; negative values and those beyond 2^31 are ignored.
   *
   * `expectedSamples`: measurements expected in one round trip, ceil(FlightSize / (2 SMSS)) when timestamps time every
   * ACK, so that many samples remember as long as one did (RFC 7323 appendix G); 1 when one segment a round trip is timed.
   */
  sample(microseconds: number, expectedSamples = 1): void {
    if (!(microseconds >= 0 && microseconds <= MAXIMUM_SAMPLE)) return;
    const r = Math.max(1, microseconds);
    if (this.srtt === 0) {
      // RFC6298-2.2
      this.srtt = r;
      this.rttvar = r / 2;
      return;
    }
    // RFC6298-2.3: the variation first, with the SRTT of before.
    const samples = Math.max(1, expectedSamples);
    this.rttvar += (Math.abs(this.srtt - r) - this.rttvar) / (4 * samples);
    this.srtt += (r - this.srtt) / (8 * samples);
  }

  /**
   * RTO <- SRTT + max(G, 4 RTTVAR) in ticks, rounded up, within the bounds of the parameters (RFC 6298 2.2…2.5); the
   * clock granularity G is one tick (RFC6298-4-1, RFC6298-2.5). The initial RTO while there is no sample (2.1).
   */
  rtoTicks(parameters: TcpParameters): number {
    if (this.srtt === 0) return parameters.initialRtoTicks; // RFC6298-2.1
    const granularity = 1_000_000 / parameters.ticksPerSecond;
    const floor = granularity * parameters.minimumVarianceTicks;
    const rto = Math.ceil((this.srtt + Math.max(floor, 4 * this.rttvar)) / granularity);
    const bounded = Math.max(rto, parameters.minimumRtoTicks) + parameters.rtoSlopTicks;
    return Math.min(bounded, parameters.maximumRtoTicks);
  }

  /** Forgets all samples. */
  reset(): void {
    this.srtt = 0;
    this.rttvar = 0;
  }

  /** Continues with what another estimator had, microseconds: exact, by the extension of a hand-over. */
  restore(srttMicroseconds: number, rttvarMicroseconds: number): void {
    const valid = srttMicroseconds > 0 && srttMicroseconds <= MAXIMUM_SAMPLE;
    this.srtt = valid ? srttMicroseconds : 0;
    this.rttvar = valid && rttvarMicroseconds >= 0 ? Math.min(rttvarMicroseconds, MAXIMUM_SAMPLE) : 0;
  }

  /**
   * SRtt of the delegated class: ticks times 8, rounded, at most 65535 (STATE-12). 0 means no sample, so that a round trip
   * far shorter than a tick is 1.
   */
  exportSrtt(ticksPerSecond: number): number {
    if (this.srtt === 0) return 0;
    return Math.max(1, toScaledTicks(this.srtt, ticksPerSecond, SRTT_SCALE));
  }

  /** RttVar of the delegated class: ticks times 4, rounded, at most 65535 (STATE-12). */
  exportRttvar(ticksPerSecond: number): number {
    return toScaledTicks(this.rttvar, ticksPerSecond, RTTVAR_SCALE);
  }

  /** Takes SRtt and RttVar of the delegated class (STATE-12); an SRtt of 0 means that there is no sample. */
  import(sRtt: number, rttVar: number, ticksPerSecond: number): void {
    const microsecondsPerTick = 1_000_000 / ticksPerSecond;
    this.restore((sRtt / SRTT_SCALE) * microsecondsPerTick, (rttVar / RTTVAR_SCALE) * microsecondsPerTick);
  }
}

function toScaledTicks(microseconds: number, ticksPerSecond: number, scale: number): number {
  return Math.min(USHORT_MAXIMUM, Math.round((microseconds * ticksPerSecond * scale) / 1_000_000));
}

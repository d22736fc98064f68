/** The congestion control algorithms by name. */
import type { CongestionControl, CongestionControlName } from './congestion-control.ts';
import { Cubic } from './cubic.ts';
import { NewReno } from './newreno.ts';

export type { CongestionControl, CongestionControlName } from './congestion-control.ts';

/** A new instance for one connection; `TcpParameters.congestionControl` has the name. */
export function createCongestionControl(name: CongestionControlName): CongestionControl {
  return name === 'cubic' ? new Cubic() : new NewReno();
}

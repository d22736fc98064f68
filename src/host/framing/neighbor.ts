/**
 * A neighbor: a next hop on the link, its MAC address, and whether it is known to be reachable (RFC 826 for the
 * addresses, the states of RFC 4861 section 7.3.2 for reachability).
 */
import type { IpAddress, MacAddress } from '../../wire/index.ts';
import { MacAddress as Mac } from '../../wire/index.ts';
import { SharedObject } from '../chimney/shared-object.ts';
import type { HostCore } from '../core.ts';
import { HostTimer } from '../timer.ts';

/** Neighbor unreachability detection: RFC 4861 section 7.3.2, and FAILED for a neighbor that did not answer. */
export const NeighborState = { INCOMPLETE: 0, REACHABLE: 1, STALE: 2, DELAY: 3, PROBE: 4, FAILED: 5 } as const;
export type NeighborState = (typeof NeighborState)[keyof typeof NeighborState];

const NAMES = ['INCOMPLETE', 'REACHABLE', 'STALE', 'DELAY', 'PROBE', 'FAILED'] as const;

/** The name of a state for people. */
export function neighborStateName(state: NeighborState): string {
  return NAMES[state];
}

/** A frame that waits for the MAC address of its neighbor. */
export interface WaitingFrame {
  readonly frame: Uint8Array;
  /** As for `HostCore.sendFrame`. */
  readonly segmentSize: number;
}

export class Neighbor {
  readonly address: IpAddress;
  macAddress: MacAddress = Mac.ZERO;
  state: NeighborState = NeighborState.FAILED;
  /** Tick of the last confirmation that the neighbor is reachable; meaningful once it was REACHABLE. */
  confirmedAt: number;
  /** Requests sent since the last answer. */
  probes = 0;
  /** Frames that wait for the MAC address, their destination field still empty. Oldest first. */
  readonly waiting: WaitingFrame[] = [];
  waitingBytes = 0;
  /** Tick at which an unsolicited packet last changed the MAC address. */
  changedAt = -1;
  /** IPv6: it has said that it is a router (RFC 4861 section 5.1). */
  isRouter = false;
  /** Paths that lead over this neighbor: it is not evicted while there are any. */
  references = 0;
  /**
   * A NicReachabilityDelta below this one, in ticks, says that there was forward progress since the neighbor became
   * doubtful (NBR-13, NBR-14).
   */
  doubtDelta = 0;
  /** Retransmission, delay and staleness: one timer, its meaning given by the state. */
  readonly timer: HostTimer;
  /** Its half in the offload target. */
  readonly shared: SharedObject;

  constructor(core: HostCore, address: IpAddress, expired: (neighbor: Neighbor) => void) {
    this.address = address;
    this.confirmedAt = core.tcp.ticks;
    this.timer = new HostTimer(core.tcp, () => expired(this));
    this.shared = new SharedObject(this);
  }

  /** Whether frames can be sent: the MAC address is known. */
  get resolved(): boolean {
    return this.state !== NeighborState.INCOMPLETE && this.state !== NeighborState.FAILED;
  }

  /** HostReachabilityDelta: ticks since the host last had the neighbor confirmed, unsigned. */
  reachabilityDelta(nowTicks: number): number {
    return (nowTicks - this.confirmedAt) >>> 0;
  }
}

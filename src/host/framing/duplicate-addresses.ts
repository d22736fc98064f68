/** Duplicate address detection (RFC 4862 section 5.4): an address is ours once nobody has claimed it for a while. */
import type { HostCore } from '../core.ts';
import type { InterfaceAddress } from '../network-interface.ts';
import { HostTimer } from '../timer.ts';
import { duplicateProbeFrame } from './ndp-frame.ts';

/** RETRANS_TIMER (RFC 4861 section 10), milliseconds. */
const RETRANSMIT_MILLISECONDS = 1000;

interface Candidate {
  readonly entry: InterfaceAddress;
  sent: number;
  readonly timer: HostTimer;
}

export class DuplicateAddressDetection {
  private readonly core: HostCore;
  private readonly transmits: number;
  private readonly settled: (entry: InterfaceAddress) => void;
  private readonly candidates = new Map<InterfaceAddress, Candidate>();

  /**
   * @param transmits DupAddrDetectTransmits (RFC 4862 section 5.1): probes per address; 0 takes every address at once
   * @param settled called when an address was found to be ours, or somebody else's: see its `state`
   */
  constructor(core: HostCore, transmits: number, settled: (entry: InterfaceAddress) => void) {
    this.core = core;
    this.transmits = transmits;
    this.settled = settled;
  }

  /** Begins with an IPv6 address, which is tentative until `settled`. */
  start(entry: InterfaceAddress): void {
    if (this.transmits <= 0) {
      entry.state = 'preferred';
      this.settled(entry);
      return;
    }
    entry.state = 'tentative';
    const candidate: Candidate = { entry, sent: 0, timer: new HostTimer(this.core.tcp, () => this.next(candidate)) };
    this.candidates.set(entry, candidate);
    this.next(candidate);
  }

  /** Somebody else has, or wants, a tentative address (RFC 4862 sections 5.4.3 and 5.4.4). */
  conflict(entry: InterfaceAddress): void {
    const candidate = this.candidates.get(entry);
    if (candidate === undefined) return;
    candidate.timer.cancel();
    this.candidates.delete(entry);
    entry.state = 'duplicate';
    this.core.statistics.duplicateAddresses++;
    this.settled(entry);
  }

  /** Stops all timers. */
  clear(): void {
    for (const { timer } of this.candidates.values()) timer.cancel();
    this.candidates.clear();
  }

  private next(candidate: Candidate): void {
    const { entry } = candidate;
    if (candidate.sent < this.transmits) {
      candidate.sent++;
      this.core.statistics.neighborSolicitationsSent++;
      this.core.sendFrame(duplicateProbeFrame(this.core, entry.address), 0);
      candidate.timer.arm(this.core.milliseconds(RETRANSMIT_MILLISECONDS));
      return;
    }
    this.candidates.delete(entry);
    entry.state = 'preferred';
    this.settled(entry);
  }
}

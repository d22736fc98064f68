/**
 * The neighbor cache: resolves next hops with ARP (RFC 826) or Neighbor Discovery (RFC 4861), and watches whether they are reachable by the rules of RFC
 * 4861 section 7.3.3. It trusts packets no more than it must: unsolicited ones never create an entry, change a MAC
 * address at most once a second, and never confirm reachability; entries and waiting frames are bounded.
 */
import { ArpOperation, type IpAddress, MacAddress } from '../../wire/index.ts';
import { AddressMap } from '../address-map.ts';
import type { HostCore } from '../core.ts';
import { arpFrame } from './arp-frame.ts';
import { solicitationFrame } from './ndp-frame.ts';
import { Neighbor, NeighborState } from './neighbor.ts';

/** Constants of RFC 4861 section 10 and RFC 1122 section 2.3.2. */
export const NeighborLimits = {
  /** DELAY_FIRST_PROBE_TIME. */
  DELAY_MILLISECONDS: 5000,
  /** RETRANS_TIMER; also the shortest time between two unsolicited changes of a MAC address. */
  RETRANSMIT_MILLISECONDS: 1000,
  /** MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT. */
  PROBES: 3,
  /** Of each family. */
  ENTRIES: 1024,
  WAITING_FRAMES: 32,
  WAITING_BYTES: 65536,
} as const;

/** What the cache asks of, and tells to, the rest of the stack. */
export interface NeighborObserver {
  /** The MAC address of a neighbor that the target may know has changed (UPD-11). */
  macAddressChanged(neighbor: Neighbor): void;
  /** The MAC address of a neighbor has become known. */
  resolved(neighbor: Neighbor): void;
  /** The neighbor does not answer: its entry is invalid. */
  unreachable(neighbor: Neighbor): void;
  /**
   * Asks the target how long ago it last saw forward progress over this neighbor (NBR-13, NBR-14); the answer comes to
   * `reachabilityAnswer`. False when the target does not know the neighbor.
   */
  queryReachability(neighbor: Neighbor): boolean;
}

export class NeighborCache {
  private readonly core: HostCore;
  private readonly observer: NeighborObserver;
  private readonly entries = new AddressMap<Neighbor>();

  constructor(core: HostCore, observer: NeighborObserver) {
    this.core = core;
    this.observer = observer;
  }

  get size(): number {
    return this.entries.size;
  }

  [Symbol.iterator](): IterableIterator<Neighbor> {
    return this.entries.values();
  }

  /** The entry of an address, or undefined. */
  get(address: IpAddress): Neighbor | undefined {
    return this.entries.get(address);
  }

  /** The entry of an address, made if necessary; null when the cache is full of entries in use. */
  obtain(address: IpAddress): Neighbor | null {
    const known = this.entries.get(address);
    if (known !== undefined) return known;
    if (this.entries.sizeOf(address.family) >= NeighborLimits.ENTRIES && !this.evict(address.family)) return null;
    const neighbor = new Neighbor(this.core, address, (entry) => this.expired(entry));
    this.entries.set(address, neighbor);
    return neighbor;
  }

  /**
   * Sends a frame to a neighbor, or keeps it until the MAC address is known. The frame's destination field holds the
   * neighbor's MAC address when there is one; the cache fills it in otherwise.
   */
  output(neighbor: Neighbor, frame: Uint8Array, segmentSize = 0): void {
    switch (neighbor.state) {
      case NeighborState.REACHABLE:
        if (neighbor.reachabilityDelta(this.core.tcp.ticks) > this.core.tcp.parameters.nceStaleTicks) {
          this.enterDelay(neighbor);
        }
        this.core.sendFrame(frame, segmentSize);
        return;
      case NeighborState.STALE:
        this.enterDelay(neighbor);
        this.core.sendFrame(frame, segmentSize);
        return;
      case NeighborState.FAILED:
        this.wait(neighbor, frame, segmentSize);
        this.resolve(neighbor);
        return;
      case NeighborState.INCOMPLETE:
        this.wait(neighbor, frame, segmentSize);
        return;
      default:
        this.core.sendFrame(frame, segmentSize);
    }
  }

  /** An upper layer has seen forward progress: the neighbor is reachable (RFC 4861 section 7.3.1). */
  confirm(neighbor: Neighbor): void {
    this.confirmAt(neighbor, this.core.tcp.ticks);
  }

  /** An upper layer retransmits in vain: the neighbor may be gone (RFC 4861 section 7.3.3 leaves this hint open). */
  suspect(neighbor: Neighbor): void {
    if (neighbor.state === NeighborState.REACHABLE) this.enterDelay(neighbor);
  }

  /** Finds out the MAC address of a neighbor that nothing is sent to yet. */
  resolve(neighbor: Neighbor): void {
    if (neighbor.state !== NeighborState.FAILED) return;
    neighbor.state = NeighborState.INCOMPLETE;
    neighbor.probes = 0;
    this.solicit(neighbor);
  }

  /**
   * A packet said where a neighbor is (RFC 826, RFC 4861 sections 7.2.3 and 7.2.5). Returns its entry, if there is one then.
   *
   * @param mac null: the packet only says that the neighbor is there
   * @param canCreate the sender will hear from us: an entry is worth its memory
   * @param isAnswer the packet may be the answer to a question of ours; whether we have asked is checked here
   * @param overrides a MAC address that is known may be replaced
   */
  heard(
    address: IpAddress,
    mac: MacAddress | null,
    canCreate: boolean,
    isAnswer: boolean,
    overrides: boolean,
  ): Neighbor | null {
    const known = this.entries.get(address) ?? null;
    if (known === null) {
      const created = canCreate && mac !== null ? this.obtain(address) : null;
      if (created === null || mac === null) return null;
      created.macAddress = mac;
      created.state = NeighborState.STALE;
      return created;
    }
    const asked = known.state === NeighborState.INCOMPLETE || known.state === NeighborState.PROBE;
    const solicited = asked && isAnswer;
    if (!known.resolved) {
      if (mac !== null) this.resolved(known, mac, solicited);
      return known;
    }
    if (mac !== null && !known.macAddress.equals(mac)) {
      if (!overrides) {
        // Somebody else claims the address: what we know is doubtful (RFC 4861 section 7.2.5, I).
        if (known.state === NeighborState.REACHABLE) known.state = NeighborState.STALE;
        return known;
      }
      if (!this.changeMacAddress(known, mac, solicited)) return known;
    }
    if (solicited) this.confirm(known);
    return known;
  }

  /**
   * The target asks about a neighbor (NeighborReachabilityQuery): the HostReachabilityDelta that answers it. 0 says that
   * our entry is stale as well, and a timer runs after which the target is asked again (NBR-11, NBR-12).
   */
  answerReachabilityQuery(neighbor: Neighbor, nicReachabilityDelta: number): number {
    const delta = neighbor.reachabilityDelta(this.core.tcp.ticks);
    const isReachable = neighbor.state === NeighborState.REACHABLE && delta <= this.core.tcp.parameters.nceStaleTicks;
    if (isReachable) return Math.max(1, delta);
    if (neighbor.state === NeighborState.REACHABLE || neighbor.state === NeighborState.STALE) {
      this.enterDelay(neighbor);
      neighbor.doubtDelta = nicReachabilityDelta;
    }
    return 0;
  }

  /** The answer to `queryReachability`: NicReachabilityDelta in ticks, or null when the query failed. */
  reachabilityAnswer(neighbor: Neighbor, nicReachabilityDelta: number | null): void {
    if (neighbor.state !== NeighborState.DELAY) return;
    if (nicReachabilityDelta !== null && nicReachabilityDelta < neighbor.doubtDelta) {
      this.confirmAt(neighbor, this.core.tcp.ticks - nicReachabilityDelta);
    } else {
      this.probe(neighbor);
    }
  }

  /** Stops all timers and forgets everything. */
  clear(): void {
    for (const neighbor of this.entries.values()) neighbor.timer.cancel();
    this.entries.clear();
  }

  private confirmAt(neighbor: Neighbor, tick: number): void {
    neighbor.confirmedAt = tick;
    if (neighbor.state === NeighborState.REACHABLE || !neighbor.resolved) return;
    neighbor.state = NeighborState.REACHABLE;
    neighbor.timer.cancel();
  }

  private resolved(neighbor: Neighbor, mac: MacAddress, solicited: boolean): void {
    const changed = !neighbor.macAddress.equals(mac);
    neighbor.macAddress = mac;
    neighbor.timer.cancel();
    neighbor.state = NeighborState.STALE;
    if (solicited) this.confirm(neighbor);
    this.observer.resolved(neighbor);
    if (changed) this.observer.macAddressChanged(neighbor);
    const frames = neighbor.waiting.splice(0);
    neighbor.waitingBytes = 0;
    for (const { frame, segmentSize } of frames) {
      frame.set(mac.bytes, 0);
      this.output(neighbor, frame, segmentSize);
    }
  }

  /** Whether the change was taken. An unsolicited one makes the entry doubtful and must wait for its turn. */
  private changeMacAddress(neighbor: Neighbor, mac: MacAddress, solicited: boolean): boolean {
    const { ticks } = this.core.tcp;
    if (!solicited) {
      const quiet = this.core.milliseconds(NeighborLimits.RETRANSMIT_MILLISECONDS);
      if (neighbor.changedAt >= 0 && ticks - neighbor.changedAt < quiet) return false;
      neighbor.changedAt = ticks;
      neighbor.timer.cancel();
      neighbor.state = NeighborState.STALE;
    }
    neighbor.macAddress = mac;
    this.observer.macAddressChanged(neighbor);
    return true;
  }

  private wait(neighbor: Neighbor, frame: Uint8Array, segmentSize: number): void {
    neighbor.waiting.push({ frame, segmentSize });
    neighbor.waitingBytes += frame.length;
    while (
      neighbor.waiting.length > NeighborLimits.WAITING_FRAMES ||
      (neighbor.waitingBytes > NeighborLimits.WAITING_BYTES && neighbor.waiting.length > 1)
    ) {
      const oldest = neighbor.waiting.shift();
      neighbor.waitingBytes -= oldest?.frame.length ?? 0;
      this.core.statistics.framesUnresolved++;
    }
  }

  private enterDelay(neighbor: Neighbor): void {
    const delay = this.core.milliseconds(NeighborLimits.DELAY_MILLISECONDS);
    neighbor.state = NeighborState.DELAY;
    neighbor.doubtDelta = delay;
    neighbor.timer.arm(delay);
  }

  private expired(neighbor: Neighbor): void {
    switch (neighbor.state) {
      case NeighborState.DELAY:
        // The target's connections may have made progress that we have not seen (NBR-13, NBR-14).
        if (!this.observer.queryReachability(neighbor)) this.probe(neighbor);
        return;
      case NeighborState.INCOMPLETE:
      case NeighborState.PROBE:
        if (neighbor.probes < NeighborLimits.PROBES) this.solicit(neighbor);
        else this.fail(neighbor);
        return;
      default:
    }
  }

  private probe(neighbor: Neighbor): void {
    neighbor.state = NeighborState.PROBE;
    neighbor.probes = 0;
    this.solicit(neighbor);
  }

  /** Asks everybody in INCOMPLETE, and the last known MAC address in PROBE. */
  private solicit(neighbor: Neighbor): void {
    neighbor.probes++;
    neighbor.timer.arm(this.core.milliseconds(NeighborLimits.RETRANSMIT_MILLISECONDS));
    const { core } = this;
    const { address, macAddress, state } = neighbor;
    const known = state === NeighborState.PROBE ? macAddress : null;
    const own = core.interface.sourceFor(address);
    // Without an address of ours nobody could answer; the question is repeated.
    if (own === null || !own.isAssigned) return;
    if (address.family === 6) {
      core.statistics.neighborSolicitationsSent++;
      core.sendFrame(solicitationFrame(core, own.address, address, known), 0);
      return;
    }
    core.statistics.arpRequestsSent++;
    const { REQUEST } = ArpOperation;
    const destination = known ?? MacAddress.BROADCAST;
    core.sendFrame(arpFrame(core, REQUEST, destination, own.address.word0, MacAddress.ZERO, address.word0), 0);
  }

  private fail(neighbor: Neighbor): void {
    neighbor.state = NeighborState.FAILED;
    this.core.statistics.framesUnresolved += neighbor.waiting.length;
    neighbor.waiting.length = 0;
    neighbor.waitingBytes = 0;
    this.observer.unreachable(neighbor);
  }

  /** Makes room: the oldest entry of the family that nobody refers to goes. */
  private evict(family: 4 | 6): boolean {
    for (const neighbor of this.entries.valuesOf(family)) {
      if (neighbor.references > 0 || neighbor.shared.phase !== 'absent') continue;
      neighbor.timer.cancel();
      this.core.statistics.framesUnresolved += neighbor.waiting.length;
      this.entries.delete(neighbor.address);
      return true;
    }
    return false;
  }
}

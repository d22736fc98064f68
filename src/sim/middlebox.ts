/**
 * What lies between the wire and a machine: a frame check for ARP, a router with a smaller MTU, middleboxes that add IP
 * options and urgent pointers, one that cuts datagrams into fragments, and an attacker. It sees the frames that the machine receives.
 */
import { discardFrame, type LinkPort, type Random } from '../link/index.ts';
import { EtherType, type IpAddress, type MacAddress, readInt32, readUint16, TcpFlag } from '../wire/index.ts';
import {
  datagramLength,
  flagsOf,
  forgedSyn,
  fragmentsOf,
  isPlainSegment,
  OPTIONS_LENGTH,
  packetTooBig,
  staleReset,
  withIpOptions,
  withUrgentPointer,
} from './mangle.ts';
import type { World } from './party.ts';
import type { MiddleboxPlan } from './scenario.ts';

/** Where ARP keeps the sender's addresses (RFC 826), from the start of an untagged frame. */
const SENDER_MAC = 22;
const SENDER_ADDRESS = 28;

/** A station whose ARP packets are genuine. */
export interface Station {
  readonly address: IpAddress;
  readonly macAddress: MacAddress;
}

export class Middlebox implements LinkPort {
  onReceive: (frame: Uint8Array) => void = discardFrame;
  /** The middlebox of the other machine: answers of the router go there. */
  opposite: Middlebox | null = null;
  private readonly world: World;
  private readonly inner: LinkPort;
  private readonly plan: MiddleboxPlan;
  private readonly random: Random;
  private readonly stations: readonly Station[];
  private readonly router: IpAddress;

  constructor(
    world: World,
    inner: LinkPort,
    plan: MiddleboxPlan,
    random: Random,
    stations: readonly Station[],
    router: IpAddress,
  ) {
    this.world = world;
    this.inner = inner;
    this.plan = plan;
    this.random = random;
    this.stations = stations;
    this.router = router;
    inner.onReceive = (frame) => this.receive(frame);
  }

  get name(): string {
    return this.inner.name;
  }

  get mtu(): number {
    return this.inner.mtu;
  }

  send(frame: Uint8Array): void {
    this.inner.send(frame);
  }

  private receive(frame: Uint8Array): void {
    if (!this.isGenuine(frame)) return;
    const { plan, world } = this;
    if (plan.isIdle || !isPlainSegment(frame)) {
      this.onReceive(frame);
    } else if (world.timeline.now >= plan.narrowAt && datagramLength(frame) > plan.narrowMtu) {
      this.refuse(frame);
    } else {
      if (world.healed) this.onReceive(frame);
      else this.disturb(frame);
    }
  }

  /** Real Ethernet has a frame check sequence; ARP has nothing else that would notice damage. */
  private isGenuine(frame: Uint8Array): boolean {
    if (frame.length < SENDER_ADDRESS + 4 || readUint16(frame, 12) !== EtherType.ARP) return true;
    const high = readUint16(frame, SENDER_MAC);
    const low = readInt32(frame, SENDER_MAC + 2);
    const address = readInt32(frame, SENDER_ADDRESS);
    return this.stations.some(
      ({ address: known, macAddress }) => known.word0 === address && macAddress.high === high && macAddress.low === low,
    );
  }

  /** The segment does not fit: it is dropped, and its sender learns what fits. */
  private refuse(frame: Uint8Array): void {
    const { world, opposite } = this;
    world.coverage.count('segments too large for the path');
    const answer = packetTooBig(frame, this.plan.narrowMtu, this.router);
    world.log.frame(world.timeline.now, `to ${opposite?.name}`, answer);
    opposite?.onReceive(answer);
  }

  private disturb(frame: Uint8Array): void {
    const { plan, random, world } = this;
    if (random.chance(plan.fragments)) {
      world.coverage.count('datagrams in fragments');
      const parts = fragmentsOf(frame, random.below(1500), random.int32());
      // A fragment may get lost, and the order may change.
      if (random.chance(0.1)) parts.shift();
      if (random.chance(0.3)) parts.reverse();
      for (const part of parts) this.onReceive(part);
    } else {
      this.onReceive(this.mangled(frame));
    }
    this.attack(frame);
  }

  private mangled(frame: Uint8Array): Uint8Array {
    const { plan, random, world } = this;
    // A SYN with options would make the connection one that is never offloaded (INIT-03).
    const isSyn = (flagsOf(frame) & TcpFlag.SYN) !== 0;
    if (random.chance(plan.ipOptions) && !isSyn && datagramLength(frame) + OPTIONS_LENGTH <= this.mtu) {
      world.coverage.count('datagrams with IP options');
      return withIpOptions(frame);
    }
    if (random.chance(plan.urgent) && !isSyn) {
      world.coverage.count('urgent segments');
      return withUrgentPointer(frame);
    }
    return frame;
  }

  /** Segments that must change nothing. */
  private attack(frame: Uint8Array): void {
    const { plan, random, world } = this;
    if (!random.chance(plan.forged) || (flagsOf(frame) & (TcpFlag.SYN | TcpFlag.RST)) !== 0) return;
    world.coverage.count('forged segments');
    const stale = staleReset(frame, 200_000_000 + random.below(1_000_000_000));
    switch (random.below(3)) {
      case 0:
        this.inject(this, forgedSyn(frame));
        return;
      case 1:
        this.inject(this, stale);
        return;
      default:
        // RFC 5927: about a segment that was never sent.
        if (this.opposite !== null) this.inject(this.opposite, packetTooBig(stale, 600, this.router));
    }
  }

  private inject(at: Middlebox, forged: Uint8Array): void {
    this.world.log.frame(this.world.timeline.now, `forged, to ${at.name}`, forged);
    at.onReceive(forged);
  }
}

/** ARP: learns from received packets, and answers requests for our own addresses (RFC 826). */
import { ArpOperation, type ArpPacket, DropReason, IpAddress, MacAddress } from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { arpFrame } from './arp-frame.ts';
import type { NeighborCache } from './neighbor-cache.ts';

export class Arp {
  private readonly core: HostCore;
  private readonly neighbors: NeighborCache;

  constructor(core: HostCore, neighbors: NeighborCache) {
    this.core = core;
    this.neighbors = neighbors;
  }

  /** A received packet (RFC 826 "Packet Reception"). */
  arrives(packet: ArpPacket): void {
    const { core } = this;
    const sender = IpAddress.fromWords(4, packet.senderAddress);
    const target = IpAddress.fromWords(4, packet.targetAddress);
    const mac = MacAddress.fromWords(packet.senderMacHigh, packet.senderMacLow);
    const isForUs = core.interface.isOwn(target);
    const isRequest = packet.operation === ArpOperation.REQUEST;
    if (mac.isMulticast || sender.isMulticast || sender.isBroadcast || core.interface.isOwn(sender)) {
      core.drops.count(DropReason.ARP_SENDER);
      return;
    }
    // An address probe (RFC 5227 section 2.1.1) has no sender address: there is nothing to learn.
    // A sender from outside of the link's network gets its answer, but is never a next hop of ours.
    if (this.isOnLink(sender)) {
      // Only who asks for us will hear from us: everybody else costs no memory.
      this.neighbors.heard(sender, mac, isForUs && isRequest, isForUs && !isRequest, true);
    } else if (!sender.isUnspecified) {
      core.drops.count(DropReason.ARP_SENDER);
    }
    if (!isForUs || !isRequest) return;
    core.statistics.arpRepliesSent++;
    core.sendFrame(arpFrame(core, ArpOperation.REPLY, mac, target.word0, mac, packet.senderAddress), 0);
  }

  private isOnLink(sender: IpAddress): boolean {
    for (const { address, prefixLength } of this.core.interface.addresses) {
      if (sender.isInPrefix(address, prefixLength)) return true;
    }
    return false;
  }
}

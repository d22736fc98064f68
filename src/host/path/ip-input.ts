/**
 * Datagrams on their way in: checks by RFC 1122 section 3.2.1 and RFC 8200, reassembly, then ICMP and TCP. Datagrams with
 * IPv4 options are processed (source routes are accepted or dropped, all other options ignored, RFC 9293 MUST-50), and so are
 * those with extension headers.
 */
import {
  DropReason,
  type EthernetHeader,
  EtherType,
  findSourceRoute,
  ICMPV6_MAXIMUM_QUOTATION,
  IpAddress,
  IpPacket,
  IpProtocol,
  isCompleted,
  ParameterProblemCode,
  parseIp,
  readIpv6,
  returnRoute,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { Reassembler } from './reassembly.ts';

/** Where datagrams for us go. `frame` may be kept: frames are never reused. The packet is reused. */
export interface IpReceiver {
  /** `checksumValid`: the adapter vouches for the TCP checksum. */
  tcpArrives(frame: Uint8Array, packet: IpPacket, checksumValid: boolean): void;
  icmpv4Arrives(frame: Uint8Array, packet: IpPacket): void;
  icmpv6Arrives(frame: Uint8Array, packet: IpPacket, ethernet: EthernetHeader, wasFragmented: boolean): void;
  /** A datagram was dropped, and its sender is owed a "parameter problem" (RFC 4443 section 3.4). */
  parameterProblem(frame: Uint8Array, offset: number, packet: IpPacket, code: number, pointer: number): void;
  /** Reassembly was given up: the start of the first fragment, from its IP header on. */
  reassemblyTimedOut(family: 4 | 6, quotation: Uint8Array): void;
}

/** IPv4 header with all options and 8 bytes: what an error about a fragment quotes. */
const IPV4_QUOTATION = 68;

export class IpInput {
  private readonly core: HostCore;
  private readonly acceptsSourceRoutes: boolean;
  private readonly receiver: IpReceiver;
  private readonly packet = new IpPacket();
  readonly reassemblyIpv4: Reassembler;
  readonly reassemblyIpv6: Reassembler;

  constructor(core: HostCore, acceptsSourceRoutes: boolean, receiver: IpReceiver) {
    this.core = core;
    this.acceptsSourceRoutes = acceptsSourceRoutes;
    this.receiver = receiver;
    this.reassemblyIpv4 = new Reassembler(core, 4, IPV4_QUOTATION, (quotation) =>
      receiver.reassemblyTimedOut(4, quotation),
    );
    this.reassemblyIpv6 = new Reassembler(core, 6, ICMPV6_MAXIMUM_QUOTATION, (quotation) =>
      receiver.reassemblyTimedOut(6, quotation),
    );
  }

  /** One frame whose Ethernet header says IPv4 or IPv6; `checksumValid` when the adapter vouches for a TCP checksum. */
  arrives(frame: Uint8Array, ethernet: EthernetHeader, checksumValid: boolean): void {
    const { payloadOffset, payloadLength } = ethernet;
    this.process(frame, payloadOffset, payloadLength, ethernet, checksumValid, false);
  }

  /** Stops all timers and forgets all fragments. */
  clear(): void {
    this.reassemblyIpv4.clear();
    this.reassemblyIpv6.clear();
  }

  private process(
    frame: Uint8Array,
    offset: number,
    length: number,
    ethernet: EthernetHeader,
    checksumValid: boolean,
    wasFragmented: boolean,
  ): void {
    const { packet, core, receiver } = this;
    const { etherType } = ethernet;
    // Without an address of the family nothing of it is for us.
    if (etherType === EtherType.IPV6 && !core.interface.has(6)) {
      core.drops.count(DropReason.ETHERNET_TYPE);
      return;
    }
    let reason = parseIp(frame, offset, length, etherType, packet);
    if (reason === DropReason.NONE) {
      reason = packet.family === 4 ? this.checkIpv4(ethernet) : this.checkIpv6(ethernet);
    } else if (etherType === EtherType.IPV6 && packet.ipv6.problemCode !== ParameterProblemCode.NONE) {
      readIpv6(packet.ipv6, packet);
      if (this.checkIpv6(ethernet) === DropReason.NONE) this.complain(frame, offset);
    }
    if (reason !== DropReason.NONE) {
      core.drops.count(reason);
      return;
    }
    if (packet.hasOptions && packet.family === 4 && !this.acceptRoute(frame, offset)) {
      core.drops.count(DropReason.IPV4_SOURCE_ROUTE);
      return;
    }
    if (packet.isFragment) {
      this.fragment(frame, offset, ethernet);
      return;
    }
    if (packet.protocol === IpProtocol.TCP) receiver.tcpArrives(frame, packet, checksumValid && !wasFragmented);
    else if (packet.family === 4) this.toIcmpv4(frame);
    else this.toIcmpv6(frame, offset, ethernet, wasFragmented);
  }

  /**
   * A source route may not be accepted here: it leads answers to whoever forged the source address (RFC 7126 section 4.3). One
   * that is not completed goes on to somebody else, and we are no router.
   */
  private acceptRoute(frame: Uint8Array, offset: number): boolean {
    const { packet } = this;
    const option = findSourceRoute(frame, offset, packet.ipv4.headerLength);
    if (option < 0) return true;
    if (!this.acceptsSourceRoutes || !isCompleted(frame, option)) return false;
    packet.returnRoute = returnRoute(frame, option);
    return true;
  }

  /** A fragment may complete its datagram, which then arrives like any other. */
  private fragment(frame: Uint8Array, offset: number, ethernet: EthernetHeader): void {
    const { packet, core } = this;
    const reassembly = packet.family === 4 ? this.reassemblyIpv4 : this.reassemblyIpv6;
    const { reason, frame: whole } = reassembly.add(frame, offset, packet);
    core.drops.count(reason);
    if (reason === DropReason.IPV6_FRAGMENT) this.complain(frame, offset);
    if (whole === null) return;
    core.statistics.datagramsReassembled++;
    this.process(whole, offset, whole.length - offset, ethernet, false, true);
  }

  private toIcmpv4(frame: Uint8Array): void {
    const { packet } = this;
    if (packet.protocol === IpProtocol.ICMPV4) this.receiver.icmpv4Arrives(frame, packet);
    else this.core.drops.count(DropReason.IPV4_PROTOCOL);
  }

  private toIcmpv6(frame: Uint8Array, offset: number, ethernet: EthernetHeader, wasFragmented: boolean): void {
    const { packet } = this;
    if (packet.protocol === IpProtocol.ICMPV6) {
      this.receiver.icmpv6Arrives(frame, packet, ethernet, wasFragmented || packet.ipv6.fragmentHeader !== 0);
      return;
    }
    this.core.drops.count(DropReason.IPV6_PROTOCOL);
    // RFC 8200 section 4: the header that names the protocol is the problem. After reassembly it is not where it was.
    if (wasFragmented) return;
    packet.ipv6.problemCode = ParameterProblemCode.UNRECOGNIZED_NEXT_HEADER;
    this.complain(frame, offset);
  }

  private complain(frame: Uint8Array, offset: number): void {
    const { packet } = this;
    const { problemCode, problemPointer, problemToGroups } = packet.ipv6;
    const toGroup = packet.destination0 >>> 24 === 0xff;
    if (toGroup && !(problemToGroups && problemCode === ParameterProblemCode.UNRECOGNIZED_OPTION)) return;
    this.receiver.parameterProblem(frame, offset, packet, problemCode, problemPointer);
  }

  private checkIpv4(ethernet: EthernetHeader): DropReason {
    const { packet, core } = this;
    // A datagram for us that came as a link broadcast is somebody's mistake or attack (RFC 1122 section 3.3.6); so is one for a
    // broadcast or multicast address, or from one (RFC 9293 section 3.9.2.3, MUST-57, MUST-63).
    if (!core.interface.isOwnDestination(packet) || ethernet.isMulticast) return DropReason.IPV4_DESTINATION;
    const first = packet.source0 >>> 24;
    const isHost = first !== 0 && first !== 127 && first < 224 && packet.source0 !== IpAddress.BROADCAST_IPV4.word0;
    return isHost && !core.interface.isOwnSource(packet) ? DropReason.NONE : DropReason.IPV4_SOURCE;
  }

  private checkIpv6(ethernet: EthernetHeader): DropReason {
    const { packet, core } = this;
    const isGroup = packet.destination0 >>> 24 === 0xff;
    if (isGroup ? !this.isOurGroup() : !core.interface.isOwnDestination(packet) || ethernet.isMulticast) {
      // A tentative address hears of Neighbor Discovery by its group only (RFC 4862 section 5.4).
      return DropReason.IPV6_DESTINATION;
    }
    // Only Neighbor Discovery comes from nowhere, and never anything from a group or from ourselves (RFC 4291 section 2.7).
    if (packet.source0 >>> 24 === 0xff || core.interface.isOwnSource(packet)) return DropReason.IPV6_SOURCE;
    const high = packet.source0 | packet.source1 | packet.source2;
    if (high === 0 && packet.source3 === 1) return DropReason.IPV6_SOURCE;
    if ((high | packet.source3) === 0 && packet.protocol !== IpProtocol.ICMPV6) return DropReason.IPV6_SOURCE;
    return isGroup && packet.protocol === IpProtocol.TCP ? DropReason.IPV6_DESTINATION : DropReason.NONE;
  }

  /** All nodes, or the group of solicitations for one of our addresses, tentative ones included. */
  private isOurGroup(): boolean {
    const { packet, core } = this;
    if (packet.destination0 >>> 0 !== 0xff020000 || packet.destination1 !== 0) return false;
    if (packet.destination2 === 0) return packet.destination3 === 1;
    if (packet.destination2 !== 1 || packet.destination3 >>> 24 !== 0xff) return false;
    for (const { address } of core.interface.addresses) {
      if (address.family === 6 && ((address.word3 ^ packet.destination3) & 0xffffff) === 0) return true;
    }
    return false;
  }
}

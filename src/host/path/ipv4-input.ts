/**
 * Datagrams on their way in: checks by RFC 1122 section 3.2.1, then ICMP and TCP. Datagrams with IP options are
 * processed (the options themselves are ignored, RFC 7126 would have most of them dropped). Fragments are counted and
 * dropped: this stack does not reassemble, and its peers learn the path MTU.
 */
import { DropReason, type EthernetHeader, IpAddress, IpProtocol, Ipv4Header, parseIpv4 } from '../../wire/index.ts';
import type { HostCore } from '../core.ts';

/** Where datagrams for us go. `frame` may be kept: frames are never reused. */
export interface Ipv4Receiver {
  tcpArrives(frame: Uint8Array, ip: Ipv4Header, checksumValid: boolean): void;
  icmpArrives(frame: Uint8Array, ip: Ipv4Header): void;
}

export class Ipv4Input {
  private readonly core: HostCore;
  private readonly receiver: Ipv4Receiver;
  private readonly header = new Ipv4Header();

  constructor(core: HostCore, receiver: Ipv4Receiver) {
    this.core = core;
    this.receiver = receiver;
  }

  /** One frame whose Ethernet header says IPv4; `checksumValid` when the adapter vouches for a TCP checksum. */
  arrives(frame: Uint8Array, ethernet: EthernetHeader, checksumValid: boolean): void {
    const ip = this.header;
    const reason = parseIpv4(frame, ethernet.payloadOffset, ethernet.payloadLength, ip);
    const dropped = reason !== DropReason.NONE ? reason : this.check(ip, ethernet);
    if (dropped !== DropReason.NONE) {
      this.core.drops.count(dropped);
      return;
    }
    if (ip.protocol === IpProtocol.TCP) this.receiver.tcpArrives(frame, ip, checksumValid);
    else this.receiver.icmpArrives(frame, ip);
  }

  private check(ip: Ipv4Header, ethernet: EthernetHeader): DropReason {
    const { address } = this.core.interface;
    // A datagram for us that came as a link broadcast is somebody's mistake or attack (RFC 1122 section 3.3.6).
    if (ip.destination !== address.word0 || ethernet.isMulticast) return DropReason.IPV4_DESTINATION;
    if (!isSource(ip.source, address.word0)) return DropReason.IPV4_SOURCE;
    if (ip.isFragment) return DropReason.IPV4_FRAGMENT;
    if (ip.protocol !== IpProtocol.TCP && ip.protocol !== IpProtocol.ICMPV4) return DropReason.IPV4_PROTOCOL;
    return DropReason.NONE;
  }
}

/** Whether an address can be that of another host: not a group, not class E or broadcast, loopback, 0/8 or our own. */
function isSource(source: number, own: number): boolean {
  const first = source >>> 24;
  return source !== own && first !== 0 && first !== 127 && first < 224 && source !== IpAddress.BROADCAST_IPV4.word0;
}

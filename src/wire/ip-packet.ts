/** A received datagram of either family, with what everything above IP wants to know of it. */

import { DropReason } from './drop-reason.ts';
import { EtherType } from './ethernet.ts';
import { type AddressFamily, IpAddress } from './ip-address.ts';
import { Ipv4Header, parseIpv4 } from './ipv4.ts';
import { Ipv6Header, parseIpv6 } from './ipv6.ts';
import type { SourceRoute } from './source-route.ts';
import { foldSum } from './sum.ts';

/** One reusable object, all fields primitive but for the two headers that it was read from. */
export class IpPacket {
  family: AddressFamily = 4;
  /** Source address, int32 words; IPv4 has the first alone, and zeros. */
  source0 = 0;
  source1 = 0;
  source2 = 0;
  source3 = 0;
  /** Destination address, int32 words. */
  destination0 = 0;
  destination1 = 0;
  destination2 = 0;
  destination3 = 0;
  /** Upper-layer protocol, see `IpProtocol`. */
  protocol = 0;
  /** DSCP and ECN: type of service or traffic class. */
  trafficClass = 0;
  /** Time to live or hop limit. */
  hopLimit = 0;
  /** IPv4 options, or IPv6 extension headers: not for an offload target (NSP-02). */
  hasOptions = false;
  isFragment = false;
  /** The way back by the source route that the packet came by; the receiver of packets sets it where it accepts routes. */
  returnRoute: SourceRoute | null = null;
  /** Header and payload, bytes. */
  totalLength = 0;
  /** Where the payload starts in the buffer that was parsed, bytes. */
  payloadOffset = 0;
  /** Payload bytes, without link-layer padding. */
  payloadLength = 0;
  /** What an IPv4 packet was read from. */
  readonly ipv4 = new Ipv4Header();
  /** What an IPv6 packet was read from. */
  readonly ipv6 = new Ipv6Header();

  /** The source address as an object of its own. */
  get source(): IpAddress {
    return IpAddress.fromWords(this.family, this.source0, this.source1, this.source2, this.source3);
  }

  /** The destination address as an object of its own. */
  get destination(): IpAddress {
    return IpAddress.fromWords(this.family, this.destination0, this.destination1, this.destination2, this.destination3);
  }

  /** Whether the packet comes from exactly this address. */
  isFrom(address: IpAddress): boolean {
    return (
      this.source0 === address.word0 &&
      this.source3 === address.word3 &&
      this.source2 === address.word2 &&
      this.source1 === address.word1 &&
      this.family === address.family
    );
  }

  /** Whether the packet goes to exactly this address. */
  isTo(address: IpAddress): boolean {
    return (
      this.destination0 === address.word0 &&
      this.destination3 === address.word3 &&
      this.destination2 === address.word2 &&
      this.destination1 === address.word1 &&
      this.family === address.family
    );
  }

  /** The partial sum of the pseudo header for `length` bytes of `protocol` (RFC 9293 section 3.1, RFC 8200 section 8.1). */
  pseudoHeaderSum(protocol: number, length: number): number {
    let sum = halves(this.source0) + halves(this.destination0) + protocol + (length >>> 16) + (length & 0xffff);
    if (this.family === 6) {
      sum += halves(this.source1) + halves(this.source2) + halves(this.source3);
      sum += halves(this.destination1) + halves(this.destination2) + halves(this.destination3);
    }
    return foldSum(sum);
  }
}

function halves(word: number): number {
  return (word >>> 16) + (word & 0xffff);
}

/**
 * Parses the datagram at `offset` of a frame whose EtherType is that of IPv4 or IPv6; for any other the answer is
 * `ETHERNET_TYPE`. `into` is complete only when the result is `DropReason.NONE`.
 */
export function parseIp(
  buffer: Uint8Array,
  offset: number,
  length: number,
  etherType: number,
  into: IpPacket,
): DropReason {
  if (etherType === EtherType.IPV4) {
    const reason = parseIpv4(buffer, offset, length, into.ipv4);
    if (reason === DropReason.NONE) readIpv4(into.ipv4, into);
    return reason;
  }
  if (etherType !== EtherType.IPV6) return DropReason.ETHERNET_TYPE;
  const reason = parseIpv6(buffer, offset, length, into.ipv6);
  if (reason === DropReason.NONE) readIpv6(into.ipv6, into);
  return reason;
}

function readIpv4(header: Ipv4Header, into: IpPacket): void {
  into.family = 4;
  into.source0 = header.source;
  into.source1 = 0;
  into.source2 = 0;
  into.source3 = 0;
  into.destination0 = header.destination;
  into.destination1 = 0;
  into.destination2 = 0;
  into.destination3 = 0;
  into.protocol = header.protocol;
  into.trafficClass = header.typeOfService;
  into.hopLimit = header.ttl;
  into.hasOptions = header.hasOptions;
  into.isFragment = header.isFragment;
  into.returnRoute = null;
  into.totalLength = header.totalLength;
  into.payloadOffset = header.payloadOffset;
  into.payloadLength = header.payloadLength;
}

/** Fills a packet from an IPv6 header that was parsed, whatever became of its extension headers. */
export function readIpv6(header: Ipv6Header, into: IpPacket): void {
  into.family = 6;
  into.source0 = header.source0;
  into.source1 = header.source1;
  into.source2 = header.source2;
  into.source3 = header.source3;
  into.destination0 = header.destination0;
  into.destination1 = header.destination1;
  into.destination2 = header.destination2;
  into.destination3 = header.destination3;
  into.protocol = header.protocol;
  into.trafficClass = header.trafficClass;
  into.hopLimit = header.hopLimit;
  into.hasOptions = header.hasExtensions;
  into.isFragment = header.isFragment;
  into.returnRoute = null;
  into.totalLength = header.totalLength;
  into.payloadOffset = header.payloadOffset;
  into.payloadLength = header.payloadLength;
}

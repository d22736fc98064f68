/** The IP header of either family around injected packets, and what is read of it from sent ones. */
import {
  DropReason,
  EtherType,
  IPV4_HEADER_LENGTH,
  IPV6_HEADER_LENGTH,
  type IpAddress,
  Ipv4Header,
  Ipv6Header,
  parseIpv4,
  parseIpv6,
  writeIpv4,
  writeIpv6,
} from '../wire/index.ts';
import type { IpAnnotation } from './script.ts';

/** Time to live of injected packets that do not say theirs. */
const TIME_TO_LIVE = 255;

/** Bytes of the IP header between two addresses. */
export function ipHeaderLength(address: IpAddress): number {
  return address.family === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH;
}

/** The Ethernet type of an address's family. */
export function etherTypeOf(address: IpAddress): number {
  return address.family === 4 ? EtherType.IPV4 : EtherType.IPV6;
}

/** Writes the header at `offset` for `payloadLength` bytes behind it. */
export function writeIpHeader(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  payloadLength: number,
  annotation: IpAnnotation,
): void {
  const ecn = annotation.ecn === 'ect' ? 2 : (annotation.ecn ?? 0);
  const typeOfService = annotation.typeOfService ?? ecn;
  const timeToLive = annotation.timeToLive ?? TIME_TO_LIVE;
  if (source.family === 4) {
    const ip = new Ipv4Header();
    ip.source = source.word0;
    ip.destination = destination.word0;
    ip.typeOfService = typeOfService;
    ip.ttl = timeToLive;
    ip.protocol = protocol;
    ip.dontFragment = true;
    ip.totalLength = IPV4_HEADER_LENGTH + payloadLength;
    writeIpv4(ip, buffer, offset);
    return;
  }
  const ip = new Ipv6Header();
  ip.source0 = source.word0;
  ip.source1 = source.word1;
  ip.source2 = source.word2;
  ip.source3 = source.word3;
  ip.destination0 = destination.word0;
  ip.destination1 = destination.word1;
  ip.destination2 = destination.word2;
  ip.destination3 = destination.word3;
  ip.trafficClass = typeOfService;
  ip.flowLabel = annotation.flowLabel ?? 0;
  ip.hopLimit = timeToLive;
  ip.protocol = protocol;
  ip.bodyLength = payloadLength;
  writeIpv6(ip, buffer, offset);
}

/** What a sent packet's IP header says. */
export interface SentIpHeader {
  readonly protocol: number;
  readonly typeOfService: number;
  readonly timeToLive: number;
  readonly flowLabel: number;
  readonly payloadOffset: number;
  readonly payloadLength: number;
}

/** Reads the IP header at `offset`; null when the frame is of neither family. @throws Error when it is malformed */
export function readIpHeader(
  frame: Uint8Array,
  offset: number,
  length: number,
  etherType: number,
): SentIpHeader | null {
  if (etherType === EtherType.IPV4) {
    const ip = new Ipv4Header();
    if (parseIpv4(frame, offset, length, ip) !== DropReason.NONE) throw new Error('a malformed IPv4 header was sent');
    const { protocol, typeOfService, ttl, payloadOffset, payloadLength } = ip;
    return { protocol, typeOfService, timeToLive: ttl, flowLabel: 0, payloadOffset, payloadLength };
  }
  if (etherType !== EtherType.IPV6) return null;
  const ip = new Ipv6Header();
  if (parseIpv6(frame, offset, length, ip) !== DropReason.NONE) throw new Error('a malformed IPv6 header was sent');
  const { protocol, trafficClass, hopLimit, flowLabel, payloadOffset, payloadLength } = ip;
  return { protocol, typeOfService: trafficClass, timeToLive: hopLimit, flowLabel, payloadOffset, payloadLength };
}

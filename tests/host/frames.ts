/** Frames that tests let others send to a host: IPv6, ICMPv6, Neighbor Discovery, fragments. */
import {
  ARP_LENGTH,
  ArpPacket,
  DropReason,
  ETHERNET_HEADER_LENGTH,
  EthernetHeader,
  EtherType,
  finishIcmpv6Checksum,
  ICMPV4_HEADER_LENGTH,
  IPV4_HEADER_LENGTH,
  IPV6_HEADER_LENGTH,
  IpAddress,
  IpPacket,
  IpProtocol,
  Ipv4Header,
  Ipv6Header,
  MacAddress,
  multicastMacAddress,
  NDP_HOP_LIMIT,
  parseEthernet,
  parseIp,
  setIpv6Addresses,
  writeArp,
  writeEthernet,
  writeIcmpv4Error,
  writeIpv4,
  writeIpv6,
} from '../../src/wire/index.ts';
import type { TestHost } from './world.ts';

export const ROUTER = ip('10.0.0.254');
export const ROUTER_MAC = MacAddress.fromWords(0x0200, 0xfe);

export const BODY = 14 + IPV6_HEADER_LENGTH;

/** An address, written as text. */
export function ip(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

/** Who a frame is from and to. */
export interface Way {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly macSource?: MacAddress;
  /** By default the group's, for a group. */
  readonly macDestination?: MacAddress;
  readonly hopLimit?: number;
}

/** An IPv6 frame with this body behind its header; `next` is the Next Header. */
export function ipv6Frame(way: Way, next: number, body: Uint8Array): Uint8Array {
  const { source, destination, macSource = MacAddress.fromWords(0x0200, 0xfe), hopLimit = 64 } = way;
  const to = way.macDestination ?? multicastMacAddress(destination);
  const frame = new Uint8Array(BODY + body.length);
  writeEthernet(frame, 0, to.bytes, macSource.bytes, EtherType.IPV6, 0, 0);
  const header = new Ipv6Header();
  setIpv6Addresses(header, source, destination);
  Object.assign(header, { protocol: next, hopLimit, bodyLength: body.length });
  writeIpv6(header, frame, 14);
  frame.set(body, BODY);
  return frame;
}

/** An ICMPv6 frame: `write` puts the message into the buffer at the offset and says how long it is. */
export function icmpv6(way: Way, write: (buffer: Uint8Array, offset: number) => number): Uint8Array {
  const buffer = new Uint8Array(2000);
  const length = write(buffer, 0);
  finishIcmpv6Checksum(buffer, 0, length, way.source, way.destination);
  return ipv6Frame(way, IpProtocol.ICMPV6, buffer.subarray(0, length));
}

/** A Neighbor Discovery frame: as `icmpv6`, with hop limit 255. */
export function ndp(way: Way, write: (buffer: Uint8Array, offset: number) => number): Uint8Array {
  return icmpv6({ hopLimit: NDP_HOP_LIMIT, ...way }, write);
}

/** The datagram in a frame, or null when there is none that can be parsed. */
export function packetOf(frame: Uint8Array): IpPacket | null {
  const ethernet = new EthernetHeader();
  const packet = new IpPacket();
  if (parseEthernet(frame, 0, frame.length, ethernet) !== DropReason.NONE) return null;
  const { payloadOffset, payloadLength, etherType } = ethernet;
  return parseIp(frame, payloadOffset, payloadLength, etherType, packet) === DropReason.NONE ? packet : null;
}

/** A frame from anywhere to a host: an IP datagram with this payload. */
export function datagram(to: TestHost, source: IpAddress, protocol: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER_LENGTH + IPV4_HEADER_LENGTH + payload.length);
  writeEthernet(frame, 0, to.adapter.macAddress.bytes, ROUTER_MAC.bytes, EtherType.IPV4, 0, 0);
  const ip = new Ipv4Header();
  ip.source = source.word0;
  ip.destination = to.address.word0;
  ip.protocol = protocol;
  ip.totalLength = IPV4_HEADER_LENGTH + payload.length;
  writeIpv4(ip, frame, ETHERNET_HEADER_LENGTH);
  frame.set(payload, ETHERNET_HEADER_LENGTH + IPV4_HEADER_LENGTH);
  return frame;
}

/** What a router says about a frame that a host sent. */
export function icmpAbout(to: TestHost, frame: Uint8Array, type: number, code: number, mtu: number): Uint8Array {
  const headerLength = (frame[ETHERNET_HEADER_LENGTH] & 15) << 2;
  const quoted = frame.slice(ETHERNET_HEADER_LENGTH, ETHERNET_HEADER_LENGTH + headerLength + 8);
  const message = new Uint8Array(ICMPV4_HEADER_LENGTH + quoted.length);
  writeIcmpv4Error(message, 0, type, code, mtu, quoted);
  return datagram(to, ROUTER, IpProtocol.ICMPV4, message);
}

/** An ARP packet to a host. */
export function arp(operation: number, sender: MacAddress, senderAddress: IpAddress, to: TestHost): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER_LENGTH + ARP_LENGTH);
  writeEthernet(frame, 0, to.adapter.macAddress.bytes, sender.bytes, EtherType.ARP, 0, 0);
  const packet = new ArpPacket();
  packet.operation = operation;
  packet.senderMacHigh = sender.high;
  packet.senderMacLow = sender.low;
  packet.senderAddress = senderAddress.word0;
  packet.targetAddress = to.address.word0;
  writeArp(packet, frame, ETHERNET_HEADER_LENGTH);
  return frame;
}

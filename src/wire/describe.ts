/** Frames in one line of text, much as tcpdump prints them: for traces and for the messages of failing tests. */

import { ArpOperation, ArpPacket, parseArp } from './arp.ts';
import { pseudoHeaderSumIpv4 } from './checksum.ts';
import { DropReason, dropReasonName } from './drop-reason.ts';
import { EthernetHeader, EtherType, parseEthernet } from './ethernet.ts';
import { EmbeddedSegment, Icmpv4Message, Icmpv4Type, parseEmbeddedSegment, parseIcmpv4 } from './icmpv4.ts';
import { Icmpv6EmbeddedSegment, Icmpv6Message, Icmpv6Type, parseIcmpv6, parseIcmpv6EmbeddedSegment } from './icmpv6.ts';
import { formatIpv4, IpAddress } from './ip-address.ts';
import { IpPacket, parseIp } from './ip-packet.ts';
import { IpProtocol, Ipv4Header, parseIpv4 } from './ipv4.ts';
import { MacAddress } from './mac-address.ts';
import { NdpMessage, NeighborFlag, parseNdp } from './ndp.ts';
import { parseTcp, verifyTcpChecksum } from './tcp.ts';
import { TcpFlag, TcpHeader } from './tcp-header.ts';

/** The flag letters in tcpdump's order; ACK is a dot. */
const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [TcpFlag.FIN, 'F'],
  [TcpFlag.SYN, 'S'],
  [TcpFlag.RST, 'R'],
  [TcpFlag.PSH, 'P'],
  [TcpFlag.ACK, '.'],
  [TcpFlag.URG, 'U'],
  [TcpFlag.ECE, 'E'],
  [TcpFlag.CWR, 'W'],
];

/**
 * One line about a frame: `10.0.0.1.4242 > 10.0.0.2.80: Flags [S], seq 1, win 65535, options [mss 1460], length 0`. Never
 * throws; a frame that cannot be parsed is described up to there, with the reason in square brackets.
 */
export function describeFrame(frame: Uint8Array): string {
  const ethernet = new EthernetHeader();
  const reason = parseEthernet(frame, 0, frame.length, ethernet);
  if (reason !== DropReason.NONE) return `[${dropReasonName(reason)}] ${frame.length} bytes`;
  const { vlanId, priority, payloadOffset, payloadLength } = ethernet;
  const tag = vlanId < 0 ? '' : `vlan ${vlanId} p ${priority}, `;
  switch (ethernet.etherType) {
    case EtherType.IPV4:
      return tag + describeIpv4(frame, payloadOffset, payloadLength);
    case EtherType.IPV6:
      return tag + describeIpv6(frame, payloadOffset, payloadLength);
    case EtherType.ARP:
      return tag + describeArp(frame, payloadOffset, payloadLength);
    default: {
      const source = MacAddress.fromWords(ethernet.sourceHigh, ethernet.sourceLow);
      const destination = MacAddress.fromWords(ethernet.destinationHigh, ethernet.destinationLow);
      const etherType = ethernet.etherType.toString(16).padStart(4, '0');
      return `${tag}${source} > ${destination}: ethertype 0x${etherType}, length ${payloadLength}`;
    }
  }
}

function describeArp(frame: Uint8Array, offset: number, length: number): string {
  const arp = new ArpPacket();
  const reason = parseArp(frame, offset, length, arp);
  if (reason !== DropReason.NONE) return `ARP [${dropReasonName(reason)}]`;
  const sender = formatIpv4(arp.senderAddress);
  if (arp.operation === ArpOperation.REPLY) {
    return `ARP, Reply ${sender} is-at ${MacAddress.fromWords(arp.senderMacHigh, arp.senderMacLow)}`;
  }
  return `ARP, Request who-has ${formatIpv4(arp.targetAddress)} tell ${sender}`;
}

function describeIpv4(frame: Uint8Array, offset: number, length: number): string {
  const ip = new Ipv4Header();
  const reason = parseIpv4(frame, offset, length, ip);
  if (reason !== DropReason.NONE) return `IPv4 [${dropReasonName(reason)}]`;
  const hosts = `${formatIpv4(ip.source)} > ${formatIpv4(ip.destination)}`;
  if (!ip.isFragment && ip.protocol === IpProtocol.TCP) {
    const pseudoHeader = pseudoHeaderSumIpv4(ip.source, ip.destination, IpProtocol.TCP, ip.payloadLength);
    const { payloadOffset, payloadLength } = ip;
    return describeTcp(
      frame,
      payloadOffset,
      payloadLength,
      formatIpv4(ip.source),
      formatIpv4(ip.destination),
      pseudoHeader,
    );
  }
  if (ip.isFragment) {
    const range = `${ip.identification}:${ip.payloadLength}@${ip.fragmentOffset}${ip.moreFragments ? '+' : ''}`;
    return `${hosts}: ip-proto-${ip.protocol} fragment ${range}`;
  }
  if (ip.protocol === IpProtocol.ICMPV4) return `${hosts}: ${describeIcmp(frame, ip)}`;
  return `${hosts}: ip-proto-${ip.protocol}, length ${ip.payloadLength}`;
}

function describeIcmp(frame: Uint8Array, ip: Ipv4Header): string {
  const message = new Icmpv4Message();
  const reason = parseIcmpv4(frame, ip.payloadOffset, ip.payloadLength, message);
  if (reason !== DropReason.NONE) return `ICMP [${dropReasonName(reason)}]`;
  const echo = `id ${message.identifier}, seq ${message.sequence}, length ${message.payloadLength}`;
  if (message.type === Icmpv4Type.ECHO_REQUEST) return `ICMP echo request, ${echo}`;
  if (message.type === Icmpv4Type.ECHO_REPLY) return `ICMP echo reply, ${echo}`;
  if (!message.isError) return `ICMP type ${message.type} code ${message.code}`;
  let kind = `type ${message.type} code ${message.code}`;
  if (message.isFragmentationNeeded) kind = `fragmentation needed, mtu ${message.nextHopMtu}`;
  else if (message.type === Icmpv4Type.DESTINATION_UNREACHABLE) kind = `unreachable code ${message.code}`;
  else if (message.type === Icmpv4Type.TIME_EXCEEDED) kind = `time exceeded code ${message.code}`;
  return `ICMP ${kind}${describeEmbedded(frame, message)}`;
}

function describeEmbedded(frame: Uint8Array, message: Icmpv4Message): string {
  const segment = new EmbeddedSegment();
  const reason = parseEmbeddedSegment(frame, message.payloadOffset, message.payloadLength, segment);
  if (reason !== DropReason.NONE) return ` [${dropReasonName(reason)}]`;
  const { ip, sourcePort, destinationPort, sequence } = segment;
  const source = formatIpv4(ip.source);
  const destination = formatIpv4(ip.destination);
  if (ip.protocol !== IpProtocol.TCP) return `, about ${source} > ${destination}: ip-proto-${ip.protocol}`;
  return `, about ${source}.${sourcePort} > ${destination}.${destinationPort}: seq ${sequence >>> 0}`;
}

function describeIpv6(frame: Uint8Array, offset: number, length: number): string {
  const packet = new IpPacket();
  const reason = parseIp(frame, offset, length, EtherType.IPV6, packet);
  if (reason !== DropReason.NONE) return `IPv6 [${dropReasonName(reason)}]`;
  const source = packet.source.toString();
  const destination = packet.destination.toString();
  const { protocol, payloadOffset, payloadLength } = packet;
  const hosts = `${source} > ${destination}`;
  if (packet.isFragment) {
    const { identification, fragmentOffset, moreFragments } = packet.ipv6;
    const range = `${identification >>> 0}:${payloadLength}@${fragmentOffset}${moreFragments ? '+' : ''}`;
    return `${hosts}: ip-proto-${protocol} fragment ${range}`;
  }
  const pseudoHeader = packet.pseudoHeaderSum(protocol, payloadLength);
  if (protocol === IpProtocol.TCP) {
    return describeTcp(frame, payloadOffset, payloadLength, source, destination, pseudoHeader);
  }
  if (protocol !== IpProtocol.ICMPV6) return `${hosts}: ip-proto-${protocol}, length ${payloadLength}`;
  return `${hosts}: ${describeIcmpv6(frame, payloadOffset, payloadLength, pseudoHeader)}`;
}

function describeIcmpv6(frame: Uint8Array, offset: number, length: number, pseudoHeader: number): string {
  const message = new Icmpv6Message();
  const reason = parseIcmpv6(frame, offset, length, pseudoHeader, message);
  if (reason !== DropReason.NONE) return `ICMP6 [${dropReasonName(reason)}]`;
  const { type, code } = message;
  const echo = `id ${message.identifier}, seq ${message.sequence}, length ${message.payloadLength}`;
  if (type === Icmpv6Type.ECHO_REQUEST) return `ICMP6 echo request, ${echo}`;
  if (type === Icmpv6Type.ECHO_REPLY) return `ICMP6 echo reply, ${echo}`;
  if (!message.isError) return describeNdp(frame, offset, length) ?? `ICMP6 type ${type} code ${code}`;
  let kind = `type ${type} code ${code}`;
  if (type === Icmpv6Type.PACKET_TOO_BIG) kind = `packet too big, mtu ${message.parameter}`;
  else if (type === Icmpv6Type.DESTINATION_UNREACHABLE) kind = `unreachable code ${code}`;
  else if (type === Icmpv6Type.TIME_EXCEEDED) kind = `time exceeded code ${code}`;
  else if (type === Icmpv6Type.PARAMETER_PROBLEM) kind = `parameter problem code ${code} at ${message.parameter}`;
  return `ICMP6 ${kind}${describeEmbeddedIpv6(frame, message)}`;
}

function describeNdp(frame: Uint8Array, offset: number, length: number): string | null {
  const message = new NdpMessage();
  const reason = parseNdp(frame, offset, length, message);
  if (reason === DropReason.ICMP_TYPE) return null;
  if (reason !== DropReason.NONE) return `NDP [${dropReasonName(reason)}]`;
  const target = message.targetAddress.toString();
  switch (message.type) {
    case Icmpv6Type.NEIGHBOR_SOLICITATION:
      return `NDP, Solicitation who-has ${target}`;
    case Icmpv6Type.NEIGHBOR_ADVERTISEMENT: {
      const mac = message.hasTargetMac
        ? ` is-at ${MacAddress.fromWords(message.targetMacHigh, message.targetMacLow)}`
        : '';
      const bits = [
        [NeighborFlag.ROUTER, 'router'],
        [NeighborFlag.SOLICITED, 'solicited'],
        [NeighborFlag.OVERRIDE, 'override'],
      ] as const;
      const flags = bits.filter(([bit]) => (message.flags & bit) !== 0).map(([, name]) => name);
      return `NDP, Advertisement ${target}${mac} [${flags.join(', ')}]`;
    }
    case Icmpv6Type.ROUTER_SOLICITATION:
      return 'NDP, Router solicitation';
    case Icmpv6Type.ROUTER_ADVERTISEMENT:
      return `NDP, Router advertisement, lifetime ${message.routerLifetime}`;
    default:
      return `NDP, Redirect ${message.destinationAddress} to ${target}`;
  }
}

function describeEmbeddedIpv6(frame: Uint8Array, message: Icmpv6Message): string {
  const segment = new Icmpv6EmbeddedSegment();
  const reason = parseIcmpv6EmbeddedSegment(frame, message.payloadOffset, message.payloadLength, segment);
  if (reason !== DropReason.NONE) return ` [${dropReasonName(reason)}]`;
  const { ip, sourcePort, destinationPort, sequence } = segment;
  const source = IpAddress.fromWords(6, ip.source0, ip.source1, ip.source2, ip.source3);
  const destination = IpAddress.fromWords(6, ip.destination0, ip.destination1, ip.destination2, ip.destination3);
  if (ip.protocol !== IpProtocol.TCP) return `, about ${source} > ${destination}: ip-proto-${ip.protocol}`;
  return `, about ${source}.${sourcePort} > ${destination}.${destinationPort}: seq ${sequence >>> 0}`;
}

function describeTcp(
  frame: Uint8Array,
  offset: number,
  length: number,
  source: string,
  destination: string,
  pseudoHeader: number,
): string {
  const header = new TcpHeader();
  const reason = parseTcp(frame, offset, length, header);
  if (reason !== DropReason.NONE) return `${source} > ${destination}: TCP [${dropReasonName(reason)}]`;
  const isRight = verifyTcpChecksum(frame, offset, length, pseudoHeader);
  const ports = `${source}.${header.sourcePort} > ${destination}.${header.destinationPort}`;
  return `${ports}: ${describeSegment(header)}${isRight ? '' : ' [tcp-checksum]'}`;
}

/** A TCP header in tcpdump's words: `Flags [P.], seq 1:11, ack 7, win 512, length 10`. */
export function describeSegment(header: TcpHeader): string {
  const letters = FLAG_LETTERS.filter(([bit]) => (header.flags & bit) !== 0).map(([, letter]) => letter);
  const parts = [`Flags [${letters.length === 0 ? 'none' : letters.join('')}]`];
  const sequence = header.sequence >>> 0;
  if (header.payloadLength > 0) parts.push(`seq ${sequence}:${(header.sequence + header.payloadLength) >>> 0}`);
  else parts.push(`seq ${sequence}`);
  if ((header.flags & TcpFlag.ACK) !== 0) parts.push(`ack ${header.acknowledgment >>> 0}`);
  parts.push(`win ${header.window}`);
  if ((header.flags & TcpFlag.URG) !== 0) parts.push(`urg ${header.urgentPointer}`);
  const options = describeOptions(header);
  if (options !== '') parts.push(`options [${options}]`);
  parts.push(`length ${header.payloadLength}`);
  return parts.join(', ');
}

function describeOptions(header: TcpHeader): string {
  const options: string[] = [];
  if (header.maximumSegmentSize !== 0) options.push(`mss ${header.maximumSegmentSize}`);
  if (header.sackPermitted) options.push('sackOK');
  if (header.hasTimestamp) options.push(`TS val ${header.timestampValue >>> 0} ecr ${header.timestampEcho >>> 0}`);
  if (header.windowScale >= 0) options.push(`wscale ${header.windowScale}`);
  if (header.sackCount > 0) {
    const blocks: string[] = [];
    for (let index = 0; index < header.sackCount; index += 1) {
      blocks.push(`{${header.sackLeft[index] >>> 0}:${header.sackRight[index] >>> 0}}`);
    }
    options.push(`sack ${header.sackCount} ${blocks.join('')}`);
  }
  return options.join(',');
}

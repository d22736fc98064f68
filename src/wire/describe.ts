/** Frames in one line of text, much as tcpdump prints them: for traces and for the messages of failing tests. */

import { ArpOperation, ArpPacket, parseArp } from './arp.ts';
import { pseudoHeaderSumIpv4 } from './checksum.ts';
import { DropReason, dropReasonName } from './drop-reason.ts';
import { EthernetHeader, EtherType, parseEthernet } from './ethernet.ts';
import { EmbeddedSegment, Icmpv4Message, Icmpv4Type, parseEmbeddedSegment, parseIcmpv4 } from './icmpv4.ts';
import { formatIpv4 } from './ip-address.ts';
import { IpProtocol, Ipv4Header, parseIpv4 } from './ipv4.ts';
import { MacAddress } from './mac-address.ts';
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
  if (!ip.isFragment && ip.protocol === IpProtocol.TCP) return describeTcp(frame, ip);
  const hosts = `${formatIpv4(ip.source)} > ${formatIpv4(ip.destination)}`;
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

function describeTcp(frame: Uint8Array, ip: Ipv4Header): string {
  const header = new TcpHeader();
  const reason = parseTcp(frame, ip.payloadOffset, ip.payloadLength, header);
  const source = formatIpv4(ip.source);
  const destination = formatIpv4(ip.destination);
  if (reason !== DropReason.NONE) return `${source} > ${destination}: TCP [${dropReasonName(reason)}]`;
  const pseudoHeader = pseudoHeaderSumIpv4(ip.source, ip.destination, IpProtocol.TCP, ip.payloadLength);
  const isRight = verifyTcpChecksum(frame, ip.payloadOffset, ip.payloadLength, pseudoHeader);
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

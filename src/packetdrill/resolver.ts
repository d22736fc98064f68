/** Answers of the wire's other end to ARP requests and neighbor solicitations, for whatever address is asked for. */
import {
  ARP_LENGTH,
  ArpOperation,
  ArpPacket,
  DropReason,
  EthernetHeader,
  EtherType,
  Icmpv6Type,
  IPV6_HEADER_LENGTH,
  IpAddress,
  IpProtocol,
  NeighborFlag,
  neighborMessageLength,
  parseArp,
  parseEthernet,
  readInt32,
  writeArp,
  writeEthernet,
  writeNeighborAdvertisement,
} from '../wire/index.ts';
import type { Addressing } from './frames.ts';
import { readIpHeader, writeIpHeader } from './ip-layer.ts';

const LINK_LENGTH = 14;

/** Where the source address and the target of a solicitation stand. */
const IPV6_SOURCE = 8;
const SOLICITATION_TARGET = 8;

/** What a frame is: something that asks for an address, with the answer (null: none is due), or anything else. */
export type Resolution =
  | { readonly isQuestion: false }
  | { readonly isQuestion: true; readonly answer: Uint8Array | null };

const NO_QUESTION: Resolution = { isQuestion: false };

/** Looks at a frame that the stack sent. */
export function resolve(frame: Uint8Array, addressing: Addressing): Resolution {
  const ethernet = new EthernetHeader();
  if (parseEthernet(frame, 0, frame.length, ethernet) !== DropReason.NONE) return NO_QUESTION;
  const { payloadOffset, payloadLength, etherType } = ethernet;
  if (etherType === EtherType.ARP)
    return { isQuestion: true, answer: answerArp(frame, payloadOffset, payloadLength, addressing) };
  if (etherType !== EtherType.IPV6) return NO_QUESTION;
  const ip = readIpHeader(frame, payloadOffset, payloadLength, etherType);
  if (ip === null || ip.protocol !== IpProtocol.ICMPV6) return NO_QUESTION;
  if (frame[ip.payloadOffset] !== Icmpv6Type.NEIGHBOR_SOLICITATION) return { isQuestion: true, answer: null };
  return { isQuestion: true, answer: answerSolicitation(frame, payloadOffset, ip.payloadOffset, addressing) };
}

function answerArp(frame: Uint8Array, offset: number, length: number, addressing: Addressing): Uint8Array | null {
  const request = new ArpPacket();
  if (parseArp(frame, offset, length, request) !== DropReason.NONE) return null;
  const { localAddress, localMac, remoteMac } = addressing;
  if (request.operation !== ArpOperation.REQUEST || request.targetAddress === localAddress.word0) return null;
  const reply = new ArpPacket();
  reply.operation = ArpOperation.REPLY;
  reply.senderMacHigh = remoteMac.high;
  reply.senderMacLow = remoteMac.low;
  reply.senderAddress = request.targetAddress;
  reply.targetMacHigh = request.senderMacHigh;
  reply.targetMacLow = request.senderMacLow;
  reply.targetAddress = request.senderAddress;
  const answer = new Uint8Array(LINK_LENGTH + ARP_LENGTH);
  writeEthernet(answer, 0, localMac.bytes, remoteMac.bytes, EtherType.ARP, 0, 0);
  writeArp(reply, answer, LINK_LENGTH);
  return answer;
}

function answerSolicitation(
  frame: Uint8Array,
  ipAt: number,
  messageAt: number,
  addressing: Addressing,
): Uint8Array | null {
  const asker = addressAt(frame, ipAt + IPV6_SOURCE);
  const target = addressAt(frame, messageAt + SOLICITATION_TARGET);
  // A probe for a duplicate address comes from nobody: the address is the stack's alone.
  if (asker.isUnspecified) return null;
  const { localMac, remoteMac } = addressing;
  const length = neighborMessageLength(true);
  const answer = new Uint8Array(LINK_LENGTH + IPV6_HEADER_LENGTH + length);
  writeEthernet(answer, 0, localMac.bytes, remoteMac.bytes, EtherType.IPV6, 0, 0);
  const annotation = { ecn: null, typeOfService: null, timeToLive: null, flowLabel: null };
  writeIpHeader(answer, LINK_LENGTH, target, asker, IpProtocol.ICMPV6, length, annotation);
  const flags = NeighborFlag.SOLICITED | NeighborFlag.OVERRIDE;
  writeNeighborAdvertisement(answer, LINK_LENGTH + IPV6_HEADER_LENGTH, target, asker, target, flags, remoteMac);
  return answer;
}

function addressAt(buffer: Uint8Array, at: number): IpAddress {
  const word = (index: number): number => readInt32(buffer, at + 4 * index);
  return IpAddress.fromWords(6, word(0), word(1), word(2), word(3));
}

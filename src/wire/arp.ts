/** ARP for IPv4 over Ethernet (RFC 826). */

import { availableBytes, readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';
import { DropReason } from './drop-reason.ts';
import { EtherType } from './ethernet.ts';

/** The operation field of RFC 826. */
export const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;

/** Bytes of an ARP packet for IPv4 over Ethernet. */
export const ARP_LENGTH = 28;

const HARDWARE_ETHERNET = 1;

/** One ARP packet: a reusable object, all fields primitive. */
export class ArpPacket {
  /** `ArpOperation.REQUEST` or `ArpOperation.REPLY`. */
  operation: number = ArpOperation.REQUEST;
  /** First two bytes of the sender's MAC address. */
  senderMacHigh = 0;
  /** Last four bytes of the sender's MAC address, int32. */
  senderMacLow = 0;
  /** The sender's IPv4 address, int32. */
  senderAddress = 0;
  /** First two bytes of the target's MAC address; 0 in a request. */
  targetMacHigh = 0;
  /** Last four bytes of the target's MAC address, int32; 0 in a request. */
  targetMacLow = 0;
  /** The target's IPv4 address, int32. */
  targetAddress = 0;
}

/** Parses the ARP packet at `offset`; bytes after it are Ethernet padding. `into` is complete only on `DropReason.NONE`. */
export function parseArp(buffer: Uint8Array, offset: number, length: number, into: ArpPacket): DropReason {
  if (availableBytes(buffer, offset, length) < ARP_LENGTH) return DropReason.ARP_TRUNCATED;
  if (
    readUint16(buffer, offset) !== HARDWARE_ETHERNET ||
    readUint16(buffer, offset + 2) !== EtherType.IPV4 ||
    buffer[offset + 4] !== 6 ||
    buffer[offset + 5] !== 4
  ) {
    return DropReason.ARP_UNSUPPORTED;
  }
  into.operation = readUint16(buffer, offset + 6);
  into.senderMacHigh = readUint16(buffer, offset + 8);
  into.senderMacLow = readInt32(buffer, offset + 10);
  into.senderAddress = readInt32(buffer, offset + 14);
  into.targetMacHigh = readUint16(buffer, offset + 18);
  into.targetMacLow = readInt32(buffer, offset + 20);
  into.targetAddress = readInt32(buffer, offset + 24);
  if (into.operation !== ArpOperation.REQUEST && into.operation !== ArpOperation.REPLY) {
    return DropReason.ARP_OPERATION;
  }
  return DropReason.NONE;
}

/** Writes the packet and returns its length, `ARP_LENGTH` bytes. */
export function writeArp(packet: ArpPacket, buffer: Uint8Array, offset: number): number {
  writeUint16(buffer, offset, HARDWARE_ETHERNET);
  writeUint16(buffer, offset + 2, EtherType.IPV4);
  buffer[offset + 4] = 6;
  buffer[offset + 5] = 4;
  writeUint16(buffer, offset + 6, packet.operation);
  writeUint16(buffer, offset + 8, packet.senderMacHigh);
  writeInt32(buffer, offset + 10, packet.senderMacLow);
  writeInt32(buffer, offset + 14, packet.senderAddress);
  writeUint16(buffer, offset + 18, packet.targetMacHigh);
  writeInt32(buffer, offset + 20, packet.targetMacLow);
  writeInt32(buffer, offset + 24, packet.targetAddress);
  return ARP_LENGTH;
}

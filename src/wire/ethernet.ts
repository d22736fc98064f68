/** Ethernet II frames with an optional IEEE 802.1Q tag. */

import { availableBytes, readInt32, readUint16, writeUint16 } from './bytes.ts';
import { DropReason } from './drop-reason.ts';

/** EtherType values (IEEE registration authority). */
export const EtherType = {
  IPV4: 0x0800,
  ARP: 0x0806,
  /** 802.1Q tag protocol identifier. */
  VLAN: 0x8100,
  IPV6: 0x86dd,
} as const;

/** Bytes of an untagged Ethernet header. */
export const ETHERNET_HEADER_LENGTH = 14;
/** Bytes that an 802.1Q tag adds. */
export const VLAN_TAG_LENGTH = 4;

/** Below this an EtherType field is an IEEE 802.3 length. */
const MINIMUM_ETHER_TYPE = 0x0600;

/** The parsed header of one frame: one reusable object, all fields primitive. */
export class EthernetHeader {
  /** First two bytes of the destination MAC address, 0…65535. */
  destinationHigh = 0;
  /** Last four bytes of the destination MAC address, int32. */
  destinationLow = 0;
  /** First two bytes of the source MAC address, 0…65535. */
  sourceHigh = 0;
  /** Last four bytes of the source MAC address, int32. */
  sourceLow = 0;
  /** What the payload is, after a tag if there is one. */
  etherType = 0;
  /** VLAN identifier 0…4095; 0 in a priority tag; -1 when the frame is untagged. */
  vlanId = -1;
  /** 802.1p user priority 0…7; 0 when untagged. */
  priority = 0;
  /** Where the payload starts in the buffer, bytes. */
  payloadOffset = 0;
  /** Payload bytes, Ethernet padding included. */
  payloadLength = 0;

  /** Group bit of the destination: multicast or broadcast. */
  get isMulticast(): boolean {
    return (this.destinationHigh & 0x0100) !== 0;
  }

  /** Destination ff:ff:ff:ff:ff:ff. */
  get isBroadcast(): boolean {
    return this.destinationHigh === 0xffff && this.destinationLow === -1;
  }
}

/**
 * Parses the Ethernet header of the frame in `frame[offset … offset + length)` (no frame check sequence).
 *
 * One 802.1Q tag is taken off; a frame with more tags keeps `EtherType.VLAN` and its inner tag as payload. `into` is
 * complete only when the result is `DropReason.NONE`.
 */
export function parseEthernet(frame: Uint8Array, offset: number, length: number, into: EthernetHeader): DropReason {
  const available = availableBytes(frame, offset, length);
  if (available < ETHERNET_HEADER_LENGTH) return DropReason.ETHERNET_TRUNCATED;
  into.destinationHigh = readUint16(frame, offset);
  into.destinationLow = readInt32(frame, offset + 2);
  into.sourceHigh = readUint16(frame, offset + 6);
  into.sourceLow = readInt32(frame, offset + 8);
  let etherType = readUint16(frame, offset + 12);
  let headerLength = ETHERNET_HEADER_LENGTH;
  into.vlanId = -1;
  into.priority = 0;
  if (etherType === EtherType.VLAN) {
    headerLength += VLAN_TAG_LENGTH;
    if (available < headerLength) return DropReason.ETHERNET_TRUNCATED;
    const tag = readUint16(frame, offset + 14);
    into.vlanId = tag & 0x0fff;
    into.priority = tag >>> 13;
    etherType = readUint16(frame, offset + 16);
  }
  into.etherType = etherType;
  into.payloadOffset = offset + headerLength;
  into.payloadLength = available - headerLength;
  return etherType < MINIMUM_ETHER_TYPE ? DropReason.ETHERNET_LENGTH_FIELD : DropReason.NONE;
}

/** Bytes of the header that `writeEthernet` writes: tagged unless both VLAN and priority are 0 (VLAN-08, VLAN-09, VLAN-10). */
export function ethernetHeaderLength(vlanId: number, userPriority: number): number {
  return (vlanId | userPriority) === 0 ? ETHERNET_HEADER_LENGTH : ETHERNET_HEADER_LENGTH + VLAN_TAG_LENGTH;
}

/**
 * Writes an Ethernet header and returns its length in bytes.
 *
 * Without VLAN and priority the frame is untagged (VLAN-08); a priority alone makes a tag of VLAN 0 (VLAN-09); a VLAN makes a
 * tag with the priority, and the CFI bit is always 0 (VLAN-10).
 *
 * @param destination the six bytes of the destination MAC address
 * @param source the six bytes of the source MAC address
 */
export function writeEthernet(
  buffer: Uint8Array,
  offset: number,
  destination: Uint8Array,
  source: Uint8Array,
  etherType: number,
  vlanId: number,
  userPriority: number,
): number {
  for (let index = 0; index < 6; index += 1) {
    buffer[offset + index] = destination[index];
    buffer[offset + 6 + index] = source[index];
  }
  if ((vlanId | userPriority) === 0) {
    writeUint16(buffer, offset + 12, etherType);
    return ETHERNET_HEADER_LENGTH;
  }
  writeUint16(buffer, offset + 12, EtherType.VLAN);
  writeUint16(buffer, offset + 14, ((userPriority & 7) << 13) | (vlanId & 0x0fff));
  writeUint16(buffer, offset + 16, etherType);
  return ETHERNET_HEADER_LENGTH + VLAN_TAG_LENGTH;
}

/** Neighbor Discovery for IPv6: solicitations, advertisements, redirects and their options (RFC 4861). */

import { availableBytes, readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';
import { DropReason } from './drop-reason.ts';
import { finishIcmpv6Checksum, Icmpv6Type } from './icmpv6.ts';
import { IpAddress } from './ip-address.ts';
import type { MacAddress } from './mac-address.ts';

/** Option types (RFC 4861 section 4.6). */
export const NdpOption = {
  SOURCE_LINK_ADDRESS: 1,
  TARGET_LINK_ADDRESS: 2,
  PREFIX_INFORMATION: 3,
  MTU: 5,
} as const;

/** Hop limit of every Neighbor Discovery datagram: no router has forwarded it (RFC 4861 section 3.1). */
export const NDP_HOP_LIMIT = 255;

/** Bytes of each message without options, ICMPv6 header included. */
const NEIGHBOR_LENGTH = 24;
const ROUTER_SOLICITATION_LENGTH = 8;
const ROUTER_ADVERTISEMENT_LENGTH = 16;
const REDIRECT_LENGTH = 40;

const LINK_OPTION_LENGTH = 8;
const PREFIX_OPTION_LENGTH = 32;
const MTU_OPTION_LENGTH = 8;

/** Prefixes of one advertisement that are read; what follows them is ignored. */
const MAXIMUM_PREFIXES = 8;
/** Options of one message that are walked. */
const MAXIMUM_OPTIONS = 64;

/** Flags of a neighbor advertisement (RFC 4861 section 4.4), as they stand in the fifth byte. */
export const NeighborFlag = { ROUTER: 0x80, SOLICITED: 0x40, OVERRIDE: 0x20 } as const;

/** A prefix information option (RFC 4861 section 4.6.2). Lifetimes in seconds, 0xffffffff for ever. */
export interface PrefixInformation {
  readonly prefix: IpAddress;
  /** 0…128. */
  readonly prefixLength: number;
  readonly onLink: boolean;
  /** Addresses may be formed in it (RFC 4862 section 5.5.3). */
  readonly autonomous: boolean;
  readonly validLifetime: number;
  readonly preferredLifetime: number;
}

/** One parsed message: a reusable object. What its type does not have is zero. */
export class NdpMessage {
  /** One of the five types of `Icmpv6Type`. */
  type = 0;
  /** `NeighborFlag` bits of a neighbor advertisement. */
  flags = 0;
  /** Target of a neighbor message; better first hop of a redirect. Four int32 words. */
  readonly target = new Int32Array(4);
  /** Destination address of a redirect. */
  readonly destination = new Int32Array(4);
  /** Cur Hop Limit of a router advertisement, 0: unspecified. */
  hopLimit = 0;
  /** Router Lifetime, seconds; 0: not a default router. */
  routerLifetime = 0;
  /** Reachable Time, milliseconds; 0: unspecified. */
  reachableTime = 0;
  /** Retrans Timer, milliseconds; 0: unspecified. */
  retransmitTime = 0;
  hasSourceMac = false;
  sourceMacHigh = 0;
  sourceMacLow = 0;
  hasTargetMac = false;
  targetMacHigh = 0;
  targetMacLow = 0;
  /** MTU option, bytes, 0…2^32 - 1; 0: absent. */
  mtu = 0;
  readonly prefixes: PrefixInformation[] = [];

  /** Target as an object of its own. */
  get targetAddress(): IpAddress {
    return addressOf(this.target);
  }

  /** Destination of a redirect as an object of its own. */
  get destinationAddress(): IpAddress {
    return addressOf(this.destination);
  }

  private clear(): void {
    this.flags = 0;
    this.target.fill(0);
    this.destination.fill(0);
    this.hopLimit = 0;
    this.routerLifetime = 0;
    this.reachableTime = 0;
    this.retransmitTime = 0;
    this.hasSourceMac = false;
    this.hasTargetMac = false;
    this.mtu = 0;
    this.prefixes.length = 0;
  }

  /** For the parser: a message of this type, without options yet. */
  start(type: number): void {
    this.clear();
    this.type = type;
  }
}

function addressOf(words: Int32Array): IpAddress {
  return IpAddress.fromWords(6, words[0], words[1], words[2], words[3]);
}

/**
 * Parses the Neighbor Discovery message in `buffer[offset … offset + length)`, whose checksum was verified by
 * `parseIcmpv6`: code, length and options as RFC 4861 sections 6.1, 7.1 and 8.1 demand. What depends on the IP header (hop
 * limit 255, addresses) is the caller's to check. Options that are not known are skipped. `into` is complete only when the
 * result is `DropReason.NONE`; a type that is none of the five yields `ICMP_TYPE`.
 */
export function parseNdp(buffer: Uint8Array, offset: number, length: number, into: NdpMessage): DropReason {
  const end = offset + availableBytes(buffer, offset, length);
  if (end - offset < ROUTER_SOLICITATION_LENGTH) return DropReason.NDP_INVALID;
  const type = buffer[offset];
  const fixed = fixedLength(type);
  if (fixed === 0) return DropReason.ICMP_TYPE;
  if (end - offset < fixed || buffer[offset + 1] !== 0) return DropReason.NDP_INVALID;
  into.start(type);
  if (type === Icmpv6Type.ROUTER_ADVERTISEMENT) {
    into.hopLimit = buffer[offset + 4];
    into.routerLifetime = readUint16(buffer, offset + 6);
    into.reachableTime = readInt32(buffer, offset + 8) >>> 0;
    into.retransmitTime = readInt32(buffer, offset + 12) >>> 0;
  } else if (type !== Icmpv6Type.ROUTER_SOLICITATION) {
    into.flags = type === Icmpv6Type.NEIGHBOR_ADVERTISEMENT ? buffer[offset + 4] & 0xe0 : 0;
    readWords(buffer, offset + 8, into.target);
    if (type === Icmpv6Type.REDIRECT) readWords(buffer, offset + 24, into.destination);
    // RFC 4861 sections 7.1.1 and 7.1.2: no target is a group. A redirect's target is checked by its receiver.
    else if (into.target[0] >>> 24 === 0xff) return DropReason.NDP_INVALID;
  }
  return parseOptions(buffer, offset + fixed, end, into);
}

/** Bytes in front of the options; 0 for a type that is none of Neighbor Discovery. */
function fixedLength(type: number): number {
  switch (type) {
    case Icmpv6Type.NEIGHBOR_SOLICITATION:
    case Icmpv6Type.NEIGHBOR_ADVERTISEMENT:
      return NEIGHBOR_LENGTH;
    case Icmpv6Type.ROUTER_SOLICITATION:
      return ROUTER_SOLICITATION_LENGTH;
    case Icmpv6Type.ROUTER_ADVERTISEMENT:
      return ROUTER_ADVERTISEMENT_LENGTH;
    case Icmpv6Type.REDIRECT:
      return REDIRECT_LENGTH;
    default:
      return 0;
  }
}

/** An option of length 0 would never end, and makes the whole message invalid (RFC 4861 section 4.6). */
function parseOptions(buffer: Uint8Array, from: number, end: number, into: NdpMessage): DropReason {
  let at = from;
  for (let count = 0; at < end; count += 1) {
    if (count === MAXIMUM_OPTIONS || at + 2 > end) return DropReason.NDP_INVALID;
    const length = buffer[at + 1] << 3;
    if (length === 0 || at + length > end) return DropReason.NDP_INVALID;
    parseOption(buffer, at, length, into);
    at += length;
  }
  return DropReason.NONE;
}

function parseOption(buffer: Uint8Array, at: number, length: number, into: NdpMessage): void {
  switch (buffer[at]) {
    case NdpOption.SOURCE_LINK_ADDRESS:
      if (length !== LINK_OPTION_LENGTH) return;
      into.hasSourceMac = true;
      into.sourceMacHigh = readUint16(buffer, at + 2);
      into.sourceMacLow = readInt32(buffer, at + 4);
      return;
    case NdpOption.TARGET_LINK_ADDRESS:
      if (length !== LINK_OPTION_LENGTH) return;
      into.hasTargetMac = true;
      into.targetMacHigh = readUint16(buffer, at + 2);
      into.targetMacLow = readInt32(buffer, at + 4);
      return;
    case NdpOption.MTU:
      if (length === MTU_OPTION_LENGTH) into.mtu = readInt32(buffer, at + 4) >>> 0;
      return;
    case NdpOption.PREFIX_INFORMATION:
      if (length !== PREFIX_OPTION_LENGTH || into.prefixes.length >= MAXIMUM_PREFIXES || buffer[at + 2] > 128) return;
      into.prefixes.push({
        prefix: IpAddress.fromBytes(6, buffer, at + 16),
        prefixLength: buffer[at + 2],
        onLink: (buffer[at + 3] & 0x80) !== 0,
        autonomous: (buffer[at + 3] & 0x40) !== 0,
        validLifetime: readInt32(buffer, at + 4) >>> 0,
        preferredLifetime: readInt32(buffer, at + 8) >>> 0,
      });
      return;
    default:
  }
}

function readWords(buffer: Uint8Array, offset: number, into: Int32Array): void {
  for (let index = 0; index < 4; index += 1) into[index] = readInt32(buffer, offset + index * 4);
}

/** Bytes of a neighbor solicitation or advertisement as written here. */
export function neighborMessageLength(hasMac: boolean): number {
  return NEIGHBOR_LENGTH + (hasMac ? LINK_OPTION_LENGTH : 0);
}

/**
 * Writes a neighbor solicitation and returns its length in bytes (RFC 4861 section 4.3).
 *
 * @param macAddress our own; null when the source address is unspecified (duplicate address detection)
 */
export function writeNeighborSolicitation(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  target: IpAddress,
  macAddress: MacAddress | null,
): number {
  const type = Icmpv6Type.NEIGHBOR_SOLICITATION;
  return writeNeighbor(buffer, offset, source, destination, type, 0, target, macAddress, NdpOption.SOURCE_LINK_ADDRESS);
}

/** Writes a neighbor advertisement and returns its length in bytes (RFC 4861 section 4.4). @param flags `NeighborFlag` bits */
export function writeNeighborAdvertisement(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  target: IpAddress,
  flags: number,
  macAddress: MacAddress | null,
): number {
  const type = Icmpv6Type.NEIGHBOR_ADVERTISEMENT;
  const option = NdpOption.TARGET_LINK_ADDRESS;
  return writeNeighbor(buffer, offset, source, destination, type, flags, target, macAddress, option);
}

function writeNeighbor(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  type: number,
  flags: number,
  target: IpAddress,
  macAddress: MacAddress | null,
  option: number,
): number {
  buffer[offset] = type;
  buffer[offset + 1] = 0;
  writeInt32(buffer, offset + 4, flags << 24);
  buffer.set(target.bytes, offset + 8);
  let length = NEIGHBOR_LENGTH;
  if (macAddress !== null) length += writeLinkOption(buffer, offset + length, option, macAddress);
  finishIcmpv6Checksum(buffer, offset, length, source, destination);
  return length;
}

/** Bytes of a router solicitation as written here. */
export function routerSolicitationLength(hasMac: boolean): number {
  return ROUTER_SOLICITATION_LENGTH + (hasMac ? LINK_OPTION_LENGTH : 0);
}

/** Writes a router solicitation and returns its length in bytes (RFC 4861 section 4.1). */
export function writeRouterSolicitation(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  macAddress: MacAddress | null,
): number {
  buffer[offset] = Icmpv6Type.ROUTER_SOLICITATION;
  buffer[offset + 1] = 0;
  writeInt32(buffer, offset + 4, 0);
  let length = ROUTER_SOLICITATION_LENGTH;
  if (macAddress !== null) {
    length += writeLinkOption(buffer, offset + length, NdpOption.SOURCE_LINK_ADDRESS, macAddress);
  }
  finishIcmpv6Checksum(buffer, offset, length, source, destination);
  return length;
}

/** What a router advertisement says; what is left out is unspecified. */
export interface RouterAdvertisement {
  readonly hopLimit?: number;
  /** Seconds. */
  readonly routerLifetime?: number;
  /** Milliseconds. */
  readonly reachableTime?: number;
  /** Milliseconds. */
  readonly retransmitTime?: number;
  readonly macAddress?: MacAddress;
  /** Bytes. */
  readonly mtu?: number;
  readonly prefixes?: readonly PrefixInformation[];
}

/** Bytes of a router advertisement as written here. */
export function routerAdvertisementLength(advertisement: RouterAdvertisement): number {
  const { macAddress, mtu, prefixes = [] } = advertisement;
  return (
    ROUTER_ADVERTISEMENT_LENGTH +
    (macAddress === undefined ? 0 : LINK_OPTION_LENGTH) +
    (mtu === undefined ? 0 : MTU_OPTION_LENGTH) +
    prefixes.length * PREFIX_OPTION_LENGTH
  );
}

/** Writes a router advertisement and returns its length in bytes (RFC 4861 section 4.2). */
export function writeRouterAdvertisement(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  advertisement: RouterAdvertisement,
): number {
  const { hopLimit = 0, routerLifetime = 0, reachableTime = 0, retransmitTime = 0 } = advertisement;
  const { macAddress, mtu, prefixes = [] } = advertisement;
  buffer[offset] = Icmpv6Type.ROUTER_ADVERTISEMENT;
  buffer[offset + 1] = 0;
  buffer[offset + 4] = hopLimit;
  buffer[offset + 5] = 0;
  writeUint16(buffer, offset + 6, routerLifetime);
  writeInt32(buffer, offset + 8, reachableTime);
  writeInt32(buffer, offset + 12, retransmitTime);
  let length = ROUTER_ADVERTISEMENT_LENGTH;
  if (macAddress !== undefined) {
    length += writeLinkOption(buffer, offset + length, NdpOption.SOURCE_LINK_ADDRESS, macAddress);
  }
  if (mtu !== undefined) {
    buffer[offset + length] = NdpOption.MTU;
    buffer[offset + length + 1] = MTU_OPTION_LENGTH >>> 3;
    writeUint16(buffer, offset + length + 2, 0);
    writeInt32(buffer, offset + length + 4, mtu);
    length += MTU_OPTION_LENGTH;
  }
  for (const prefix of prefixes) length += writePrefix(buffer, offset + length, prefix);
  finishIcmpv6Checksum(buffer, offset, length, source, destination);
  return length;
}

/** Bytes of a redirect as written here. */
export const REDIRECT_MESSAGE_LENGTH = REDIRECT_LENGTH + LINK_OPTION_LENGTH;

/** Writes a redirect without the redirected header and returns its length in bytes (RFC 4861 section 4.5). */
export function writeRedirect(
  buffer: Uint8Array,
  offset: number,
  source: IpAddress,
  destination: IpAddress,
  target: IpAddress,
  redirected: IpAddress,
  macAddress: MacAddress,
): number {
  buffer[offset] = Icmpv6Type.REDIRECT;
  buffer[offset + 1] = 0;
  writeInt32(buffer, offset + 4, 0);
  buffer.set(target.bytes, offset + 8);
  buffer.set(redirected.bytes, offset + 24);
  writeLinkOption(buffer, offset + REDIRECT_LENGTH, NdpOption.TARGET_LINK_ADDRESS, macAddress);
  finishIcmpv6Checksum(buffer, offset, REDIRECT_MESSAGE_LENGTH, source, destination);
  return REDIRECT_MESSAGE_LENGTH;
}

function writeLinkOption(buffer: Uint8Array, at: number, option: number, macAddress: MacAddress): number {
  buffer[at] = option;
  buffer[at + 1] = LINK_OPTION_LENGTH >>> 3;
  buffer.set(macAddress.bytes, at + 2);
  return LINK_OPTION_LENGTH;
}

function writePrefix(buffer: Uint8Array, at: number, information: PrefixInformation): number {
  buffer[at] = NdpOption.PREFIX_INFORMATION;
  buffer[at + 1] = PREFIX_OPTION_LENGTH >>> 3;
  buffer[at + 2] = information.prefixLength;
  buffer[at + 3] = (information.onLink ? 0x80 : 0) | (information.autonomous ? 0x40 : 0);
  writeInt32(buffer, at + 4, information.validLifetime);
  writeInt32(buffer, at + 8, information.preferredLifetime);
  writeInt32(buffer, at + 12, 0);
  buffer.set(information.prefix.bytes, at + 16);
  return PREFIX_OPTION_LENGTH;
}

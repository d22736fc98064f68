/** IP addresses of both families, with the four words that tables hash and compare. */

import { readInt32, writeInt32 } from './bytes.ts';

/** 4 for IPv4, 6 for IPv6. */
export type AddressFamily = 4 | 6;

const IPV4_TEXT = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const IPV6_GROUP = /^[0-9a-f]{1,4}$/i;

/** An immutable IPv4 or IPv6 address. */
export class IpAddress {
  /** 0.0.0.0 */
  static readonly UNSPECIFIED_IPV4 = IpAddress.fromWords(4, 0);
  /** 255.255.255.255 */
  static readonly BROADCAST_IPV4 = IpAddress.fromWords(4, -1);

  readonly family: AddressFamily;
  /** The first 32 bits as int32: for IPv4 the whole address. */
  readonly word0: number;
  /** Bits 32…63 as int32; 0 for IPv4. */
  readonly word1: number;
  /** Bits 64…95 as int32; 0 for IPv4. */
  readonly word2: number;
  /** Bits 96…127 as int32; 0 for IPv4. */
  readonly word3: number;
  /** Made when somebody asks for them: a view costs several times what the address does. */
  private octets: Uint8Array | null = null;

  private constructor(family: AddressFamily, word0: number, word1: number, word2: number, word3: number) {
    this.family = family;
    this.word0 = word0;
    this.word1 = word1;
    this.word2 = word2;
    this.word3 = word3;
  }

  /** Network order, 4 or 16 bytes. Owned by this object: read only. */
  get bytes(): Uint8Array {
    this.octets ??= octetsOf(this);
    return this.octets;
  }

  /** From words as parsers deliver them; IPv4 takes `word0` alone. */
  static fromWords(family: AddressFamily, word0: number, word1 = 0, word2 = 0, word3 = 0): IpAddress {
    if (family === 4) return new IpAddress(4, word0 | 0, 0, 0, 0);
    return new IpAddress(6, word0 | 0, word1 | 0, word2 | 0, word3 | 0);
  }

  /** Copies 4 (IPv4) or 16 (IPv6) bytes in network order. A `RangeError` when they are not there. */
  static fromBytes(family: AddressFamily, buffer: Uint8Array, offset = 0): IpAddress {
    const length = family === 4 ? 4 : 16;
    if (offset < 0 || offset + length > buffer.length) {
      throw new RangeError(
        `an IPv${family} address needs ${length} bytes at offset ${offset}, the buffer has ${buffer.length}`,
      );
    }
    if (family === 4) return new IpAddress(4, readInt32(buffer, offset), 0, 0, 0);
    return new IpAddress(
      6,
      readInt32(buffer, offset),
      readInt32(buffer, offset + 4),
      readInt32(buffer, offset + 8),
      readInt32(buffer, offset + 12),
    );
  }

  /** From dotted decimal or RFC 4291 section 2.2 text (no zone, no prefix length); null when it is neither. */
  static parse(text: string): IpAddress | null {
    if (text.includes(':')) return parseIpv6Text(text);
    const word = parseIpv4Text(text);
    return word === null ? null : new IpAddress(4, word, 0, 0, 0);
  }

  /** Whether family and bits are the same. */
  equals(other: IpAddress): boolean {
    return (
      this.word0 === other.word0 &&
      this.word1 === other.word1 &&
      this.word2 === other.word2 &&
      this.word3 === other.word3 &&
      this.family === other.family
    );
  }

  /** Whether the first `prefixLength` bits (0…32 or 0…128) are those of `network`; false across families. */
  isInPrefix(network: IpAddress, prefixLength: number): boolean {
    return (
      this.family === network.family &&
      sameBits(this.word0, network.word0, prefixLength) &&
      sameBits(this.word1, network.word1, prefixLength - 32) &&
      sameBits(this.word2, network.word2, prefixLength - 64) &&
      sameBits(this.word3, network.word3, prefixLength - 96)
    );
  }

  /** 0.0.0.0 or ::. */
  get isUnspecified(): boolean {
    return (this.word0 | this.word1 | this.word2 | this.word3) === 0;
  }

  /** 224.0.0.0/4 or ff00::/8. */
  get isMulticast(): boolean {
    return this.family === 4 ? this.word0 >>> 28 === 0xe : this.word0 >>> 24 === 0xff;
  }

  /** 255.255.255.255, the limited broadcast. Directed broadcasts depend on a prefix that the address does not know. */
  get isBroadcast(): boolean {
    return this.family === 4 && this.word0 === -1;
  }

  /** 127.0.0.0/8 or ::1. */
  get isLoopback(): boolean {
    if (this.family === 4) return this.word0 >>> 24 === 127;
    return this.word0 === 0 && this.word1 === 0 && this.word2 === 0 && this.word3 === 1;
  }

  /** Dotted decimal, or the canonical IPv6 text of RFC 5952. */
  toString(): string {
    return this.family === 4 ? formatIpv4(this.word0) : formatIpv6(this);
  }
}

function octetsOf({ family, word0, word1, word2, word3 }: IpAddress): Uint8Array {
  const octets = new Uint8Array(family === 4 ? 4 : 16);
  writeInt32(octets, 0, word0);
  if (family === 6) {
    writeInt32(octets, 4, word1);
    writeInt32(octets, 8, word2);
    writeInt32(octets, 12, word3);
  }
  return octets;
}

/** Dotted decimal of an IPv4 address given as int32. */
export function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`;
}

/** Whether the first `count` bits (clamped to 0…32) of two words are equal. */
function sameBits(a: number, b: number, count: number): boolean {
  if (count <= 0) return true;
  if (count >= 32) return a === b;
  return (a ^ b) >>> (32 - count) === 0;
}

function parseIpv4Text(text: string): number | null {
  const match = IPV4_TEXT.exec(text);
  if (match === null) return null;
  let word = 0;
  for (let index = 1; index <= 4; index += 1) {
    const octet = Number(match[index]);
    if (octet > 255) return null;
    word = (word << 8) | octet;
  }
  return word;
}

/** The 16-bit groups of one side of a `::`; null when one of them is malformed. */
function parseGroups(text: string): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (let index = 0; index < parts.length; index += 1) {
    const part = parts[index];
    if (index === parts.length - 1 && part.includes('.')) {
      const word = parseIpv4Text(part);
      if (word === null) return null;
      groups.push(word >>> 16, word & 0xffff);
    } else {
      if (!IPV6_GROUP.test(part)) return null;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

function parseIpv6Text(text: string): IpAddress | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]);
  const tail = halves.length === 2 ? parseGroups(halves[1]) : [];
  if (head === null || tail === null) return null;
  // An IPv4 tail may only end the whole address, not the part before a `::`.
  if (halves.length === 2 && halves[0].includes('.')) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const word = (index: number): number => (groups[index] << 16) | groups[index + 1];
  return IpAddress.fromWords(6, word(0), word(2), word(4), word(6));
}

function formatIpv6(address: IpAddress): string {
  const { bytes } = address;
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2) groups.push((bytes[index] << 8) | bytes[index + 1]);
  // RFC 5952 section 4.2: the longest run of two or more zero groups, the first of equals.
  let start = -1;
  let best = 1;
  for (let index = 0; index < 8; index += 1) {
    let end = index;
    while (end < 8 && groups[end] === 0) end += 1;
    if (end - index > best) {
      start = index;
      best = end - index;
    }
    if (end > index) index = end;
  }
  const text = groups.map((group) => group.toString(16));
  if (start < 0) return text.join(':');
  return `${text.slice(0, start).join(':')}::${text.slice(start + best).join(':')}`;
}

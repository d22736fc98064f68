/** MAC addresses (IEEE 802 EUI-48). */

import { readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';

const TEXT = /^([0-9a-f]{2})[:-]([0-9a-f]{2})[:-]([0-9a-f]{2})[:-]([0-9a-f]{2})[:-]([0-9a-f]{2})[:-]([0-9a-f]{2})$/i;

/** An immutable 48-bit MAC address. */
export class MacAddress {
  /** ff:ff:ff:ff:ff:ff, every station of the link. */
  static readonly BROADCAST = MacAddress.fromWords(0xffff, -1);
  /** 00:00:00:00:00:00, what an ARP request carries as the unknown target. */
  static readonly ZERO = MacAddress.fromWords(0, 0);

  /** The six bytes as they go over the wire. Owned by this object: read only. */
  readonly bytes: Uint8Array;
  /** The first two bytes, 0…65535; comparable with `EthernetHeader.destinationHigh`. */
  readonly high: number;
  /** The last four bytes as int32; comparable with `EthernetHeader.destinationLow`. */
  readonly low: number;

  private constructor(high: number, low: number) {
    this.bytes = new Uint8Array(6);
    writeUint16(this.bytes, 0, high);
    writeInt32(this.bytes, 2, low);
    this.high = high;
    this.low = low;
  }

  /** From the first 16 bits and the last 32 bits, as parsers deliver them. */
  static fromWords(high: number, low: number): MacAddress {
    return new MacAddress(high & 0xffff, low | 0);
  }

  /** Copies six bytes from `buffer`. A `RangeError` when they are not there. */
  static fromBytes(buffer: Uint8Array, offset = 0): MacAddress {
    if (offset < 0 || offset + 6 > buffer.length) {
      throw new RangeError(`a MAC address needs 6 bytes at offset ${offset}, the buffer has ${buffer.length}`);
    }
    return new MacAddress(readUint16(buffer, offset), readInt32(buffer, offset + 2));
  }

  /** From `02:00:00:00:00:01` (or with hyphens); null when the text is nothing like it. */
  static parse(text: string): MacAddress | null {
    const match = TEXT.exec(text);
    if (match === null) return null;
    const hex = match.slice(1).join('');
    return new MacAddress(Number.parseInt(hex.slice(0, 4), 16), Number.parseInt(hex.slice(4), 16) | 0);
  }

  /** Whether both hold the same 48 bits. */
  equals(other: MacAddress): boolean {
    return this.low === other.low && this.high === other.high;
  }

  /** Group bit set: multicast or broadcast. */
  get isMulticast(): boolean {
    return (this.high & 0x0100) !== 0;
  }

  /** All ones. */
  get isBroadcast(): boolean {
    return this.high === 0xffff && this.low === -1;
  }

  /** `02:00:00:00:00:01`. */
  toString(): string {
    return Array.from(this.bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
  }
}

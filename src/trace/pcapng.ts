/**
 * Captures in the pcapng format (draft-ietf-opsawg-pcapng), for Wireshark and tshark: one section, any number of Ethernet
 * interfaces, packets with direction and comments.
 */

/** Block types. */
export const PcapngBlock = {
  SECTION_HEADER: 0x0a0d0d0a,
  INTERFACE_DESCRIPTION: 1,
  ENHANCED_PACKET: 6,
} as const;

/** Option codes; 0 and 1 in every block, the others in the block that their prefix names. */
export const PcapngOption = {
  END: 0,
  COMMENT: 1,
  SHB_USER_APPLICATION: 4,
  IF_NAME: 2,
  IF_DESCRIPTION: 3,
  IF_TIMESTAMP_RESOLUTION: 9,
  EPB_FLAGS: 2,
} as const;

/** First word of a section, in the writer's byte order. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** LINKTYPE_ETHERNET. */
export const LINK_TYPE_ETHERNET = 1;

/** Direction bits of the epb_flags option. */
const DIRECTION_FLAGS = { inbound: 1, outbound: 2 } as const;

/** Longest text of an option: its length field has 16 bits. Longer comments are cut. */
const MAXIMUM_OPTION_BYTES = 0xffff;

const TWO_TO_32 = 0x1_0000_0000;

/** Which way a packet went, as its interface sees it. */
export type PacketDirection = 'inbound' | 'outbound';

/** Takes the bytes of a capture in order; each chunk belongs to the sink. */
export type PcapngSink = (bytes: Uint8Array) => void;

/** How a capture is written. */
export interface PcapngWriterOptions {
  /** Name of the program, for people. */
  application?: string;
  /** A remark about the whole capture. */
  comment?: string;
  /** Resolution of the timestamps: microseconds (the default) or nanoseconds. */
  resolution?: 'microseconds' | 'nanoseconds';
  /** Added to every time: the Unix time, in microseconds, at which the clock of the packets stood at 0. */
  epochMicroseconds?: number;
}

interface Option {
  code: number;
  value: Uint8Array;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

function textOption(code: number, text: string): Option {
  return { code, value: new TextEncoder().encode(text).subarray(0, MAXIMUM_OPTION_BYTES) };
}

/** A block under construction; pcapng is written in little-endian order here, which is most readers' own. */
class Block {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #at = 8;

  /** @param bodyLength bytes between the first two and the last word, options not counted, a multiple of 4 */
  constructor(type: number, bodyLength: number, options: readonly Option[]) {
    const optionLength = options.reduce((sum, { value }) => sum + 4 + padded(value.length), options.length > 0 ? 4 : 0);
    const total = 12 + bodyLength + optionLength;
    this.bytes = new Uint8Array(total);
    this.view = new DataView(this.bytes.buffer);
    this.view.setUint32(0, type, true);
    this.view.setUint32(4, total, true);
    this.view.setUint32(total - 4, total, true);
    let at = 8 + bodyLength;
    for (const { code, value } of options) {
      this.view.setUint16(at, code, true);
      this.view.setUint16(at + 2, value.length, true);
      this.bytes.set(value, at + 4);
      at += 4 + padded(value.length);
    }
    // The end-of-options option is four zero bytes, which are there already.
  }

  uint16(value: number): this {
    this.view.setUint16(this.#at, value, true);
    this.#at += 2;
    return this;
  }

  uint32(value: number): this {
    this.view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  data(value: Uint8Array): this {
    this.bytes.set(value, this.#at);
    this.#at += padded(value.length);
    return this;
  }
}

/** One interface of a capture. Packets may be recorded in any order across interfaces. */
export class PcapngInterface {
  /** Interface number in the file: its place among the interface descriptions. */
  readonly id: number;
  readonly name: string;
  readonly #write: (
    id: number,
    time: number,
    direction: PacketDirection,
    frame: Uint8Array,
    comment: string | null,
  ) => void;

  constructor(
    id: number,
    name: string,
    write: (id: number, time: number, direction: PacketDirection, frame: Uint8Array, comment: string | null) => void,
  ) {
    this.id = id;
    this.name = name;
    this.#write = write;
  }

  /**
   * Writes one packet.
   *
   * @param timeMicroseconds of the clock whose zero is `epochMicroseconds`; fractions count with nanosecond resolution
   * @param frame the Ethernet frame without frame check sequence; copied
   * @param comment shown by Wireshark with the packet; null for none
   */
  record(timeMicroseconds: number, direction: PacketDirection, frame: Uint8Array, comment: string | null = null): void {
    this.#write(this.id, timeMicroseconds, direction, frame, comment);
  }
}

/** Writes a capture to a sink, block by block. Nothing is kept back: the capture is complete at any moment. */
export class PcapngWriter {
  /** Packets written so far. */
  packets = 0;
  readonly #sink: PcapngSink;
  readonly #unitsPerMicrosecond: number;
  readonly #epochMicroseconds: number;
  #interfaces = 0;

  /** Writes the section header at once. */
  constructor(sink: PcapngSink, options: PcapngWriterOptions = {}) {
    this.#sink = sink;
    this.#unitsPerMicrosecond = options.resolution === 'nanoseconds' ? 1000 : 1;
    this.#epochMicroseconds = options.epochMicroseconds ?? 0;
    const list: Option[] = [];
    if (options.comment !== undefined) list.push(textOption(PcapngOption.COMMENT, options.comment));
    if (options.application !== undefined) {
      list.push(textOption(PcapngOption.SHB_USER_APPLICATION, options.application));
    }
    const block = new Block(PcapngBlock.SECTION_HEADER, 16, list);
    // Version 1.0; the section's length is unknown while it is written: all ones.
    block.uint32(BYTE_ORDER_MAGIC).uint16(1).uint16(0).uint32(0xffffffff).uint32(0xffffffff);
    sink(block.bytes);
  }

  /** Adds an Ethernet interface; its packets may follow at once. */
  addInterface(name: string, description?: string): PcapngInterface {
    const options = [textOption(PcapngOption.IF_NAME, name)];
    if (description !== undefined) options.push(textOption(PcapngOption.IF_DESCRIPTION, description));
    const exponent = this.#unitsPerMicrosecond === 1000 ? 9 : 6;
    options.push({ code: PcapngOption.IF_TIMESTAMP_RESOLUTION, value: Uint8Array.of(exponent) });
    const block = new Block(PcapngBlock.INTERFACE_DESCRIPTION, 8, options);
    // Link type, reserved, and a snap length of 0: packets are whole.
    block.uint16(LINK_TYPE_ETHERNET).uint16(0).uint32(0);
    this.#sink(block.bytes);
    const id = this.#interfaces;
    this.#interfaces += 1;
    return new PcapngInterface(id, name, this.#writePacket);
  }

  readonly #writePacket = (
    id: number,
    timeMicroseconds: number,
    direction: PacketDirection,
    frame: Uint8Array,
    comment: string | null,
  ): void => {
    const flags = new Uint8Array(4);
    flags[0] = DIRECTION_FLAGS[direction];
    const options: Option[] = [{ code: PcapngOption.EPB_FLAGS, value: flags }];
    if (comment !== null) options.push(textOption(PcapngOption.COMMENT, comment));
    const block = new Block(PcapngBlock.ENHANCED_PACKET, 20 + padded(frame.length), options);
    this.#timestamp(block.uint32(id), timeMicroseconds);
    block.uint32(frame.length).uint32(frame.length).data(frame);
    this.#sink(block.bytes);
    this.packets += 1;
  };

  /** Writes a time as two words. Nanoseconds since 1970 exceed 2^53, so that both words are scaled apart. */
  #timestamp(block: Block, timeMicroseconds: number): void {
    const scale = this.#unitsPerMicrosecond;
    const whole = Math.floor(timeMicroseconds);
    const fraction = Math.floor((timeMicroseconds - whole) * scale);
    const microseconds = whole + this.#epochMicroseconds;
    const low = (microseconds % TWO_TO_32) * scale + fraction;
    const high = Math.floor(microseconds / TWO_TO_32) * scale + Math.floor(low / TWO_TO_32);
    block.uint32(high).uint32(low % TWO_TO_32);
  }
}

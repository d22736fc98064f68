/** Reads captures back: what the writer writes, and the same blocks of other programs in either byte order. */

import { BYTE_ORDER_MAGIC, type PacketDirection, PcapngBlock, PcapngOption } from './pcapng.ts';

/** One interface of a capture that was read. */
export interface CapturedInterface {
  /** The if_name option, `''` when absent. */
  name: string;
  /** 1 is Ethernet. */
  linkType: number;
  /** Timestamp units per second. */
  unitsPerSecond: number;
}

/** One packet of a capture that was read. */
export interface CapturedPacket {
  /** Index into the interfaces of the capture. */
  interfaceId: number;
  /** Time in units of the interface's resolution, exact. */
  timestamp: bigint;
  /** The same in microseconds, rounded down. */
  timeMicroseconds: number;
  /** null when the capture does not say. */
  direction: PacketDirection | null;
  /** The captured bytes, a view into the capture. */
  frame: Uint8Array;
  /** Bytes of the packet on the wire; more than `frame` holds when it was cut. */
  originalLength: number;
  comments: string[];
}

/** What was read up to the end, or up to the first malformed block. */
export interface Capture {
  interfaces: CapturedInterface[];
  packets: CapturedPacket[];
  /** What is wrong with the capture, with the offset in bytes; null when it is well-formed. */
  error: string | null;
}

/** Where a reader stands: the section's byte order and interfaces count from its section header on. */
interface Section {
  littleEndian: boolean;
  /** Index of the section's interface 0 in `Capture.interfaces`. */
  firstInterface: number;
}

type Options = { code: number; value: Uint8Array }[];

/** Reads a whole capture. Unknown blocks and options are skipped; nothing in the bytes makes it throw. */
export function readPcapng(bytes: Uint8Array): Capture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const capture: Capture = { interfaces: [], packets: [], error: null };
  const section: Section = { littleEndian: true, firstInterface: 0 };
  let at = 0;
  while (at < bytes.length && capture.error === null) {
    const length = readBlock(view, bytes, at, section, capture);
    if (length === 0) capture.error ??= `malformed block at offset ${at}`;
    at += length;
  }
  return capture;
}

/** Reads the block at `at` and returns its length in bytes, 0 when it is malformed. */
function readBlock(view: DataView, bytes: Uint8Array, at: number, section: Section, capture: Capture): number {
  const rest = bytes.length - at;
  if (rest < 12) return 0;
  // The type of a section header reads the same in both byte orders; its next word after the length tells which it is.
  const isSectionHeader = view.getUint32(at, true) === PcapngBlock.SECTION_HEADER;
  if (at === 0 && !isSectionHeader) return 0;
  if (isSectionHeader) {
    if (rest < 28) return 0;
    section.littleEndian = view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC;
    if (!section.littleEndian && view.getUint32(at + 8, false) !== BYTE_ORDER_MAGIC) return 0;
    section.firstInterface = capture.interfaces.length;
  }
  const { littleEndian } = section;
  const length = view.getUint32(at + 4, littleEndian);
  if (length < 12 || length % 4 !== 0 || length > rest) return 0;
  if (view.getUint32(at + length - 4, littleEndian) !== length) return 0;
  const end = at + length - 4;
  switch (view.getUint32(at, littleEndian)) {
    case PcapngBlock.INTERFACE_DESCRIPTION:
      return readInterface(view, bytes, at + 8, end, section, capture) ? length : 0;
    case PcapngBlock.ENHANCED_PACKET:
      return readPacket(view, bytes, at + 8, end, section, capture) ? length : 0;
    default:
      return length;
  }
}

function readOptions(
  view: DataView,
  bytes: Uint8Array,
  from: number,
  to: number,
  littleEndian: boolean,
): Options | null {
  const options: Options = [];
  let at = from;
  while (at < to) {
    if (at + 4 > to) return null;
    const code = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    if (code === PcapngOption.END) return options;
    if (at + 4 + length > to) return null;
    options.push({ code, value: bytes.subarray(at + 4, at + 4 + length) });
    at += 4 + ((length + 3) & ~3);
  }
  return options;
}

/** UTF-8 text; malformed sequences become U+FFFD, and a byte order mark is a character like others. */
function textOf(value: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(value);
}

function readInterface(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  end: number,
  { littleEndian }: Section,
  capture: Capture,
): boolean {
  if (end - at < 8) return false;
  const options = readOptions(view, bytes, at + 8, end, littleEndian);
  if (options === null) return false;
  const name = options.find(({ code }) => code === PcapngOption.IF_NAME);
  const resolution = options.find(({ code }) => code === PcapngOption.IF_TIMESTAMP_RESOLUTION)?.value[0] ?? 6;
  capture.interfaces.push({
    name: name === undefined ? '' : textOf(name.value),
    linkType: view.getUint16(at, littleEndian),
    // The high bit chooses powers of two.
    unitsPerSecond: resolution < 0x80 ? 10 ** resolution : 2 ** (resolution & 0x7f),
  });
  return true;
}

function readPacket(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  end: number,
  { littleEndian, firstInterface }: Section,
  capture: Capture,
): boolean {
  if (end - at < 20) return false;
  const interfaceId = firstInterface + view.getUint32(at, littleEndian);
  const length = view.getUint32(at + 12, littleEndian);
  const data = at + 20;
  if (interfaceId >= capture.interfaces.length || length > end - data) return false;
  const options = readOptions(view, bytes, data + ((length + 3) & ~3), end, littleEndian);
  if (options === null) return false;
  const high = BigInt(view.getUint32(at + 4, littleEndian));
  const timestamp = (high << 32n) | BigInt(view.getUint32(at + 8, littleEndian));
  const { unitsPerSecond } = capture.interfaces[interfaceId];
  capture.packets.push({
    interfaceId,
    timestamp,
    timeMicroseconds: Number((timestamp * 1_000_000n) / BigInt(unitsPerSecond)),
    direction: readDirection(options, littleEndian),
    frame: bytes.subarray(data, data + length),
    originalLength: view.getUint32(at + 16, littleEndian),
    comments: options.filter(({ code }) => code === PcapngOption.COMMENT).map(({ value }) => textOf(value)),
  });
  return true;
}

function readDirection(options: Options, littleEndian: boolean): PacketDirection | null {
  const flags = options.find(({ code }) => code === PcapngOption.EPB_FLAGS)?.value;
  if (flags === undefined || flags.length !== 4) return null;
  const bits = flags[littleEndian ? 0 : 3] & 3;
  if (bits === 1) return 'inbound';
  return bits === 2 ? 'outbound' : null;
}

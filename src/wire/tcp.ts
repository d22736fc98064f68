/** TCP segments: parsing and writing headers with their options (RFC 9293 section 3.1, RFC 2018, RFC 7323). */

import { availableBytes, readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';
import { addSums, finishChecksum, sumBytes } from './checksum.ts';
import { DropReason } from './drop-reason.ts';
import { MAXIMUM_SACK_BLOCKS, type TcpHeader } from './tcp-header.ts';

/** Option kinds (IANA). */
export const TcpOption = {
  END: 0,
  NO_OPERATION: 1,
  MAXIMUM_SEGMENT_SIZE: 2,
  WINDOW_SCALE: 3,
  SACK_PERMITTED: 4,
  SACK: 5,
  TIMESTAMPS: 8,
} as const;

/** Bytes of a TCP header without options. */
export const TCP_MINIMUM_HEADER_LENGTH = 20;
/** Bytes that options can take (RFC 9293 section 3.1). */
export const TCP_MAXIMUM_OPTION_BYTES = 40;
/** Bytes of the timestamps option with its two NOPs (RFC 7323 appendix A). */
export const TCP_TIMESTAMP_BYTES = 12;
/** The largest window scale shift (RFC 7323 section 2.3, RFC7323-2.3-3). */
export const MAXIMUM_WINDOW_SCALE = 14;

/**
 * Parses the TCP header of the segment in `buffer[offset … offset + length)`; `length` is the IP payload length. The
 * checksum is left to `verifyTcpChecksum`, so that a segment that is only passed on costs none.
 *
 * Options are read in every segment and at any alignment (MUST-4, MUST-5, MUST-64). Unknown ones are skipped (MUST-6). An option length below 2 or beyond the header drops the segment (MUST-7). A known
 * option with a length that is not its own is skipped like an unknown one. A window scale above 14 is read as 14 (RFC 7323
 * section 2.3). `into` is complete only when the result is `DropReason.NONE`.
 */
export function parseTcp(buffer: Uint8Array, offset: number, length: number, into: TcpHeader): DropReason {
  const available = availableBytes(buffer, offset, length);
  if (available < TCP_MINIMUM_HEADER_LENGTH) return DropReason.TCP_TRUNCATED;
  const headerLength = (buffer[offset + 12] >>> 4) << 2;
  if (headerLength < TCP_MINIMUM_HEADER_LENGTH) return DropReason.TCP_DATA_OFFSET;
  if (headerLength > available) return DropReason.TCP_TRUNCATED;
  into.sourcePort = readUint16(buffer, offset);
  into.destinationPort = readUint16(buffer, offset + 2);
  into.sequence = readInt32(buffer, offset + 4);
  into.acknowledgment = readInt32(buffer, offset + 8);
  into.flags = buffer[offset + 13];
  into.window = readUint16(buffer, offset + 14); // unsigned (MUST-1)
  into.urgentPointer = readUint16(buffer, offset + 18);
  into.ecn = 0;
  into.headerLength = headerLength;
  into.payloadOffset = offset + headerLength;
  into.payloadLength = available - headerLength;
  into.clearOptions();
  if (headerLength === TCP_MINIMUM_HEADER_LENGTH) return DropReason.NONE;
  const options = offset + TCP_MINIMUM_HEADER_LENGTH;
  if (headerLength === TCP_MINIMUM_HEADER_LENGTH + TCP_TIMESTAMP_BYTES && isPaddedTimestamps(buffer, options)) {
    readTimestamps(buffer, options + 2, into);
    return DropReason.NONE;
  }
  return parseOptions(buffer, options, offset + headerLength, into);
}

/** The layout of nearly every segment of a connection with timestamps: NOP, NOP, timestamps. */
function isPaddedTimestamps(buffer: Uint8Array, offset: number): boolean {
  return readInt32(buffer, offset) === 0x0101080a;
}

function readTimestamps(buffer: Uint8Array, offset: number, into: TcpHeader): void {
  into.hasTimestamp = true;
  into.timestampValue = readInt32(buffer, offset + 2);
  into.timestampEcho = readInt32(buffer, offset + 6);
}

function parseOptions(buffer: Uint8Array, from: number, to: number, into: TcpHeader): DropReason {
  let at = from;
  while (at < to) {
    const kind = buffer[at];
    if (kind === TcpOption.END) return DropReason.NONE;
    if (kind === TcpOption.NO_OPERATION) {
      at += 1;
      continue;
    }
    if (at + 1 >= to) return DropReason.TCP_OPTION_LENGTH;
    const length = buffer[at + 1];
    if (length < 2 || at + length > to) return DropReason.TCP_OPTION_LENGTH;
    readOption(buffer, at, kind, length, into);
    at += length;
  }
  return DropReason.NONE;
}

function readOption(buffer: Uint8Array, at: number, kind: number, length: number, into: TcpHeader): void {
  switch (kind) {
    case TcpOption.MAXIMUM_SEGMENT_SIZE:
      if (length === 4) into.maximumSegmentSize = readUint16(buffer, at + 2);
      break;
    case TcpOption.WINDOW_SCALE:
      if (length === 3) into.windowScale = Math.min(buffer[at + 2], MAXIMUM_WINDOW_SCALE);
      break;
    case TcpOption.SACK_PERMITTED:
      if (length === 2) into.sackPermitted = true;
      break;
    case TcpOption.SACK:
      if (length > 2 && (length - 2) % 8 === 0) readSack(buffer, at, length, into);
      break;
    case TcpOption.TIMESTAMPS:
      if (length === 10) readTimestamps(buffer, at, into);
      break;
  }
}

function readSack(buffer: Uint8Array, at: number, length: number, into: TcpHeader): void {
  // 40 bytes of options hold at most 4 blocks; the minimum guards the arrays against nothing but a future longer header.
  const count = Math.min((length - 2) >>> 3, MAXIMUM_SACK_BLOCKS);
  into.sackCount = count;
  for (let index = 0; index < count; index += 1) {
    into.sackLeft[index] = readInt32(buffer, at + 2 + index * 8);
    into.sackRight[index] = readInt32(buffer, at + 6 + index * 8);
  }
}

/** Bytes of all options but SACK, padding included. */
function fixedOptionBytes(header: TcpHeader): number {
  if (header.optionLayout === 'bsd' && header.maximumSegmentSize !== 0) return bsdOptionBytes(header);
  let bytes = 0;
  if (header.maximumSegmentSize !== 0) bytes += 4;
  if (header.hasTimestamp) bytes += TCP_TIMESTAMP_BYTES;
  else if (header.sackPermitted) bytes += 4;
  if (header.windowScale >= 0) bytes += 4;
  return bytes;
}

/** How many SACK blocks fit behind the other options: 3 with timestamps, 4 without (RFC 2018 section 3). */
function fittingSackBlocks(header: TcpHeader, otherBytes: number): number {
  return Math.min(header.sackCount, (TCP_MAXIMUM_OPTION_BYTES - otherBytes - 4) >> 3);
}

/** The bytes that `writeTcp` will write for `header`, options and padding included: 20…60. */
export function tcpHeaderLength(header: TcpHeader): number {
  const bytes = fixedOptionBytes(header);
  const blocks = fittingSackBlocks(header, bytes);
  return TCP_MINIMUM_HEADER_LENGTH + bytes + (blocks > 0 ? 4 + blocks * 8 : 0);
}

/**
 * Writes the header with the options that it marks as present, each with its length (MUST-68), checksum field 0, and returns its length in bytes (also stored
 * in `header.headerLength`). `finishTcpChecksum` fills the checksum when the payload is in place.
 *
 * Options stand in Linux's order and alignment: MSS; SACK-permitted with timestamps as one 12-byte group, or each padded by
 * two NOPs; NOP and window scale; NOP, NOP and as many SACK blocks as still fit.
 */
export function writeTcp(header: TcpHeader, buffer: Uint8Array, offset: number): number {
  writeUint16(buffer, offset, header.sourcePort);
  writeUint16(buffer, offset + 2, header.destinationPort);
  writeInt32(buffer, offset + 4, header.sequence);
  writeInt32(buffer, offset + 8, header.acknowledgment);
  buffer[offset + 13] = header.flags;
  writeUint16(buffer, offset + 14, header.window);
  writeInt32(buffer, offset + 16, header.urgentPointer & 0xffff);
  const length = writeOptions(header, buffer, offset + TCP_MINIMUM_HEADER_LENGTH) - offset;
  buffer[offset + 12] = (length >>> 2) << 4;
  header.headerLength = length;
  return length;
}

/** Writes the options at `at` and returns where they end. */
function writeOptions(header: TcpHeader, buffer: Uint8Array, at: number): number {
  if (header.optionLayout === 'bsd' && header.maximumSegmentSize !== 0) return writeBsdOptions(header, buffer, at);
  let end = at;
  if (header.maximumSegmentSize !== 0) {
    writeInt32(buffer, end, 0x02040000 | (header.maximumSegmentSize & 0xffff));
    end += 4;
  }
  if (header.hasTimestamp) {
    writeInt32(buffer, end, header.sackPermitted ? 0x0402080a : 0x0101080a);
    writeInt32(buffer, end + 4, header.timestampValue);
    writeInt32(buffer, end + 8, header.timestampEcho);
    end += TCP_TIMESTAMP_BYTES;
  } else if (header.sackPermitted) {
    writeInt32(buffer, end, 0x01010402);
    end += 4;
  }
  if (header.windowScale >= 0) {
    writeInt32(buffer, end, 0x01030300 | (header.windowScale & 0xff));
    end += 4;
  }
  return header.sackCount === 0 ? end : writeSack(header, buffer, end, end - at);
}

/** The options of a SYN as FreeBSD writes them, up to the padding at the end, bytes. */
function bsdOptionLength(header: TcpHeader): number {
  let bytes = 4;
  if (header.windowScale >= 0) bytes += 4;
  if (header.sackPermitted) bytes += 2;
  if (header.hasTimestamp) bytes += (header.sackPermitted ? 0 : 2) + 10;
  return bytes;
}

function bsdOptionBytes(header: TcpHeader): number {
  return (bsdOptionLength(header) + 3) & ~3;
}

/** MSS; NOP and window scale; SACK-permitted; timestamps at 2 modulo 4; the end padded with zeros (MUST-69). */
function writeBsdOptions(header: TcpHeader, buffer: Uint8Array, at: number): number {
  let end = at;
  writeInt32(buffer, end, 0x02040000 | (header.maximumSegmentSize & 0xffff));
  end += 4;
  if (header.windowScale >= 0) {
    writeInt32(buffer, end, 0x01030300 | (header.windowScale & 0xff));
    end += 4;
  }
  if (header.sackPermitted) {
    writeUint16(buffer, end, 0x0402);
    end += 2;
  }
  if (header.hasTimestamp) {
    if (!header.sackPermitted) {
      writeUint16(buffer, end, 0x0101);
      end += 2;
    }
    writeUint16(buffer, end, 0x080a);
    writeInt32(buffer, end + 2, header.timestampValue);
    writeInt32(buffer, end + 6, header.timestampEcho);
    end += 10;
  }
  const padded = at + bsdOptionBytes(header);
  buffer.fill(0, end, padded);
  return padded;
}

function writeSack(header: TcpHeader, buffer: Uint8Array, at: number, otherBytes: number): number {
  const blocks = fittingSackBlocks(header, otherBytes);
  if (blocks <= 0) return at;
  writeInt32(buffer, at, 0x01010500 | (2 + blocks * 8));
  let end = at + 4;
  for (let index = 0; index < blocks; index += 1) {
    writeInt32(buffer, end, header.sackLeft[index]);
    writeInt32(buffer, end + 4, header.sackRight[index]);
    end += 8;
  }
  return end;
}

/**
 * Fills the checksum field, as every sender must (RFC 9293 section 3.1, MUST-2), of the segment in `buffer[offset … offset + length)`, which must hold 0 there (as `writeTcp`
 * leaves it).
 *
 * @param pseudoHeader the partial sum of the pseudo header, from `pseudoHeaderSum` or `pseudoHeaderSumIpv4`
 */
export function finishTcpChecksum(buffer: Uint8Array, offset: number, length: number, pseudoHeader: number): void {
  writeUint16(buffer, offset + 16, finishChecksum(addSums(sumBytes(buffer, offset, length), pseudoHeader)));
}

/**
 * Leaves the checksum of a segment to the link: the field at `offset + 16` gets the partial sum of the pseudo header, over
 * which the link sums the segment (`LinkPort.sendSegmented`).
 *
 * @param pseudoHeader as for `finishTcpChecksum`, with the length of the whole segment
 */
export function leaveTcpChecksum(buffer: Uint8Array, offset: number, pseudoHeader: number): void {
  writeUint16(buffer, offset + 16, pseudoHeader);
}

/**
 * Whether the checksum of the segment in `buffer[offset … offset + length)` is right (RFC 9293 section 3.1, MUST-3). The range
 * must be one that `parseTcp` has accepted.
 *
 * @param pseudoHeader the partial sum of the pseudo header, from `pseudoHeaderSum` or `pseudoHeaderSumIpv4`
 */
export function verifyTcpChecksum(buffer: Uint8Array, offset: number, length: number, pseudoHeader: number): boolean {
  return addSums(sumBytes(buffer, offset, length), pseudoHeader) === 0xffff;
}

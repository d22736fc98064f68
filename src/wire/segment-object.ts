/** TCP segments as plain objects: what tests compare and people read. */

import type { TcpHeader } from './tcp-header.ts';
import { MAXIMUM_SACK_BLOCKS, TcpFlag } from './tcp-header.ts';

/** The control bits by name, in the order in which people write them. */
export type TcpFlagName = keyof typeof TcpFlag;

/** A TCP segment's header as a plain object; numbers are unsigned, options that are absent are absent. */
export interface SegmentObject {
  sourcePort: number;
  destinationPort: number;
  /** 0…2^32 - 1. */
  sequence: number;
  /** 0…2^32 - 1. */
  acknowledgment: number;
  flags: TcpFlagName[];
  /** As on the wire, not scaled. */
  window: number;
  urgentPointer: number;
  maximumSegmentSize?: number;
  windowScale?: number;
  sackPermitted?: true;
  timestamp?: { value: number; echo: number };
  sack?: { left: number; right: number }[];
  /** Payload bytes. */
  length: number;
}

const FLAG_NAMES = Object.keys(TcpFlag) as TcpFlagName[];

/** The names of the control bits that are set in `flags`. */
export function flagNames(flags: number): TcpFlagName[] {
  return FLAG_NAMES.filter((name) => (flags & TcpFlag[name]) !== 0);
}

/** The plain object of a header; shares nothing with it. */
export function segmentToObject(header: TcpHeader): SegmentObject {
  const result: SegmentObject = {
    sourcePort: header.sourcePort,
    destinationPort: header.destinationPort,
    sequence: header.sequence >>> 0,
    acknowledgment: header.acknowledgment >>> 0,
    flags: flagNames(header.flags),
    window: header.window,
    urgentPointer: header.urgentPointer,
    length: header.payloadLength,
  };
  if (header.maximumSegmentSize !== 0) result.maximumSegmentSize = header.maximumSegmentSize;
  if (header.windowScale >= 0) result.windowScale = header.windowScale;
  if (header.sackPermitted) result.sackPermitted = true;
  if (header.hasTimestamp) {
    result.timestamp = { value: header.timestampValue >>> 0, echo: header.timestampEcho >>> 0 };
  }
  if (header.sackCount > 0) {
    result.sack = [];
    for (let index = 0; index < header.sackCount; index += 1) {
      result.sack.push({ left: header.sackLeft[index] >>> 0, right: header.sackRight[index] >>> 0 });
    }
  }
  return result;
}

/** Fills `into` from a plain object: the inverse of `segmentToObject`, except that `payloadOffset` becomes 0. */
export function segmentFromObject(segment: SegmentObject, into: TcpHeader): void {
  into.reset();
  into.sourcePort = segment.sourcePort;
  into.destinationPort = segment.destinationPort;
  into.sequence = segment.sequence | 0;
  into.acknowledgment = segment.acknowledgment | 0;
  for (const name of segment.flags) into.flags |= TcpFlag[name];
  into.window = segment.window;
  into.urgentPointer = segment.urgentPointer;
  into.maximumSegmentSize = segment.maximumSegmentSize ?? 0;
  into.windowScale = segment.windowScale ?? -1;
  into.sackPermitted = segment.sackPermitted ?? false;
  if (segment.timestamp !== undefined) {
    into.hasTimestamp = true;
    into.timestampValue = segment.timestamp.value | 0;
    into.timestampEcho = segment.timestamp.echo | 0;
  }
  const blocks = (segment.sack ?? []).slice(0, MAXIMUM_SACK_BLOCKS);
  into.sackCount = blocks.length;
  for (const [index, block] of blocks.entries()) {
    into.sackLeft[index] = block.left;
    into.sackRight[index] = block.right;
  }
  into.payloadLength = segment.length;
}

/** Frames that the stack sent, as the script would write them. */
import {
  DropReason,
  EthernetHeader,
  IpProtocol,
  parseEthernet,
  parseTcp,
  pseudoHeaderSum,
  readInt32,
  readUint16,
  TCP_MINIMUM_HEADER_LENGTH,
  TcpHeader,
  TcpOption,
  verifyTcpChecksum,
} from '../wire/index.ts';
import type { Addressing } from './frames.ts';
import { readIpHeader } from './ip-layer.ts';
import type { TcpOptionSpec } from './script.ts';

/** A TCP segment that left the stack: numbers are those of the wire, int32. */
export interface SentSegment {
  /** Virtual time, microseconds. */
  readonly at: number;
  /** Caused by moving the connection and by nothing in the script. */
  readonly duringMove: boolean;
  readonly localPort: number;
  readonly remotePort: number;
  readonly flags: number;
  /** The bit AE (RFC 9768). */
  readonly accurateEcn: boolean;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly window: number;
  readonly urgentPointer: number;
  readonly length: number;
  readonly options: readonly TcpOptionSpec[];
  readonly typeOfService: number;
  readonly timeToLive: number;
  /** Of IPv6; 0 in IPv4. */
  readonly flowLabel: number;
}

/**
 * Reads a frame of the stack; null when it is no TCP segment.
 *
 * @throws Error when the frame is malformed or a checksum is wrong: no stack may send that.
 */
export function readSegment(
  frame: Uint8Array,
  addressing: Addressing,
  at: number,
  duringMove: boolean,
): SentSegment | null {
  const ethernet = new EthernetHeader();
  if (parseEthernet(frame, 0, frame.length, ethernet) !== DropReason.NONE) throw new Error('a malformed frame');
  const ip = readIpHeader(frame, ethernet.payloadOffset, ethernet.payloadLength, ethernet.etherType);
  if (ip === null || ip.protocol !== IpProtocol.TCP) return null;
  const { payloadOffset, payloadLength } = ip;
  const header = new TcpHeader();
  if (parseTcp(frame, payloadOffset, payloadLength, header) !== DropReason.NONE) throw new Error('a malformed segment');
  const sum = pseudoHeaderSum(addressing.localAddress, addressing.remoteAddress, IpProtocol.TCP, payloadLength);
  if (!verifyTcpChecksum(frame, payloadOffset, payloadLength, sum)) throw new Error('a wrong TCP checksum');
  return {
    at,
    duringMove,
    localPort: header.sourcePort,
    remotePort: header.destinationPort,
    flags: header.flags,
    accurateEcn: (frame[payloadOffset + 12] & 1) !== 0,
    sequence: header.sequence,
    acknowledgment: header.acknowledgment,
    window: header.window,
    urgentPointer: header.urgentPointer,
    length: header.payloadLength,
    options: readOptions(frame, payloadOffset + TCP_MINIMUM_HEADER_LENGTH, payloadOffset + header.headerLength),
    typeOfService: ip.typeOfService,
    timeToLive: ip.timeToLive,
    flowLabel: ip.flowLabel,
  };
}

/** All options in the order of the header, padding included. The header has been parsed: lengths are good. */
function readOptions(buffer: Uint8Array, from: number, to: number): TcpOptionSpec[] {
  const options: TcpOptionSpec[] = [];
  for (let at = from; at < to; ) {
    const kind = buffer[at];
    if (kind === TcpOption.END || kind === TcpOption.NO_OPERATION) {
      options.push({ kind: kind === TcpOption.END ? 'eol' : 'nop' });
      at += 1;
      continue;
    }
    const length = buffer[at + 1];
    options.push(readOption(buffer, at, kind, length));
    at += length;
  }
  return options;
}

function readOption(buffer: Uint8Array, at: number, kind: number, length: number): TcpOptionSpec {
  switch (kind) {
    case TcpOption.MAXIMUM_SEGMENT_SIZE:
      return { kind: 'mss', value: readUint16(buffer, at + 2) };
    case TcpOption.WINDOW_SCALE:
      return { kind: 'wscale', value: buffer[at + 2] };
    case TcpOption.SACK_PERMITTED:
      return { kind: 'sackOK' };
    case TcpOption.TIMESTAMPS:
      return { kind: 'TS', value: readInt32(buffer, at + 2), echo: readInt32(buffer, at + 6) };
    case TcpOption.SACK: {
      const blocks: [number, number][] = [];
      for (let edge = at + 2; edge + 8 <= at + length; edge += 8) {
        blocks.push([readInt32(buffer, edge), readInt32(buffer, edge + 4)]);
      }
      return { kind: 'sack', blocks };
    }
    default:
      return { kind: 'other', number: kind, data: buffer.slice(at + 2, at + length) };
  }
}

/** What can be told of an arriving segment before anybody processes it. */
import { type ArrivalRules, type ControlBlock, canReceive, isSynchronized, TcpState } from '../../tcp/index.ts';
import {
  DropReason,
  type IpPacket,
  IpProtocol,
  parseTcp,
  TcpFlag,
  type TcpHeader,
  verifyTcpChecksum,
} from '../../wire/index.ts';

/**
 * Parses the TCP header of a datagram into `header`, and checks what must be right in every segment: the checksum, unless the
 * adapter vouches for it (RFC 9293 section 3.1, MUST-3), and ports that can be somebody's.
 */
export function readSegment(frame: Uint8Array, ip: IpPacket, checksumValid: boolean, header: TcpHeader): DropReason {
  const { payloadOffset, payloadLength } = ip;
  const reason = parseTcp(frame, payloadOffset, payloadLength, header);
  if (reason !== DropReason.NONE) return reason;
  if (!checksumValid && !isChecksumRight(frame, ip)) return DropReason.TCP_CHECKSUM;
  return header.sourcePort === 0 || header.destinationPort === 0 ? DropReason.TCP_PORT : DropReason.NONE;
}

function isChecksumRight(frame: Uint8Array, ip: IpPacket): boolean {
  const { payloadOffset, payloadLength } = ip;
  const sum = ip.pseudoHeaderSum(IpProtocol.TCP, payloadLength);
  return verifyTcpChecksum(frame, payloadOffset, payloadLength, sum);
}

/** The segment of a datagram: a view of the frame from the first byte of its TCP header on. */
export function segmentOf(frame: Uint8Array, ip: IpPacket): Uint8Array {
  return frame.subarray(ip.payloadOffset, ip.payloadOffset + ip.payloadLength);
}

/** Whether a segment carries text that was not received before, and that resets a connection which nobody reads. */
export function bringsText(cb: ControlBlock, header: TcpHeader, rules: ArrivalRules): boolean {
  const { delegated } = cb;
  if (header.payloadLength === 0 || header.flags & (TcpFlag.SYN | TcpFlag.RST) || !(header.flags & TcpFlag.ACK))
    return false;
  const { state } = delegated;
  const offset = (header.sequence - delegated.rcvNxt) | 0;
  if (offset + header.payloadLength <= 0) return false;
  if (rules.anyTextResetsClosed) return isSynchronized(state) && state !== TcpState.TIME_WAIT;
  return canReceive(state) && offset < delegated.rcvWnd;
}

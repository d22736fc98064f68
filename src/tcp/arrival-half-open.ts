/**
 * SYN-RECEIVED after a passive OPEN, as systems have it that keep half-open connections in a table of their own: a segment
 * is checked there before any general rule of RFC 9293 section 3.10.7.4 (`ArrivalRules.halfOpen`).
 */
import { TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import { mayAnswer } from './blind-attack.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { enterClosed } from './deadlines.ts';
import { Disposition } from './disposition.ts';
import { reviewEcn } from './ecn.ts';
import { TcpState } from './state.ts';
import { sendAck, sendReset, sendSyn } from './transmit.ts';

/** Answers a segment for a half-open connection. False: the general rules go on with it. */
export function halfOpenArrives(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  const { halfOpen } = tcp.parameters.arrival;
  if (halfOpen === 'standard' || cb.activeOpen || cb.delegated.state !== TcpState.SYN_RECEIVED) return false;
  return halfOpen === 'syncache' ? syncacheArrives(tcp, cb, header) : requestArrives(tcp, cb, header);
}

function acknowledgesSyn(cb: ControlBlock, header: TcpHeader): boolean {
  return header.acknowledgment === ((cb.iss + 1) | 0);
}

function repeatSynAck(tcp: TcpContext, cb: ControlBlock, syn: TcpHeader): void {
  reviewEcn(cb, syn);
  sendSyn(tcp, cb);
}

/** BSD: a SYN of any number repeats the SYN-ACK, what does not complete the handshake is reset. */
function syncacheArrives(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  const { flags } = header;
  if (flags & TcpFlag.RST) return false;
  if (flags & TcpFlag.SYN) {
    if (flags & TcpFlag.ACK) refuse(tcp, cb, header);
    else repeatSynAck(tcp, cb, header);
    return true;
  }
  if (!(flags & TcpFlag.ACK)) return true;
  const offset = (header.sequence - cb.delegated.rcvNxt) | 0;
  if (acknowledgesSyn(cb, header) && offset >= 0 && offset < cb.delegated.rcvWnd) return false;
  sendReset(tcp, cb, header.acknowledgment, false);
  return true;
}

/** Linux: the ACK field comes before the sequence number; any reset or SYN inside of the window ends it. */
function requestArrives(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  const d = cb.delegated;
  const { flags } = header;
  const control = flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST);
  const offset = (header.sequence - d.rcvNxt) | 0;
  if (control === TcpFlag.SYN && offset === -1) {
    if (mayAnswer(tcp, cb)) repeatSynAck(tcp, cb, header);
    return true;
  }
  if (flags & TcpFlag.ACK && !acknowledgesSyn(cb, header)) {
    if (!(flags & TcpFlag.RST)) sendReset(tcp, cb, header.acknowledgment, false);
    return true;
  }
  if (!isInWindow(header, offset, d.rcvWnd)) {
    if (!(flags & TcpFlag.RST) && mayAnswer(tcp, cb)) sendAck(tcp, cb);
    return true;
  }
  if (flags & TcpFlag.RST || (flags & TcpFlag.SYN && offset !== -1)) {
    refuse(tcp, cb, header);
    return true;
  }
  return !(flags & TcpFlag.ACK);
}

function isInWindow(header: TcpHeader, offset: number, window: number): boolean {
  const { flags, payloadLength } = header;
  const length = payloadLength + (flags & TcpFlag.SYN ? 1 : 0) + (flags & TcpFlag.FIN ? 1 : 0);
  if (offset === 0) return true;
  if (((offset + length) | 0) > 0 && offset < window) return true;
  return offset === window && length === 0;
}

/** Ends the connection, with a reset unless the peer has sent one. */
function refuse(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  if (!(header.flags & TcpFlag.RST)) {
    if (header.flags & TcpFlag.ACK) sendReset(tcp, cb, header.acknowledgment, false);
    else {
      cb.delegated.rcvNxt = (header.sequence + header.payloadLength + (header.flags & TcpFlag.FIN ? 2 : 1)) | 0;
      sendReset(tcp, cb, 0, true);
    }
  }
  tcp.statistics.attemptFails++;
  enterClosed(tcp, cb);
  cb.disposition |= Disposition.REFUSED;
}

/** The user calls of RFC 9293 section 3.10.1–3.10.5: OPEN, SEND, RECEIVE, CLOSE, ABORT. */
import type { TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { arm, enterClosed } from './deadlines.ts';
import { agreeOnEcnPassive } from './ecn.ts';
import { agreeOnOptions } from './established.ts';
import { output } from './output.ts';
import { after } from './sequence.ts';
import { canReceive, isSynchronized, TcpState } from './state.ts';
import { acceptableSequence, sendAck, sendReset, sendSyn } from './transmit.ts';
import { TIMER_NOT_RUNNING } from './variables.ts';
import { updateSegmentSizes, wantsLateWindowUpdate, wantsWindowUpdate } from './window.ts';

/**
 * Active OPEN: sends `<SEQ=ISS><CTL=SYN>` and enters SYN-SENT. `cb.constant` holds the ports, the options to offer
 * and the receive window scale. `iss` is an int32 chosen by RFC 6528.
 */
export function openActive(tcp: TcpContext, cb: ControlBlock, iss: number): void {
  cb.activeOpen = true;
  tcp.statistics.activeOpens++;
  startOpening(tcp, cb, iss, TcpState.SYN_SENT);
  sendSyn(tcp, cb);
  arm(tcp, cb);
}

/** A SYN found a listener: answers with SYN-ACK and enters SYN-RECEIVED (RFC 9293 section 3.10.7.2, third). */
export function openPassive(tcp: TcpContext, cb: ControlBlock, syn: TcpHeader, iss: number): void {
  const d = cb.delegated;
  tcp.statistics.passiveOpens++;
  startOpening(tcp, cb, iss, TcpState.SYN_RECEIVED);
  agreeOnOptions(tcp, cb, syn);
  agreeOnEcnPassive(tcp, cb, syn);
  d.rcvNxt = (syn.sequence + 1) | 0;
  d.sndWnd = syn.window;
  d.maxSndWnd = syn.window;
  d.sendWl1 = syn.sequence;
  sendSyn(tcp, cb);
  arm(tcp, cb);
}

/**
 * The ACK of a SYN cookie has come (RFC 4987 section 3.6): enters the SYN-RECEIVED that was never kept, so that
 * `segmentArrives` can complete the opening with that ACK and take its text. `syn` is the SYN as the cookie tells it, `iss`
 * the cookie.
 */
export function openFromCookie(tcp: TcpContext, cb: ControlBlock, syn: TcpHeader, iss: number): void {
  const d = cb.delegated;
  tcp.statistics.passiveOpens++;
  startOpening(tcp, cb, iss, TcpState.SYN_RECEIVED);
  agreeOnOptions(tcp, cb, syn);
  d.rcvNxt = (syn.sequence + 1) | 0;
  d.sndMax = (iss + 1) | 0;
  d.sndNxt = d.sndMax;
  d.sndWnd = syn.window;
  d.maxSndWnd = syn.window;
  d.sendWl1 = syn.sequence;
  cb.lastAckSent = d.rcvNxt;
}

function startOpening(tcp: TcpContext, cb: ControlBlock, iss: number, state: TcpState): void {
  const d = cb.delegated;
  updateSegmentSizes(cb, tcp.parameters.maximumSegmentPayload);
  cb.iss = iss;
  d.sndUna = iss;
  d.sndNxt = iss;
  d.sndMax = iss;
  d.rcvWnd = Math.min(cb.cached.initialRcvWnd, 0xffff);
  d.state = state;
}

/**
 * SEND: queues `bytes` by reference (the caller leaves them alone until `ConnectionOwner.acknowledged` has covered them)
 * and sends what the windows allow. The caller has checked with `canSend` that the state takes data, or is opening.
 */
export function send(tcp: TcpContext, cb: ControlBlock, bytes: Uint8Array): void {
  cb.sendQueue.append(bytes);
  output(tcp, cb);
}

/**
 * SEND with the URGENT flag, in place of `send`, when the bytes are queued: those up to `end` bytes behind SND.UNA are urgent.
 * Segments that begin before that carry URG until it is acknowledged; the peer hears of it at once, also when its window is
 * closed (RFC 9293 sections 3.8.5 and 3.10.2; MUST-30, MUST-31). New applications should not do this.
 */
export function markUrgent(tcp: TcpContext, cb: ControlBlock, end: number): void {
  const d = cb.delegated;
  const first = isSynchronized(d.state) ? d.sndUna : (cb.iss + 1) | 0;
  const up = (first + end) | 0;
  if (!cb.urgentPending || after(up, cb.sndUp)) cb.sndUp = up;
  cb.urgentPending = true;
  const before = tcp.statistics.outSegments;
  output(tcp, cb);
  if (isSynchronized(d.state) && tcp.statistics.outSegments === before) sendAck(tcp, cb);
}

/** CLOSE: no more SENDs; a FIN follows what is queued. The state moves at once (RFC 9293 section 3.10.4). */
export function closeSend(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  switch (d.state) {
    case TcpState.SYN_SENT:
      enterClosed(tcp, cb);
      return;
    case TcpState.SYN_RECEIVED:
      cb.closeRequested = true; // the FIN follows our SYN's acknowledgment
      return;
    case TcpState.ESTABLISHED:
      d.state = TcpState.FIN_WAIT_1;
      break;
    case TcpState.CLOSE_WAIT:
      d.state = TcpState.LAST_ACK;
      break;
    default:
      return;
  }
  output(tcp, cb);
}

/** ABORT: drops everything; the peer gets an RST in the states that RFC 9293 section 3.10.5 names. */
export function abort(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  switch (d.state) {
    case TcpState.SYN_RECEIVED:
    case TcpState.ESTABLISHED:
    case TcpState.FIN_WAIT_1:
    case TcpState.FIN_WAIT_2:
    case TcpState.CLOSE_WAIT:
      sendReset(tcp, cb, acceptableSequence(cb), true);
      break;
    default:
      break;
  }
  enterClosed(tcp, cb);
  cb.sendQueue.clear();
  cb.reassembly?.clear();
}

/**
 * RECEIVE, the half that concerns the window: the application took `bytes` of what was delivered. Tells the peer when
 * that opens the window by a useful amount (RFC 9293 section 3.8.6.2.2).
 */
export function consumed(tcp: TcpContext, cb: ControlBlock, bytes: number): void {
  cb.receiveBuffered -= bytes;
  if (!canReceive(cb.delegated.state)) return; // after the peer's FIN there is nothing to open a window for
  if (wantsWindowUpdate(tcp, cb)) {
    sendAck(tcp, cb);
  } else if (cb.swsDeadline === TIMER_NOT_RUNNING && wantsLateWindowUpdate(tcp, cb)) {
    cb.swsDeadline = tcp.ticks + tcp.parameters.swsPreventionTicks;
    arm(tcp, cb);
  }
}

/**
 * Segment arrival, in the order of RFC 9293 section 3.10.7.4: sequence number (with PAWS before it), RST, SYN, ACK, URG,
 * text, FIN. SYN-SENT has a file of its own; CLOSED and LISTEN belong to whoever demultiplexes.
 */
import { TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import { acknowledge, isAcceptableAck, isPlausibleAck } from './acknowledgment.ts';
import { halfOpenArrives } from './arrival-half-open.ts';
import { synSentArrives } from './arrival-syn-sent.ts';
import { challengeReset, challengeSyn, endMitigation, mayAnswer } from './blind-attack.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { enterClosed, startTimeWait } from './deadlines.ts';
import { Disposition } from './disposition.ts';
import { EcnState, noteCongestionMark, reviewEcn } from './ecn.ts';
import { enterEstablished } from './established.ts';
import { output } from './output.ts';
import { after, before } from './sequence.ts';
import { canReceive, TcpState } from './state.ts';
import { noteDuplicate, receiveText, touchFinWait2 } from './text.ts';
import { lacksTimestamp, pawsRejects, updateTimestampRecent } from './timestamps.ts';
import { sendAck, sendReset, sendSyn } from './transmit.ts';
import { TcpConstantFlag } from './variables.ts';

/**
 * Processes one segment of the connection. The payload is `header.payloadLength` bytes at `header.payloadOffset` of
 * `buffer`, whose ownership passes to the owner with `deliver`. Answers the peer, sends what the segment allows to send,
 * and returns `Disposition` bits for the owner. Never throws, whatever the peer sent.
 */
export function segmentArrives(tcp: TcpContext, cb: ControlBlock, header: TcpHeader, buffer: Uint8Array): number {
  cb.disposition = 0;
  cb.progressed = false;
  tcp.statistics.inSegments++;
  countArrival(cb, header.payloadLength);
  const state: TcpState = cb.delegated.state;
  if (state === TcpState.CLOSED || state === TcpState.LISTEN) return 0;
  if (state === TcpState.SYN_SENT) {
    const established = synSentArrives(tcp, cb, header);
    if (established && tcp.parameters.arrival.takesTextOfSynAck) takeTextOfSynAck(tcp, cb, header, buffer);
  } else synchronizedArrives(tcp, cb, header, buffer);
  output(tcp, cb);
  return cb.disposition;
}

function countArrival(cb: ControlBlock, length: number): void {
  const parts = length > cb.receiveMss && cb.receiveMss > 0 ? Math.ceil(length / cb.receiveMss) : 1;
  cb.segmentsIn += parts;
  if (length > 0) cb.dataSegmentsIn += parts;
}

function synchronizedArrives(tcp: TcpContext, cb: ControlBlock, header: TcpHeader, buffer: Uint8Array): void {
  const d = cb.delegated;
  let flags = header.flags;
  if (d.state === TcpState.TIME_WAIT && isNewConnection(cb, header)) {
    cb.disposition |= Disposition.NEW_CONNECTION;
    return;
  }

  if (halfOpenArrives(tcp, cb, header)) return;
  if (tcp.parameters.arrival.ignoresBare && isBare(flags) && d.state !== TcpState.TIME_WAIT) return;
  // Second, RST, before the first: only its sequence number counts (RFC 5961 section 3.2), not its text (RFC 9293
  // SHLD-2) or timestamp (RFC7323-5.2-1).
  if (flags & TcpFlag.RST) {
    resetArrives(tcp, cb, header);
    return;
  }
  // First: sequence number; PAWS comes before it (RFC 7323 section 5.3 R1). A SYN is answered whatever it carries
  // (RFC 5961 section 4.2): its sender may have lost all memory of the connection.
  if (!(flags & TcpFlag.SYN)) {
    if (lacksTimestamp(cb, header)) return;
    if (pawsRejects(tcp, cb, header)) {
      tcp.statistics.pawsDrops++;
      const answers = header.payloadLength > 0 || tcp.parameters.arrival.answersOldEmpty;
      if (answers && isAnswered(tcp, cb, header)) sendAck(tcp, cb);
      return;
    }
  }
  // The SYN-ACK of a simultaneous open repeats a SYN that we have: what counts is its ACK (RFC 9293 section 3.5, figure 8).
  if (isSimultaneousSynAck(cb, header)) {
    reviewEcn(cb, header);
    flags &= ~(TcpFlag.SYN | TcpFlag.ECE | TcpFlag.CWR);
    header.flags = flags;
    header.sequence = (header.sequence + 1) | 0;
    cb.ackNow = true;
  }
  if (!isAcceptable(cb, header)) {
    if (isChallenged(tcp, cb, flags)) challengeSyn(tcp, cb);
    else rejectUnacceptable(tcp, cb, header);
    return;
  }
  // Fourth: SYN (RFC 5961 section 4.2). A SYN that repeats the one we answered finds SYN-RECEIVED and an old sequence.
  // Another one there would take a passive opener back to LISTEN (RFC 9293); the challenge lets a peer that really began
  // anew reset the half-open connection, and gives a forged SYN no power over it.
  if (flags & TcpFlag.SYN) {
    challengeSyn(tcp, cb);
    return;
  }
  // Fifth: ACK.
  if (!(flags & TcpFlag.ACK)) return;
  if (flags & TcpFlag.URG && cb.refuseUrgent && isPlausibleAck(cb, header)) {
    cb.disposition |= Disposition.URGENT;
    return;
  }
  if (d.state === TcpState.SYN_RECEIVED && !completeOpening(tcp, cb, header)) return;
  if (!isAcceptableAck(tcp, cb, header)) return;
  // Not earlier: a forged timestamp on a segment that the ACK field gives away would make PAWS drop all that follow.
  updateTimestampRecent(tcp, cb, header);
  if (d.state === TcpState.TIME_WAIT) answerInTimeWait(tcp, cb, header);
  acknowledge(tcp, cb, header);
  accepted(tcp, cb);

  // Sixth, URG; seventh, text, which is taken whether or not it is urgent; eighth, FIN.
  if (flags & TcpFlag.URG) urgentArrives(cb, header);
  if (header.payloadLength > 0 && cb.ecn & EcnState.RECEIVER) noteCongestionMark(tcp, cb, header);
  if (header.payloadLength > 0 || flags & TcpFlag.FIN) takeText(tcp, cb, header, buffer);
}

function isBare(flags: number): boolean {
  return (flags & (TcpFlag.ACK | TcpFlag.RST | TcpFlag.SYN)) === 0;
}

/** Whether a SYN outside of the window gets a challenge ACK like one inside of it: the limit is then the same as well. */
function isChallenged(tcp: TcpContext, cb: ControlBlock, flags: number): boolean {
  return (
    (flags & TcpFlag.SYN) !== 0 &&
    tcp.parameters.arrival.challengeMilliseconds >= 0 &&
    cb.delegated.state !== TcpState.SYN_RECEIVED
  );
}

/** "If there are other controls or text in the segment, then continue processing" (RFC 9293 section 3.10.7.3, fourth). */
function takeTextOfSynAck(tcp: TcpContext, cb: ControlBlock, header: TcpHeader, buffer: Uint8Array): void {
  if (header.payloadLength === 0 && !(header.flags & TcpFlag.FIN)) return;
  header.sequence = (header.sequence + 1) | 0;
  takeText(tcp, cb, header, buffer);
}

function isSimultaneousSynAck(cb: ControlBlock, header: TcpHeader): boolean {
  return (
    cb.delegated.state === TcpState.SYN_RECEIVED &&
    cb.activeOpen &&
    (header.flags & (TcpFlag.SYN | TcpFlag.ACK)) === (TcpFlag.SYN | TcpFlag.ACK) &&
    ((header.sequence + 1) | 0) === cb.delegated.rcvNxt
  );
}

/** The four cases of RFC 9293 section 3.10.7.4, table 6. With a zero window an ACK, URG or RST at RCV.NXT still counts (MUST-66). */
function isAcceptable(cb: ControlBlock, header: TcpHeader): boolean {
  const d = cb.delegated;
  const length = segmentLength(header);
  const offset = (header.sequence - d.rcvNxt) | 0;
  // One more than the table allows: a sender whose window we closed acknowledges from the edge (as all stacks accept).
  if (length === 0) return offset >= 0 && offset <= d.rcvWnd;
  if (d.rcvWnd === 0) return offset === 0;
  const endOffset = (offset + length - 1) | 0;
  return (offset >= 0 && offset < d.rcvWnd) || (endOffset >= 0 && endOffset < d.rcvWnd);
}

/** SEG.LEN: text, SYN and FIN (RFC 9293 section 3.4). */
function segmentLength(header: TcpHeader): number {
  let length = header.payloadLength;
  if (header.flags & TcpFlag.SYN) length++;
  if (header.flags & TcpFlag.FIN) length++;
  return length;
}

/** "If an incoming segment is not acceptable, an acknowledgment should be sent in reply (unless the RST bit is set)." */
function rejectUnacceptable(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  const d = cb.delegated;
  tcp.statistics.unacceptableSegments++;
  // The peer repeats its FIN because our last ACK was lost: the 2 MSL start again.
  if (d.state === TcpState.TIME_WAIT && header.flags & TcpFlag.FIN) startTimeWait(tcp, cb);
  // A duplicate may carry the first ACK of something: dropping it would stall our own direction. As a duplicate ACK, or for
  // its window, it counts no more.
  if (header.flags & TcpFlag.ACK && !(header.flags & TcpFlag.SYN) && isOldDuplicate(cb, header)) {
    if (header.payloadLength > 0) noteDuplicate(cb, header.sequence, (header.sequence + header.payloadLength) | 0);
    const acknowledges = isPlausibleAck(cb, header) && after(header.acknowledgment, d.sndUna);
    if (acknowledges && d.state !== TcpState.SYN_RECEIVED && d.state !== TcpState.TIME_WAIT) {
      acknowledge(tcp, cb, header);
    }
  }
  if (d.state === TcpState.SYN_RECEIVED) {
    // Our SYN-ACK was lost, or both sides opened at once (section 3.5, figure 8: then the answer is an ACK).
    if (!(header.flags & TcpFlag.ACK)) {
      if (header.flags & TcpFlag.SYN) reviewEcn(cb, header);
      sendSyn(tcp, cb);
    } else if (isAnswered(tcp, cb, header)) sendAck(tcp, cb);
    return;
  }
  if (isAnswered(tcp, cb, header)) cb.ackNow = true;
}

/** Whether a segment outside of the window is answered: what occupies sequence numbers always is. */
function isAnswered(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  return header.payloadLength > 0 || (header.flags & (TcpFlag.FIN | TcpFlag.SYN)) !== 0 || mayAnswer(tcp, cb);
}

/** The whole segment lies before RCV.NXT, but not further than a window. */
function isOldDuplicate(cb: ControlBlock, header: TcpHeader): boolean {
  const behind = (cb.delegated.rcvNxt - header.sequence) | 0;
  return behind > 0 && behind <= Math.max(cb.cached.initialRcvWnd, 0xffff);
}

/** RST: at RCV.NXT it is obeyed, elsewhere in the window challenged, outside of it dropped (RFC5961-3.2-1, RFC5961-3.2-2, RFC5961-3.2-3). */
function resetArrives(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  const d = cb.delegated;
  const rules = tcp.parameters.arrival;
  const offset = (header.sequence - (rules.resetsAtLastAck ? cb.lastAckSent : d.rcvNxt)) | 0;
  if (d.state === TcpState.TIME_WAIT && rules.resetsInTimeWait !== 'standard') {
    if (offset === 0 && rules.resetsInTimeWait === 'exact') resetByPeer(tcp, cb);
  } else if (offset === 0 || (offset === -1 && rules.resetsAtFin && hasPeersFin(d.state))) {
    resetByPeer(tcp, cb);
  } else if (rules.resetsReachEdges) {
    if (!before(header.sequence, cb.lastAckSent) && offset <= d.rcvWnd) challengeReset(tcp, cb);
  } else if (offset > 0 && offset < d.rcvWnd) {
    challengeReset(tcp, cb);
  }
}

function hasPeersFin(state: TcpState): boolean {
  return state === TcpState.CLOSE_WAIT || state === TcpState.CLOSING || state === TcpState.LAST_ACK;
}

function resetByPeer(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  if (d.state === TcpState.SYN_RECEIVED) {
    tcp.statistics.attemptFails++;
    cb.disposition |= Disposition.REFUSED;
  } else {
    if (d.state === TcpState.ESTABLISHED || d.state === TcpState.CLOSE_WAIT) tcp.statistics.establishedResets++;
    cb.disposition |= d.state === TcpState.TIME_WAIT ? Disposition.CLOSED : Disposition.RESET;
  }
  enterClosed(tcp, cb);
}

/** SYN-RECEIVED: SND.UNA < SEG.ACK =< SND.NXT enters ESTABLISHED, anything else is answered with a reset. */
function completeOpening(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  const d = cb.delegated;
  if (!after(header.acknowledgment, d.sndUna) || after(header.acknowledgment, d.sndMax)) {
    sendReset(tcp, cb, header.acknowledgment, false);
    return false;
  }
  enterEstablished(tcp, cb, header);
  return true;
}

/** TIME-WAIT, where "the only thing that can arrive" is the peer's FIN: what else does tells that the ends disagree. */
function answerInTimeWait(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  const d = cb.delegated;
  const { answersInTimeWait } = tcp.parameters.arrival;
  const isElsewhere = header.sequence !== d.rcvNxt;
  if (header.payloadLength > 0) cb.ackNow = true;
  else if (answersInTimeWait === 'elsewhere') cb.ackNow ||= isElsewhere && mayAnswer(tcp, cb);
  else if (answersInTimeWait === 'news') {
    cb.ackNow ||= isElsewhere || header.flags !== TcpFlag.ACK || header.acknowledgment !== d.sndNxt;
  }
}

/** What every acceptable segment does to the timers (TMR-KA-02, TMR-FW2-03, RST-11). */
function accepted(tcp: TcpContext, cb: ControlBlock): void {
  cb.disposition |= Disposition.ACCEPTED;
  cb.lastReceivedAt = tcp.ticks;
  if (cb.mitigating) {
    endMitigation(tcp, cb);
  } else if (cb.delegated.keepAlive.probeCount !== 0) {
    cb.delegated.keepAlive.probeCount = 0;
    cb.keepAliveDeadline = tcp.ticks + cb.cached.kaTimeout;
  }
  touchFinWait2(tcp, cb);
}

/**
 * Sixth: the urgent pointer points behind the urgent data, which may be of any length and need not be there yet (RFC 9293
 * section 3.8.5, MUST-30, MUST-31, MUST-62; MUST-66: whatever the window is). A pointer to what was delivered says nothing.
 */
function urgentArrives(cb: ControlBlock, header: TcpHeader): void {
  if (!canReceive(cb.delegated.state)) return;
  const ahead = (header.sequence + header.urgentPointer - cb.delegated.rcvNxt) | 0;
  if (ahead > 0) cb.owner.urgent?.(cb, ahead);
}

/** Trims the segment to the window, front and back, and processes what is left. */
function takeText(tcp: TcpContext, cb: ControlBlock, header: TcpHeader, buffer: Uint8Array): void {
  const d = cb.delegated;
  let sequence = header.sequence;
  let offset = header.payloadOffset;
  let length = header.payloadLength;
  let fin = (header.flags & TcpFlag.FIN) !== 0;
  if (before(sequence, d.rcvNxt)) {
    const duplicate = Math.min((d.rcvNxt - sequence) | 0, length);
    if (duplicate > 0) noteDuplicate(cb, sequence, (sequence + duplicate) | 0);
    sequence = (sequence + duplicate) | 0;
    offset += duplicate;
    length -= duplicate;
    if (before(sequence, d.rcvNxt)) fin = false; // the FIN itself is an old one
    cb.ackNow = true;
  }
  const beyond = (sequence + length - (d.rcvNxt + d.rcvWnd)) | 0;
  if (beyond > 0) {
    length = Math.max(0, length - beyond);
    fin = false;
    cb.ackNow = true;
  }
  if (length > 0 || fin) receiveText(tcp, cb, header, buffer, sequence, offset, length, fin);
}

/**
 * A SYN in TIME-WAIT that cannot be an old duplicate (RFC 9293 section 3.10.7.4 "fourth", MAY-2, SHLD-4; RFC 6191 section 2): by
 * its timestamp if both incarnations have one, else by its sequence number.
 */
function isNewConnection(cb: ControlBlock, header: TcpHeader): boolean {
  if ((header.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) !== TcpFlag.SYN) return false;
  if (header.hasTimestamp) {
    if (!(cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED)) return true;
    const newer = (header.timestampValue - cb.delegated.tsRecent) | 0;
    if (newer !== 0) return newer > 0;
  }
  return after(header.sequence, cb.delegated.rcvNxt);
}

/** Segments as they leave: header, options and what sending them does to the control block. */
import { EcnCodepoint, TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { startRetransmitTimer } from './deadlines.ts';
import { EcnState, ecnFlagsOfSyn } from './ecn.ts';
import { flightOf } from './flight-state.ts';
import { after, before } from './sequence.ts';
import { isSynchronized, TcpState } from './state.ts';
import { noteRetransmission } from './undo.ts';
import { TcpConstantFlag, TIMER_NOT_RUNNING } from './variables.ts';
import { advertisedWindow, largestSegment } from './window.ts';

/** SACK blocks that fit beside a timestamps option (RFC 2018 section 3). */
const SACK_BLOCKS_WITH_TIMESTAMP = 3;
const SACK_BLOCKS = 4;

/** Our timestamp clock: StackTime + StackDelta, NicTime + NicDelta (TS-02). */
export function timestampNow(tcp: TcpContext, cb: ControlBlock): number {
  return (tcp.ticks + cb.timestampDelta) | 0;
}

/**
 * Sends `length` bytes of the send queue that start at `sequence`, with FIN when `fin`; moves SND.NXT and SND.MAX when
 * the segment lies at them. Starts the retransmission timer (RFC 6298 section 5, rule 5.1) and a round-trip measurement, when none
 * runs (RFC6298-3-2).
 */
export function transmitData(tcp: TcpContext, cb: ControlBlock, sequence: number, length: number, fin: boolean): void {
  const d = cb.delegated;
  const offset = (sequence - d.sndUna) | 0;
  const end = (sequence + length + (fin ? 1 : 0)) | 0;
  let flags: number = TcpFlag.ACK;
  if (fin) flags |= TcpFlag.FIN;
  // PSH on the segment that empties the queue, however many SENDs it holds (SEND-16; RFC 9293 section 3.9.1.2, MUST-61, SHLD-27).
  if (length > 0 && offset + length === cb.sendQueue.length) flags |= TcpFlag.PSH;

  const isNew = after(end, d.sndMax);
  // ECT and CWR on text that is new, and no window probe (RFC 3168 sections 6.1.2, 6.1.5 and 6.1.6).
  let ecn: number = EcnCodepoint.NOT_ECT;
  if (cb.ecn & EcnState.SENDER && length > 0 && !before(sequence, d.sndMax) && d.sndWnd > 0) {
    ecn = EcnCodepoint.ECT_0;
    if (cb.ecn & EcnState.REDUCED) flags |= TcpFlag.CWR;
    cb.ecn &= ~EcnState.REDUCED;
  }
  if (((sequence - d.sndMax) | 0) < 0) {
    tcp.statistics.retransmittedSegments++;
    tcp.statistics.retransmittedBytes += Math.min(length, (d.sndMax - sequence) | 0);
    cb.retransmittedSegments++;
    cb.retransmittedBytes += Math.min(length, (d.sndMax - sequence) | 0);
    if (cb.undo !== null && (cb.inRecovery || cb.timeoutRecovery)) {
      const again = Math.min((end - sequence) | 0, (d.sndMax - sequence) | 0);
      noteRetransmission(cb.undo, again, timestampNow(tcp, cb));
    }
    // Karn: a measurement over a retransmission would be ambiguous (RFC6298-3-1).
    if (cb.timing && !after(sequence, cb.timedSequence)) cb.timing = false;
  }
  if (isNew) {
    if (!cb.timing) {
      cb.timing = true;
      cb.timedSequence = end;
      cb.timedAt = tcp.now;
    }
    if (cb.busySince < 0) cb.busySince = tcp.ticks;
    d.sndMax = end;
    if (length % cb.sendMss !== 0) cb.smallEnd = end;
    // Traffic both ways: text of ours carries the ACKs from now on.
    if (tcp.ticks - cb.lastTextAt < tcp.parameters.delayedAckTicks) cb.quickAcks = 0;
  }
  if (after(end, d.sndNxt)) d.sndNxt = end;
  const flight = flightOf(tcp, cb, sequence);
  if (flight !== null) {
    flight.record.sent(sequence, end, tcp.now, length >= cb.sendMss);
    flight.reschedulesProbe ||= isNew;
    if (cb.inRecovery) flight.prrOut += length;
  }
  cb.lastSendAt = tcp.now;
  if (cb.retransmitDeadline === TIMER_NOT_RUNNING) startRetransmitTimer(tcp, cb);
  emit(tcp, cb, sequence, flags, offset, length, ecn);
}

/**
 * The sequence number of a segment without text: SND.MAX, so that a rolled-back SND.NXT does not look old to the peer,
 * but not beyond the window that the peer offers (a window probe lies there), where it would be unacceptable.
 */
export function acceptableSequence(cb: ControlBlock): number {
  const d = cb.delegated;
  if (!isSynchronized(d.state)) return d.sndMax; // the window of a SYN begins behind it
  const edge = (d.sndUna + d.sndWnd) | 0;
  return after(d.sndMax, edge) ? edge : d.sndMax;
}

/** Sends an ACK without text. */
export function sendAck(tcp: TcpContext, cb: ControlBlock): void {
  emit(tcp, cb, acceptableSequence(cb), TcpFlag.ACK, 0, 0, EcnCodepoint.NOT_ECT);
}

/** Sends the SYN or SYN-ACK of the current state (RFC 9293 section 3.5). */
export function sendSyn(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  if (d.sndMax === cb.iss) {
    d.sndMax = (cb.iss + 1) | 0;
    cb.timing = true;
    cb.timedSequence = d.sndMax;
    cb.timedAt = tcp.now;
  } else {
    cb.timing = false;
    tcp.statistics.retransmittedSegments++;
    cb.retransmittedSegments++;
  }
  d.sndNxt = d.sndMax;
  if (cb.retransmitDeadline === TIMER_NOT_RUNNING) startRetransmitTimer(tcp, cb);
  const isSynAck = d.state !== TcpState.SYN_SENT;
  const flags = (isSynAck ? TcpFlag.SYN | TcpFlag.ACK : TcpFlag.SYN) | ecnFlagsOfSyn(tcp, cb, isSynAck);
  emit(tcp, cb, cb.iss, flags, 0, 0, EcnCodepoint.NOT_ECT); // never ECT (RFC 3168 section 6.1.1)
}

/** Sends `<SEQ=sequence><CTL=RST>` (with ACK when `acknowledge`) on a connection of ours. */
export function sendReset(tcp: TcpContext, cb: ControlBlock, sequence: number, acknowledge: boolean): void {
  tcp.statistics.outResets++;
  emit(tcp, cb, sequence, acknowledge ? TcpFlag.RST | TcpFlag.ACK : TcpFlag.RST, 0, 0, EcnCodepoint.NOT_ECT);
}

/** A keepalive probe: an ACK one byte before SND.NXT, which the peer must answer (RFC 9293 section 3.8.4, MAY-5, SHLD-12). */
export function sendKeepAliveProbe(tcp: TcpContext, cb: ControlBlock): void {
  tcp.statistics.keepAliveProbes++;
  sendProbe(tcp, cb);
}

/** An ACK one octet behind SND.UNA: it is not acceptable, and so the peer must answer it. */
export function sendProbe(tcp: TcpContext, cb: ControlBlock): void {
  emit(tcp, cb, (cb.delegated.sndUna - 1) | 0, TcpFlag.ACK, 0, 0, EcnCodepoint.NOT_ECT);
}

function emit(
  tcp: TcpContext,
  cb: ControlBlock,
  sequence: number,
  flags: number,
  offset: number,
  length: number,
  ecn: number,
): void {
  const h = tcp.outgoing;
  const d = cb.delegated;
  h.clearOptions();
  h.optionLayout = tcp.parameters.optionLayout;
  h.sourcePort = cb.constant.localPort;
  h.destinationPort = cb.constant.remotePort;
  h.sequence = sequence;
  h.flags = flags;
  h.ecn = ecn;
  h.urgentPointer = 0;
  if (flags & TcpFlag.SYN) {
    writeSynOptions(tcp, cb, flags);
  } else if (d.state === TcpState.SYN_SENT) {
    h.window = 0; // a reset before anything is agreed: neither options nor a scaled window (RFC 7323 sections 2.2 and 3.2)
  } else {
    h.window = advertisedWindow(tcp, cb);
    if (cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED) writeTimestamp(tcp, cb);
    if (length === 0 && owesSackBlocks(cb)) writeSackBlocks(h, cb);
  }
  // RFC 3168 section 6.1.3.
  if (cb.ecn & EcnState.ECHO && !(flags & TcpFlag.RST)) h.flags |= TcpFlag.ECE;
  if (flags & TcpFlag.ACK) {
    h.acknowledgment = d.rcvNxt;
    cb.lastAckSent = d.rcvNxt;
    cb.ackNow = false;
    cb.segmentsSinceAck = 0;
    cb.delayedAckDeadline = TIMER_NOT_RUNNING;
  } else {
    h.acknowledgment = 0;
  }
  if (cb.urgentPending) writeUrgentPointer(cb, h);
  tcp.statistics.outSegments++;
  const parts = length > cb.sendMss ? Math.ceil(length / cb.sendMss) : 1;
  cb.segmentsOut += parts;
  if (length > 0) cb.dataSegmentsOut += parts;
  cb.owner.transmit(cb, h, offset, length);
}

/** The urgent pointer points to the octet behind the urgent data, or as far as 16 bits reach (RFC 9293 section 3.8.5, MUST-62). */
function writeUrgentPointer(cb: ControlBlock, h: TcpHeader): void {
  const ahead = (cb.sndUp - h.sequence) | 0;
  if (ahead <= 0 || h.flags & (TcpFlag.SYN | TcpFlag.RST)) return;
  h.flags |= TcpFlag.URG;
  h.urgentPointer = Math.min(ahead, 0xffff);
}

/** SYN options: what we offer, or in a SYN-ACK what both sides know (RFC 7323 section 1.3, RFC 2018 section 2). */
function writeSynOptions(tcp: TcpContext, cb: ControlBlock, flags: number): void {
  const h = tcp.outgoing;
  const negotiated = cb.constant.flags;
  // In every SYN and nowhere else (RFC 9293 section 3.7.1 MUST-14, MUST-65, SHLD-5, MAY-3); what the IP layer takes (MUST-67).
  h.maximumSegmentSize = Math.min(0xffff, largestSegment(cb));
  if (negotiated & TcpConstantFlag.WINDOW_SCALING_ENABLED) h.windowScale = cb.constant.rcvWindScale;
  h.sackPermitted = (negotiated & TcpConstantFlag.SACK_ENABLED) !== 0;
  if (negotiated & TcpConstantFlag.TIMESTAMP_ENABLED) {
    writeTimestamp(tcp, cb);
    if (!(flags & TcpFlag.ACK)) h.timestampEcho = 0;
  }
  // The window of a segment with SYN is never scaled (RFC7323-2.2-3).
  h.window = Math.min(0xffff, cb.delegated.rcvWnd);
  cb.delegated.rcvWnd = h.window;
}

/** TSval, and the TSval of the peer that section 4.3 of RFC 7323 chooses (RFC7323-3.2-1): in every segment once agreed (RFC7323-3.2-3). */
function writeTimestamp(tcp: TcpContext, cb: ControlBlock): void {
  const h = tcp.outgoing;
  h.hasTimestamp = true;
  h.timestampValue = timestampNow(tcp, cb);
  h.timestampEcho = cb.delegated.tsRecent;
}

/** Whether there is anything to report by SACK: such an ACK may not hide in a segment with text. */
export function owesSackBlocks(cb: ControlBlock): boolean {
  return cb.duplicatePending || (cb.reassembly !== null && !cb.reassembly.isEmpty);
}

/** Blocks ride on segments without text only: a full-sized segment has no room for them (RFC 9293 MUST-16). */
function writeSackBlocks(h: TcpHeader, cb: ControlBlock): void {
  if (!(cb.constant.flags & TcpConstantFlag.SACK_ENABLED)) return;
  if (cb.duplicatePending) {
    cb.duplicatePending = false;
    h.sackLeft[0] = cb.duplicateLeft;
    h.sackRight[0] = cb.duplicateRight;
    h.sackCount = 1;
  }
  if (cb.reassembly === null) return;
  const withTimestamp = cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED;
  cb.reassembly.fillSackBlocks(h, withTimestamp ? SACK_BLOCKS_WITH_TIMESTAMP : SACK_BLOCKS);
}

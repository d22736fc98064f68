/** "Seventh, process the segment text" and "eighth, check the FIN bit" of RFC 9293 section 3.10.7.4. */
import { TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { setRetransmitTimer, startDelayedAck, startTimeWait } from './deadlines.ts';
import { Disposition } from './disposition.ts';
import { MemoryState, refusesText } from './memory-state.ts';
import { canReceive, TcpState } from './state.ts';
import { TcpConstantFlag } from './variables.ts';

/**
 * Takes the text of an acceptable segment. `sequence`, `offset` and `length` are already trimmed to the window; `fin`
 * says that a FIN follows the last byte of the trimmed text.
 */
export function receiveText(
  tcp: TcpContext,
  cb: ControlBlock,
  header: TcpHeader,
  buffer: Uint8Array,
  sequence: number,
  offset: number,
  length: number,
  fin: boolean,
): void {
  const d = cb.delegated;
  // After the peer's FIN there can be no text: a segment that claims it is a duplicate or worse (section 3.10.7.4).
  if (!canReceive(d.state)) return;
  if (tcp.memoryState !== MemoryState.NORMAL && length > 0 && refusesText(tcp, cb, sequence)) {
    tcp.statistics.textRefused++;
    cb.ackNow = true;
    return;
  }
  if (fin) {
    cb.finReceived = true;
    cb.finSequence = (sequence + length) | 0;
  }
  if (sequence !== d.rcvNxt) {
    if (length > 0) {
      tcp.statistics.outOfOrderSegments++;
      const queue = cb.reassemblyQueue(tcp.parameters.outOfOrderLimitSegments);
      const end = (sequence + length) | 0;
      if (queue.holds(sequence, end)) noteDuplicate(cb, sequence, end);
      queue.insert(sequence, buffer, offset, length);
      if (header.flags & TcpFlag.PSH) cb.pushHeld = true;
    }
    // An immediate duplicate ACK tells the sender of the gap (RFC 5681 section 4.2, RFC 9293 MAY-13), unless what is missing
    // may just be waiting to be forwarded: then the sender would repeat what was never lost.
    if (length > 0 && awaitsForwarded(tcp, cb)) startDelayedAck(tcp, cb);
    else cb.ackNow = true;
    return;
  }
  if (length > 0) {
    deliver(cb, buffer, offset, length);
    if (header.flags & TcpFlag.PSH) cb.disposition |= Disposition.PUSH;
    if (cb.reassembly !== null && !cb.reassembly.isEmpty) {
      deliverReassembled(cb);
      if (cb.pushHeld) {
        // Which piece it ended is not recorded: one push too many only delivers earlier.
        cb.disposition |= Disposition.PUSH;
        cb.pushHeld = cb.reassembly !== null;
      }
      // A gap was filled, wholly or in part: one ACK for all of it (RFC 5681 section 4.2, RFC 9293 MUST-59).
      if (!awaitsForwarded(tcp, cb)) cb.ackNow = true;
    }
    if (cb.reassembly !== null && awaitsForwarded(tcp, cb)) startDelayedAck(tcp, cb);
    else scheduleAck(tcp, cb);
  }
  if (cb.finReceived && cb.finSequence === d.rcvNxt) receiveFin(tcp, cb);
}

/** The gap below what is held may be filled by what the previous owner forwards. */
function awaitsForwarded(tcp: TcpContext, cb: ControlBlock): boolean {
  return cb.reassembly !== null && tcp.ticks < cb.forwardsUntil;
}

/** Remembers a duplicate for the next ACK (RFC 2883 section 4); of several, the last. */
export function noteDuplicate(cb: ControlBlock, left: number, right: number): void {
  if (!(cb.constant.flags & TcpConstantFlag.SACK_ENABLED)) return;
  cb.duplicatePending = true;
  cb.duplicateLeft = left;
  cb.duplicateRight = right;
}

function deliver(cb: ControlBlock, buffer: Uint8Array, offset: number, length: number): void {
  const d = cb.delegated;
  d.rcvNxt = (d.rcvNxt + length) | 0;
  d.rcvWnd = Math.max(0, d.rcvWnd - length);
  cb.receiveBuffered += length;
  cb.disposition |= Disposition.FORWARD_PROGRESS;
  cb.owner.deliver(cb, buffer, offset, length);
}

function deliverReassembled(cb: ControlBlock): void {
  cb.reassembly?.takeContiguous(cb.delegated.rcvNxt, (buffer, offset, length) => deliver(cb, buffer, offset, length));
  if (cb.reassembly?.isEmpty) cb.reassembly = null;
}

/**
 * Every second full-sized segment is acknowledged at once, others within the delay (RFC 9293 section 3.8.6.3, SHLD-18, SHLD-19;
 * MUST-58).
 */
function scheduleAck(tcp: TcpContext, cb: ControlBlock): void {
  cb.segmentsSinceAck++;
  cb.lastTextAt = tcp.ticks;
  const frequency = tcp.parameters.ackFrequency;
  const bytes = (cb.delegated.rcvNxt - cb.lastAckSent) | 0;
  if (cb.quickAcks > 0) {
    cb.quickAcks--;
    cb.ackNow = true;
    return;
  }
  if (cb.segmentsSinceAck >= frequency || bytes >= frequency * cb.receiveMss) cb.ackNow = true;
  else startDelayedAck(tcp, cb);
}

/** The peer's FIN is next in sequence: acknowledge it and move on. */
export function receiveFin(tcp: TcpContext, cb: ControlBlock): void {
  const d = cb.delegated;
  d.rcvNxt = (d.rcvNxt + 1) | 0;
  d.rcvWnd = Math.max(0, d.rcvWnd - 1);
  if (d.state === TcpState.ESTABLISHED && mayDelayAckOfFin(tcp, cb)) startDelayedAck(tcp, cb);
  else cb.ackNow = true;
  cb.finReceived = false;
  cb.reassembly = null;
  cb.disposition |= Disposition.PEER_CLOSED;
  switch (d.state) {
    case TcpState.ESTABLISHED:
      d.state = TcpState.CLOSE_WAIT;
      break;
    case TcpState.FIN_WAIT_1:
      // Our FIN is not acknowledged yet: the ACK field was processed before (step five).
      d.state = TcpState.CLOSING;
      break;
    case TcpState.FIN_WAIT_2:
      d.state = TcpState.TIME_WAIT;
      startTimeWait(tcp, cb);
      cb.disposition |= Disposition.TIME_WAIT;
      break;
    default:
      break;
  }
}

/** There is no delay to go by before text has come. */
function mayDelayAckOfFin(tcp: TcpContext, cb: ControlBlock): boolean {
  return tcp.parameters.delaysAckOfFin && cb.dataSegmentsIn > 0 && !cb.ackNow;
}

/** Each acceptable segment restarts the FIN-WAIT-2 timer (TMR-FW2-03). */
export function touchFinWait2(tcp: TcpContext, cb: ControlBlock): void {
  if (cb.delegated.state === TcpState.FIN_WAIT_2) setRetransmitTimer(tcp, cb, tcp.parameters.finWait2Ticks);
}

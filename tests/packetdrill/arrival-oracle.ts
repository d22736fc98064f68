/**
 * What a segment does to a connection, by RFC 9293 section 3.10.7 with RFC 5961, written down once more and without a look at
 * the engine; and where Linux and BSD are known to do something else.
 */
import { TcpFlag } from '../../src/wire/index.ts';

export type StateName =
  | 'CLOSED'
  | 'LISTEN'
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT';

/** `reset`: `<SEQ=SEG.ACK><CTL=RST>`; `resetAck`: `<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>`. */
export type Reply = 'nothing' | 'ack' | 'reset' | 'resetAck' | 'synAck';

export interface Outcome {
  readonly reply: Reply;
  readonly state: StateName;
}

export interface Arrival {
  readonly state: StateName;
  readonly flags: number;
  /** SEG.SEQ - RCV.NXT; no window exists before there is a connection. */
  readonly offset: number;
  /** Text, bytes. */
  readonly length: number;
  /** SEG.ACK: SND.UNA, SND.NXT, or one beyond. */
  readonly acknowledges: 'una' | 'next' | 'unsent';
  /** RCV.WND. */
  readonly window: number;
}

export type Style = 'default' | 'linux' | 'bsd';

export function expectedOutcome(style: Style, arrival: Arrival): Outcome {
  const { state, flags } = arrival;
  const stays = (reply: Reply): Outcome => ({ reply, state });
  if (state === 'CLOSED') return stays(answerOfNobody(flags));
  if (state === 'LISTEN') return listen(style, arrival);
  if (state === 'SYN-SENT') return synSent(style, arrival);
  if (state === 'SYN-RECEIVED' && style !== 'default') {
    const outcome = style === 'linux' ? halfOpenOfLinux(arrival) : halfOpenOfBsd(arrival);
    if (outcome !== null) return outcome;
  }
  if (state === 'TIME-WAIT') {
    const outcome = timeWait(style, arrival);
    if (outcome !== null) return outcome;
  }
  return synchronized(style, arrival);
}

/** Section 3.10.7.1. */
function answerOfNobody(flags: number): Reply {
  if (flags & TcpFlag.RST) return 'nothing';
  return flags & TcpFlag.ACK ? 'reset' : 'resetAck';
}

/** Section 3.10.7.2. Linux does not take a SYN with FIN. */
function listen(style: Style, { state, flags }: Arrival): Outcome {
  if (flags & TcpFlag.RST) return { reply: 'nothing', state };
  if (flags & TcpFlag.ACK) return { reply: 'reset', state };
  if (!(flags & TcpFlag.SYN)) return { reply: 'nothing', state };
  if (style === 'linux' && flags & TcpFlag.FIN) return { reply: 'nothing', state };
  return { reply: 'synAck', state };
}

/** Section 3.10.7.3. Linux does not take what rides on a SYN-ACK. */
function synSent(style: Style, { state, flags, acknowledges }: Arrival): Outcome {
  const isGood = acknowledges === 'next';
  if (flags & TcpFlag.ACK && !isGood) return { reply: flags & TcpFlag.RST ? 'nothing' : 'reset', state };
  if (flags & TcpFlag.RST) return { reply: 'nothing', state: flags & TcpFlag.ACK ? 'CLOSED' : state };
  if (!(flags & TcpFlag.SYN)) return { reply: 'nothing', state };
  if (!(flags & TcpFlag.ACK)) return { reply: 'synAck', state: 'SYN-RECEIVED' };
  return { reply: 'ack', state: flags & TcpFlag.FIN && style !== 'linux' ? 'CLOSE-WAIT' : 'ESTABLISHED' };
}

/** Requests of Linux: the ACK field first; a reset or a SYN inside of the window ends them; no ACK means nothing. */
function halfOpenOfLinux(arrival: Arrival): Outcome | null {
  const { state, flags, offset, window, acknowledges } = arrival;
  const length = segmentLength(arrival);
  const isReset = (flags & TcpFlag.RST) !== 0;
  if ((flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.SYN && offset === -1) {
    return { reply: 'synAck', state };
  }
  if (flags & TcpFlag.ACK && acknowledges !== 'next') return { reply: isReset ? 'nothing' : 'reset', state };
  const isInside = offset === 0 || (offset + length > 0 && offset < window) || (offset === window && length === 0);
  if (!isInside) return { reply: isReset ? 'nothing' : 'ack', state };
  if (isReset) return { reply: 'nothing', state: 'CLOSED' };
  if (flags & TcpFlag.SYN && offset !== -1) {
    return { reply: flags & TcpFlag.ACK ? 'reset' : 'resetAck', state: 'CLOSED' };
  }
  return flags & TcpFlag.ACK ? null : { reply: 'nothing', state };
}

/** The SYN cache of BSD: every SYN repeats the SYN-ACK; an ACK completes the handshake or is reset; the rest is dropped. */
function halfOpenOfBsd({ state, flags, offset, window, acknowledges }: Arrival): Outcome | null {
  if (flags & TcpFlag.RST) return null;
  if (flags & TcpFlag.SYN) {
    return flags & TcpFlag.ACK ? { reply: 'reset', state: 'CLOSED' } : { reply: 'synAck', state };
  }
  if (!(flags & TcpFlag.ACK)) return { reply: 'nothing', state };
  if (acknowledges === 'next' && offset >= 0 && offset < window) return null;
  return { reply: 'reset', state };
}

/** A new SYN opens anew (MAY-2). BSD ignores resets (RFC 1337), Linux obeys those at RCV.NXT and challenges none. */
function timeWait(style: Style, arrival: Arrival): Outcome | null {
  const { state, flags, offset, length, acknowledges } = arrival;
  if ((flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.SYN && offset > 0) {
    return { reply: style === 'linux' && flags & TcpFlag.FIN ? 'nothing' : 'synAck', state: 'CLOSED' };
  }
  if (flags & TcpFlag.RST) {
    if (style === 'bsd') return { reply: 'nothing', state };
    if (style === 'linux') return { reply: 'nothing', state: offset === 0 ? 'CLOSED' : state };
    return null;
  }
  if (!isAcceptable(arrival) || flags & TcpFlag.SYN || !(flags & TcpFlag.ACK) || acknowledges === 'unsent') return null;
  const isElsewhere = offset !== 0;
  if (length > 0) return { reply: 'ack', state };
  if (style === 'linux' && isElsewhere) return { reply: 'ack', state };
  if (style === 'bsd' && (isElsewhere || flags !== TcpFlag.ACK || acknowledges !== 'next'))
    return { reply: 'ack', state };
  return { reply: 'nothing', state };
}

function segmentLength({ flags, length }: Arrival): number {
  return length + (flags & TcpFlag.SYN ? 1 : 0) + (flags & TcpFlag.FIN ? 1 : 0);
}

/** Table 6 of section 3.10.7.4, with the right edge itself for what has no length, as all stacks take it. */
function isAcceptable(arrival: Arrival): boolean {
  const { offset, window } = arrival;
  const length = segmentLength(arrival);
  if (length === 0) return offset >= 0 && offset <= window;
  const last = offset + length - 1;
  return (offset >= 0 && offset < window) || (last >= 0 && last < window);
}

const RECEIVING: readonly StateName[] = ['ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2'];
const WITH_PEERS_FIN: readonly StateName[] = ['CLOSE-WAIT', 'CLOSING', 'LAST-ACK'];

/** Section 3.10.7.4, in its order. */
function synchronized(style: Style, arrival: Arrival): Outcome {
  const { state, flags, offset, window, acknowledges } = arrival;
  const stays = (reply: Reply): Outcome => ({ reply, state });
  if (style === 'linux' && !(flags & (TcpFlag.ACK | TcpFlag.RST | TcpFlag.SYN)) && state !== 'TIME-WAIT') {
    return stays('nothing');
  }
  if (flags & TcpFlag.RST) {
    const atFin = style === 'linux' && offset === -1 && WITH_PEERS_FIN.includes(state);
    if (offset === 0 || atFin) return { reply: 'nothing', state: 'CLOSED' };
    const isInside = offset > 0 && (offset < window || (style === 'linux' && offset === window));
    return stays(isInside ? 'ack' : 'nothing');
  }
  if (!isAcceptable(arrival)) {
    // The SYN that opened it, once more: the answer is the SYN-ACK, once more.
    if (state === 'SYN-RECEIVED') return stays(flags & TcpFlag.ACK ? 'ack' : 'synAck');
    return oldDuplicate(arrival);
  }
  if (flags & TcpFlag.SYN) return stays('ack');
  if (!(flags & TcpFlag.ACK)) return stays('nothing');
  if (state === 'SYN-RECEIVED' && acknowledges !== 'next') return stays('reset');
  if (acknowledges === 'unsent') {
    return stays(style === 'linux' && state === 'ESTABLISHED' ? 'nothing' : 'ack');
  }
  return textAndFin(arrival, afterAck(state, acknowledges === 'next'));
}

/** What is left of the window is answered, and what it acknowledges for the first time counts: it would be missed else. */
function oldDuplicate({ state, flags, offset, acknowledges }: Arrival): Outcome {
  const counts = offset < 0 && (flags & (TcpFlag.ACK | TcpFlag.SYN)) === TcpFlag.ACK && acknowledges === 'next';
  const following = state === 'TIME-WAIT' || !counts ? state : afterAck(state, true);
  return { reply: following === 'CLOSED' ? 'nothing' : 'ack', state: following };
}

/** Fifth: what the acknowledgment of everything, the FIN included, changes. */
function afterAck(state: StateName, everything: boolean): StateName {
  if (!everything) return state;
  if (state === 'SYN-RECEIVED') return 'ESTABLISHED';
  if (state === 'FIN-WAIT-1') return 'FIN-WAIT-2';
  if (state === 'CLOSING') return 'TIME-WAIT';
  return state === 'LAST-ACK' ? 'CLOSED' : state;
}

/** Seventh and eighth. */
function textAndFin({ flags, offset, length, window }: Arrival, state: StateName): Outcome {
  const fin = (flags & TcpFlag.FIN) !== 0;
  if (length === 0 && !fin) return { reply: 'nothing', state };
  if (!RECEIVING.includes(state)) {
    // Text and FIN after the peer's FIN are ignored; what is partly old or too much is answered all the same.
    const isTrimmed = offset < 0 || offset + length > window;
    return { reply: isTrimmed && state !== 'CLOSED' ? 'ack' : 'nothing', state };
  }
  const isInOrder = offset <= 0 && offset + length >= 0;
  if (!fin || !isInOrder || offset + length > window) return { reply: 'ack', state };
  if (state === 'ESTABLISHED') return { reply: 'ack', state: 'CLOSE-WAIT' };
  return { reply: 'ack', state: state === 'FIN-WAIT-1' ? 'CLOSING' : 'TIME-WAIT' };
}

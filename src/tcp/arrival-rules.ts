/**
 * Where stacks differ in what they make of an arriving segment: RFC 9293 and RFC 5961 leave room, and systems have habits.
 * Data, one set per personality; the standard one is what the RFCs and the contract say.
 */
export interface ArrivalRules {
  /**
   * Milliseconds between two challenge ACKs of a connection (RFC 5961 section 7). -1: the contract's limits, which are one
   * for resets until something acceptable arrives (RST-03) and one in three seconds for SYNs (RST-06).
   */
  readonly challengeMilliseconds: number;
  /** Milliseconds between two answers to segments outside of the window without text, SYN or FIN; 0: no limit. */
  readonly emptyAnswerMilliseconds: number;
  /** A reset is obeyed at Last.ACK.sent instead of RCV.NXT: they differ while an ACK is delayed. */
  readonly resetsAtLastAck: boolean;
  /** For challenging a reset the window reaches from Last.ACK.sent to its right edge, that included. */
  readonly resetsReachEdges: boolean;
  /** After the peer's FIN a reset at the number of that FIN is obeyed: some stacks count it so. */
  readonly resetsAtFin: boolean;
  /** Resets in TIME-WAIT: as elsewhere, at RCV.NXT and never challenged, or ignored as RFC 1337 section 3 asks. */
  readonly resetsInTimeWait: 'standard' | 'exact' | 'ignored';
  /** What is answered in TIME-WAIT though it is acceptable: text; what is not at RCV.NXT; all but a duplicate ACK. */
  readonly answersInTimeWait: 'text' | 'elsewhere' | 'news';
  /** A segment that PAWS rejects is answered also when it has no text (RFC 7323 section 5.3 R1). */
  readonly answersOldEmpty: boolean;
  /** In ESTABLISHED an ACK of what was never sent is answered (RFC 9293 section 3.10.7.4; RFC 5961 section 5.2). */
  readonly answersUnsentAck: boolean;
  /** Text and FIN of a SYN-ACK are taken (RFC 9293 section 3.10.7.3, fourth). */
  readonly takesTextOfSynAck: boolean;
  /** After CLOSE new text resets the connection wherever it lies and in whichever state; else text inside of the window. */
  readonly anyTextResetsClosed: boolean;
  /** "Host unreachable" and the like end an opening; else it goes on, and its user hears of it when nobody answers. */
  readonly unreachableEndsOpening: boolean;
  /** A SYN with FIN opens no connection. */
  readonly dropsSynFin: boolean;
  /** What has none of ACK, RST and SYN is dropped unseen, whatever its sequence number. */
  readonly ignoresBare: boolean;
  /** A connection whose retransmissions run out is reset (RFC 9293 section 3.8.3); else it ends without a word. */
  readonly resetsOnTimeout: boolean;
  /**
   * A connection half open by a SYN that a listener answered: as RFC 9293 has it, or with the checks of systems that keep
   * it in a table of its own.
   */
  readonly halfOpen: 'standard' | 'syncache' | 'request';
}

const STANDARD: ArrivalRules = {
  challengeMilliseconds: -1,
  emptyAnswerMilliseconds: 500,
  resetsAtLastAck: false,
  resetsReachEdges: false,
  resetsAtFin: false,
  resetsInTimeWait: 'standard',
  answersInTimeWait: 'text',
  answersOldEmpty: true,
  answersUnsentAck: true,
  takesTextOfSynAck: true,
  anyTextResetsClosed: false,
  unreachableEndsOpening: true,
  dropsSynFin: false,
  ignoresBare: false,
  resetsOnTimeout: true,
  halfOpen: 'standard',
};

/** The rules of each personality. */
export const ARRIVAL_RULES: Readonly<Record<'standard' | 'linux' | 'bsd', ArrivalRules>> = {
  standard: STANDARD,
  linux: {
    ...STANDARD,
    challengeMilliseconds: 500,
    resetsReachEdges: true,
    resetsAtFin: true,
    resetsInTimeWait: 'exact',
    answersInTimeWait: 'elsewhere',
    answersUnsentAck: false,
    takesTextOfSynAck: false,
    dropsSynFin: true,
    ignoresBare: true,
    resetsOnTimeout: false,
    halfOpen: 'request',
  },
  bsd: {
    ...STANDARD,
    challengeMilliseconds: 0,
    emptyAnswerMilliseconds: 0,
    resetsAtLastAck: true,
    resetsInTimeWait: 'ignored',
    answersInTimeWait: 'news',
    answersOldEmpty: false,
    anyTextResetsClosed: true,
    unreachableEndsOpening: false,
    halfOpen: 'syncache',
  },
};

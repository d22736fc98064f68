/**
 * The three classes of TCP variables that the contract names (spec/ddi.md 5.3–5.5), and the extension for what it has
 * no room for (spec/decisions.md 23). They are both the control block of the engine and the state that crosses the
 * line: handing a connection over moves these objects, it does not translate them.
 *
 * Sequence numbers and timestamps are int32; times named *Ticks or *Delta are in ticks of `ticksPerSecond`.
 */
import { TcpState } from './state.ts';

/** A timer field that says "not running" (DOC_TIMER_NOT_RUNNING; QRY-06, TMR-GEN-04). */
export const TIMER_NOT_RUNNING = -1;

/** `maxRt` without any limit (TMR-RTX-04). */
export const MAX_RT_UNLIMITED = 0xffffffff;

/** Flags of the constant class: TCP_OFFLOAD_STATE_CONST.Flags. */
export const TcpConstantFlag = { TIMESTAMP_ENABLED: 0x01, SACK_ENABLED: 0x02, WINDOW_SCALING_ENABLED: 0x04 } as const;

/** Flags of the cached class: TCP_OFFLOAD_STATE_CACHED.Flags. The last three are commands of an update. */
export const TcpCachedFlag = {
  KEEP_ALIVE_ENABLED: 0x01,
  NAGLING_ENABLED: 0x02,
  KEEP_ALIVE_RESTART: 0x04,
  MAX_RT_RESTART: 0x08,
  UPDATE_RCV_WND: 0x10,
} as const;

/** TCP_OFFLOAD_STATE_CONST: never changes while the connection lives (STATE-01). */
export class TcpConstantState {
  /** `TcpConstantFlag` bits. */
  flags = 0;
  remotePort = 0;
  localPort = 0;
  /** Shift for windows that the peer advertises, 0…14. */
  sndWindScale = 0;
  /** Shift for windows that we advertise, 0…14. */
  rcvWindScale = 0;
  /** MSS that the peer announced in its SYN, bytes (536 when it announced none). */
  remoteMss = 536;
  /** RSS hash of the connection (RSS-01). */
  hashValue = 0;
}

/** TCP_OFFLOAD_STATE_CACHED: owned by the host, changed by update (STATE-02). */
export class TcpCachedState {
  /** `TcpCachedFlag` bits. */
  flags: number = TcpCachedFlag.NAGLING_ENABLED;
  /** Receive window when nothing is buffered, bytes. */
  initialRcvWnd = 65535;
  /** Preferred size of a receive indication, bytes; 0 unspecified. */
  rcvIndicationSize = 0;
  /** Keepalive probes before the connection counts as broken. */
  kaProbeCount = 10;
  /** Idle ticks before the first keepalive probe. */
  kaTimeout = 7_200_000;
  /** Ticks between keepalive probes. */
  kaInterval = 75_000;
  /** Ticks for which one segment may be retransmitted; 0: the count limit applies; `MAX_RT_UNLIMITED`: no limit. */
  maxRt = 0;
  flowLabel = 0;
  ttlOrHopLimit = 64;
  tosOrTrafficClass = 0;
  userPriority = 0;
}

/** A counter and a timer that travel together: the KeepAlive and Retransmit members (STATE-22). */
export interface KeepAliveVariables {
  /** Probes sent without an answer. */
  probeCount: number;
  /** Ticks to the next timeout; -1 not running. Valid in a snapshot only; the engine keeps a deadline. */
  timeoutDelta: number;
}

export interface RetransmitVariables {
  /** Retransmissions of the current segment, or window probes of the current round. */
  count: number;
  /** Ticks to the next timeout; -1 not running. Valid in a snapshot only; the engine keeps a deadline. */
  timeoutDelta: number;
}

/** TCP_OFFLOAD_STATE_DELEGATED without its data members: owned by whoever runs the connection (STATE-04). */
export class TcpDelegatedState {
  state: TcpState = TcpState.CLOSED;
  /** RCV.NXT. */
  rcvNxt = 0;
  /** RCV.WND: bytes from `rcvNxt` that we have advertised. */
  rcvWnd = 0;
  /** SND.UNA. */
  sndUna = 0;
  /** SND.NXT: what is sent next; behind `sndMax` after a retransmission timeout. */
  sndNxt = 0;
  /** First sequence number never sent (spec/algorithms.md 12). */
  sndMax = 0;
  /** SND.WND, bytes (scaled): an int32 that no window exceeds (RFC 9293 REC-1). */
  sndWnd = 0;
  /** Largest SND.WND seen, bytes. */
  maxSndWnd = 0;
  /** SND.WL1: sequence number of the segment of the last window update. SND.WL2 is always SND.UNA. */
  sendWl1 = 0;
  /** Congestion window, bytes. */
  cWnd = 0;
  /** Slow start threshold, bytes. */
  ssThresh = 0x7fffffff;
  /** Smoothed round-trip time times 8, ticks (STATE-12). Valid in a snapshot; the engine keeps microseconds. */
  sRtt = 0;
  /** Round-trip time variation times 4, ticks (STATE-12). Valid in a snapshot; the engine keeps microseconds. */
  rttVar = 0;
  /** TS.Recent: the timestamp to echo (RFC 7323 section 4.3). */
  tsRecent = 0;
  /** Age of `tsRecent`, ticks. Valid in a snapshot; the engine keeps the tick when it was set (TS-08). */
  tsRecentAge = 0;
  /** The sender's own timestamp clock at the snapshot (TS-03, TS-04). */
  tsTime = 0;
  /** Ticks spent so far on retransmitting the current segment (TMR-RTX-06). */
  totalRt = 0;
  dupAckCount = 0;
  /** Round of zero-window probing (TMR-PERSIST-07). */
  sndWndProbeCount = 0;
  keepAlive: KeepAliveVariables = { probeCount: 0, timeoutDelta: TIMER_NOT_RUNNING };
  /** Also the persist timer while SND.WND is 0, and the FIN_WAIT_2 timer in FIN-WAIT-2 (TMR-PERSIST-07, TMR-FW2-01). */
  retransmit: RetransmitVariables = { count: 0, timeoutDelta: TIMER_NOT_RUNNING };
}

/** Bytes received ahead of RCV.NXT that a hand-over carries in the extension. */
export interface OutOfOrderSegment {
  /** Sequence number of the first byte, int32. */
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/**
 * The named extension of spec/decisions.md 23, revision 1: what the contract's delegated class has no room for.
 * Plain data (it survives a structured clone). Both ends announce that they know it; otherwise its content is dropped
 * and the completion names what was lost.
 */
export interface TcpExtensionState {
  readonly revision: 1;
  /** Bytes received out of order, ascending and disjoint. */
  outOfOrder: OutOfOrderSegment[];
  /** SACKed ranges above SND.UNA: left, right, left, right … int32, ascending and disjoint. */
  scoreboard: number[];
  /** In loss recovery: sequence number at which it ends (RFC 6675 RecoveryPoint); meaningful when `inRecovery`. */
  recoveryPoint: number;
  inRecovery: boolean;
  /** RFC 6675 HighRxt. */
  highRxt: number;
  /** Smoothed round-trip time in microseconds, 0 when there is no sample yet. */
  srttMicroseconds: number;
  rttvarMicroseconds: number;
  /** Name of the congestion control that wrote `congestion`. */
  congestionControl: 'cubic' | 'newreno';
  /** State of that congestion control; bytes and microseconds. */
  congestion: Record<string, number>;
  /** Microseconds since the segment being timed left, -1 when none is; and what must be acknowledged to end the measurement. */
  timedAge: number;
  timedSequence: number;
  /** Ticks left of the silly-window timer, -1 not running. */
  swsDelta: number;
  /** Segments with text that are still to be acknowledged at once. */
  quickAcks: number;
  /** A FIN received ahead of missing bytes: its sequence number, or null. */
  outOfOrderFin: number | null;
  /** How far the congestion window was used (RFC 7661): bytes, the sequence number up to which, and whether to the full. */
  windowUse?: { readonly bytes: number; readonly end: number; readonly full: boolean };
  /** Microseconds since text was sent last: idle restart (RFC 5681 section 4.1). */
  sendAge?: number;
  /** `ControlBlock.smallEnd`, while that is unacknowledged. */
  smallEnd?: number;
  /** What the connection has counted, as `countersOf` orders it. */
  counters?: readonly number[];
  /** On a connection that uses ECN (RFC 3168): `EcnState` bits, and SND.MAX at the last reduction for an ECE. */
  ecn?: { readonly flags: number; readonly reductionEnd: number };
  /** Absent from an end that detects losses by counting alone; may be left out by one that does not know it. */
  lossRecovery?: LossRecoveryState;
}

/**
 * RACK-TLP, PRR, F-RTO and what may be undone, for an owner that goes on with them (RFC 8985 section 5.3, RFC 6937, RFC
 * 5682). Times are ages in microseconds; sequence numbers int32. What concerns only data in flight is null when none is.
 */
export interface LossRecoveryState {
  /** RACK.min_RTT and that of the later half of its window, microseconds; 0 without a sample. */
  minimumRtt: number;
  recentMinimumRtt: number;
  /** RACK.reordering_seen, reo_wnd_mult, reo_wnd_persist and dsack_round (null is none). */
  reorderingSeen: boolean;
  reorderingMultiplier: number;
  reorderingPersist: number;
  duplicateSackRound: number | null;
  timeoutRecovery: boolean;
  flight: FlightState | null;
  undo: UndoState | null;
}

/** What is in flight. */
export interface FlightState {
  /** start, age, marks of each range from SND.UNA on (`RangeMark`: 1 SACKED, 2 LOST, 4 RETRANSMITTED). */
  ranges: number[];
  /** RACK.xmit_ts as an age, null without any; RACK.end_seq, RACK.rtt, RACK.fack. */
  rackAge: number | null;
  rackEnd: number;
  rackRtt: number;
  fack: number;
  /** TLP.end_seq, null without a probe; TLP.is_retrans. */
  probeEnd: number | null;
  probeIsRetransmission: boolean;
  /** prr_delivered, prr_out, RecoverFS, bytes. */
  prrDelivered: number;
  prrOut: number;
  recoverFlightSize: number;
  /** Step of F-RTO, 0 not in it. */
  frto: number;
  /** Ticks left of the reordering or probe timer, -1 not running; and which one it is. */
  timerDelta: number;
  timerProbes: boolean;
}

/** What stood before the last reduction of cWnd (RFC 4015). */
export interface UndoState {
  cWnd: number;
  ssThresh: number;
  congestion: Record<string, number>;
  age: number;
  marker: number;
  afterTimeout: boolean;
  retransmittedBytes: number;
  retransmitted: boolean;
  timestamp: number;
}

/** The parts of the extension that can be lost when an end does not know it (spec/decisions.md 23). */
export type ExtensionPart =
  | 'out-of-order bytes'
  | 'SACK scoreboard'
  | 'loss recovery state'
  | 'congestion control state'
  | 'RTT precision'
  | 'ECN';

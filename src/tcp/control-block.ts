/**
 * The transmission control block (RFC 9293 section 3.3.1): the contract's three classes of variables, which a
 * hand-over moves, and what stays with whoever runs the connection at the moment.
 *
 * One monomorphic class; every field is set in the constructor.
 */
import type { TcpHeader } from '../wire/tcp-header.ts';
import { type CongestionControl, type CongestionControlName, createCongestionControl } from './congestion/index.ts';
import type { TcpContext } from './context.ts';
import { ControlFlags } from './control-flags.ts';
import type { Flight } from './flight-state.ts';
import { ReassemblyQueue } from './reassembly-queue.ts';
import type { Reordering } from './reordering.ts';
import { RttEstimator } from './rtt.ts';
import { SackScoreboard } from './sack-scoreboard.ts';
import { SendQueue } from './send-queue.ts';
import type { Undo } from './undo.ts';
import { type TcpCachedState, type TcpConstantState, TcpDelegatedState, TIMER_NOT_RUNNING } from './variables.ts';

/**
 * Whoever runs a connection: the host stack or an offload target. The engine calls it while it processes a segment or
 * a timer; it must not call the engine for the same connection before that call has returned.
 */
export interface ConnectionOwner {
  /**
   * Sends one segment. `header` is reused after the call. The payload is `payloadLength` bytes of `cb.sendQueue` from
   * `payloadOffset`; it may exceed the segment size when the owner asked for segmentation (`cb.segmentLimit`).
   */
  transmit(cb: ControlBlock, header: TcpHeader, payloadOffset: number, payloadLength: number): void;
  /**
   * In-order data. The owner may keep a view of `buffer` (frames are never reused). The engine has counted the bytes in
   * `cb.receiveBuffered` already; the owner takes them off with `consumed` when somebody has read them.
   */
  deliver(cb: ControlBlock, buffer: Uint8Array, offset: number, length: number): void;
  /**
   * The peer's urgent data ends `ahead` bytes, more than none, behind the last one that was delivered (RFC 9293 section 3.8.5,
   * MUST-32). Called before the text of the segment is. An owner that refuses urgent data needs no such method.
   */
  urgent?(cb: ControlBlock, ahead: number): void;
  /** `bytes` more of the send queue were acknowledged and have been released. */
  acknowledged(cb: ControlBlock, bytes: number): void;
  /** The earliest timer of the connection is due: the owner calls `timersExpire` and applies what it answers. */
  expired(cb: ControlBlock): void;
}

export class ControlBlock extends ControlFlags {
  readonly constant: TcpConstantState;
  /** Replaced by an update, never changed: other connections may have the same one (`CachedStates`). */
  cached: Readonly<TcpCachedState>;
  readonly delegated: TcpDelegatedState;
  readonly owner: ConnectionOwner;
  /** What the owner attaches: its own object for the connection. */
  readonly attachment: object;

  readonly sendQueue = new SendQueue();
  /** Which congestion control decides on cWnd; set by `useCongestionControl`. */
  congestionControl: CongestionControlName;
  /** What it remembers; null while that is nothing: most connections end, or rest, before cWnd has ever held them up. */
  congestionState: CongestionControl | null = null;
  readonly rtt = new RttEstimator();
  /** Created with the first out-of-order segment: most connections never need one. */
  reassembly: ReassemblyQueue | null = null;
  /** Created with the first SACK block. */
  scoreboard: SackScoreboard | null = null;

  /** Bytes of IP and TCP headers without options that the path MTU must hold: 40 for IPv4, 60 for IPv6. */
  readonly headerOverhead: number;
  /** Bytes of IP options that every datagram of the connection carries (RFC 9293 section 3.7.1 IPoptionsize), 0…40. */
  ipOptionBytes = 0;
  /** Path MTU, bytes (RFC 9293 section 3.7.2). */
  pathMtu: number;
  /** Upper bound of segment sizes set by the user, announced and used; 0 when there is none. */
  maximumSegmentSize = 0;
  /** Payload of a full-sized segment that we send, bytes: derived from RemoteMss, the path MTU and options (STATE-18). */
  sendMss = 0;
  /** Payload of a full-sized segment that we expect, bytes. */
  receiveMss = 0;
  /** Largest payload of one call to `transmit`: `sendMss`, or more when the link segments for us. */
  segmentLimit = 0;

  // ---- sending ----
  /** Initial send sequence number, int32. */
  iss = 0;
  /** Recovery ends when this is acknowledged; no new one starts before (RFC 6582 "recover", RFC 6675 RecoveryPoint). */
  recoveryPoint = 0;
  /** What is outstanding on a connection with SACK; null while nothing is. */
  flight: Flight | null = null;
  /** How to take the last reduction of cWnd back, should it prove needless. */
  undo: Undo | null = null;
  /** What is known of reordering on the path; null while there is none. */
  reordering: Reordering | null = null;
  /** RACK.min_RTT (RFC 8985 section 5.3), microseconds, 0 without a sample: of the window, and of its later half. */
  minimumRtt = 0;
  recentMinimumRtt = 0;
  /** Tick at which `recentMinimumRtt` began. */
  minimumRttSince = 0;
  /** Segments of new data sent by limited transmit (RFC 3042) on the current duplicate ACKs, bytes. */
  limitedTransmitBytes = 0;
  /** SND.UP, while `urgentPending`. */
  sndUp = 0;
  /** Sequence number whose acknowledgment ends the timed round trip, and when it was sent; `timing` says that one runs. */
  timedSequence = 0;
  timedAt = 0;
  /** SND.NXT behind the last segment that was not full, as Minshall's variant of Nagle has it. */
  smallEnd = 0;
  /** When we last sent data, microseconds: idle restart (RFC 5681 section 4.1). */
  lastSendAt = 0;
  /** Since when something else than cWnd limits the sender, microseconds; -1 while cWnd does (RFC 9438 section 5.8). */
  unlimitedSince = -1;

  /** Most bytes in flight in the window of data that ends at `usageEnd`, when cWnd is not what limits the sender. */
  usedWindow = 0;
  usageEnd = 0;
  /** `EcnState` bits (RFC 3168). */
  ecn = 0;
  /** SND.MAX when the window was reduced for an ECE last. */
  ecnReductionEnd = 0;

  // ---- receiving ----
  /** Bytes delivered to the owner and not yet consumed: they narrow the window. */
  receiveBuffered = 0;
  /** Last.ACK.sent (RFC 7323 section 4.3). */
  lastAckSent = 0;
  /** In-order segments received since the last ACK was sent (TMR-DACK-02). */
  segmentsSinceAck = 0;
  /** Segments with text that are still to be acknowledged at once (`TcpParameters.quickAcks`). */
  quickAcks = 0;
  /**
   * Tick until which older segments than the newest may still be forwarded by the previous owner (FWD-04): a gap is not
   * reported before. In the past when the owner forwards nothing.
   */
  forwardsUntil = -1;
  /** Tick at which text arrived in order last; far in the past when none has. */
  lastTextAt = -0x40000000;
  /** The range to report, while `duplicatePending`. */
  duplicateLeft = 0;
  duplicateRight = 0;
  /** Sequence number of a FIN that arrived ahead of missing bytes, while `finReceived`. */
  finSequence = 0;
  /** Tick at which `delegated.tsRecent` was set. */
  tsRecentSetAt = 0;
  /** Our timestamp clock minus `context.ticks` (StackDelta, NicDelta; TS-01, TS-04). */
  timestampDelta = 0;

  // ---- timers: deadlines in ticks, -1 not running ----
  retransmitDeadline = TIMER_NOT_RUNNING;
  delayedAckDeadline = TIMER_NOT_RUNNING;
  keepAliveDeadline = TIMER_NOT_RUNNING;
  swsDeadline = TIMER_NOT_RUNNING;
  /** The reordering timer of RACK or, when `lossTimerProbes`, the probe timer of TLP (RFC 8985 section 5.4). */
  lossDeadline = TIMER_NOT_RUNNING;
  /** What `swsDeadline` was when the connection was made to stand still for a hand-over. */
  swsStoppedAt = TIMER_NOT_RUNNING;
  /** Tick at which the retransmit timer was started: what it ran for counts into TotalRT. */
  retransmitStartedAt = 0;
  /** Tick of the last acceptable segment: keepalive counts from here. */
  lastReceivedAt = 0;

  // ---- blind-attack rules (RFC 5961; spec/algorithms.md 9) ----
  /** Tick before which no further challenge ACK answers a SYN (RST-06). */
  synChallengeAfter = -1;
  /** Tick before which no empty segment outside of the window is answered again. */
  emptyAnswerAfter = -1;

  /** SYN retransmissions so far. */
  synRetransmissions = 0;
  // ---- counters, for people; the extension carries them ----
  /** Segments sent more than once, and the bytes of them that were. */
  retransmittedSegments = 0;
  retransmittedBytes = 0;
  /** All segments, and those with text: one that a link cuts or has joined counts as its parts. */
  segmentsIn = 0;
  segmentsOut = 0;
  dataSegmentsIn = 0;
  dataSegmentsOut = 0;
  /** Bytes that ACKs with ECE have acknowledged. */
  deliveredMarked = 0;
  /** Ticks for which something was outstanding, and since when it is; -1 when nothing is. */
  busyTicks = 0;
  busySince = -1;
  /** Bits of `Disposition` gathered while a segment or timer is processed. */
  disposition = 0;

  constructor(
    context: TcpContext,
    owner: ConnectionOwner,
    attachment: object,
    constant: TcpConstantState,
    cached: Readonly<TcpCachedState>,
    headerOverhead: number,
    pathMtu: number,
  ) {
    super();
    this.owner = owner;
    this.attachment = attachment;
    this.constant = constant;
    this.cached = cached;
    this.delegated = new TcpDelegatedState();
    this.congestionControl = context.parameters.congestionControl;
    this.headerOverhead = headerOverhead;
    this.pathMtu = pathMtu;
    this.lastReceivedAt = context.ticks;
    this.quickAcks = context.parameters.quickAcks;
  }

  /** The congestion control, with a memory of its own from now on. */
  get congestion(): CongestionControl {
    this.congestionState ??= createCongestionControl(this.congestionControl);
    return this.congestionState;
  }

  /** Lets another congestion control go on, from cWnd and ssThresh as they are. */
  useCongestionControl(name: CongestionControlName): void {
    if (name === this.congestionControl) return;
    this.congestionControl = name;
    this.congestionState = null;
  }

  /** The queue of out-of-order segments, made on first use. */
  reassemblyQueue(limitSegments: number): ReassemblyQueue {
    this.reassembly ??= new ReassemblyQueue(limitSegments);
    return this.reassembly;
  }

  /** The SACK scoreboard, made on first use. */
  sackScoreboard(): SackScoreboard {
    this.scoreboard ??= new SackScoreboard();
    return this.scoreboard;
  }
}

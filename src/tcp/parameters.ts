import type { TcpOptionLayout } from '../wire/tcp-header.ts';
import { ARRIVAL_RULES, type ArrivalRules } from './arrival-rules.ts';

/**
 * Settings of one TCP engine (one per stack or offload target). The first group is what the host sets on a target with
 * NDIS_TCP_CONNECTION_OFFLOAD_PARAMETERS (spec/ddi.md 7); the second is ours. All plain data.
 */
export interface TcpParameters {
  /** Ticks per second of every tick-valued variable: 10, 100 or 1000 (OID-03). */
  readonly ticksPerSecond: number;
  /** Full-sized segments received before an ACK is sent at once (TMR-DACK-02; RFC 9293 SHLD-19). */
  readonly ackFrequency: number;
  /** Longest delay of an ACK, ticks: less than half a second (TMR-DACK-03, spec/decisions.md 20; RFC 9293 MUST-40, RFC5681-4.2-1). */
  readonly delayedAckTicks: number;
  /** Retransmissions of one segment, or window probes of one round, before the connection is given up: R2 (RFC 9293 SHLD-11). */
  readonly maximumRetransmissions: number;
  /** Retransmissions after which the neighbor is in doubt (OID-05): R1, at least 3 (RFC 9293 SHLD-10). */
  readonly doubtReachabilityRetransmissions: number;
  /** Longest time for which a small segment or window update is held back, ticks (TMR-SWS-02). */
  readonly swsPreventionTicks: number;
  /** Duplicate ACKs that start fast retransmit (OID-04). */
  readonly duplicateAckThreshold: number;
  /**
   * How a connection with SACK finds losses: by the time of transmission (RFC 8985 section 6), or by counting what is
   * SACKed above a hole (RFC 6675).
   */
  readonly lossDetection: 'rack' | 'dupack';
  /** Tail loss probes (RFC 8985 section 7); they need RACK. */
  readonly tailLossProbe: boolean;
  /** F-RTO: new data after a timeout tells whether it was spurious (RFC 5682); for connections with SACK. */
  readonly forwardRto: boolean;
  /**
   * A timeout within fast recovery, the loss of a retransmission, lowers ssthresh once more, below what the recovery has set (RFC
   * 5681 section 4.3). Kernels compute it from FlightSize anew, or leave it.
   */
  readonly reducesAgain: boolean;
  /** TLP.max_ack_delay (RFC 8985 section 7.2): how long the peer may delay the ACK of a lone segment, ticks. */
  readonly maximumAckDelayTicks: number;
  /** Push timer, ticks (TMR-PUSH-01). */
  readonly pushTicks: number;
  /** Ticks after which an unconfirmed neighbor is stale (NBR-06). */
  readonly nceStaleTicks: number;

  /** Lower bound of the RTO, ticks (spec/decisions.md 20; RFC 6298 2.4 allows 1 s, current stacks use 200 ms). */
  readonly minimumRtoTicks: number;
  /** Lower bound of 4 RTTVAR within the RTO, ticks: some stacks bound this term and not the sum; 1 is G of RFC 6298 2.3. */
  readonly minimumVarianceTicks: number;
  /** Added to every measured RTO, ticks: what some stacks allow for the peer's scheduling. */
  readonly rtoSlopTicks: number;
  /** Segments with text at the start of a connection that are acknowledged at once, so that slow start is not held up. */
  readonly quickAcks: number;
  /** Retransmissions of a SYN, not of a SYN-ACK, before its timer begins to back off. */
  readonly linearSynRetransmissions: number;
  /** Lower bound of the time between window probes, ticks. */
  readonly minimumPersistTicks: number;
  /** Window probes are ACKs one octet behind SND.UNA instead of the octet past the window (RFC 9293 MUST-36 has that). */
  readonly probesWithoutText: boolean;
  /** Every segment offers all of the buffer that is free, and not only when that is usefully more (RFC 9293 section 3.8.6.2.2). */
  readonly offersAllFree: boolean;
  /** How the options of a SYN are ordered and padded; the peer sees nothing else of it. */
  readonly optionLayout: TcpOptionLayout;
  /** Upper bound of the RTO, ticks (RFC 6298 2.5: at least 60 s). */
  readonly maximumRtoTicks: number;
  /** RTO before the first sample, ticks (RFC 6298 2.1). */
  readonly initialRtoTicks: number;
  /** 2 MSL: how long TIME-WAIT lasts, ticks (RFC 9293 section 3.6.1). */
  readonly timeWaitTicks: number;
  /** FIN-WAIT-2 without a segment from the peer, ticks (TMR-FW2-02). */
  readonly finWait2Ticks: number;
  /** Longest time that an active opening may take, ticks; 0: its retransmissions alone count. */
  readonly openingTicks: number;
  /** SYN-ACK retransmissions before a passive opening is given up. */
  readonly maximumSynAckRetransmissions: number;
  /** The congestion window grows, used or not, as long as the peer's window is no smaller. */
  readonly growsUnused: boolean;
  /** The ACK of the peer's FIN in ESTABLISHED may be delayed like that of the text before it: text of ours, or our FIN, will carry it. */
  readonly delaysAckOfFin: boolean;
  /**
   * When Nagle holds back a small segment: while anything is unacknowledged (RFC 9293 section 3.7.4, SHLD-7), or only while
   * another small segment is (Minshall's variant).
   */
  readonly nagle: 'anything' | 'small';
  /**
   * What becomes of the congestion window after idling for an RTO: the initial one (RFC 5681 section 4.1), half of it per RTO
   * down to that (RFC 2861 section 3), or nothing.
   */
  readonly idleRestart: 'initial' | 'decay' | 'none';
  /** The receive buffer is a whole number of the connection's segments: rounded up once they are known. */
  readonly roundsReceiveBuffer: boolean;
  /** SYN retransmissions, beside the linear ones, before an opening is given up; 7 last three minutes (RFC 9293 section 3.8.3, MUST-23). */
  readonly maximumSynRetransmissions: number;
  /** Initial congestion window in segments (RFC 6928). */
  readonly initialWindowSegments: number;
  readonly congestionControl: 'cubic' | 'newreno';
  /** CUBIC ends its first slow start when round trips grow (HyStart++, RFC 9406). */
  readonly hystart: boolean;
  /**
   * Explicit Congestion Notification (RFC 3168): never; when the peer asks for it; or asked for by our SYNs too, which are
   * repeated without when they are not answered.
   */
  readonly ecn: 'off' | 'accept' | 'request';
  /**
   * MaxRT limits, beside retransmission, how long an opening may take, a closed window may hold data back, and keepalive probes
   * may go unanswered, in place of their number: the user timeout of an application (RFC 9293 section 3.10.8, RFC 5482).
   */
  readonly userTimeoutEverywhere: boolean;
  /** Challenge ACKs a second that the whole stack sends at most, on average (RFC 5961 section 7; spec/decisions.md 21). */
  readonly challengeAcksPerSecond: number;
  /** Most bytes of out-of-order data and bookkeeping kept per connection; more is dropped. */
  readonly outOfOrderLimitSegments: number;
  /** Largest payload of one segment handed to `transmit`, bytes: the segmentation offload size. At most 65535. */
  readonly maximumSegmentPayload: number;
  /** What is made of arriving segments where the RFCs leave room. */
  readonly arrival: ArrivalRules;
  /** Try a smaller path MTU when full-sized segments vanish without a word (RFC 4821 section 7.7). */
  readonly blackHoleDetection: boolean;
}

/** Defaults for `ticksPerSecond` 1000: one tick is a millisecond. */
export const DEFAULT_TCP_PARAMETERS: TcpParameters = {
  ticksPerSecond: 1000,
  ackFrequency: 2,
  delayedAckTicks: 40,
  maximumRetransmissions: 15,
  doubtReachabilityRetransmissions: 3,
  swsPreventionTicks: 200,
  duplicateAckThreshold: 3,
  lossDetection: 'rack',
  tailLossProbe: true,
  forwardRto: true,
  reducesAgain: true,
  maximumAckDelayTicks: 200,
  pushTicks: 500,
  nceStaleTicks: 30_000,
  minimumRtoTicks: 200,
  minimumVarianceTicks: 1,
  rtoSlopTicks: 0,
  quickAcks: 0,
  linearSynRetransmissions: 0,
  minimumPersistTicks: 0,
  probesWithoutText: false,
  offersAllFree: false,
  optionLayout: 'linux',
  maximumRtoTicks: 60_000,
  initialRtoTicks: 1000,
  timeWaitTicks: 60_000,
  finWait2Ticks: 120_000,
  openingTicks: 0,
  maximumSynAckRetransmissions: 7,
  growsUnused: false,
  delaysAckOfFin: false,
  nagle: 'anything',
  idleRestart: 'initial',
  roundsReceiveBuffer: false,
  maximumSynRetransmissions: 7,
  initialWindowSegments: 10,
  congestionControl: 'cubic',
  hystart: true,
  ecn: 'accept',
  userTimeoutEverywhere: false,
  challengeAcksPerSecond: 100,
  outOfOrderLimitSegments: 4096,
  maximumSegmentPayload: 65535,
  arrival: ARRIVAL_RULES.standard,
  blackHoleDetection: true,
};

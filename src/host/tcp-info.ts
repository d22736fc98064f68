/**
 * What a connection knows of itself, by the names that TCP_INFO has in Linux: sizes in bytes or, where Linux counts packets,
 * in full-sized segments; times in microseconds, or in milliseconds where Linux has those.
 */
import {
  type ControlBlock,
  EcnState,
  RttEstimator,
  TcpConstantFlag,
  type TcpContext,
  type TcpDelegatedState,
  TcpState,
} from '../tcp/index.ts';
import { ipHeaderLength, TCP_MINIMUM_HEADER_LENGTH, TCP_TIMESTAMP_BYTES } from '../wire/index.ts';
import type { Connection } from './connection.ts';

/** Values of `tcpi_state`. */
export const TcpInfoState = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
} as const;

/** Values of `tcpi_ca_state`. */
export const TcpInfoCongestionState = { OPEN: 0, DISORDER: 1, CWR: 2, RECOVERY: 3, LOSS: 4 } as const;

/** Bits of `tcpi_options`. */
export const TcpInfoOption = { TIMESTAMPS: 1, SACK: 2, WSCALE: 4, ECN: 8, ECN_SEEN: 16 } as const;

const STATES: Readonly<Record<TcpState, number>> = {
  [TcpState.CLOSED]: TcpInfoState.CLOSE,
  [TcpState.LISTEN]: TcpInfoState.LISTEN,
  [TcpState.SYN_SENT]: TcpInfoState.SYN_SENT,
  [TcpState.SYN_RECEIVED]: TcpInfoState.SYN_RECV,
  [TcpState.ESTABLISHED]: TcpInfoState.ESTABLISHED,
  [TcpState.FIN_WAIT_1]: TcpInfoState.FIN_WAIT1,
  [TcpState.FIN_WAIT_2]: TcpInfoState.FIN_WAIT2,
  [TcpState.CLOSE_WAIT]: TcpInfoState.CLOSE_WAIT,
  [TcpState.CLOSING]: TcpInfoState.CLOSING,
  [TcpState.LAST_ACK]: TcpInfoState.LAST_ACK,
  [TcpState.TIME_WAIT]: TcpInfoState.TIME_WAIT,
};

/** ssthresh before the first loss. */
const INFINITE_SSTHRESH = 0x7fffffff;

/**
 * A snapshot. Of a connection that an offload target runs it has what the contract's query carries and what the host
 * counts itself; the optional members are missing then. Of one that is over it has `tcpi_state` alone.
 */
export interface TcpInfo {
  /** `TcpInfoState`. */
  readonly tcpi_state: number;
  /** Retransmissions of the current segment, and the exponent of the back-off. */
  readonly tcpi_retransmits?: number;
  readonly tcpi_backoff?: number;
  /** Unanswered window and keepalive probes. */
  readonly tcpi_probes?: number;
  /** `TcpInfoOption` bits. ECN is not known of an offloaded connection. */
  readonly tcpi_options?: number;
  readonly tcpi_snd_wscale?: number;
  readonly tcpi_rcv_wscale?: number;
  readonly tcpi_rto?: number;
  readonly tcpi_ato?: number;
  readonly tcpi_snd_mss?: number;
  readonly tcpi_rcv_mss?: number;
  readonly tcpi_advmss?: number;
  readonly tcpi_pmtu?: number;
  /** Sent and not acknowledged, segments. */
  readonly tcpi_unacked?: number;
  readonly tcpi_rtt?: number;
  readonly tcpi_rttvar?: number;
  readonly tcpi_snd_ssthresh?: number;
  readonly tcpi_snd_cwnd?: number;
  readonly tcpi_snd_wnd?: number;
  readonly tcpi_rcv_wnd?: number;
  /** RCV.NXT, 0…2^32 - 1. */
  readonly tcpi_rcv_nxt?: number;
  readonly tcpi_rcv_ssthresh?: number;
  readonly tcpi_rcv_space?: number;
  readonly tcpi_bytes_acked?: number;
  readonly tcpi_bytes_received?: number;
  readonly tcpi_bytes_sent?: number;
  readonly tcpi_notsent_bytes?: number;

  // ---- what the contract's query does not carry ----
  /** `TcpInfoCongestionState`. */
  readonly tcpi_ca_state?: number;
  readonly tcpi_sacked?: number;
  readonly tcpi_lost?: number;
  readonly tcpi_retrans?: number;
  /** Not kept any more, as in Linux. */
  readonly tcpi_fackets?: number;
  readonly tcpi_last_ack_sent?: number;
  readonly tcpi_last_data_sent?: number;
  readonly tcpi_last_data_recv?: number;
  readonly tcpi_last_ack_recv?: number;
  /** Segments that were found reordered are what makes a loss; this is the threshold. */
  readonly tcpi_reordering?: number;
  /** The receiver's estimate is not made here: 0. */
  readonly tcpi_rcv_rtt?: number;
  readonly tcpi_total_retrans?: number;
  readonly tcpi_bytes_retrans?: number;
  /** A segment that a link cuts, or has joined, counts as the segments that it is cut into or was joined of. */
  readonly tcpi_segs_in?: number;
  readonly tcpi_segs_out?: number;
  readonly tcpi_data_segs_in?: number;
  readonly tcpi_data_segs_out?: number;
  /** Acknowledged or SACKed, and of these acknowledged with ECE; full-sized segments, the SYN included. */
  readonly tcpi_delivered?: number;
  readonly tcpi_delivered_ce?: number;
  readonly tcpi_min_rtt?: number;
  /** Time with something outstanding, by the tick. */
  readonly tcpi_busy_time?: number;
  readonly tcpi_rcv_ooopack?: number;
}

/** Of a connection that is over, or was never opened. */
export const CLOSED_INFO: TcpInfo = { tcpi_state: TcpInfoState.CLOSE };

/** Of a connection whose control block is the host's. */
export function infoOf(tcp: TcpContext, connection: Connection, cb: ControlBlock): TcpInfo {
  const { delegated: d, rtt } = cb;
  const { parameters } = tcp;
  const perTick = 1_000_000 / parameters.ticksPerSecond;
  const age = (ticks: number): number => Math.floor(((tcp.ticks - ticks) * perTick) / 1000);
  const mss = Math.max(1, cb.sendMss);
  const segments = (bytes: number): number => Math.ceil(bytes / mss);
  const outstanding = (d.sndMax - d.sndUna) | 0;
  const sacked = cb.scoreboard === null ? 0 : cb.scoreboard.sackedBelow(d.sndMax);
  const hasSack = (cb.constant.flags & TcpConstantFlag.SACK_ENABLED) !== 0;
  const rtoTicks = Math.min(rtt.rtoTicks(parameters) * 2 ** d.retransmit.count, parameters.maximumRtoTicks);
  return {
    ...common(tcp, connection, d, cb.sendMss, cb.receiveMss, cb.pathMtu),
    tcpi_options: optionsOf(connection, cb.ecn),
    tcpi_rto: rtoTicks * perTick,
    tcpi_rtt: Math.round(rtt.srtt),
    tcpi_rttvar: Math.round(rtt.rttvar),
    tcpi_ca_state: congestionState(cb, sacked),
    tcpi_sacked: d.dupAckCount > 0 && !hasSack ? d.dupAckCount : segments(sacked),
    tcpi_lost: segments(lostBytes(cb, outstanding, sacked)),
    tcpi_retrans: segments(retransmittedBytes(cb)),
    tcpi_fackets: 0,
    tcpi_last_ack_sent: 0,
    tcpi_last_data_sent: Math.floor((tcp.now - cb.lastSendAt) / 1000),
    tcpi_last_data_recv: age(cb.lastReceivedAt),
    tcpi_last_ack_recv: age(cb.lastReceivedAt),
    tcpi_reordering: parameters.duplicateAckThreshold,
    tcpi_rcv_rtt: 0,
    tcpi_total_retrans: cb.retransmittedSegments,
    tcpi_bytes_retrans: cb.retransmittedBytes,
    tcpi_segs_in: cb.segmentsIn,
    tcpi_segs_out: cb.segmentsOut,
    tcpi_data_segs_in: cb.dataSegmentsIn,
    tcpi_data_segs_out: cb.dataSegmentsOut,
    tcpi_delivered: (hasOpened(d.state) ? 1 : 0) + segments(connection.counters.bytesAcknowledged + sacked),
    tcpi_delivered_ce: segments(cb.deliveredMarked),
    tcpi_min_rtt: cb.minimumRtt === 0 ? Math.round(rtt.srtt) : cb.minimumRtt,
    tcpi_busy_time: busyTicks(tcp, cb) * perTick,
    tcpi_rcv_ooopack: cb.reassembly === null || cb.reassembly.isEmpty ? 0 : 1,
  };
}

/** Of a connection that a target runs: `delegated` is its answer to a query. */
export function infoOfOffloaded(tcp: TcpContext, connection: Connection, delegated: TcpDelegatedState): TcpInfo {
  const { constant, path } = connection;
  const { parameters } = tcp;
  const perTick = 1_000_000 / parameters.ticksPerSecond;
  const rtt = new RttEstimator();
  rtt.import(delegated.sRtt, delegated.rttVar, parameters.ticksPerSecond);
  const { family } = connection.localAddress;
  const pathMtu = path === null ? 0 : path.pathMtu;
  const options = constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED ? TCP_TIMESTAMP_BYTES : 0;
  const largest = pathMtu - ipHeaderLength(family) - TCP_MINIMUM_HEADER_LENGTH;
  const sendMss = Math.max(1, Math.min(constant.remoteMss, largest) - options);
  const count = delegated.retransmit.count;
  return {
    ...common(tcp, connection, delegated, sendMss, Math.max(1, largest - options), pathMtu),
    tcpi_options: optionsOf(connection, 0),
    tcpi_rto: Math.min(rtt.rtoTicks(parameters) * 2 ** count, parameters.maximumRtoTicks) * perTick,
    tcpi_rtt: Math.round(rtt.srtt),
    tcpi_rttvar: Math.round(rtt.rttvar),
  };
}

/** What both kinds of snapshot have. */
function common(
  tcp: TcpContext,
  connection: Connection,
  d: TcpDelegatedState,
  sendMss: number,
  receiveMss: number,
  pathMtu: number,
) {
  const { constant, cached, counters } = connection;
  const { parameters } = tcp;
  const mss = Math.max(1, sendMss);
  const outstanding = (d.sndMax - d.sndUna) | 0;
  return {
    tcpi_state: STATES[d.state],
    tcpi_retransmits: d.retransmit.count,
    tcpi_backoff: d.retransmit.count,
    tcpi_probes: d.sndWndProbeCount + d.keepAlive.probeCount,
    tcpi_snd_wscale: constant.sndWindScale,
    tcpi_rcv_wscale: constant.rcvWindScale,
    tcpi_ato: (parameters.delayedAckTicks * 1_000_000) / parameters.ticksPerSecond,
    tcpi_snd_mss: sendMss,
    tcpi_rcv_mss: receiveMss,
    tcpi_advmss: receiveMss,
    tcpi_pmtu: pathMtu,
    tcpi_unacked: Math.ceil(outstanding / mss),
    tcpi_snd_ssthresh: d.ssThresh >= INFINITE_SSTHRESH ? INFINITE_SSTHRESH : Math.floor(d.ssThresh / mss),
    tcpi_snd_cwnd: Math.floor(d.cWnd / mss),
    tcpi_snd_wnd: d.sndWnd,
    tcpi_rcv_wnd: d.rcvWnd,
    tcpi_rcv_ssthresh: d.rcvWnd,
    tcpi_rcv_space: cached.initialRcvWnd,
    tcpi_rcv_nxt: d.rcvNxt >>> 0,
    tcpi_bytes_acked: counters.bytesAcknowledged,
    tcpi_bytes_received: counters.bytesReceived,
    tcpi_bytes_sent: counters.bytesSent,
    tcpi_notsent_bytes: Math.max(0, connection.sendBuffered - outstanding),
  };
}

function optionsOf({ constant }: Connection, ecn: number): number {
  const { flags } = constant;
  return (
    (flags & TcpConstantFlag.TIMESTAMP_ENABLED ? TcpInfoOption.TIMESTAMPS : 0) |
    (flags & TcpConstantFlag.SACK_ENABLED ? TcpInfoOption.SACK : 0) |
    (flags & TcpConstantFlag.WINDOW_SCALING_ENABLED ? TcpInfoOption.WSCALE : 0) |
    (ecn & EcnState.RECEIVER ? TcpInfoOption.ECN : 0) |
    (ecn & EcnState.SEEN ? TcpInfoOption.ECN_SEEN : 0)
  );
}

/** Our SYN was acknowledged. */
function hasOpened(state: TcpState): boolean {
  return state !== TcpState.SYN_SENT && state !== TcpState.SYN_RECEIVED;
}

function busyTicks(tcp: TcpContext, cb: ControlBlock): number {
  return cb.busyTicks + (cb.busySince < 0 ? 0 : tcp.ticks - cb.busySince);
}

function congestionState(cb: ControlBlock, sacked: number): number {
  const { delegated: d } = cb;
  if (isAfterTimeout(cb) || cb.timeoutRecovery) {
    return TcpInfoCongestionState.LOSS;
  }
  if (cb.inRecovery) return TcpInfoCongestionState.RECOVERY;
  if (cb.ecn & EcnState.IN_REDUCTION) return TcpInfoCongestionState.CWR;
  return sacked > 0 || d.dupAckCount > 0 ? TcpInfoCongestionState.DISORDER : TcpInfoCongestionState.OPEN;
}

function isAfterTimeout(cb: ControlBlock): boolean {
  return cb.delegated.retransmit.count > 0;
}

/** Lost and not acknowledged since; what was sent again in the recovery is still among it. */
function lostBytes(cb: ControlBlock, outstanding: number, sacked: number): number {
  if (cb.flight === null) return isAfterTimeout(cb) ? outstanding - sacked : cb.inRecovery ? cb.sendMss : 0;
  const again = cb.inRecovery || cb.timeoutRecovery ? cb.flight.record.retransmittedBytes() : 0;
  return cb.flight.record.lostBytes + again;
}

function retransmittedBytes(cb: ControlBlock): number {
  return cb.flight === null ? 0 : cb.flight.record.retransmittedBytes();
}

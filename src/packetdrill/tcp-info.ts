/** What TCP_INFO says about a connection, by the names of Linux. Times in microseconds, unless Linux has milliseconds. */
import type { Connection, HostStack } from '../host/index.ts';
import { type ControlBlock, TcpConstantFlag, TcpState } from '../tcp/index.ts';

/** Numbers of the states in tcp_info, by `TcpState`. */
const STATES: Readonly<Record<number, number>> = {
  [TcpState.CLOSED]: 7,
  [TcpState.LISTEN]: 10,
  [TcpState.SYN_SENT]: 2,
  [TcpState.SYN_RECEIVED]: 3,
  [TcpState.ESTABLISHED]: 1,
  [TcpState.FIN_WAIT_1]: 4,
  [TcpState.FIN_WAIT_2]: 5,
  [TcpState.CLOSE_WAIT]: 8,
  [TcpState.CLOSING]: 11,
  [TcpState.LAST_ACK]: 9,
  [TcpState.TIME_WAIT]: 6,
};

/** Names that assertions use beside the members; the states also by the names of BSD, with the same numbers. */
export const TCP_INFO_CONSTANTS: Readonly<Record<string, number>> = {
  TCP_CA_Open: 0,
  TCP_CA_Disorder: 1,
  TCP_CA_CWR: 2,
  TCP_CA_Recovery: 3,
  TCP_CA_Loss: 4,
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCPS_CLOSED: 7,
  TCPS_LISTEN: 10,
  TCPS_SYN_SENT: 2,
  TCPS_SYN_RECEIVED: 3,
  TCPS_ESTABLISHED: 1,
  TCPS_CLOSE_WAIT: 8,
  TCPS_FIN_WAIT_1: 4,
  TCPS_CLOSING: 11,
  TCPS_LAST_ACK: 9,
  TCPS_FIN_WAIT_2: 5,
  TCPS_TIME_WAIT: 6,
  TCPI_CLOSED: 7,
  TCPI_LISTEN: 10,
  TCPI_SYN_SENT: 2,
  TCPI_SYN_RECEIVED: 3,
  TCPI_NEW_SYN_RECV: 12,
  TCPI_ESTABLISHED: 1,
  TCPI_CLOSE_WAIT: 8,
  TCPI_FIN_WAIT_1: 4,
  TCPI_CLOSING: 11,
  TCPI_LAST_ACK: 9,
  TCPI_FIN_WAIT_2: 5,
  TCPI_TIME_WAIT: 6,
  TCPI_OPT_TIMESTAMPS: 1,
  TCPI_OPT_SACK: 2,
  TCPI_OPT_WSCALE: 4,
  TCPI_OPT_ECN: 8,
  TCPI_OPT_ECN_SEEN: 16,
  TCPI_OPT_SYN_DATA: 32,
  TCP_CA_OPEN: 0,
  TCP_CA_DISORDER: 1,
  TCP_CA_RECOVERY: 3,
  TCP_CA_LOSS: 4,
  TCP_INFINITE_SSTHRESH: 0x7fffffff,
};

/** Linux's ssthresh before the first loss. */
const INFINITE_SSTHRESH = 0x7fffffff;

/** The members for a connection that the host runs; one that is over has its state and nothing else. */
export function tcpInfo(stack: HostStack, connection: Connection | null): Record<string, number> {
  const { ownership } = connection ?? { ownership: null };
  if (connection === null || ownership === null || ownership.owner !== 'host' || connection.isClosed) {
    return { tcpi_state: STATES[TcpState.CLOSED] };
  }
  return membersOf(stack, connection, ownership.cb);
}

function membersOf(stack: HostStack, connection: Connection, cb: ControlBlock): Record<string, number> {
  const { delegated: d, constant: c, rtt, scoreboard } = cb;
  const { tcp } = stack.core;
  const { parameters } = tcp;
  const milliseconds = (microseconds: number): number => Math.floor(microseconds / 1000);
  const segments = (bytes: number): number => Math.ceil(bytes / Math.max(1, cb.sendMss));
  const outstanding = (d.sndMax - d.sndUna) | 0;
  const sacked = scoreboard === null ? 0 : scoreboard.sackedBelow(d.sndMax);
  const afterTimeout = d.retransmit.count > 0;
  const lost = lostBytes(cb, parameters.duplicateAckThreshold, afterTimeout, outstanding, sacked);
  const retransmittedHead = cb.inRecovery ? Math.max(0, (cb.highRxt - d.sndUna) | 0) : 0;
  const rtoTicks = Math.min(rtt.rtoTicks(parameters) * 2 ** d.retransmit.count, parameters.maximumRtoTicks);
  const sendBuffered = cb.sendQueue.length;
  const { flags } = c;
  return {
    tcpi_state: STATES[d.state],
    tcpi_ca_state: caState(cb, afterTimeout, sacked),
    tcpi_retransmits: d.retransmit.count,
    tcpi_probes: d.sndWndProbeCount + d.keepAlive.probeCount,
    tcpi_backoff: d.retransmit.count,
    tcpi_options:
      (flags & TcpConstantFlag.TIMESTAMP_ENABLED ? 1 : 0) |
      (flags & TcpConstantFlag.SACK_ENABLED ? 2 : 0) |
      (flags & TcpConstantFlag.WINDOW_SCALING_ENABLED ? 4 : 0),
    tcpi_snd_wscale: c.sndWindScale,
    tcpi_rcv_wscale: c.rcvWindScale,
    tcpi_rto: (rtoTicks * 1_000_000) / parameters.ticksPerSecond,
    tcpi_ato: (parameters.delayedAckTicks * 1_000_000) / parameters.ticksPerSecond,
    tcpi_snd_mss: cb.sendMss,
    tcpi_rcv_mss: cb.receiveMss,
    tcpi_unacked: segments(outstanding),
    tcpi_sacked: d.dupAckCount > 0 && !(flags & TcpConstantFlag.SACK_ENABLED) ? d.dupAckCount : segments(sacked),
    tcpi_lost: segments(lost),
    tcpi_retrans: segments(retransmittedHead),
    tcpi_fackets: 0,
    tcpi_last_data_sent: milliseconds(tcp.now - cb.lastSendAt),
    tcpi_last_ack_sent: 0,
    tcpi_last_data_recv: milliseconds(((tcp.ticks - cb.lastReceivedAt) * 1_000_000) / parameters.ticksPerSecond),
    tcpi_last_ack_recv: milliseconds(((tcp.ticks - cb.lastReceivedAt) * 1_000_000) / parameters.ticksPerSecond),
    tcpi_pmtu: cb.pathMtu,
    tcpi_rcv_ssthresh: d.rcvWnd,
    tcpi_rtt: Math.round(rtt.srtt),
    tcpi_rttvar: Math.round(rtt.rttvar),
    tcpi_snd_ssthresh: d.ssThresh >= INFINITE_SSTHRESH ? INFINITE_SSTHRESH : Math.floor(d.ssThresh / cb.sendMss),
    tcpi_snd_cwnd: Math.floor(d.cWnd / Math.max(1, cb.sendMss)),
    tcpi_advmss: cb.receiveMss,
    tcpi_reordering: parameters.duplicateAckThreshold,
    tcpi_rcv_rtt: 0,
    tcpi_rcv_space: cb.cached.initialRcvWnd,
    tcpi_total_retrans: connection.counters.retransmissions,
    tcpi_bytes_acked: connection.counters.bytesAcknowledged,
    tcpi_bytes_received: connection.counters.bytesReceived,
    tcpi_bytes_sent: connection.counters.bytesSent,
    tcpi_notsent_bytes: Math.max(0, sendBuffered - outstanding),
    tcpi_snd_wnd: d.sndWnd,
    tcpi_rcv_wnd: d.rcvWnd,
    tcpi_rcv_nxt: d.rcvNxt >>> 0,
    tcpi_min_rtt: Math.round(rtt.srtt),
    tcpi_rcv_ooopack: cb.reassembly === null || cb.reassembly.isEmpty ? 0 : 1,
  };
}

/** TCP_CA_Open, Disorder, Recovery or Loss. */
function caState(cb: ControlBlock, afterTimeout: boolean, sacked: number): number {
  if (afterTimeout || (cb.recoveryPointValid && !cb.inRecovery && cb.delegated.sndNxt !== cb.delegated.sndMax)) {
    return TCP_INFO_CONSTANTS['TCP_CA_Loss'];
  }
  if (cb.inRecovery) return TCP_INFO_CONSTANTS['TCP_CA_Recovery'];
  if (sacked > 0 || cb.delegated.dupAckCount > 0) return TCP_INFO_CONSTANTS['TCP_CA_Disorder'];
  return TCP_INFO_CONSTANTS['TCP_CA_Open'];
}

function lostBytes(
  cb: ControlBlock,
  threshold: number,
  afterTimeout: boolean,
  outstanding: number,
  sacked: number,
): number {
  const { delegated: d, scoreboard } = cb;
  if (afterTimeout) return outstanding - sacked;
  if (!cb.inRecovery || scoreboard === null) return cb.inRecovery ? cb.sendMss : 0;
  const edge = scoreboard.lostBelow(d.sndUna, threshold, cb.sendMss);
  const below = (edge - d.sndUna) | 0;
  return below <= 0 ? 0 : below - scoreboard.sackedBelow(edge);
}

/** What TCP_INFO says about a connection, by the names of Linux. Times in microseconds, unless Linux has milliseconds. */
import { type Connection, TcpInfoState } from '../host/index.ts';

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

/** Members of Linux and FreeBSD: what nobody counts here, or of nothing, is zero. */
const NAMES =
  'state ca_state retransmits probes backoff options snd_wscale rcv_wscale delivery_rate_app_limited ' +
  'fastopen_client_fail rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent ' +
  'last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt ' +
  'rcv_space total_retrans pacing_rate max_pacing_rate bytes_acked bytes_received segs_out segs_in notsent_bytes ' +
  'min_rtt data_segs_in data_segs_out delivery_rate busy_time rwnd_limited sndbuf_limited delivered delivered_ce ' +
  'bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash total_rto ' +
  'total_rto_recoveries total_rto_time snd_bwnd snd_nxt rcv_nxt toe_tid snd_rexmitpack snd_zerowin';
const ABSENT: Readonly<Record<string, number>> = Object.fromEntries(
  NAMES.split(' ').map((name) => [`tcpi_${name}`, 0]),
);

/** BSD's threshold before the first loss: the largest window. */
const BSD_INFINITE_SSTHRESH = 65_535 << 14;

/** The members, as the script's expressions read them. While nobody can tell it is that the connection is over. */
export function tcpInfo(connection: Connection | null, inBytes = false): Readonly<Record<string, number>> {
  const info = connection?.info() ?? null;
  if (info === null) return { ...ABSENT, tcpi_state: TcpInfoState.CLOSE };
  if (!inBytes) return { ...ABSENT, ...info };
  const { tcpi_snd_cwnd: window = 0, tcpi_snd_ssthresh: threshold = 0, tcpi_snd_mss: mss = 1 } = info;
  const isInfinite = threshold >= TCP_INFO_CONSTANTS['TCP_INFINITE_SSTHRESH'];
  return {
    ...ABSENT,
    ...info,
    tcpi_snd_cwnd: window * mss,
    tcpi_snd_ssthresh: isInfinite ? BSD_INFINITE_SSTHRESH : threshold * mss,
  };
}

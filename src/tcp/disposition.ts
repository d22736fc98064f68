/**
 * What an arriving segment, or an expired timer, means to the owner of a connection: bits of one number, so that the
 * path of a segment allocates nothing. The engine has already answered the peer; the owner applies the rest.
 */
export const Disposition = {
  NONE: 0,
  /** The segment passed the acceptability tests of RFC 9293 section 3.10.7.4 and its ACK was not stale. */
  ACCEPTED: 1 << 0,
  /** The connection entered ESTABLISHED. */
  ESTABLISHED: 1 << 1,
  /** Something we sent was acknowledged, or data arrived that answers an ACK: the neighbor is reachable (NBR-05). */
  FORWARD_PROGRESS: 1 << 2,
  /** The peer's FIN was received in order: no more data will be delivered. */
  PEER_CLOSED: 1 << 3,
  /** Our FIN was acknowledged. */
  FIN_ACKNOWLEDGED: 1 << 4,
  /** The peer reset the connection; it is CLOSED. */
  RESET: 1 << 5,
  /** A connection attempt was refused by a reset; it is CLOSED. */
  REFUSED: 1 << 6,
  /** The connection entered TIME-WAIT. */
  TIME_WAIT: 1 << 7,
  /** The connection ended in good order; it is CLOSED. */
  CLOSED: 1 << 8,
  /** Retransmissions, window probes or keepalive probes ran out (RFC 9293 section 3.8.3 R2); the state is unchanged. */
  TIMED_OUT: 1 << 9,
  /** FIN-WAIT-2 lasted too long; the state is CLOSED (TMR-FW2-05). */
  FIN_WAIT_2_EXPIRED: 1 << 10,
  /** A valid segment with URG arrived on a connection whose owner does not process urgent data; nothing was processed (URG-02). */
  URGENT: 1 << 11,
  /** One segment was retransmitted so often that the neighbor is in doubt (OID-05). */
  NEIGHBOR_IN_DOUBT: 1 << 12,
  /** The last in-order data that was delivered had PSH set. */
  PUSH: 1 << 13,
  /** A SYN arrived in TIME-WAIT that may open a new connection (RFC 9293 MAY-2, NSP-04); nothing was processed. */
  NEW_CONNECTION: 1 << 14,
  /** The probes of the blind-reset mitigation ran out: upload in CLOSED state (RST-10). */
  MITIGATION_EXPIRED: 1 << 15,
} as const;

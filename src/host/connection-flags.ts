/** What is either so or not of a connection, in the bits of one integer: as fields they would be a third of the object. */

const Bit = {
  CACHED_DIRTY: 1 << 0,
  UPDATE_IN_FLIGHT: 1 << 1,
  QUERY_IN_FLIGHT: 1 << 2,
  OFFLOAD_BROKEN: 1 << 3,
  DRAIN_AWAITED: 1 << 4,
  SHUTDOWN_REQUESTED: 1 << 5,
  SHUTDOWN_PASSED_ON: 1 << 6,
  ABORT_REQUESTED: 1 << 7,
  DETACHED: 1 << 8,
  PEER_CLOSED: 1 << 9,
  PEER_CLOSED_FIRST: 1 << 10,
  FIN_ACKNOWLEDGED: 1 << 11,
  NEEDS_IP_OPTIONS: 1 << 12,
  CONGESTION_MARK_HELD: 1 << 13,
  POLICY_SUSPENDED: 1 << 14,
  CLOSED_DELIVERED: 1 << 15,
  PEER_CLOSED_DELIVERED: 1 << 16,
  IS_CLOSED: 1 << 17,
  OPEN_PENDING: 1 << 18,
  SCHEDULED: 1 << 19,
  TUNES_SEND_BUFFER: 1 << 20,
  TUNES_RECEIVE_BUFFER: 1 << 21,
} as const;

/** The flags of `Connection`: of the stack, not part of the application's interface. */
export class ConnectionFlags {
  private bits = 0;

  /** `desired` has what the owner does not know. */
  get cachedDirty(): boolean {
    return (this.bits & Bit.CACHED_DIRTY) !== 0;
  }
  set cachedDirty(on: boolean) {
    this.bits = on ? this.bits | Bit.CACHED_DIRTY : this.bits & ~Bit.CACHED_DIRTY;
  }

  /** An update of the connection is in flight (UPD-04). */
  get updateInFlight(): boolean {
    return (this.bits & Bit.UPDATE_IN_FLIGHT) !== 0;
  }
  set updateInFlight(on: boolean) {
    this.bits = on ? this.bits | Bit.UPDATE_IN_FLIGHT : this.bits & ~Bit.UPDATE_IN_FLIGHT;
  }

  /** A query of the connection is in flight (TERM-03). */
  get queryInFlight(): boolean {
    return (this.bits & Bit.QUERY_IN_FLIGHT) !== 0;
  }
  set queryInFlight(on: boolean) {
    this.bits = on ? this.bits | Bit.QUERY_IN_FLIGHT : this.bits & ~Bit.QUERY_IN_FLIGHT;
  }

  /** An update or query failed: the host terminates the offload (UPD-07, QRY-05). */
  get offloadBroken(): boolean {
    return (this.bits & Bit.OFFLOAD_BROKEN) !== 0;
  }
  set offloadBroken(on: boolean) {
    this.bits = on ? this.bits | Bit.OFFLOAD_BROKEN : this.bits & ~Bit.OFFLOAD_BROKEN;
  }

  /** `send` has returned false: the application waits for `drained`. */
  get drainAwaited(): boolean {
    return (this.bits & Bit.DRAIN_AWAITED) !== 0;
  }
  set drainAwaited(on: boolean) {
    this.bits = on ? this.bits | Bit.DRAIN_AWAITED : this.bits & ~Bit.DRAIN_AWAITED;
  }

  /** The application has closed the sending half. */
  get shutdownRequested(): boolean {
    return (this.bits & Bit.SHUTDOWN_REQUESTED) !== 0;
  }
  set shutdownRequested(on: boolean) {
    this.bits = on ? this.bits | Bit.SHUTDOWN_REQUESTED : this.bits & ~Bit.SHUTDOWN_REQUESTED;
  }

  /** The owner knows of the shutdown. */
  get shutdownPassedOn(): boolean {
    return (this.bits & Bit.SHUTDOWN_PASSED_ON) !== 0;
  }
  set shutdownPassedOn(on: boolean) {
    this.bits = on ? this.bits | Bit.SHUTDOWN_PASSED_ON : this.bits & ~Bit.SHUTDOWN_PASSED_ON;
  }

  /** The application has aborted the connection. */
  get abortRequested(): boolean {
    return (this.bits & Bit.ABORT_REQUESTED) !== 0;
  }
  set abortRequested(on: boolean) {
    this.bits = on ? this.bits | Bit.ABORT_REQUESTED : this.bits & ~Bit.ABORT_REQUESTED;
  }

  /** The application will not read any more. */
  get detached(): boolean {
    return (this.bits & Bit.DETACHED) !== 0;
  }
  set detached(on: boolean) {
    this.bits = on ? this.bits | Bit.DETACHED : this.bits & ~Bit.DETACHED;
  }

  /** The peer's FIN has arrived. */
  get peerClosed(): boolean {
    return (this.bits & Bit.PEER_CLOSED) !== 0;
  }
  set peerClosed(on: boolean) {
    this.bits = on ? this.bits | Bit.PEER_CLOSED : this.bits & ~Bit.PEER_CLOSED;
  }

  /** The peer's FIN came before ours was sent: LAST-ACK and not CLOSING. */
  get peerClosedFirst(): boolean {
    return (this.bits & Bit.PEER_CLOSED_FIRST) !== 0;
  }
  set peerClosedFirst(on: boolean) {
    this.bits = on ? this.bits | Bit.PEER_CLOSED_FIRST : this.bits & ~Bit.PEER_CLOSED_FIRST;
  }

  /** The peer has acknowledged our FIN. */
  get finAcknowledged(): boolean {
    return (this.bits & Bit.FIN_ACKNOWLEDGED) !== 0;
  }
  set finAcknowledged(on: boolean) {
    this.bits = on ? this.bits | Bit.FIN_ACKNOWLEDGED : this.bits & ~Bit.FIN_ACKNOWLEDGED;
  }

  /** Datagrams of the connection carry IP options, which no target processes (INIT-03). */
  get needsIpOptions(): boolean {
    return (this.bits & Bit.NEEDS_IP_OPTIONS) !== 0;
  }
  set needsIpOptions(on: boolean) {
    this.bits = on ? this.bits | Bit.NEEDS_IP_OPTIONS : this.bits & ~Bit.NEEDS_IP_OPTIONS;
  }

  /** A segment that is held or to be forwarded was marked "congestion experienced" (RFC 3168 section 5). */
  get congestionMarkHeld(): boolean {
    return (this.bits & Bit.CONGESTION_MARK_HELD) !== 0;
  }
  set congestionMarkHeld(on: boolean) {
    this.bits = on ? this.bits | Bit.CONGESTION_MARK_HELD : this.bits & ~Bit.CONGESTION_MARK_HELD;
  }

  /** The application moves the connection by hand. */
  get policySuspended(): boolean {
    return (this.bits & Bit.POLICY_SUSPENDED) !== 0;
  }
  set policySuspended(on: boolean) {
    this.bits = on ? this.bits | Bit.POLICY_SUSPENDED : this.bits & ~Bit.POLICY_SUSPENDED;
  }

  /** The application knows of the end. */
  get closedDelivered(): boolean {
    return (this.bits & Bit.CLOSED_DELIVERED) !== 0;
  }
  set closedDelivered(on: boolean) {
    this.bits = on ? this.bits | Bit.CLOSED_DELIVERED : this.bits & ~Bit.CLOSED_DELIVERED;
  }

  /** The application knows that the peer has closed. */
  get peerClosedDelivered(): boolean {
    return (this.bits & Bit.PEER_CLOSED_DELIVERED) !== 0;
  }
  set peerClosedDelivered(on: boolean) {
    this.bits = on ? this.bits | Bit.PEER_CLOSED_DELIVERED : this.bits & ~Bit.PEER_CLOSED_DELIVERED;
  }

  /** The stack has forgotten the connection: no segment reaches it any more. */
  get isClosed(): boolean {
    return (this.bits & Bit.IS_CLOSED) !== 0;
  }
  set isClosed(on: boolean) {
    this.bits = on ? this.bits | Bit.IS_CLOSED : this.bits & ~Bit.IS_CLOSED;
  }

  /** `connect` was called and the SYN has not been sent. */
  get openPending(): boolean {
    return (this.bits & Bit.OPEN_PENDING) !== 0;
  }
  set openPending(on: boolean) {
    this.bits = on ? this.bits | Bit.OPEN_PENDING : this.bits & ~Bit.OPEN_PENDING;
  }

  /** The stack will process the connection. */
  get scheduled(): boolean {
    return (this.bits & Bit.SCHEDULED) !== 0;
  }
  set scheduled(on: boolean) {
    this.bits = on ? this.bits | Bit.SCHEDULED : this.bits & ~Bit.SCHEDULED;
  }

  /** `sendLimit` follows the congestion window. */
  get tunesSendBuffer(): boolean {
    return (this.bits & Bit.TUNES_SEND_BUFFER) !== 0;
  }
  set tunesSendBuffer(on: boolean) {
    this.bits = on ? this.bits | Bit.TUNES_SEND_BUFFER : this.bits & ~Bit.TUNES_SEND_BUFFER;
  }

  /** The receive buffer follows what is read. */
  get tunesReceiveBuffer(): boolean {
    return (this.bits & Bit.TUNES_RECEIVE_BUFFER) !== 0;
  }
  set tunesReceiveBuffer(on: boolean) {
    this.bits = on ? this.bits | Bit.TUNES_RECEIVE_BUFFER : this.bits & ~Bit.TUNES_RECEIVE_BUFFER;
  }
}

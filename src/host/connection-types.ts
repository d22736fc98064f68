/** The words in which a connection speaks to the application. */
import type { NdisStatus } from '../ndis/status.ts';
import type { ExtensionPart } from '../tcp/variables.ts';
import type { Connection } from './connection.ts';

/**
 * Who runs a connection at this instant. In `offloading` and `uploading` nobody does: the state is on its way, and
 * segments that arrive are held.
 */
export type ConnectionOwnerName = 'host' | 'offloading' | 'offloaded' | 'uploading';

/**
 * Why a connection ended (RFC 9293 MUST-12). `null`: in good order, both sides closed. `ECONNABORTED`: by our own `abort()`, or because its
 * state was lost in the offload target.
 */
export type CloseReason = null | 'ECONNRESET' | 'ETIMEDOUT' | 'ECONNREFUSED' | 'ECONNABORTED' | 'EHOSTUNREACH';

/**
 * Trouble that does not end a connection (RFC 9293 section 3.9.1.8): a router or the peer's host said so by ICMP, or a segment
 * was retransmitted three times without an answer. Retransmission goes on.
 */
export type SoftError =
  | 'host-unreachable'
  | 'port-unreachable'
  | 'time-exceeded'
  | 'parameter-problem'
  | 'excessive-retransmission';

/**
 * What the application wants to hear. Calls come from within `HostStack.advance` and never while the connection is
 * being processed, so every method of the connection may be called from them.
 */
export interface ConnectionHandlers {
  /** The connection is established (also for an accepted one whose handlers were set at once). */
  connected?(connection: Connection): void;
  /**
   * The peer has announced urgent data, or more of it than before: `Connection.urgentBytes` says how far it reaches. It is read
   * like all other data (RFC 9293 section 3.8.5, MUST-32).
   */
  urgent?(connection: Connection): void;
  /** There are unread bytes. Said again only after `read` has returned everything and more has come. */
  readable?(connection: Connection): void;
  /** After `send` returned false: what is buffered has fallen below the limit. */
  drained?(connection: Connection): void;
  /** The peer has acknowledged all that was sent, and the end of it. */
  finAcknowledged?(connection: Connection): void;
  /** The peer will send no more, and everything that it sent has been read. */
  peerClosed?(connection: Connection): void;
  /** The connection is over; the last call. In good order it comes after `peerClosed`. */
  closed?(connection: Connection, reason: CloseReason): void;
  /**
   * Trouble that did not end the connection: ERROR_REPORT of RFC 9293 section 3.9.1.8 (MUST-47, SHLD-9, SHLD-25). Who leaves it
   * out hears of none (SHLD-20). While the connection is offloaded the target reports to the neighbor cache alone, and
   * retransmissions are not told.
   */
  softError?(connection: Connection, error: SoftError): void;
  /** Another owner runs the connection now; see `Connection.owner` and `Connection.history`. */
  ownerChanged?(connection: Connection): void;
}

/** What became of a request to move a connection. A refusal has changed nothing: the connection goes on as before. */
export type OffloadResult =
  | {
      readonly ok: true;
      /** From the request to the target, or to the host, being in charge. */
      readonly microseconds: number;
      /** Parts of the state extension that an end could not keep (spec/decisions.md 23). */
      readonly lost: readonly ExtensionPart[];
    }
  | {
      readonly ok: false;
      /** The contract's status: the target's, or the one that the host refuses with. */
      readonly status: NdisStatus;
      /** For people. */
      readonly reason: string;
    };

/** One change of the owner, or an attempt that was refused. */
export interface HistoryEntry {
  /** When it was finished, microseconds of the stack's clock. */
  readonly at: number;
  readonly kind: 'offloaded' | 'uploaded' | 'refused' | 'lost';
  /** Why: `request`, `policy`, an upload reason of the target, or the status of a refusal. */
  readonly reason: string;
  /** How long the move took, microseconds. */
  readonly microseconds: number;
}

/** Counters of one connection. They survive every move. */
export class ConnectionCounters {
  /** Bytes that the application sent and the peer has acknowledged. */
  bytesAcknowledged = 0;
  /** Bytes that the application has given to `send`. */
  bytesSent = 0;
  /** Bytes received in order, read or not. */
  bytesReceived = 0;
  /** Segments retransmitted while the host owned the connection. */
  retransmissions = 0;
  offloads = 0;
  uploads = 0;
  refusedOffloads = 0;
  segmentsHeld = 0;
  segmentsForwarded = 0;
}

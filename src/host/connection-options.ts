/** What may be chosen for one connection, or for all connections of a stack or a listener. */
import type { CongestionControlName } from '../tcp/index.ts';
import { TcpConstantFlag } from '../tcp/variables.ts';
import type { SourceRoute } from '../wire/index.ts';

/** What is left out is as the stack has it. */
export interface ConnectionOptions {
  /** Receive window when nothing is unread, bytes. */
  readonly receiveBufferBytes?: number;
  /** Shift of the windows that we advertise, 0…14; by default the smallest that can express the buffer. */
  readonly windowScale?: number;
  /** Offer or accept window scaling (RFC 7323 section 2); true by default. */
  readonly windowScaling?: boolean;
  /** Offer or accept timestamps (RFC 7323 section 3); true by default. */
  readonly timestamps?: boolean;
  /** Offer or accept selective acknowledgments (RFC 2018); true by default. */
  readonly selectiveAcknowledgment?: boolean;
  /** Upper bound of the segment size, announced and used, bytes; 0: the path's alone (RFC 9293 section 3.7.1). */
  readonly maximumSegmentSize?: number;
  /**
   * The gateways that our datagrams visit on their way, for a connection over IPv4 that we open (RFC 9293 section 3.9.2.1,
   * MUST-51). It is not offloaded.
   */
  readonly sourceRoute?: SourceRoute;
  readonly congestionControl?: CongestionControlName;
}

/** `TcpConstantFlag` bits of the options that are offered. */
export function offeredFlags(options: ConnectionOptions): number {
  let flags = 0;
  if (options.timestamps !== false) flags |= TcpConstantFlag.TIMESTAMP_ENABLED;
  if (options.selectiveAcknowledgment !== false) flags |= TcpConstantFlag.SACK_ENABLED;
  if (options.windowScaling !== false) flags |= TcpConstantFlag.WINDOW_SCALING_ENABLED;
  return flags;
}

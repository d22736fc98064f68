import type { Duplex } from 'node:stream';

/**
 * How an end closes. `first`: when it has sent and received everything. `second`: after the peer. `together`: when it is told
 * to (`go`). `fin-at-once`: its sending half right behind what it sends. `rest-after-fin`: it sends the second half of its
 * bytes after the peer's FIN, then closes. `aborts`: with a reset, when half of the bytes have passed and it is told to.
 * `is-aborted`: never, the peer resets.
 */
export type Closing = 'first' | 'second' | 'together' | 'fin-at-once' | 'rest-after-fin' | 'aborts' | 'is-aborted';

export interface EndPlan {
  /** Decides the bytes that it sends (see `bytesOf`). */
  readonly seed: number;
  /** How many. */
  readonly sends: number;
  /** How many the peer sends. */
  readonly receives: number;
  readonly closing: Closing;
}

export interface EndOutcome {
  /** Bytes, and their sum. */
  readonly received: number;
  readonly sha256: string;
  /** Whether the stream has ended in order. */
  readonly ended: boolean;
  /** The code of the error that the socket emitted. */
  readonly error: string | null;
}

export type EndNews = 'open' | 'ready';

export function bytesOf(seed: number, length: number): Buffer;
export function sha256(bytes: Uint8Array): string;

export class ConnectionEnd {
  constructor(socket: Duplex & { resetAndDestroy(): unknown }, plan: EndPlan, tell: (news: EndNews) => void);
  readonly ended: Promise<void>;
  readonly done: Promise<EndOutcome>;
  go(): void;
}

/**
 * A listening port (RFC 9293 passive OPEN) with two queues, as kernels have them: connections that are half open, and those
 * that are established and not yet accepted. The backlog bounds each of them.
 */
import type { IpAddress } from '../../wire/index.ts';
import type { Connection } from '../connection.ts';
import type { ConnectionOptions } from '../connection-options.ts';

/** Called from within `HostStack.advance` with each established connection; it sets `connection.handlers`. */
export type AcceptHandler = (connection: Connection) => void;

/** Most half-open connections of one listener, whatever its backlog: the rest is for cookies. */
const MOST_HALF_OPEN = 1024;

export class Listener {
  readonly port: number;
  /** The one of our addresses that it listens on; null: all. */
  readonly address: IpAddress | null;
  /** Most connections that are half open, and most that wait to be accepted. */
  readonly backlog: number;
  /** For the connections that it accepts. */
  readonly options: ConnectionOptions;
  private readonly handler: AcceptHandler;
  private readonly released: (listener: Listener) => void;
  private readonly wake: () => void;
  private readonly established: Connection[] = [];
  /** Oldest first. */
  private readonly halfOpen = new Set<Connection>();
  private paused = false;
  private isClosed = false;

  /** Made by `HostStack.listen`. */
  constructor(
    port: number,
    address: IpAddress | null,
    backlog: number,
    options: ConnectionOptions,
    handler: AcceptHandler,
    released: (listener: Listener) => void,
    wake: () => void,
  ) {
    this.port = port;
    this.address = address;
    this.backlog = backlog;
    this.options = options;
    this.handler = handler;
    this.released = released;
    this.wake = wake;
  }

  get closed(): boolean {
    return this.isClosed;
  }

  /** Connections that wait to be accepted. */
  get waiting(): number {
    return this.established.length;
  }

  /** Stops handing out connections; they wait, up to the backlog. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    if (this.established.length > 0) this.wake();
  }

  /** Frees the port. Half-open connections and those not yet accepted are reset; accepted ones go on. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.released(this);
    for (const connection of this.halfOpen) connection.abort();
    for (const connection of this.established.splice(0)) connection.abort();
  }

  // ---- for the stack ----

  /** Whether one more connection may be half open. */
  get hasRoom(): boolean {
    return !this.isClosed && this.halfOpen.size < Math.min(this.backlog, MOST_HALF_OPEN);
  }

  /** Whether no more connections may wait to be accepted. */
  get isAcceptQueueFull(): boolean {
    return this.established.length >= this.backlog;
  }

  /** The connection that has been half open for the longest time, or null. */
  get oldestHalfOpen(): Connection | null {
    for (const connection of this.halfOpen) return connection;
    return null;
  }

  /** A connection is half open. */
  opened(connection: Connection): void {
    this.halfOpen.add(connection);
  }

  /** A half-open connection is gone before it was established. */
  abandoned(connection: Connection): void {
    this.halfOpen.delete(connection);
  }

  /** A half-open connection is established and waits to be accepted. */
  completed(connection: Connection): void {
    this.halfOpen.delete(connection);
    if (this.isClosed) connection.abort();
    else this.established.push(connection);
  }

  /** Hands out what waits, unless paused. */
  accept(): void {
    while (!this.paused && !this.isClosed) {
      const connection = this.established.shift();
      if (connection === undefined) return;
      // It may have ended while it waited; the application still hears of it, and then of its end.
      this.handler(connection);
    }
  }

  /** Whether `accept` has anything to do. */
  get ready(): boolean {
    return !this.paused && !this.isClosed && this.established.length > 0;
  }
}

/**
 * A listening port (RFC 9293 passive OPEN). Its backlog bounds the connections that are half open and those that are
 * established but not yet accepted. Beyond it a SYN takes the place of the oldest half-open connection whose peer has left
 * a SYN-ACK unanswered (RFC 4987 section 3.4), so that forged SYNs do not shut a port for minutes; when there is none it is
 * dropped, and the peer will repeat it.
 */
import type { Connection } from '../connection.ts';
import type { ConnectionOptions } from '../connection-options.ts';

/** Called from within `HostStack.advance` with each established connection; it sets `connection.handlers`. */
export type AcceptHandler = (connection: Connection) => void;

export class Listener {
  readonly port: number;
  /** Most connections that are half open or wait to be accepted. */
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
    backlog: number,
    options: ConnectionOptions,
    handler: AcceptHandler,
    released: (listener: Listener) => void,
    wake: () => void,
  ) {
    this.port = port;
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

  /** Whether a SYN finds room. */
  get hasRoom(): boolean {
    return !this.isClosed && this.halfOpen.size + this.established.length < this.backlog;
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

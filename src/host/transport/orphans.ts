/**
 * Orphans: connections whose applications have left them, and that still have something to deliver. A kernel lets a peer
 * keep them neither for ever, by windows of zero or by silence, nor in any number (RFC 9293 section 3.8.6.1 leaves it to
 * the system to end connections that hold its memory).
 */
import type { Connection } from '../connection.ts';
import type { HostCore } from '../core.ts';
import { HostTimer } from '../timer.ts';

/** Looks at all orphans in the time that one may have without progress. */
const CHECKS = 8;

/** How far an orphan had got, and when. */
interface Progress {
  bytesAcknowledged: number;
  finAcknowledged: boolean;
  /** Tick. */
  at: number;
}

export class Orphans {
  private readonly core: HostCore;
  private readonly most: number;
  /** Ticks that an orphan may have without progress. */
  private readonly patience: number;
  private readonly timer: HostTimer;
  /** Oldest first. */
  private readonly orphans = new Map<Connection, Progress>();

  constructor(core: HostCore, most: number, patienceMilliseconds: number) {
    this.core = core;
    this.most = most;
    this.patience = core.milliseconds(patienceMilliseconds);
    this.timer = new HostTimer(core.tcp, () => this.check());
  }

  get size(): number {
    return this.orphans.size;
  }

  /** An application has left a connection. Of too many orphans the oldest is reset. */
  add(connection: Connection): void {
    if (this.orphans.has(connection) || connection.closed !== null) return;
    this.orphans.set(connection, { ...progressOf(connection), at: this.core.tcp.ticks });
    if (this.orphans.size > this.most) this.resetOldest();
    this.timer.armIfIdle(this.patience / CHECKS);
  }

  /** The connection is over. */
  delete(connection: Connection): void {
    this.orphans.delete(connection);
  }

  /** Nothing is left for anybody: all orphans that hold bytes are reset. */
  resetAll(): void {
    for (const connection of [...this.orphans.keys()]) if (connection.sendBuffered > 0) this.reset(connection);
  }

  private check(): void {
    const { ticks } = this.core.tcp;
    for (const [connection, progress] of [...this.orphans]) {
      const now = progressOf(connection);
      if (connection.closed !== null) {
        this.orphans.delete(connection); // TIME-WAIT has a limit of its own
      } else if (
        now.bytesAcknowledged !== progress.bytesAcknowledged ||
        now.finAcknowledged !== progress.finAcknowledged
      ) {
        Object.assign(progress, now, { at: ticks });
      } else if (ticks - progress.at >= this.patience) {
        this.reset(connection);
      }
    }
    if (this.orphans.size > 0) this.timer.arm(this.patience / CHECKS);
  }

  private resetOldest(): void {
    const oldest = this.orphans.keys().next();
    if (!oldest.done) this.reset(oldest.value);
  }

  private reset(connection: Connection): void {
    this.orphans.delete(connection);
    this.core.statistics.orphansReset++;
    connection.abort();
  }
}

function progressOf(connection: Connection): { bytesAcknowledged: number; finAcknowledged: boolean } {
  return { bytesAcknowledged: connection.counters.bytesAcknowledged, finAcknowledged: connection.finAcknowledged };
}

/** Which connections the host offers to the target by itself, and when it tries again after a refusal. */
import { TcpState } from '../../tcp/state.ts';
import type { Connection, MoveRequest } from '../connection.ts';
import { HostTimer } from '../timer.ts';
import type { AdapterStatus } from './adapter-status.ts';
import type { ChimneyEnvironment } from './environment.ts';

/** `auto`: a connection that moved so many bytes is worth it. */
const AUTO_BYTES = 128 * 1024;
/** First and longest wait after a refusal, milliseconds; it doubles each time. */
const FIRST_RETRY_MILLISECONDS = 100;
const LONGEST_RETRY_MILLISECONDS = 30_000;
/** Wait after the target gave a connection back, milliseconds. */
const RETURNED_MILLISECONDS = 1000;

export class Policy {
  private readonly environment: ChimneyEnvironment;
  private readonly status: AdapterStatus;

  constructor(environment: ChimneyEnvironment, status: AdapterStatus) {
    this.environment = environment;
    this.status = status;
  }

  /** Asks for the offload of a connection that the host owns, if the policy wants it. */
  consider(connection: Connection): void {
    if (this.environment.settings.offloadPolicy === 'never' || this.status.phase !== 'running') return;
    if (connection.policySuspended || connection.offloadRequest !== null || connection.retryTimer?.armed) return;
    if (connection.shutdownRequested || connection.abortRequested || connection.peerClosed) return;
    if (
      connection.state !== TcpState.ESTABLISHED ||
      connection.needsIpOptions ||
      connection.urgentAhead > 0 ||
      !this.isWorth(connection)
    )
      return;
    connection.requestOffload('policy', ignore);
  }

  /** An offload was refused: the policy tries again later. */
  refused(connection: Connection, request: MoveRequest): void {
    if (request.reason !== 'policy') return;
    const delay = Math.min(FIRST_RETRY_MILLISECONDS * 2 ** connection.refusals, LONGEST_RETRY_MILLISECONDS);
    connection.refusals++;
    this.wait(connection, delay);
  }

  /** The target gave a connection back: it does not get it again at once. */
  returned(connection: Connection): void {
    if (!connection.policySuspended) this.wait(connection, RETURNED_MILLISECONDS);
  }

  private isWorth(connection: Connection): boolean {
    if (this.environment.settings.offloadPolicy === 'always') return true;
    return connection.counters.bytesSent + connection.counters.bytesReceived > AUTO_BYTES;
  }

  private wait(connection: Connection, milliseconds: number): void {
    const { core, settings } = this.environment;
    if (settings.offloadPolicy === 'never' || connection.isClosed) return;
    connection.retryTimer ??= new HostTimer(core.tcp, () => this.environment.schedule(connection));
    connection.retryTimer.arm(core.milliseconds(milliseconds));
  }
}

function ignore(): void {}

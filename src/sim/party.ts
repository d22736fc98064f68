/** One end of a simulated connection: an application that writes, reads, rests and closes at random, and checks what it gets. */
import type { CloseReason, Connection, ConnectionHandlers } from '../host/index.ts';
import type { Random } from '../link/index.ts';
import { stateName } from '../tcp/index.ts';
import type { BytePattern } from './byte-pattern.ts';
import type { Coverage } from './coverage.ts';
import { between, type PartyPlan } from './scenario.ts';

import type { Timeline } from './timeline.ts';
import type { TraceLog } from './trace-log.ts';
import { invariant } from './violation.ts';

/** What all parties of a simulation share. */
export interface World {
  readonly timeline: Timeline;
  readonly log: TraceLog;
  readonly coverage: Coverage;
  /** Frames may be lost until the network heals. */
  readonly isLossy: boolean;
  /** The fault phase is over: nobody rests any more. */
  healed: boolean;
}

/** Writes in one turn. */
const WRITES_PER_TURN = 8;

export class Party {
  readonly name: string;
  readonly handlers: ConnectionHandlers;
  connection: Connection | null = null;
  /** The other end. */
  peer: Party | null = null;
  sent = 0;
  received = 0;
  hasShutDown = false;
  hasAborted = false;
  sawPeerClose = false;
  closedBy: CloseReason | undefined = undefined;
  /** The state was lost with the hardware of a target of this machine: the connection may end at any time. */
  mayBeLost = false;
  onOwnerChanged: ((connection: Connection) => void) | null = null;
  private readonly world: World;
  private readonly plan: PartyPlan;
  private readonly random: Random;
  private readonly outgoing: BytePattern;
  private readonly incoming: BytePattern;
  private wasConnected = false;
  private isWriting = false;
  private isPaused = false;

  constructor(
    world: World,
    name: string,
    plan: PartyPlan,
    random: Random,
    outgoing: BytePattern,
    incoming: BytePattern,
  ) {
    this.world = world;
    this.name = name;
    this.plan = plan;
    this.random = random;
    this.outgoing = outgoing;
    this.incoming = incoming;
    this.handlers = {
      connected: () => this.connected(),
      readable: () => this.readSome(),
      drained: () => this.write(),
      peerClosed: () => this.peerClosed(),
      closed: (_connection, reason) => this.closed(reason),
      ownerChanged: (connection) => this.ownerChanged(connection),
    };
  }

  /** Whether the connection is over for this end. */
  get isDone(): boolean {
    // A connection that its opener gave up before it was accepted never comes to this end.
    return this.closedBy !== undefined || (this.connection === null && this.peer?.failed === true);
  }

  /** Ended otherwise than in good order. */
  get failed(): boolean {
    return this.hasAborted || (this.closedBy !== undefined && this.closedBy !== null);
  }

  /** The opener has its connection; a listener has it when it is accepted. */
  attach(connection: Connection): void {
    invariant(this.connection === null, () => `${this.name}: a second connection was accepted for the same plan`);
    this.connection = connection;
    connection.context = this;
    if (this.plan.writesEarly) this.write();
  }

  /** A listener's connection is established and may hold bytes already. */
  accepted(): void {
    this.write();
    this.readSome();
  }

  /** For the message of a failure. */
  describe(): string {
    const { connection, peer } = this;
    const where = connection === null ? 'no connection' : `${connection.owner} ${stateName(connection.state)}`;
    const ends = `${this.hasShutDown ? ', shut down' : ''}${this.sawPeerClose ? ', peer closed' : ''}`;
    return `${this.name} (${where}, sent ${this.sent}, received ${this.received} of ${peer?.sent}${ends})`;
  }

  /** The network has healed: gets on with it, and gives up a connection whose peer is gone. */
  hurry(): void {
    if (this.isDone || this.connection === null) return;
    if (this.isPaused) this.resume();
    this.write();
  }

  /** The peer ended by a reset that may have been lost: a real application would time out. */
  giveUpIfAlone(): void {
    if (this.isDone || this.connection === null || this.peer === null || !this.peer.failed) return;
    this.note('gives up');
    this.abort();
  }

  private note(text: string): void {
    const { timeline, log } = this.world;
    log.note(timeline.now, `${this.name} ${text}`);
  }

  private connected(): void {
    this.wasConnected = true;
    this.note('connected');
    this.write();
  }

  private rests(chance: number): boolean {
    return !this.world.healed && this.random.chance(chance);
  }

  /** Writes until it rests, has to wait, or is finished. */
  private write(): void {
    const { connection, plan } = this;
    if (connection === null || this.isWriting || this.hasShutDown || this.isDone || this.hasAborted) return;
    for (let count = 0; count < WRITES_PER_TURN; count += 1) {
      if (this.sent >= plan.abortAfter) {
        this.abort();
        return;
      }
      if (this.sent === plan.sendBytes) {
        this.finish();
        return;
      }
      const length = Math.min(plan.sendBytes - this.sent, between(this.random, 1, plan.largestWrite));
      const bytes = this.outgoing.bytes(this.sent, length);
      this.sent += length;
      const more = connection.send(bytes);
      this.changeOption(connection);
      if (this.rests(plan.restChance)) {
        this.later(this.random.below(plan.longestRest + 1), () => this.write());
        return;
      }
      if (!more) return; // `drained` goes on
    }
    this.later(0, () => this.write());
  }

  /** At most one turn of writing is scheduled at any time. */
  private later(microseconds: number, action: () => void): void {
    this.isWriting = true;
    this.world.timeline.after(microseconds, () => {
      this.isWriting = false;
      action();
    });
  }

  private changeOption(connection: Connection): void {
    if (!this.rests(this.plan.optionChance)) return;
    switch (this.random.below(3)) {
      case 0:
        connection.setNoDelay(this.random.chance(0.5));
        return;
      case 1:
        connection.setKeepAlive(this.random.chance(0.5), between(this.random, 50, 5000));
        return;
      default:
        connection.setReceiveBuffer(between(this.random, 2000, 200_000));
    }
  }

  /** Everything is sent: closes now, later, or when the peer has. */
  private finish(): void {
    const { plan } = this;
    if (plan.close === 'at-once' || this.sawPeerClose || (this.world.healed && plan.close === 'later')) {
      this.shutdown();
    } else if (plan.close === 'later') {
      this.world.timeline.after(this.random.below(plan.closeRest + 1), () => this.shutdown());
    }
  }

  private shutdown(): void {
    if (this.hasShutDown || this.isDone || this.hasAborted || this.connection === null) return;
    this.hasShutDown = true;
    this.note(`shuts down after ${this.sent} bytes in ${stateName(this.connection.state)}`);
    this.connection.shutdown();
  }

  private abort(): void {
    if (this.hasAborted || this.connection === null) return;
    this.hasAborted = true;
    this.note(`aborts in ${stateName(this.connection.state)}, owner ${this.connection.owner}`);
    this.world.coverage.count(`abort while ${this.connection.owner}`);
    this.connection.abort();
  }

  private readSome(): void {
    const { connection } = this;
    if (connection === null || this.isPaused) return;
    for (let chunk = connection.read(); chunk !== null; chunk = connection.read()) {
      this.check(chunk);
      if (this.rests(this.plan.pauseChance)) {
        this.isPaused = true;
        this.world.timeline.after(this.random.below(this.plan.longestPause + 1), () => this.resume());
        return;
      }
    }
  }

  private resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.readSome();
  }

  private check(chunk: Uint8Array): void {
    const at = this.incoming.mismatch(this.received, chunk);
    invariant(at < 0, () => {
      const position = this.received + at;
      return `${this.name}: the byte at ${position} is wrong (chunk of ${chunk.length} bytes at ${this.received})`;
    });
    this.received += chunk.length;
    const sent = this.peer?.sent ?? 0;
    invariant(this.received <= sent, () => `${this.name}: ${this.received} bytes were read, but only ${sent} sent`);
  }

  private peerClosed(): void {
    const { peer } = this;
    invariant(!this.sawPeerClose, () => `${this.name}: peerClosed was told twice`);
    this.sawPeerClose = true;
    this.note(`sees the peer's end after ${this.received} bytes`);
    invariant(peer?.hasShutDown === true, () => `${this.name}: the peer closed, but its application did not`);
    invariant(this.received === peer.sent, () => {
      return `${this.name}: the stream ended after ${this.received} of ${peer.sent} bytes`;
    });
    this.write();
  }

  private closed(reason: CloseReason): void {
    invariant(this.closedBy === undefined, () => `${this.name}: closed was told twice`);
    this.closedBy = reason;
    this.note(`closed: ${reason}`);
    this.world.coverage.count(`closed: ${reason}`);
    invariant(this.mayCloseWith(reason), () => `${this.name}: the connection closed unexpectedly with ${reason}`);
  }

  private mayCloseWith(reason: CloseReason): boolean {
    const { peer } = this;
    switch (reason) {
      case null:
        return this.hasShutDown && this.sawPeerClose;
      case 'ECONNABORTED':
        return this.hasAborted || this.mayBeLost;
      case 'ECONNRESET':
      case 'ECONNREFUSED':
        return this.mayBeLost || (peer !== null && (peer.hasAborted || peer.mayBeLost || peer.failed));
      case 'EHOSTUNREACH':
        // Every ARP request of an opening may have been lost, the last one just before the network healed.
        return !this.wasConnected && this.world.isLossy;
      default:
        return false;
    }
  }

  private ownerChanged(connection: Connection): void {
    this.note(`is owned by ${connection.owner} in ${stateName(connection.state)}`);
    this.onOwnerChanged?.(connection);
  }
}

/** Runs the events of a script one after the other. */
import type { Connection } from '../host/index.ts';
import { isSynchronized } from '../tcp/index.ts';
import { type Names, runCode } from './assertions.ts';
import { type Attempt, Process } from './calls.ts';
import { ScriptFailure } from './errors.ts';
import { Flow } from './flow.ts';
import { buildIcmpError, buildSegment } from './frames.ts';
import { runCommands } from './knobs.ts';
import { Machine } from './machine.ts';
import { difference, isPureAck, join, learn, toScript } from './match.ts';
import { formatPacket, formatSeconds } from './notation.ts';
import type { Action, EventTime, PacketSpec, Script, ScriptEvent, TcpPacketSpec } from './script.ts';
import type { SentSegment } from './sent.ts';
import type { Settings } from './settings.ts';
import type { Outcome, TcpSocket } from './socket.ts';
import { Arguments, formatExpression } from './values.ts';

type CallAction = Extract<Action, { kind: 'call' }>;

/** A blocking call that has not returned. */
interface PendingCall {
  readonly line: number;
  readonly action: CallAction;
  readonly attempt: Attempt;
  /** When it began, script time. */
  readonly since: number;
  /** When it has to return, script time. */
  readonly until: number;
}

/** The first ephemeral port of the peer. */
const FIRST_REMOTE_PORT = 49_152;

/** How long `*` waits for a segment, microseconds: beyond every timer. */
const FOREVER = 1_000_000_000_000;

export interface RunnerOptions {
  /** Before this event, by its index, all connections are moved to the target and back. */
  readonly moveBefore?: number;
  /** Over what the personality has. */
  readonly failsOnUnexpected?: boolean;
}

export class Runner {
  /** What code in the script printed. */
  readonly printed: string[] = [];
  private readonly script: Script;
  private readonly settings: Settings;
  private readonly options: RunnerOptions;
  private started: { readonly machine: Machine; readonly application: Process } | null = null;
  /** Script time while the machine does not exist yet. */
  private early = 0;
  private lastEvent = 0;
  private pending: PendingCall | null = null;
  private flow: Flow | null = null;
  private readonly flows: Flow[] = [];
  private listeningPort = 0;
  /** What code in the script has assigned. */
  private readonly names: Names = new Map();
  /** A move has sent an ACK that was owed: when pure ACKs leave may differ from now on (TMR-DACK-01). */
  private acksMoved = false;

  constructor(script: Script, settings: Settings, options: RunnerOptions = {}) {
    this.script = script;
    this.settings = settings;
    this.options = options;
  }

  /** Everything that left the stack, for comparing runs; times are script times. */
  get transcript(): readonly SentSegment[] {
    return this.started?.machine.transcript ?? [];
  }

  /** Whether moving has changed when ACKs leave. */
  get movedAcks(): boolean {
    return this.acksMoved;
  }

  /** @throws ScriptFailure, ScriptSyntaxError */
  run(): void {
    const { setup, events, cleanup } = this.script;
    for (const { line, text } of setup) this.command(text, line);
    const isStrict = this.options.failsOnUnexpected ?? this.settings.personality.failsOnUnexpected;
    events.forEach((event, index) => {
      if (index === this.options.moveBefore) this.moveBefore(event);
      if (index === events.length - 1 && isStrict) this.expectQuiet(event);
      this.perform(event);
    });
    this.finishPending();
    for (const { line, text } of cleanup) this.command(text, line);
  }

  // ---- time ----

  private get machine(): Machine {
    return this.start().machine;
  }

  private start(): { readonly machine: Machine; readonly application: Process } {
    if (this.started !== null) return this.started;
    const machine = new Machine(this.settings);
    machine.now = this.early;
    machine.settle();
    const application = new Process(machine, this.settings, {
      listening: (port) => {
        this.listeningPort = port;
        this.flow = null;
      },
      connecting: (socket) => this.connecting(socket),
    });
    this.started = { machine, application };
    return this.started;
  }

  /** Lets everything happen until `time`. */
  private advance(time: number): void {
    const { machine } = this;
    machine.settle();
    this.pollPending();
    while (machine.nextDeadline() <= time && machine.step(time)) this.pollPending();
    machine.runTo(time);
    this.pollPending();
  }

  private startOf(time: EventTime): number {
    if (time.kind === 'absolute') return time.start;
    return this.lastEvent + time.start;
  }

  private endOf(time: EventTime): number {
    if (time.kind === 'any') return this.machine.now + FOREVER;
    return time.kind === 'absolute' ? time.end : this.lastEvent + time.end;
  }

  // ---- events ----

  private perform(event: ScriptEvent): void {
    const { action, time, line } = event;
    if (action.kind === 'packet' && action.direction === 'out') {
      this.expectPacket(event, action.packet);
      return;
    }
    const at = time.kind === 'any' ? this.lastEvent : this.startOf(time);
    if (action.kind === 'command' && this.started === null) {
      this.early = Math.max(this.early, at);
      this.command(action.text, line);
      this.lastEvent = at;
      return;
    }
    if (action.kind === 'call') this.finishPending();
    this.advance(at);
    const previous = this.lastEvent;
    this.lastEvent = time.kind === 'any' || time.isRange ? this.machine.now : at;
    switch (action.kind) {
      case 'packet':
        this.inject(action.packet, line);
        break;
      case 'call':
        this.call(action, line, time, previous);
        break;
      case 'command':
        this.command(action.text, line);
        break;
      case 'code':
        this.printed.push(...runCode(action.text, line, this.start().application.current?.members() ?? {}, this.names));
    }
  }

  private command(text: string, line: number): void {
    runCommands(
      {
        settings: this.settings,
        sleep: (microseconds) => {
          if (this.started === null) this.early += microseconds;
          else this.advance(this.machine.now + microseconds);
        },
        dropConnections: () => {
          for (const connection of this.machine.stack.connections()) connection.abort();
          this.machine.settle();
        },
        note: (at, message) => this.printed.push(`line ${at}: ${message}`),
      },
      text,
      line,
    );
    if (this.started !== null) Object.assign(this.machine.stack.core.tcp.parameters, this.settings.parameters);
  }

  // ---- packets ----

  /** Opens the connection of a socket; false when no port is free for it. */
  private connecting(socket: TcpSocket): boolean {
    const { machine, settings } = this;
    const { remoteAddress, connectPort } = settings;
    let connection: Connection;
    try {
      connection = machine.stack.connect({
        address: remoteAddress,
        port: connectPort,
        localPort: socket.boundPort,
        connection: socket.chosen,
      });
    } catch (error) {
      if (!(error as Error).message.includes('EADDRINUSE')) throw error;
      return false;
    }
    socket.attach(connection);
    this.flow = new Flow(connection.localPort, connectPort);
    this.flows.push(this.flow);
    return true;
  }

  private currentFlow(): Flow {
    if (this.flow === null) {
      const port = this.listeningPort === 0 ? this.settings.bindPort : this.listeningPort;
      this.flow = new Flow(port, FIRST_REMOTE_PORT + this.flows.length);
      this.flows.push(this.flow);
    }
    return this.flow;
  }

  private inject(packet: PacketSpec, line: number): void {
    const { machine } = this;
    const flow = this.currentFlow();
    if (packet.kind === 'tcp' && packet.options === 'any') {
      throw new ScriptFailure(line, 'a segment that is sent to the stack cannot leave its options open with <...>');
    }
    const { addressing } = machine;
    if (packet.kind === 'tcp') {
      machine.inject(buildSegment(packet, this.flowByPorts(packet) ?? flow, addressing));
    } else {
      const message = addressing.localAddress.family === 4 ? packet.ipv4 : packet.ipv6;
      if (message === null) {
        throw new ScriptFailure(line, 'the ICMP message means nothing in the IP version of the run');
      }
      const socket = this.started?.application.connecting ?? null;
      machine.inject(buildIcmpError(packet, message, flow, addressing));
      socket?.refused(addressing.localAddress.family === 4 ? message : null);
    }
    this.pollPending();
  }

  /** The connection that a packet names by its ports, as the stack has them: never the one under test for that. */
  private flowByPorts({ ports }: TcpPacketSpec): Flow | null {
    if (ports === null) return null;
    const { source, destination } = ports;
    const known = this.flows.find((flow) => flow.localPort === destination && flow.remotePort === source);
    if (known !== undefined) return known;
    const flow = new Flow(destination, source);
    this.flows.push(flow);
    return flow;
  }

  /** Whether a segment is of the connection that an expected packet is about. */
  private isOfFlow(segment: SentSegment, { ports }: TcpPacketSpec): boolean {
    if (ports !== null) return segment.localPort === ports.source && segment.remotePort === ports.destination;
    const { flow } = this;
    return flow === null || (segment.localPort === flow.localPort && segment.remotePort === flow.remotePort);
  }

  /** How far from its time an event may lie that was to happen `expected` microseconds after the one before. */
  private toleranceAfter(expected: number): number {
    const { tolerance, tolerancePercent } = this.settings;
    return Math.max(tolerance, (Math.max(0, expected) * tolerancePercent) / 100);
  }

  private flowOf(segment: SentSegment): Flow {
    const known = this.flows.find(
      (flow) => flow.localPort === segment.localPort && flow.remotePort === segment.remotePort,
    );
    return known ?? new Flow(segment.localPort, segment.remotePort);
  }

  /** Nothing may have left that the script does not know of. */
  private expectQuiet(event: ScriptEvent): void {
    if (event.action.kind === 'packet' && event.action.direction === 'out') return;
    if (event.action.kind === 'call') this.finishPending();
    if (this.started === null) return;
    this.advance(event.time.kind === 'any' ? this.lastEvent : this.startOf(event.time));
    const unexpected = this.machine.sent.find((segment) => !this.mayBeExtra(segment));
    if (unexpected === undefined || this.settings.nonFatal.packet) return;
    throw new ScriptFailure(
      event.line,
      `nothing more was expected before this event, but ${this.describe(unexpected)} was sent`,
    );
  }

  private describe(segment: SentSegment): string {
    return `"> ${formatPacket(toScript(segment, this.flowOf(segment)))}" at ${formatSeconds(segment.at)}`;
  }

  private expectPacket(event: ScriptEvent, packet: PacketSpec): void {
    const { line } = event;
    if (packet.kind !== 'tcp') throw new ScriptFailure(line, 'the stack under test sends no ICMP errors');
    const { nonFatal } = this.settings;
    const start = event.time.kind === 'any' ? 0 : this.startOf(event.time);
    const end = this.endOf(event.time);
    const tolerance = this.toleranceAfter(start - this.lastEvent);
    const wanted = `"> ${formatPacket(packet)}"`;
    try {
      const segment = this.nextSegment(packet, end + tolerance);
      if (segment === null) {
        if (this.acksMoved && isPureAck(packet)) {
          this.lastEvent = end;
          return;
        }
        const when =
          event.time.kind === 'any' ? 'but nothing was sent' : `at ${formatSeconds(end)}, but nothing was sent by then`;
        throw new ScriptFailure(line, `expected ${wanted} ${when}`);
      }
      const flow = this.flowOf(segment);
      learn(packet, segment, flow);
      const wrong = difference(packet, segment, flow, this.settings);
      if (wrong !== null)
        throw new ScriptFailure(line, `expected ${wanted}, but got ${this.describe(segment)}: ${wrong}`);
      const early = segment.at < start - tolerance && !segment.duringMove;
      if (event.time.kind !== 'any' && (early || segment.at > end + tolerance)) {
        throw new ScriptFailure(
          line,
          `expected ${wanted} at ${formatSeconds(start)}, but it was sent at ${formatSeconds(segment.at)}`,
        );
      }
      // The next event counts from what happened and not from what was meant to happen.
      this.lastEvent = this.machine.now;
    } catch (error) {
      if (!(error instanceof ScriptFailure) || !nonFatal.packet) throw error;
      this.printed.push(`line ${line}: ${error.message}`);
      this.lastEvent = this.machine.now;
    }
  }

  /** The next segment, waiting for it until `limit`; pieces that the script writes as one are joined. */
  private nextSegment(expected: TcpPacketSpec, limit: number): SentSegment | null {
    const { machine } = this;
    const { sent } = machine;
    machine.settle();
    this.pollPending();
    for (;;) {
      const segment = sent.shift();
      if (segment === undefined) {
        if (machine.nextDeadline() > limit || !machine.step(limit)) return null;
        this.pollPending();
        continue;
      }
      if (!this.isOfFlow(segment, expected)) continue;
      if (this.mayBeExtra(segment) && !this.fits(expected, segment)) continue;
      if (this.acksMoved && isPureAck(expected) && !this.fits(expected, segment)) {
        sent.unshift(segment);
        return null;
      }
      return this.settings.segmentationOffload ? this.joined(segment, expected.length) : segment;
    }
  }

  private fits(expected: TcpPacketSpec, segment: SentSegment): boolean {
    return difference(expected, segment, this.flowOf(segment), this.settings) === null;
  }

  /** An ACK that is there, or that comes at another time, because a move has sent what was owed. */
  private mayBeExtra(segment: SentSegment): boolean {
    if (!isPureAck(segment)) return false;
    if (segment.duringMove) this.acksMoved = true;
    return this.acksMoved;
  }

  private joined(first: SentSegment, length: number): SentSegment {
    const { sent } = this.machine;
    let whole = first;
    while (whole.length < length && sent.length > 0) {
      const more = join(whole, sent[0]);
      if (more === null) break;
      sent.shift();
      whole = more;
    }
    return whole;
  }

  // ---- calls ----

  private call(action: CallAction, line: number, time: EventTime, previous: number): void {
    const { application, machine } = this.start();
    const attempt = application.begin(line, action.name, action.arguments);
    const base = time.kind === 'relative' ? previous : 0;
    const until = action.blocksUntil === null ? machine.now : base + action.blocksUntil;
    const outcome = attempt();
    machine.settle();
    if (outcome !== null) {
      this.returned(outcome, action, line, action.blocksUntil === null ? null : { since: machine.now, until });
    } else if (action.blocksUntil === null) {
      this.callFailed(line, `${describeCall(action)} blocks, but the script expects it to return at once`);
    } else {
      this.pending = { line, action, attempt, since: machine.now, until };
    }
  }

  private pollPending(): void {
    const { pending } = this;
    if (pending === null) return;
    const outcome = pending.attempt();
    if (outcome === null) return;
    this.pending = null;
    this.machine.settle();
    this.returned(outcome, pending.action, pending.line, pending);
  }

  /** Lets a blocking call return: the next one has to wait for it. */
  private finishPending(): void {
    const { pending } = this;
    if (pending === null) return;
    const limit = pending.until + this.toleranceAfter(pending.until - pending.since);
    const { machine } = this;
    while (this.pending !== null && machine.nextDeadline() <= limit && machine.step(limit)) this.pollPending();
    if (this.pending === null) return;
    this.pending = null;
    this.callFailed(
      pending.line,
      `${describeCall(pending.action)} should have returned at ${formatSeconds(pending.until)}, but it still blocks`,
    );
  }

  private returned(
    outcome: Outcome,
    action: CallAction,
    line: number,
    blocked: { readonly since: number; readonly until: number } | null,
  ): void {
    const { machine } = this;
    const args = new Arguments(line, action.name, []);
    const wanted = action.result.kind === 'any' ? null : args.numberOf(action.result);
    const { value, error } = outcome;
    let actual = value;
    if (outcome.descriptor !== undefined && (wanted === null || wanted >= 0)) {
      actual = this.start().application.install(outcome.descriptor, wanted ?? -1);
    }
    const wantedError = action.error === 'EWOULDBLOCK' ? 'EAGAIN' : action.error;
    if ((wanted !== null && wanted !== actual) || (wantedError !== null && wantedError !== error)) {
      const got = error === null ? String(actual) : `-1 ${error}`;
      const expected = `${formatExpression(action.result)}${action.error === null ? '' : ` ${action.error}`}`;
      this.callFailed(line, `${describeCall(action)}: expected ${expected}, but it returned ${got}`);
      return;
    }
    if (blocked === null) return;
    const { since, until } = blocked;
    if (Math.abs(machine.now - until) > this.toleranceAfter(until - since)) {
      this.callFailed(
        line,
        `${describeCall(action)} should have returned at ${formatSeconds(until)}, but it returned at ${formatSeconds(machine.now)}`,
      );
    }
  }

  private callFailed(line: number, message: string): void {
    if (!this.settings.nonFatal.call) throw new ScriptFailure(line, message);
    this.printed.push(`line ${line}: ${message}`);
  }

  // ---- moves ----

  /** Offloads every connection and takes it back, in no time, right before an event. */
  private moveBefore(event: ScriptEvent): void {
    if (this.started === null) return;
    const { machine } = this;
    const at = event.time.kind === 'any' ? machine.now : this.startOf(event.time);
    const isOutbound = event.action.kind === 'packet' && event.action.direction === 'out';
    this.advance(Math.max(machine.now, isOutbound ? at - 1 : at));
    machine.moving = true;
    for (const connection of [...machine.stack.connections()]) this.move(connection, event.line);
    machine.moving = false;
    for (const segment of machine.sent) this.mayBeExtra(segment);
  }

  private move(connection: Connection, line: number): void {
    const { machine } = this;
    // An offload waits until the connection is established and its application is there to be told.
    if (connection.listener !== null || !isSynchronized(connection.state)) return;
    let offloaded: boolean | null = null;
    connection.offload((result) => {
      offloaded = result.ok;
    });
    machine.settle();
    if (offloaded === null) throw new ScriptFailure(line, 'the offload before this event was not answered');
    if (!offloaded) return;
    let uploaded: boolean | null = null;
    connection.upload((result) => {
      uploaded = result.ok;
    });
    machine.settle();
    if (uploaded !== true) throw new ScriptFailure(line, 'the connection did not come back before this event');
  }
}

function describeCall(action: CallAction): string {
  return `${action.name}(${action.arguments.map(formatExpression).join(', ')})`;
}

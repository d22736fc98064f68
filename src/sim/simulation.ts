/**
 * A whole network on a virtual clock: two machines on a wire, applications, moves, faults, all from one seed, with
 * invariants that are checked as it goes.
 */
import type { Connection } from '../host/index.ts';
import { type FrameFate, MemoryWire, PERFECT_DIRECTION, Random, type WireDirection } from '../link/index.ts';
import { stateName } from '../tcp/index.ts';
import { BytePattern } from './byte-pattern.ts';
import { DriftingClock } from './clock.ts';
import { Coverage } from './coverage.ts';
import { addressOf, Machine, SERVER_PORT } from './machine.ts';
import { Party, type World } from './party.ts';
import type { SimulationReport } from './report.ts';
import { type ConnectionPlan, drawScenario, otherSide, type Scenario, SIDES, type Side } from './scenario.ts';
import { Timeline } from './timeline.ts';
import { TraceLog } from './trace-log.ts';
import { invariant, SimulationFailure } from './violation.ts';

const SECOND = 1_000_000;

/** After healing the applications must be done within this time: two retransmission timeouts at their limit, and more. */
const DONE_WITHIN = 300 * SECOND;
/** After that everything must be at rest within this time: TIME-WAIT and the last uploads. */
const REST_WITHIN = 120 * SECOND;
/** An application whose peer was reset gives up so long after healing. */
const GIVE_UP_AFTER = 5 * SECOND;

/** For people who look at one run. */
export interface SimulationOptions {
  /** Gets every line of the trace at once. */
  readonly onLine?: (line: string) => void;
  /** Changes what was drawn. */
  readonly adjust?: (scenario: Scenario) => Scenario;
  /** Steps after which a run counts as hanging. */
  readonly stepLimit?: number;
}

/**
 * Runs the simulation of a seed to its end.
 *
 * @throws SimulationFailure when an invariant does not hold, a contract rule is broken, or it does not come to its end
 */
export function runSimulation(seed: number, options: SimulationOptions = {}): SimulationReport {
  const drawn = drawScenario(seed);
  const simulation = new Simulation(options.adjust?.(drawn) ?? drawn, options);
  try {
    return simulation.run();
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new SimulationFailure(seed, reason, simulation.log.lines(), error);
  }
}

export class Simulation {
  readonly log: TraceLog;
  readonly coverage = new Coverage();
  private readonly scenario: Scenario;
  private readonly timeline: Timeline;
  private readonly wire: MemoryWire;
  private readonly world: World;
  private readonly machines: Record<Side, Machine>;
  private readonly parties: Party[] = [];
  /** Parties of listeners by the address pair of their connection: `a:1234` is the opener. */
  private readonly expected = new Map<string, Party>();
  private readonly random: Random;
  private readonly stepLimit: number;
  private doneAt = 0;

  constructor(scenario: Scenario, options: SimulationOptions) {
    this.scenario = scenario;
    this.random = new Random(scenario.seed + 0x1_0000_0000);
    this.stepLimit = options.stepLimit ?? 400_000;
    this.log = new TraceLog(options.onLine ?? null);
    this.timeline = new Timeline(this.random.fork());
    const { loss = 0, corrupt = 0 } = scenario.wire;
    this.world = {
      timeline: this.timeline,
      log: this.log,
      coverage: this.coverage,
      isLossy: loss + corrupt + SIDES.reduce((sum, side) => sum + fragmentsOn(scenario, side), 0) > 0,
      healed: false,
    };
    this.wire = new MemoryWire({ seed: scenario.wireSeed, both: scenario.wire, now: () => this.timeline.now });
    this.wire.observer = (time, direction, frame, fate) => this.observe(time, direction, frame, fate);
    this.timeline.add(this.wire, new DriftingClock(0, 0));
    this.machines = {
      a: new Machine(this.world, 'a', scenario.machines.a, scenario.family, this.wire.a, this.random.fork()),
      b: new Machine(this.world, 'b', scenario.machines.b, scenario.family, this.wire.b, this.random.fork()),
    };
    this.machines.a.middlebox.opposite = this.machines.b.middlebox;
    this.machines.b.middlebox.opposite = this.machines.a.middlebox;
  }

  /** Runs to the end. @throws InvariantViolation, RuleViolation, or whatever the code under test throws */
  run(): SimulationReport {
    for (const side of SIDES) {
      this.machines[side].stack.listen({ port: SERVER_PORT }, (connection) => this.accepted(side, connection));
      this.machines[side].start();
    }
    for (const plan of this.scenario.connections) this.plan(plan);
    this.timeline.after(this.scenario.healAt, () => this.heal());
    this.runUntilDone();
    this.runToRest();
    return this.report();
  }

  private plan(plan: ConnectionPlan): void {
    const bytesOf = (side: Side) => new BytePattern(side === 'a' ? plan.patternKey : ~plan.patternKey);
    const index = this.parties.length >> 1;
    const party = (side: Side): Party => {
      const other = otherSide(side);
      const name = `${side}${index}`;
      const made = new Party(this.world, name, plan.parties[side], this.random.fork(), bytesOf(side), bytesOf(other));
      made.mayBeLost = this.scenario.machines[side].hardwareFaultInterval !== Number.POSITIVE_INFINITY;
      made.onOwnerChanged = (connection) => this.ownerChanged(side, connection);
      this.parties.push(made);
      this.machines[side].parties.push(made);
      return made;
    };
    const a = party('a');
    const b = party('b');
    a.peer = b;
    b.peer = a;
    this.timeline.after(plan.openAt, () => this.open(plan.opener, plan.opener === 'a' ? a : b));
  }

  private open(side: Side, party: Party): void {
    const { stack } = this.machines[side];
    const connection = stack.connect(
      { address: addressOf(otherSide(side), this.scenario.family), port: SERVER_PORT },
      party.handlers,
    );
    this.log.note(this.timeline.now, `${party.name} opens from port ${connection.localPort}`);
    if (party.peer !== null) this.expected.set(`${side}:${connection.localPort}`, party.peer);
    party.attach(connection);
  }

  private accepted(side: Side, connection: Connection): void {
    const party = this.expected.get(`${otherSide(side)}:${connection.remotePort}`);
    invariant(party !== undefined, () => `host-${side} accepted a connection that nobody opened`);
    connection.handlers = party.handlers;
    party.attach(connection);
    party.accepted();
  }

  /** Faults end; what is left must come to its end by itself. */
  private heal(): void {
    this.log.note(this.timeline.now, 'the network heals');
    this.world.healed = true;
    const { delayMicroseconds, bandwidthBitsPerSecond, mtu } = this.wire.aToB.settings;
    const healed = { ...PERFECT_DIRECTION, delayMicroseconds, bandwidthBitsPerSecond, mtu };
    this.wire.aToB.configure(healed);
    this.wire.bToA.configure(healed);
    for (const side of SIDES) this.machines[side].heal();
    for (const party of this.parties) party.hurry();
    this.timeline.after(GIVE_UP_AFTER, () => this.checkAlone());
  }

  private checkAlone(): void {
    let alive = false;
    for (const party of this.parties) {
      party.giveUpIfAlone();
      alive ||= !party.isDone;
    }
    if (alive) this.timeline.after(GIVE_UP_AFTER, () => this.checkAlone());
  }

  private runUntilDone(): void {
    const isDone = (): boolean => this.parties.every((party) => party.isDone);
    const until = this.scenario.healAt + DONE_WITHIN;
    const done = this.timeline.run(until, this.stepLimit, isDone);
    this.doneAt = this.timeline.now;
    invariant(done, () => {
      const open = this.parties.filter((party) => !party.isDone).map((party) => party.describe());
      const why = this.timeline.steps >= this.stepLimit ? 'after too many steps' : `at ${this.timeline.now / SECOND} s`;
      return `not all applications are done ${why}: ${open.join('; ')}`;
    });
  }

  /** Everything is taken back, TIME-WAIT ends, and nothing at all is left. */
  private runToRest(): void {
    this.world.healed = true;
    for (const side of SIDES) this.machines[side].uploadAll();
    const isAtRest = (): boolean => SIDES.every((side) => this.machines[side].isEmpty) && this.wire.inFlight === 0;
    const until = Math.max(this.timeline.now, this.scenario.healAt) + REST_WITHIN;
    const rest = this.timeline.run(until, this.stepLimit, isAtRest);
    invariant(rest, () => `not at rest: ${SIDES.map((side) => this.describeLeft(side)).join('; ')}`);
    for (const side of SIDES) this.machines[side].stack.close();
    this.timeline.run(until + REST_WITHIN, this.stepLimit, () => SIDES.every((side) => this.isSilent(side)));
    for (const side of SIDES) {
      invariant(this.isSilent(side), () => `something was left behind: ${this.describeLeft(side)}`);
      const { asked, answered } = this.machines[side].moves;
      this.checkPathMtu(side);
      invariant(asked === answered, () => `host-${side}: ${asked} moves were asked for, ${answered} answered`);
    }
  }

  /** Nobody but the router may talk a host into smaller segments (RFC 5927 section 7). */
  private checkPathMtu(side: Side): void {
    const narrows = SIDES.some((each) => this.scenario.machines[each].middlebox.narrowAt !== Number.POSITIVE_INFINITY);
    const { pathMtuReductions } = this.machines[side].stack.statistics;
    invariant(narrows || pathMtuReductions === 0, () => `host-${side} believed a forged ICMP message`);
  }

  /** Nothing is outstanding between the host, NDIS and the target. */
  private isSilent(side: Side): boolean {
    const { verifier, messagesUnderWay, leftInTarget } = this.machines[side];
    const { objects, operations, requests, indicated } = verifier.summary();
    return messagesUnderWay + leftInTarget + objects + operations + requests + indicated === 0;
  }

  private describeLeft(side: Side): string {
    const machine = this.machines[side];
    const connections = [...machine.stack.connections()].map(
      ({ localPort, remotePort, owner, state }) => `${localPort} > ${remotePort} ${owner} ${stateName(state)}`,
    );
    const { connections: offloaded, paths, neighbors } = machine.adapter.nic.core;
    const target = `target ${offloaded.size} connections, ${paths.size} paths, ${neighbors.size} neighbors`;
    const summary = JSON.stringify(machine.verifier.summary());
    return `host-${side}: [${connections.join(', ')}], ${target}, ${machine.messagesUnderWay} messages, ${summary}`;
  }

  private ownerChanged(side: Side, connection: Connection): void {
    const { owner, state } = connection;
    if (owner === 'host') this.coverage.count(`up in ${stateName(state)}`);
    else if (owner === 'offloaded') this.coverage.count(`down in ${stateName(state)}`);
    this.machines[side].checkOwner(connection);
  }

  private observe(time: number, direction: WireDirection, frame: Uint8Array, fate: FrameFate): void {
    this.log.frame(time, fate === 'sent' ? direction : `${direction} [${fate}]`, frame);
    if (fate !== 'sent') this.coverage.count(`frames ${fate}`);
  }

  private report(): SimulationReport {
    const sum = (side: Side): number =>
      this.machines[side].parties.reduce((bytes, { received }) => bytes + received, 0);
    let [movesDown, movesUp, movesRefused, retransmissions] = [0, 0, 0, 0];
    for (const side of SIDES) {
      const { stack, adapter } = this.machines[side];
      const { statistics } = stack;
      movesDown += statistics.offloads;
      movesUp += statistics.uploads;
      movesRefused += statistics.offloadsRefused;
      const { retransmittedSegments, timeouts, fastRetransmits } = stack.tcpStatistics;
      const target = adapter.nic.core.tcp.statistics;
      retransmissions += retransmittedSegments + target.retransmittedSegments;
      this.coverage.count('timeouts', timeouts + target.timeouts);
      this.coverage.count('fast retransmits', fastRetransmits + target.fastRetransmits);
      this.coverage.count('window probes', stack.tcpStatistics.windowProbes + target.windowProbes);
      this.coverage.count('congestion marks received', stack.tcpStatistics.congestionMarks + target.congestionMarks);
      this.coverage.count(
        'windows reduced for a mark',
        stack.tcpStatistics.congestionResponses + target.congestionResponses,
      );
      this.coverage.count('segments held', statistics.segmentsHeld);
      this.coverage.count('segments forwarded', statistics.segmentsForwarded);
      this.coverage.count('uploads failed', statistics.uploadsFailed);
      this.coverage.count('path MTU reductions', statistics.pathMtuReductions);
      this.coverage.count('datagrams reassembled', statistics.datagramsReassembled);
      this.coverage.count(`moves over IPv${this.scenario.family}`, statistics.offloads + statistics.uploads);
      this.coverage.count(
        `upload with sends handed back as ${this.scenario.machines[side].sendHandBack}`,
        statistics.uploads,
      );
      if (!this.scenario.machines[side].supportsExtension) {
        this.coverage.count('moves without the extension', statistics.offloads);
      }
    }
    return {
      seed: this.scenario.seed,
      bytesAToB: sum('b'),
      bytesBToA: sum('a'),
      connections: this.scenario.connections.length,
      movesDown,
      movesUp,
      movesRefused,
      retransmissions,
      doneAt: this.doneAt / SECOND,
      restAt: this.timeline.now / SECOND,
      steps: this.timeline.steps,
      events: this.log.events,
      traceHash: (this.log.hash >>> 0).toString(16).padStart(8, '0'),
      coverage: this.coverage.toJSON(),
    };
  }
}

/** How often a machine's datagrams come in fragments, of which some get lost. */
function fragmentsOn(scenario: Scenario, side: Side): number {
  const { isIdle, fragments } = scenario.machines[side].middlebox;
  return isIdle ? 0 : fragments;
}

/** What a simulation is about: everything that is drawn from its seed before it begins. Plain data. */
import type { OffloadPolicy } from '../host/index.ts';
import { type DirectionSettings, Random } from '../link/index.ts';
import type { SendHandBack, TargetLimits } from '../target/index.ts';
import { DEFAULT_TCP_PARAMETERS, type TcpParameters } from '../tcp/index.ts';
import { IPV6_MINIMUM_MTU } from '../wire/index.ts';
import type { ChannelDelay } from './delayed-channel.ts';

/** The two machines of a simulation. */
export type Side = 'a' | 'b';

export const SIDES: readonly Side[] = ['a', 'b'];

/** The other machine. */
export function otherSide(side: Side): Side {
  return side === 'a' ? 'b' : 'a';
}

/** A clock: see `DriftingClock`. */
export interface ClockPlan {
  readonly offsetMicroseconds: number;
  readonly driftPartsPerMillion: number;
}

/** What happens to frames between the wire and a machine. Probabilities are per segment, until the network heals. */
export interface MiddleboxPlan {
  /** None of the below happens. */
  readonly isIdle: boolean;
  readonly ipOptions: number;
  readonly urgent: number;
  readonly forged: number;
  /** Cut into two fragments. */
  readonly fragments: number;
  /** When the path becomes narrower, and from then on its MTU, bytes; Infinity: never. It stays so. */
  readonly narrowAt: number;
  readonly narrowMtu: number;
}

/** One machine: a host, its adapter, and what befalls them. Mean times are microseconds of true time. */
export interface MachinePlan {
  readonly hostClock: ClockPlan;
  readonly adapterClock: ClockPlan;
  readonly down: ChannelDelay;
  readonly up: ChannelDelay;
  readonly middlebox: MiddleboxPlan;
  readonly parameters: Partial<TcpParameters>;
  readonly offloadPolicy: OffloadPolicy;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly limits: Partial<TargetLimits>;
  readonly sendHandBack: SendHandBack;
  readonly supportsExtension: boolean;
  /** Between two moves of some connection; Infinity: never. */
  readonly moveInterval: number;
  /** Between two incidents of the adapter: pause, upload-all, upload requests, refusals; Infinity: never. */
  readonly incidentInterval: number;
  /** Between two hardware faults of the adapter, each of which may cost connections; Infinity: never. */
  readonly hardwareFaultInterval: number;
}

/** When a party closes its sending half, once everything is sent. */
export type ClosePlan = 'at-once' | 'later' | 'after-peer';

/** What one end of a connection does. */
export interface PartyPlan {
  /** Bytes that it sends. */
  readonly sendBytes: number;
  readonly largestWrite: number;
  /** Probability of a rest after a write, and its longest, microseconds. */
  readonly restChance: number;
  readonly longestRest: number;
  /** Probability that it stops reading after a chunk, and for how long at most. */
  readonly pauseChance: number;
  readonly longestPause: number;
  /** Writes before the connection is established. */
  readonly writesEarly: boolean;
  readonly close: ClosePlan;
  /** Rest before closing when `close` is `later`. */
  readonly closeRest: number;
  /** Sent bytes after which it aborts the connection; Infinity: never. */
  readonly abortAfter: number;
  /** Probability, per write, of changing an option of the connection: no-delay, keepalive, receive buffer. */
  readonly optionChance: number;
}

/** One connection: who opens it, when, and what its ends do. */
export interface ConnectionPlan {
  readonly opener: Side;
  readonly openAt: number;
  readonly patternKey: number;
  readonly parties: Readonly<Record<Side, PartyPlan>>;
}

/** A whole simulation. */
export interface Scenario {
  readonly seed: number;
  readonly wireSeed: number;
  /** What the machines speak: half of the scenarios are about IPv6. */
  readonly family: 4 | 6;
  readonly mtu: number;
  readonly wire: Partial<DirectionSettings>;
  readonly machines: Readonly<Record<Side, MachinePlan>>;
  readonly connections: readonly ConnectionPlan[];
  /** When faults and moves end and the network heals, microseconds. */
  readonly healAt: number;
}

const FAMILY_SEED = 0x1b56_cafe;
const ECN_SEED = 0x0ec0_3168;

const KIBIBYTE = 1024;
const MILLISECOND = 1000;
const SECOND = 1_000_000;

/** Draws a scenario. The same generator state gives the same scenario. */
export function drawScenario(seed: number): Scenario {
  const random = new Random(seed);
  // A generator of its own: what else is drawn does not depend on it.
  const family = new Random(seed ^ FAMILY_SEED).chance(0.5) ? 6 : 4;
  const ecn = drawEcn(new Random(seed ^ ECN_SEED));
  const drawn = pick(random, [576, 1006, 1500, 1500, 1500, 4000, 9000]);
  const mtu = family === 4 ? drawn : Math.max(drawn, IPV6_MINIMUM_MTU);
  const healAt = between(random, 500, 4000) * MILLISECOND;
  // The same volume in small segments costs more steps: the volume follows the segment size.
  const volume = Math.min(1, Math.max(0.3, mtu / 1500));
  const count = pick(random, [1, 1, 1, 2, 2, 3, 4]);
  const connections: ConnectionPlan[] = [];
  for (let index = 0; index < count; index += 1) connections.push(drawConnection(random, healAt, volume / count));
  return {
    seed,
    wireSeed: random.int32() >>> 0,
    family,
    mtu,
    wire: { ...drawWire(random, mtu), congestion: ecn.congestion },
    machines: {
      a: drawMachine(random, healAt, mtu, family, ecn.a),
      b: drawMachine(random, healAt, mtu, family, ecn.b),
    },
    connections,
    healAt,
  };
}

/** Explicit Congestion Notification (RFC 3168): how often the wire marks, and what the machines make of it. */
function drawEcn(random: Random): { congestion: number; a: TcpParameters['ecn']; b: TcpParameters['ecn'] } {
  const settings = ['accept', 'accept', 'request', 'request', 'off'] as const;
  return { congestion: pick(random, [0, 0.005, 0.02, 0.1]), a: pick(random, settings), b: pick(random, settings) };
}

function drawWire(random: Random, mtu: number): Partial<DirectionSettings> {
  const isPerfect = random.chance(0.1);
  const bandwidth = pick(random, [0, 2e6, 10e6, 100e6, 1e9]);
  const delay = pick(random, [0, 50, 500, 2 * MILLISECOND, 10 * MILLISECOND, 40 * MILLISECOND]);
  return {
    delayMicroseconds: delay,
    bandwidthBitsPerSecond: bandwidth,
    queueBytes: between(random, 8, 256) * KIBIBYTE,
    mtu,
    loss: isPerfect ? 0 : pick(random, [0, 0.005, 0.02, 0.05]),
    reorder: isPerfect ? 0 : pick(random, [0, 0.01, 0.05]),
    reorderDelayMicroseconds: between(random, 100, 20 * MILLISECOND),
    duplicate: isPerfect ? 0 : pick(random, [0, 0.01, 0.05]),
    corrupt: isPerfect ? 0 : pick(random, [0, 0, 0.01]),
  };
}

function drawMachine(
  random: Random,
  healAt: number,
  mtu: number,
  family: 4 | 6,
  ecn: TcpParameters['ecn'],
): MachinePlan {
  const isCalm = random.chance(0.05);
  const moves = pick(random, [2, 5, 10, 20, 50, 100, 300]) * MILLISECOND;
  const incidents = random.chance(0.4) ? between(random, 100, 1500) * MILLISECOND : Number.POSITIVE_INFINITY;
  const faults = random.chance(0.04) ? between(random, 300, 3000) * MILLISECOND : Number.POSITIVE_INFINITY;
  return {
    hostClock: drawClock(random),
    adapterClock: drawClock(random),
    down: drawChannelDelay(random),
    up: drawChannelDelay(random),
    middlebox: drawMiddlebox(random, healAt, mtu, family),
    parameters: { ...drawParameters(random), ecn },
    offloadPolicy: pick(random, ['never', 'never', 'never', 'auto', 'always']),
    receiveBufferBytes: pick(random, [2, 8, 32, 64, 128, 1024]) * KIBIBYTE,
    sendBufferBytes: pick(random, [4, 16, 64, 1024]) * KIBIBYTE,
    limits: drawLimits(random),
    sendHandBack: pick(random, ['chain', 'complete', 'split']),
    supportsExtension: random.chance(0.7),
    moveInterval: isCalm ? Number.POSITIVE_INFINITY : moves,
    incidentInterval: incidents,
    hardwareFaultInterval: faults,
  };
}

function drawMiddlebox(random: Random, healAt: number, mtu: number, family: 4 | 6): MiddleboxPlan {
  const isIdle = random.chance(0.6);
  const narrows = !isIdle && mtu > 600 && random.chance(0.5);
  return {
    isIdle,
    ipOptions: pick(random, [0, 0.02, 0.2]),
    urgent: pick(random, [0, 0, 0.005]),
    forged: pick(random, [0, 0.02]),
    narrowAt: narrows ? between(random, 0, healAt) : Number.POSITIVE_INFINITY,
    narrowMtu: Math.max(family === 4 ? 0 : IPV6_MINIMUM_MTU, between(random, 580, mtu - 1)),
    fragments: pick(random, [0, 0, 0.02, 0.1]),
  };
}

function drawClock(random: Random): ClockPlan {
  return {
    offsetMicroseconds: between(random, 1, 100_000) * between(random, 1, 100_000),
    driftPartsPerMillion: between(random, 0, 400) - 200,
  };
}

function drawChannelDelay(random: Random): ChannelDelay {
  const maximum = pick(random, [0, 5, 50, 500, 5 * MILLISECOND]);
  return {
    minimum: Math.min(maximum, between(random, 0, 20)),
    maximum,
    stallsPerMille: pick(random, [0, 0, 10]),
    stall: 20 * MILLISECOND,
  };
}

function drawParameters(random: Random): Partial<TcpParameters> {
  const ticksPerSecond = pick(random, [1000, 1000, 1000, 100]);
  return {
    ...inTicks(ticksPerSecond),
    congestionControl: random.chance(0.3) ? 'newreno' : 'cubic',
    // Longer than the wait for the retransmission of a FIN, of which several may be lost.
    timeWaitTicks: 30 * ticksPerSecond,
    maximumSegmentPayload: 0,
  };
}

/** The default times in another tick. */
function inTicks(ticksPerSecond: number): Partial<TcpParameters> {
  const ticks = (milliseconds: number): number => Math.max(1, Math.round((milliseconds * ticksPerSecond) / 1000));
  const defaults = DEFAULT_TCP_PARAMETERS;
  return {
    ticksPerSecond,
    delayedAckTicks: ticks(defaults.delayedAckTicks),
    swsPreventionTicks: ticks(defaults.swsPreventionTicks),
    pushTicks: ticks(defaults.pushTicks),
    nceStaleTicks: ticks(defaults.nceStaleTicks),
    minimumRtoTicks: ticks(defaults.minimumRtoTicks),
    maximumRtoTicks: ticks(defaults.maximumRtoTicks),
    initialRtoTicks: ticks(defaults.initialRtoTicks),
    finWait2Ticks: ticks(defaults.finWait2Ticks),
  };
}

function drawLimits(random: Random): Partial<TargetLimits> {
  if (!random.chance(0.25)) return {};
  const limits: Partial<TargetLimits>[] = [
    { connections: between(random, 0, 2) },
    { neighbors: 0 },
    { paths: 0 },
    { receiveWindow: 16 * KIBIBYTE },
    { transmitBuffer: between(random, 0, 32) * KIBIBYTE },
    { receiveBuffer: between(random, 0, 4) * KIBIBYTE },
    { pathMtu: 1400 },
    { heldSegments: 2 },
    { rejection: { remoteMssBelow: 1000, ports: [] } },
  ];
  return pick(random, limits);
}

function drawConnection(random: Random, healAt: number, volume: number): ConnectionPlan {
  const opener = random.chance(0.5) ? 'a' : 'b';
  const passive = pick(random, ['a', 'b', 'none', 'none'] as const);
  const aborter = pick(random, ['a', 'b', ...new Array<'none'>(22).fill('none')] as const);
  const a = drawParty(random, healAt, volume, passive === 'a', aborter === 'a');
  const b = drawParty(random, healAt, volume, passive === 'b', aborter === 'b');
  return {
    opener,
    openAt: random.chance(0.7) ? between(random, 0, 1000) : between(random, 0, healAt >> 1),
    patternKey: random.int32() >>> 0,
    parties: { a, b },
  };
}

function drawParty(random: Random, healAt: number, volume: number, isPassive: boolean, aborts: boolean): PartyPlan {
  const sendBytes = random.chance(0.1) ? 0 : Math.ceil(between(random, 1, 200) * KIBIBYTE * volume);
  const largestWrite = pick(random, [100, 3000, 20_000, 100_000]);
  const writes = Math.max(1, Math.ceil((2 * sendBytes) / largestWrite));
  const restChance = pick(random, [0, 0.1, 0.5]);
  // The rests together take about the time until the network heals, so that moves meet the connection alive.
  const rest = (2 * healAt) / (writes * Math.max(restChance, 0.1));
  const restless = random.chance(0.15);
  return {
    sendBytes,
    largestWrite,
    restChance,
    longestRest: restless ? 0 : Math.min(SECOND, Math.ceil(rest * random.fraction())),
    pauseChance: pick(random, [0, 0.01, 0.1]),
    longestPause: pick(random, [1, 20, 200, 1500]) * MILLISECOND,
    writesEarly: random.chance(0.2),
    close: isPassive ? 'after-peer' : pick(random, ['at-once', 'later']),
    closeRest: between(random, 0, healAt),
    abortAfter: aborts ? random.below(sendBytes + 1) : Number.POSITIVE_INFINITY,
    optionChance: pick(random, [0, 0, 0.02, 0.2]),
  };
}

/** An integer, both ends included. */
export function between(random: Random, least: number, most: number): number {
  return least + random.below(most - least + 1);
}

/** One of several values, all alike. */
export function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.below(values.length)];
}

/** One simulated machine: NDIS with the verifier on, a software adapter, a host stack, and what befalls them. */
import { type Connection, HostStack, type OffloadResult } from '../host/index.ts';
import type { LinkPort, Random } from '../link/index.ts';
import { type ContractVerifier, createVerifier, Ndis, NdisStatus } from '../ndis/index.ts';
import { SoftwareAdapter } from '../target/index.ts';
import { stateName } from '../tcp/index.ts';
import { type AddressFamily, IpAddress, MacAddress } from '../wire/index.ts';
import { DriftingClock } from './clock.ts';
import { DelayedChannel } from './delayed-channel.ts';
import { Middlebox, type Station } from './middlebox.ts';
import type { Party, World } from './party.ts';
import { type MachinePlan, pick, SIDES, type Side } from './scenario.ts';
import { invariant } from './violation.ts';

/** The port that every machine listens on. */
export const SERVER_PORT = 80;

/** Buffers of this size or more are left to the stack, bytes. */
const TUNED_BUFFER = 1024 * 1024;

const PREFIX_LENGTHS: Readonly<Record<AddressFamily, number>> = { 4: 24, 6: 64 };

/** Test network 1 of RFC 5737, and the documentation prefix of RFC 3849. */
const NETWORK = 0xc000_0200 | 0;
const NETWORK_IPV6 = 0x2001_0db8;

export function addressOf(side: Side, family: AddressFamily): IpAddress {
  return station(side === 'a' ? 1 : 2, family);
}

function station(number: number, family: AddressFamily): IpAddress {
  return family === 4 ? IpAddress.fromWords(4, NETWORK | number) : IpAddress.fromWords(6, NETWORK_IPV6, 0, 0, number);
}

/** Locally administered. */
function macAddressOf(side: Side): MacAddress {
  return MacAddress.fromWords(0x0200, side === 'a' ? 1 : 2);
}

/** Who answers for the router that has the smaller MTU. */
const ROUTER = 3;

const STATIONS: readonly Station[] = SIDES.map((side) => ({
  address: addressOf(side, 4),
  macAddress: macAddressOf(side),
}));

/** Statuses that a new block of a layer may be made to fail with (INIT-11…22). */
const REFUSALS = {
  neighbor: [NdisStatus.FAILURE, NdisStatus.RESOURCES, NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES],
  path: [NdisStatus.FAILURE, NdisStatus.RESOURCES, NdisStatus.OFFLOAD_PATH_ENTRIES],
  tcp: [
    NdisStatus.FAILURE,
    NdisStatus.RESOURCES,
    NdisStatus.OFFLOAD_TCP_ENTRIES,
    NdisStatus.OFFLOAD_TCP_RCV_BUFFER,
    NdisStatus.OFFLOAD_CONNECTION_REJECTED,
  ],
} as const;

/** Moves that were asked for and what became of them. */
export class MoveCounters {
  asked = 0;
  answered = 0;
  down = 0;
  up = 0;
  refused = 0;
}

export class Machine {
  readonly side: Side;
  readonly verifier: ContractVerifier = createVerifier();
  readonly adapter: SoftwareAdapter;
  readonly stack: HostStack;
  readonly moves = new MoveCounters();
  readonly hostClock: DriftingClock;
  readonly adapterClock: DriftingClock;
  /** Parties of this machine, whose connections are moved. */
  readonly parties: Party[] = [];
  private readonly world: World;
  private readonly plan: MachinePlan;
  private readonly random: Random;
  readonly middlebox: Middlebox;
  private readonly channel: DelayedChannel;
  private isPaused = false;

  constructor(world: World, side: Side, plan: MachinePlan, family: AddressFamily, link: LinkPort, random: Random) {
    this.world = world;
    this.side = side;
    this.plan = plan;
    this.random = random;
    const { timeline } = world;
    this.hostClock = new DriftingClock(plan.hostClock.offsetMicroseconds, plan.hostClock.driftPartsPerMillion);
    this.adapterClock = new DriftingClock(plan.adapterClock.offsetMicroseconds, plan.adapterClock.driftPartsPerMillion);
    const adapterNow = () => this.adapterClock.at(timeline.now);
    this.channel = new DelayedChannel(random.fork(), adapterNow, plan.down, plan.up);
    this.middlebox = new Middlebox(world, link, plan.middlebox, random.fork(), STATIONS, station(ROUTER, family));
    const nicRandom = random.fork();
    const hostRandom = random.fork();
    const ndis = new Ndis({ verifier: this.verifier });
    const macAddress = macAddressOf(side);
    this.adapter = new SoftwareAdapter({
      name: `nic-${side}`,
      macAddress,
      link: this.middlebox,
      limits: plan.limits,
      sendHandBack: plan.sendHandBack,
      supportsExtension: plan.supportsExtension,
      channel: () => this.channel,
      random: () => nicRandom.int32(),
      now: adapterNow(),
    });
    this.stack = new HostStack({
      name: `host-${side}`,
      ndis,
      adapter: this.adapter.initialize(ndis),
      address: addressOf(side, family),
      prefixLength: PREFIX_LENGTHS[family],
      // What is to be tested here happens in the first seconds.
      duplicateAddressProbes: 0,
      acceptRouterAdvertisements: false,
      parameters: plan.parameters,
      random: () => hostRandom.int32(),
      now: this.hostClock.at(timeline.now),
      offloadPolicy: plan.offloadPolicy,
      // The largest ones stand for buffers that nobody has chosen: they follow the connection.
      receiveBufferBytes: plan.receiveBufferBytes < TUNED_BUFFER ? plan.receiveBufferBytes : undefined,
      sendBufferBytes: plan.sendBufferBytes < TUNED_BUFFER ? plan.sendBufferBytes : undefined,
    });
    timeline.add(this.adapter, this.adapterClock);
    timeline.add(this.stack, this.hostClock);
  }

  /** Starts moves, incidents and faults, as planned. */
  start(): void {
    this.repeat(this.plan.moveInterval, () => this.moveSomething());
    this.repeat(this.plan.incidentInterval, () => this.incident());
    this.repeat(this.plan.hardwareFaultInterval, () => this.hardwareFault());
  }

  /** The network heals: an adapter that paused goes on. */
  heal(): void {
    if (this.isPaused) this.resume();
  }

  /** Takes everything back. */
  uploadAll(): void {
    this.note('uploads all');
    this.isPaused = true;
    this.adapter.indicateUploadAll();
  }

  /** Objects in the target's context areas. */
  get offloadedObjects(): number {
    const { connections, paths, neighbors } = this.adapter.nic.core;
    return connections.size + paths.size + neighbors.size;
  }

  /** What is left in the NIC besides objects: send bytes, flows, local addresses. */
  get leftInTarget(): number {
    const { transmitBytes, flows, localAddresses } = this.adapter.nic.core;
    return transmitBytes + flows.size + localAddresses.size;
  }

  /** Messages under way between the halves of the target. */
  get messagesUnderWay(): number {
    return this.channel.length;
  }

  /** Whether nothing of any connection is left on this machine. */
  get isEmpty(): boolean {
    if (this.offloadedObjects > 0) return false;
    for (const _connection of this.stack.connections()) return false;
    return true;
  }

  /** The connection was moved by whatever cause: what its history says happened to it is checked and counted. */
  checkOwner(connection: Connection): void {
    // Exactly one owner: what the host runs the target must not know any more.
    if (connection.owner !== 'host') return;
    for (const context of this.adapter.nic.core.connections.values()) {
      const { localPort, remotePort } = context.cb.constant;
      const isSame = localPort === connection.localPort && remotePort === connection.remotePort;
      invariant(!isSame, () => `host-${this.side} and its target both own ${localPort} > ${remotePort}`);
    }
  }

  private note(text: string): void {
    const { timeline, log } = this.world;
    log.note(timeline.now, `host-${this.side} ${text}`);
  }

  /** Runs `action` again and again, at random times, until the network heals. */
  private repeat(interval: number, action: () => void): void {
    if (interval === Number.POSITIVE_INFINITY) return;
    this.world.timeline.after(-Math.log(1 - this.random.fraction()) * interval, () => {
      if (this.world.healed) return;
      action();
      this.repeat(interval, action);
    });
  }

  /** Asks for a move of one connection, whatever it is doing; now and then for two at once. */
  private moveSomething(): void {
    const candidates = this.parties.filter(({ connection, isDone }) => connection !== null && !isDone);
    if (candidates.length === 0) return;
    const { connection, name } = pick(this.random, candidates);
    if (connection === null) return;
    const isDown = connection.owner === 'host' || (connection.owner !== 'offloaded' && this.random.chance(0.5));
    this.move(name, connection, isDown !== this.random.chance(0.05));
    if (this.random.chance(0.1)) this.move(name, connection, !isDown);
  }

  private move(name: string, connection: Connection, isDown: boolean): void {
    const { moves } = this;
    const { owner, state } = connection;
    const direction = isDown ? 'down' : 'up';
    this.note(`asks to move ${name} ${direction} (owner ${owner}, ${stateName(state)})`);
    this.world.coverage.count(`asked ${direction} while ${owner}`);
    moves.asked += 1;
    let isAnswered = false;
    const done = (result: OffloadResult): void => {
      invariant(!isAnswered, () => `${name}: a request to move ${direction} was answered twice`);
      isAnswered = true;
      moves.answered += 1;
      this.note(`moved ${name} ${direction}: ${result.ok ? 'done' : result.reason}`);
      if (result.ok) return;
      this.world.coverage.count(`answer to ${direction}: ${result.reason}`);
    };
    if (isDown) connection.offload(done);
    else connection.upload(done);
  }

  private incident(): void {
    switch (this.random.below(6)) {
      case 0:
        this.pause();
        return;
      case 1:
        this.uploadAll();
        this.resumeLater();
        return;
      case 2:
        this.note('requests uploads');
        this.world.coverage.count('upload requests');
        this.adapter.requestUploads();
        return;
      case 3:
        this.flap();
        return;
      default:
        this.refuseNext();
    }
  }

  private pause(): void {
    if (this.isPaused) return;
    this.note('pauses');
    this.world.coverage.count('pauses');
    this.isPaused = true;
    this.adapter.indicatePause();
    this.resumeLater();
  }

  private resumeLater(): void {
    this.world.timeline.after(this.random.below(300_000), () => {
      if (this.isPaused && !this.world.healed) this.resume();
    });
  }

  private resume(): void {
    this.note('resumes');
    this.isPaused = false;
    this.adapter.indicateResume();
  }

  /** The link goes down and comes up again, as far as the adapter says; frames pass all the same. */
  private flap(): void {
    this.note('says that its link is down');
    this.world.coverage.count('links down');
    this.adapter.indicateLink(false);
    this.world.timeline.after(this.random.below(100_000), () => this.adapter.indicateLink(true));
  }

  private refuseNext(): void {
    const layer = pick(this.random, ['neighbor', 'path', 'tcp', 'tcp', 'tcp'] as const);
    this.adapter.refuseNext(layer, pick<NdisStatus>(this.random, REFUSALS[layer]));
  }

  private hardwareFault(): void {
    const operation = pick(this.random, ['query', 'update', 'invalidate', 'terminate'] as const);
    this.note(`hardware fault at the next ${operation}`);
    this.world.coverage.count('hardware faults');
    this.adapter.failNext(operation);
  }
}

/** The software target as one thing: a NIC and its miniport driver, with the channel between them. */
import type { MiniportAdapter, Ndis, NdisStatus } from '../ndis/index.ts';
import { DEFAULT_TCP_PARAMETERS, type RandomInt32, type TcpParameters } from '../tcp/index.ts';
import type { MacAddress } from '../wire/index.ts';
import { type ChannelPair, InProcessChannel } from './channel.ts';
import { completeLimits, type TargetLimits } from './limits.ts';
import type { FaultyOperation, NewState } from './messages.ts';
import { targetDriver } from './miniport/driver.ts';
import type { TargetCapabilities } from './miniport/oid-requests.ts';
import type { TargetMiniport } from './miniport/target-miniport.ts';
import type { SendHandBack, TargetLink } from './nic/core.ts';
import { Nic } from './nic/nic.ts';

export interface SoftwareAdapterOptions {
  /** For people. */
  readonly name: string;
  readonly macAddress: MacAddress;
  /** The adapter takes the link over: it sets `onReceive`. */
  readonly link: TargetLink;
  readonly limits?: Partial<TargetLimits>;
  /** VLAN identifiers of the interface; none, or 0, accepts any (VLAN-04). */
  readonly interfaceVlans?: readonly number[];
  /** How outstanding sends come back at a terminate; `chain` by default (TERM-18). */
  readonly sendHandBack?: SendHandBack;
  /** Whether the state extension is known; true by default (spec/decisions.md 23). */
  readonly supportsExtension?: boolean;
  /** What lies between NIC and miniport; by default queues within this thread. */
  readonly channel?: () => ChannelPair;
  readonly random: RandomInt32;
  /** Settings of the engine until the host sets its own. */
  readonly parameters?: Partial<TcpParameters>;
  /** The adapter's clock at the start, microseconds; 0 by default. It need not be the host's. */
  readonly now?: number;
}

/** Rounds of one `advance`: more work than this waits for the next call, so that nothing starves the owner. */
const MAXIMUM_ROUNDS = 256;

/**
 * A stack with a clock of its own. The owner calls `advance` whenever `nextDeadline` has come or `onWork` was called, and
 * again until nothing is due. Calls from above return at once; what they cause happens in `advance`.
 */
export class SoftwareAdapter {
  readonly name: string;
  readonly macAddress: MacAddress;
  /** Called when work was queued from outside of `advance`. */
  onWork: (() => void) | null = null;
  private readonly options: SoftwareAdapterOptions;
  private readonly limits: TargetLimits;
  private readonly channel: ChannelPair;
  /** The hardware: for simulations and tests that look into it. */
  readonly nic: Nic;
  private miniport: TargetMiniport | null = null;
  private miniportAdapter: MiniportAdapter | null = null;
  private advancing = false;

  constructor(options: SoftwareAdapterOptions) {
    this.options = options;
    this.name = options.name;
    this.macAddress = options.macAddress;
    this.limits = completeLimits(options.limits ?? {});
    this.channel = options.channel?.() ?? new InProcessChannel();
    const nicEnd = this.channel.nic;
    this.nic = new Nic(
      {
        macAddress: options.macAddress,
        link: options.link,
        limits: this.limits,
        interfaceVlans: options.interfaceVlans ?? [],
        sendHandBack: options.sendHandBack ?? 'chain',
        supportsExtension: options.supportsExtension ?? true,
        random: options.random,
        parameters: options.parameters ?? {},
        nowMicroseconds: options.now ?? 0,
      },
      (message) => nicEnd.post(message),
    );
    nicEnd.onMessage = (message) => this.nic.message(message);
    const work = (): void => {
      if (!this.advancing) this.onWork?.();
    };
    this.channel.onWork = work;
    this.nic.onWork = work;
  }

  /**
   * Registers the driver with NDIS and brings the adapter up.
   *
   * @throws Error when it was initialized before, or NDIS refuses.
   */
  initialize(ndis: Ndis): MiniportAdapter {
    if (this.miniportAdapter !== null) throw new Error(`the adapter ${this.name} is initialized already`);
    const driver = ndis.registerMiniportDriver(targetDriver);
    const result = driver.initializeAdapter(this.name, {
      macAddress: this.options.macAddress,
      mtu: this.options.link.mtu,
      taskOffload: this.options.link.segmentationOffload === true,
      // A channel with delays completes a send before the frame is on the link.
      copiesFrames: this.options.link.copiesFrames === true && this.options.channel === undefined,
      channel: this.channel.miniport,
      capabilities: this.capabilities,
      onInitialize: (miniport: TargetMiniport) => {
        this.miniport = miniport;
      },
    });
    if (result.adapter === null) throw new Error(`the adapter ${this.name} could not be initialized`);
    this.miniportAdapter = result.adapter;
    return result.adapter;
  }

  /** Sets the clock, microseconds, and does what is due: messages, frames, timers, completions. */
  advance(nowMicroseconds: number): void {
    if (this.advancing) return;
    this.advancing = true;
    try {
      const { channel, nic, miniport } = this;
      nic.setTime(nowMicroseconds);
      for (let round = 0; round < MAXIMUM_ROUNDS; round += 1) {
        // Before the messages: within one thread, what is completed has then been on the link.
        const sent = miniport?.ordinary.takeSent() ?? null;
        const messages = channel.nextDeadline() <= nowMicroseconds;
        if (messages) channel.advance(nowMicroseconds);
        const nicWork = nic.nextDeadline() <= nowMicroseconds;
        if (nicWork) nic.advance(nowMicroseconds);
        if (sent !== null) miniport?.ordinary.complete(sent);
        if (!messages && !nicWork && sent === null) return;
      }
    } finally {
      this.advancing = false;
    }
  }

  /** When `advance` is needed next, microseconds of the adapter's clock; in the past when work waits; Infinity when idle. */
  nextDeadline(): number {
    if (this.miniport?.ordinary.hasWork === true) return Number.NEGATIVE_INFINITY;
    return Math.min(this.channel.nextDeadline(), this.nic.nextDeadline());
  }

  /** No new offloads, please; those on their way are queued (PAUSE-01…04). */
  indicatePause(): void {
    this.nic.indicate('pause');
  }

  /** Everything is to be uploaded (PAUSE-08). */
  indicateUploadAll(): void {
    this.nic.indicate('uploadAll');
  }

  /** Offloads may start again (PAUSE-06). */
  indicateResume(): void {
    this.nic.indicate('resume');
  }

  /** The link went up or down; what is offloaded stays (TERM-28). */
  indicateLink(connected: boolean): void {
    this.nic.indicate(connected ? 'linkUp' : 'linkDown');
  }

  /** Asks for every connection back, one by one, for no particular reason (INIT-29). */
  requestUploads(): void {
    this.nic.requestUploads();
  }

  /** Lets the next operation of this kind find corrupt hardware state (HWF-01…04). */
  failNext(operation: FaultyOperation): void {
    this.channel.miniport.post({ kind: 'hardwareFault', operation });
  }

  /** Lets the next new block of this layer fail with a status of the contract (INIT-11…22). */
  refuseNext(layer: NewState['kind'], status: NdisStatus): void {
    this.channel.miniport.post({ kind: 'refuseNext', layer, status });
  }

  /** Connections offloaded now. */
  get offloadedConnections(): number {
    return this.nic.core.connections.size;
  }

  /** Frames that ended in the NIC without being processed, by reason. */
  get drops(): Record<string, number> {
    return this.nic.core.drops.toObject();
  }

  /** Fails what a paused target had queued, then takes the adapter down; protocols close their bindings (RECV-46). */
  halt(): void {
    this.miniport?.failQueuedInitiates();
    this.miniportAdapter?.halt();
  }

  private get capabilities(): TargetCapabilities {
    return {
      connections: this.limits.connections,
      supportsExtension: this.options.supportsExtension ?? true,
      parameters: { ...DEFAULT_TCP_PARAMETERS, ...this.options.parameters },
    };
  }
}

/** What all parts of the NIC share: its link, its clock and engine, its context areas, its way to the miniport. */
import { type NdisStatus, NdisStatus as Status } from '../../ndis/index.ts';
import { DEFAULT_TCP_PARAMETERS, type RandomInt32, TcpContext, type TcpParameters } from '../../tcp/index.ts';
import { DropCounters, FrameBuffers, type MacAddress } from '../../wire/index.ts';
import type { TargetLimits } from '../limits.ts';
import type { FaultyOperation, NewState, OffloadParameters, ToMiniport } from '../messages.ts';
import type { ConnectionContext, NeighborContext, PathContext } from './contexts.ts';
import { FlowTable } from './flow-table.ts';
import { NicStatistics } from './statistics.ts';

/** The link that the NIC owns. `send` never blocks; a frame handed over is not changed any more, unless `copiesFrames`. */
export interface TargetLink {
  send(frame: Uint8Array): void;
  /** Set by the NIC: called with every frame that arrives, and whether its TCP checksum needs no verification. */
  onReceive: (frame: Uint8Array, checksumValid?: boolean) => void;
  /** Whether `sendSegmented` may be called; absent: no. */
  readonly segmentationOffload?: boolean;
  /** Nobody looks at a frame any more when the call that sends it has returned; absent: somebody may. */
  readonly copiesFrames?: boolean;
  /**
   * Sends a TCP segment whose checksum field holds the partial sum of its pseudo header; the link completes it, and cuts
   * text of more than `segmentSize` bytes.
   */
  sendSegmented?(frame: Uint8Array, segmentSize: number): void;
  /** Largest IP datagram, bytes. */
  readonly mtu: number;
}

/**
 * What happens to send data at a terminate (TERM-18): `chain` hands all lists back with the state, `complete` completes
 * all of them first, `split` hands the older half back and completes the newer half.
 */
export type SendHandBack = 'chain' | 'complete' | 'split';

export interface NicOptions {
  readonly macAddress: MacAddress;
  readonly link: TargetLink;
  readonly limits: TargetLimits;
  /** VLAN identifiers of the interface (VLAN-02); 0 or none: any VLAN (VLAN-04). */
  readonly interfaceVlans: readonly number[];
  readonly sendHandBack: SendHandBack;
  /** Whether the state extension of spec/decisions.md 23 is known. */
  readonly supportsExtension: boolean;
  readonly random: RandomInt32;
  /** Settings in force until the host sets its own. */
  readonly parameters: Partial<TcpParameters>;
  readonly nowMicroseconds: number;
}

export class NicCore {
  readonly options: NicOptions;
  tcp: TcpContext;
  readonly neighbors = new Map<number, NeighborContext>();
  readonly paths = new Map<number, PathContext>();
  readonly connections = new Map<number, ConnectionContext>();
  readonly flows: FlowTable<ConnectionContext>;
  /** Local addresses as text, with the number of paths that use them (INIT-17). */
  readonly localAddresses = new Map<string, number>();
  readonly statistics = new NicStatistics();
  /** Frames that end here without going up. */
  readonly drops = new DropCounters();
  readonly buffers = new FrameBuffers();
  /** Send data queued on all connections, bytes (INIT-18). */
  transmitBytes = 0;
  /** Low 15 bits of the next IPv4 identification (IPID-01). */
  nextIdentification: number;
  /** An upload of everything was requested, and no resume since: sends go back (PAUSE-05). */
  uploadingAll = false;
  /** The link completes checksums and cuts segments. */
  readonly segmentation: boolean;
  /** Hardware faults that wait for their operation (HWF-01). */
  readonly faults = new Set<FaultyOperation>();
  /** Statuses that wait for the next new block of a layer. */
  readonly refusals = new Map<NewState['kind'], NdisStatus>();
  /** Settings that the host may change while connections live. */
  private settings: TcpParameters;
  private readonly base: TcpParameters;
  private readonly postMessage: (message: ToMiniport) => void;

  constructor(options: NicOptions, post: (message: ToMiniport) => void) {
    this.options = options;
    this.postMessage = post;
    this.segmentation = options.link.segmentationOffload === true && options.link.sendSegmented !== undefined;
    // Without segmentation below, a segment is a frame.
    const maximumSegmentPayload = this.segmentation ? DEFAULT_TCP_PARAMETERS.maximumSegmentPayload : 0;
    this.base = { ...DEFAULT_TCP_PARAMETERS, maximumSegmentPayload, ...options.parameters };
    this.settings = { ...this.base };
    this.tcp = new TcpContext(this.settings, options.random, options.nowMicroseconds);
    this.flows = new FlowTable(options.random());
    this.nextIdentification = options.random() & 0x7fff;
  }

  post(message: ToMiniport): void {
    this.postMessage(message);
  }

  /**
   * Settings from the host (OID-03…05). The tick can only change while nothing is offloaded; the host has terminated
   * everything before it changes what is in use (OID-11).
   */
  configure(parameters: OffloadParameters): void {
    const idle = this.connections.size === 0 && this.neighbors.size === 0;
    const ticksPerSecond = idle ? parameters.ticksPerSecond : this.settings.ticksPerSecond;
    const settings = { ...scaled(this.base, ticksPerSecond), ...parameters, ticksPerSecond };
    if (idle) {
      this.settings = settings;
      this.tcp = new TcpContext(settings, this.options.random, this.tcp.now);
    } else {
      Object.assign(this.settings, settings);
    }
  }

  /** Gives a frame to the link; `segmentSize` above 0 leaves its checksum and segmentation to it. */
  sendFrame(frame: Uint8Array, segmentSize: number): void {
    const { link } = this.options;
    if (segmentSize > 0 && link.sendSegmented !== undefined) link.sendSegmented(frame, segmentSize);
    else link.send(frame);
  }

  /** The status that the next new block of this layer is to fail with, once; SUCCESS when none was arranged. */
  takeRefusal(layer: NewState['kind']): NdisStatus {
    const status = this.refusals.get(layer) ?? Status.SUCCESS;
    this.refusals.delete(layer);
    return status;
  }
}

/** The tick-valued settings that are the target's own, in another tick. */
function scaled(base: TcpParameters, ticksPerSecond: number): TcpParameters {
  const ticks = (value: number): number => Math.max(1, Math.round((value * ticksPerSecond) / base.ticksPerSecond));
  return {
    ...base,
    minimumRtoTicks: ticks(base.minimumRtoTicks),
    maximumRtoTicks: ticks(base.maximumRtoTicks),
    initialRtoTicks: ticks(base.initialRtoTicks),
    timeWaitTicks: ticks(base.timeWaitTicks),
    finWait2Ticks: ticks(base.finWait2Ticks),
  };
}

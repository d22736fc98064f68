/** Two hosts on a wire, as `demo` and `serve` need them, with a capture and an audit of what crosses it. */
import { type DirectionSettings, type FrameFate, MemoryWire, type WireDirection } from '../link/index.ts';
import { Host, type HostOptions, NodeRuntime } from '../node/index.ts';
import { RetransmissionAudit, WireFate } from '../trace/index.ts';
import type { Capture } from './capture.ts';

/** Addresses of the two hosts: RFC 5737 test network 1. */
export const CLIENT_ADDRESS = '192.0.2.1';
export const SERVER_ADDRESS = '192.0.2.2';
const PREFIX_LENGTH = 24;

/** A reordered frame is overtaken by two others: as far as TCP must bear without taking it for a loss. */
const REORDER_EXTENT = 2;

/** What the wire between the hosts does. */
export interface NetworkOptions {
  readonly wire: Partial<DirectionSettings>;
  readonly seed: number;
  readonly client?: Partial<HostOptions>;
  readonly server: Partial<HostOptions>;
  /** Look at every frame: feed the audit and the capture. */
  readonly watch?: boolean;
  readonly capture?: Capture;
}

/** What each fate of a frame means to the receiver. */
const WIRE_FATES: Readonly<Record<FrameFate, WireFate>> = {
  sent: WireFate.INTACT,
  lost: WireFate.LOST,
  corrupted: WireFate.LOST,
  marked: WireFate.INTACT,
  'queue-full': WireFate.LOST,
  'too-large': WireFate.LOST,
  duplicated: WireFate.DISTURBED,
  reordered: WireFate.DISTURBED,
};

/** Two independent hosts: each has a stack, an adapter with a software NIC, and one end of the wire. */
export class Network {
  readonly runtime = new NodeRuntime();
  readonly wire: MemoryWire;
  readonly client: Host;
  readonly server: Host;
  readonly audit = new RetransmissionAudit();
  /** Frames that the wire lost, damaged, doubled, delayed or had no room for. */
  impairedFrames = 0;
  private readonly capture: Capture | undefined;

  constructor(options: NetworkOptions) {
    const { runtime } = this;
    this.capture = options.capture;
    this.wire = new MemoryWire({
      seed: options.seed,
      both: { ...options.wire, reorderExtent: REORDER_EXTENT },
      now: () => runtime.now(),
      names: ['client', 'server'],
    });
    if (options.watch === true) {
      this.wire.observer = (time, direction, frame, fate) => this.observe(time, direction, frame, fate);
    }
    runtime.add(this.wire);
    this.client = new Host({
      name: 'client',
      runtime,
      link: this.wire.a,
      address: CLIENT_ADDRESS,
      prefixLength: PREFIX_LENGTH,
      macAddress: '02:00:00:00:00:01',
      offloadPolicy: 'never',
      ...options.client,
    });
    this.server = new Host({
      name: 'server',
      runtime,
      link: this.wire.b,
      address: SERVER_ADDRESS,
      prefixLength: PREFIX_LENGTH,
      macAddress: '02:00:00:00:00:02',
      offloadPolicy: 'never',
      ...options.server,
    });
  }

  /** Stops everything at once. */
  close(): void {
    this.client.close();
    this.server.close();
    this.runtime.close();
  }

  private observe(time: number, direction: WireDirection, frame: Uint8Array, fate: FrameFate): void {
    if (fate !== 'sent' && fate !== 'marked') this.impairedFrames++;
    this.audit.frame(frame, WIRE_FATES[fate]);
    this.capture?.record(time, direction === 'a-to-b' ? 'client' : 'server', frame, fate);
  }
}

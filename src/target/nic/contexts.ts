/**
 * The context areas of the NIC: one per offloaded object (CTX-01), linked upwards only, TCP → path → neighbor, in the
 * order in which headers are built (TREE-22). What depends on a path or a neighbor is kept as a set, for the operations
 * that concern all of it.
 */
import type { TcpOffloadEventType, TcpUploadReason } from '../../ndis/index.ts';
import type { ControlBlock } from '../../tcp/index.ts';
import { WheelEntry } from '../../tcp/index.ts';
import type { AddressFamily, FrameRoute, IpAddress, MacAddress } from '../../wire/index.ts';
import type { SendCompletion } from '../messages.ts';
import type { Flow } from './flow-table.ts';
import type { Reachability } from './neighbor-reachability.ts';
import type { ReceiveDelivery } from './receive-delivery.ts';
import { SendLists } from './send-lists.ts';

/** A neighbor: the next hop of its paths. */
export class NeighborContext implements Reachability {
  readonly layer = 'neighbor';
  readonly id: number;
  /** Source MAC given by the host, or null: that of the interface (STATE-19). */
  readonly dlSourceAddress: MacAddress | null;
  readonly vlanId: number;
  /** MAC of the next hop; an update replaces it (UPD-11). */
  destination: MacAddress;
  hostReachabilityTime = 0;
  nicReachabilityTime = 0;
  queryOutstanding = false;
  /** Invalidated by the host (INV-03). */
  invalid = false;
  readonly paths = new Set<PathContext>();

  constructor(id: number, dlSourceAddress: MacAddress | null, vlanId: number, destination: MacAddress) {
    this.id = id;
    this.dlSourceAddress = dlSourceAddress;
    this.vlanId = vlanId;
    this.destination = destination;
  }
}

/** A pair of addresses. */
export class PathContext {
  readonly layer = 'path';
  readonly id: number;
  /** Changed only by a relink (UPD-08). */
  neighbor: NeighborContext;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Bytes of the largest datagram. */
  pathMtu: number;
  invalid = false;
  /** Where its frames go: kept up to date by `refreshRoute`, completed for each segment by `routeOf`. */
  readonly route: FrameRoute;
  readonly connections = new Set<ConnectionContext>();

  constructor(id: number, neighbor: NeighborContext, route: FrameRoute, pathMtu: number) {
    this.id = id;
    this.neighbor = neighbor;
    this.source = route.sourceAddress;
    this.destination = route.destinationAddress;
    this.route = route;
    this.pathMtu = pathMtu;
  }
}

/** The push timer of one connection, on the wheel of all connections (TMR-PUSH-01). */
export class PushTimer extends WheelEntry {
  readonly connection: ConnectionContext;

  constructor(connection: ConnectionContext) {
    super();
    this.connection = connection;
  }
}

/** A TCP event that waits for the initiate to be confirmed (INIT-10). */
export interface PendingEvent {
  readonly type: TcpOffloadEventType;
  readonly information: number;
}

/** A disconnect request that is not completed. */
export interface PendingDisconnect {
  readonly id: number;
  /** Its data. */
  readonly chunks: readonly Uint8Array[];
  /** What it added to the send queue, or null while it is not begun: the connection stands still. */
  queued: { readonly acknowledged: number } | null;
}

/** An offloaded connection. */
export class ConnectionContext implements Flow {
  readonly layer = 'tcp';
  readonly id: number;
  /** Never changes (UPD-09). */
  readonly path: PathContext;
  readonly family: AddressFamily;
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  readonly ports: number;
  /** Set right after construction, by `attach`. */
  cb!: ControlBlock;
  delivery!: ReceiveDelivery;
  /** Made when it is first started. */
  pushTimer: PushTimer | null = null;
  readonly sends = new SendLists();
  /** Completions gathered while the engine runs; null when there are none. */
  sendCompletions: SendCompletion[] | null = null;
  disconnect: PendingDisconnect | null = null;
  /** First sequence number never sent, by anyone: tells retransmissions from new segments (STAT-13). */
  highestSent = 0;

  /** Between the offload and its confirmation nothing is indicated (INIT-09, INIT-10). */
  confirmed = false;
  pendingEvents: PendingEvent[] | null = null;
  /**
   * The mandatory reason for which the upload was requested; 0 while the connection is processed. From then on the
   * engine is not called any more and segments are held (EVT-07).
   */
  stopped: TcpUploadReason | 0 = 0;
  /** Reset by either side, or lost with the hardware's state: requests complete with REQUEST_ABORTED (EVT-04, HWF-04). */
  aborted = false;
  /** Invalidated itself (INV-03). */
  invalid = false;
  /** A terminate is under way: segments go up the ordinary path (TERM-12). */
  terminating = false;
  /** The hardware's state is corrupt: the next terminate frees the context (spec/decisions.md 9). */
  hardwareFailed = false;
  /** Frames that arrived while stopped, in order; indicated on the ordinary path after the terminate (URG-04). */
  heldFrames: Uint8Array[] | null = null;
  /** The send backlog last told to the host, bytes, and when, microseconds (EVT-11). */
  indicatedBacklog = 0;
  backlogIndicatedAt = 0;

  constructor(id: number, path: PathContext, ports: number) {
    this.id = id;
    this.path = path;
    this.family = path.source.family;
    this.localAddress = path.source;
    this.remoteAddress = path.destination;
    this.ports = ports;
  }

  /** Takes the completions that were gathered. */
  takeSendCompletions(): SendCompletion[] {
    const completions = this.sendCompletions ?? [];
    this.sendCompletions = null;
    return completions;
  }

  /** Completes construction: the engine's control block and the delivery both refer back to this object. */
  attach(cb: ControlBlock, delivery: ReceiveDelivery): void {
    this.cb = cb;
    this.delivery = delivery;
    this.highestSent = cb.delegated.sndMax;
  }

  /** Whether the connection, its path or its neighbor was invalidated: nothing is sent (INV-04). */
  get dependsOnInvalid(): boolean {
    return this.invalid || this.path.invalid || this.path.neighbor.invalid;
  }
}

export type ObjectContext = NeighborContext | PathContext | ConnectionContext;

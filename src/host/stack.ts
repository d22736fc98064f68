/**
 * The host stack: TCP over IPv4 and IPv6 over one adapter, with connections that may be handed to the adapter's offload target.
 *
 * It does no I/O and has no clock: its owner calls `advance` with the time whenever `nextDeadline` has come or `onWork`
 * was called. Everything happens inside `advance`, application callbacks included; calls from outside only leave work.
 */
import type { NdisBinding } from '../ndis/binding.ts';
import { ReceiveFlag } from '../ndis/characteristics.ts';
import { linkNetBufferLists, type NetBufferList, netBufferListsOf } from '../ndis/net-buffer.ts';
import { contiguousBytes } from '../ndis/net-buffer-data.ts';
import { NetBufferListPool } from '../ndis/net-buffer-pool.ts';
import type { DevicePowerState } from '../ndis/oid.ts';
import type { NdisStatus } from '../ndis/status.ts';
import { type ControlBlock, MemoryState, TcpContext, type TcpStatistics, type WheelEntry } from '../tcp/index.ts';
import { DEFAULT_TCP_PARAMETERS } from '../tcp/parameters.ts';
import { type AddressFamily, type DropCounters, type IpAddress, MacAddress } from '../wire/index.ts';
import { BufferTuning } from './buffer-tuning.ts';
import { Chimney } from './chimney/chimney.ts';
import type { ChimneyEnvironment } from './chimney/environment.ts';
import { type HostBinding, protocolCharacteristics } from './chimney/protocol.ts';
import type { OffloadStatistics } from './chimney/statistics.ts';
import type { Connection, ConnectionServices } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { ConnectionHandlers } from './connection-types.ts';
import { HostCore, type HostStatistics } from './core.ts';
import type { Neighbor } from './framing/neighbor.ts';
import { InfoQueries } from './info-queries.ts';
import { HostMemory } from './memory.ts';
import { NetworkInterface } from './network-interface.ts';
import { NetworkLayer, type NetworkObserver } from './network-layer.ts';
import { notify } from './notify.ts';
import { addressesOf, type HostSettings, type HostStackOptions, networkOptionsOf, settingsOf } from './settings.ts';
import { HostTimer } from './timer.ts';
import { IcmpErrors } from './transport/icmp-errors.ts';
import type { AcceptHandler, Listener } from './transport/listener.ts';
import { Transport } from './transport/transport.ts';

/** Where to listen. */
export interface ListenOptions {
  /** 0 lets the stack choose. */
  readonly port: number;
  /** The one of our addresses to listen on; by default all (RFC 9293 section 3.9.1.1). */
  readonly address?: IpAddress;
  /** Most connections that are half open, and most that wait to be accepted; by default 128. */
  readonly backlog?: number;
  /** For the connections that are accepted. */
  readonly connection?: ConnectionOptions;
}

/** Where to connect to. */
export interface ConnectOptions {
  readonly address: IpAddress;
  readonly port: number;
  /** One of ours; by default the one that fits (RFC 6724). */
  readonly localAddress?: IpAddress;
  /** By default an ephemeral one (RFC 6056). */
  readonly localPort?: number;
  readonly connection?: ConnectionOptions;
}

const DEFAULT_BACKLOG = 128;

/** A copy of a frame whose list could not be kept. */
class LentFrame {
  readonly frame: Uint8Array;
  readonly checksumValid: boolean;

  constructor(list: NetBufferList) {
    this.frame = contiguousBytes(list.firstNetBuffer).slice();
    this.checksumValid = list.tcpChecksumSucceeded;
  }
}

export class HostStack {
  readonly name: string;
  readonly core: HostCore;
  /** The chimney manager. @internal */
  readonly chimney: Chimney;
  /** Called when work was queued from outside of `advance`: the owner should call it soon. */
  onWork: (() => void) | null = null;
  /** Called from within `advance` when memory for buffers has become short, has run out, or is there again. */
  onMemory: ((state: MemoryState) => void) | null = null;
  private readonly settings: HostSettings;
  private readonly tuning: BufferTuning;
  private readonly memory: HostMemory;
  private readonly network: NetworkLayer;
  private readonly transport: Transport;
  private readonly errors: IcmpErrors;
  private readonly infoQueries: InfoQueries;
  private readonly binding: NdisBinding<HostBinding>;
  private readonly framePool = new NetBufferListPool();
  /** Frames that wait to be sent with the next `flush`, as a chain. */
  private outgoing: NetBufferList | null = null;
  private outgoingTail: NetBufferList | null = null;
  /** Lists received on the ordinary path, or copies of frames that were only lent. */
  private incoming: (NetBufferList | LentFrame)[] = [];
  private scheduled: Connection[] = [];
  private advancing = false;
  private isClosing = false;

  /** Registers with NDIS, binds to the adapter, and switches connection offload on if the adapter has it. */
  constructor(options: HostStackOptions) {
    this.name = options.name;
    this.settings = settingsOf(options);
    const { adapter } = options;
    // Without segmentation below us a segment is a frame.
    const { taskOffload } = adapter;
    const maximumSegmentPayload = taskOffload ? DEFAULT_TCP_PARAMETERS.maximumSegmentPayload : 0;
    const parameters = {
      ...DEFAULT_TCP_PARAMETERS,
      maximumSegmentPayload,
      userTimeoutEverywhere: true,
      ...options.parameters,
    };
    const tcp = new TcpContext(parameters, options.random, options.now ?? 0);
    const link = new NetworkInterface({
      addresses: addressesOf(options),
      macAddress: options.macAddress ?? MacAddress.fromBytes(adapter.macAddress),
      mtu: options.mtu ?? adapter.mtuSize,
      taskOffload,
    });
    this.core = new HostCore(
      tcp,
      link,
      (frame, segmentSize) => this.enqueueFrame(frame, segmentSize),
      () => this.wake(),
    );
    this.tuning = new BufferTuning(this.core, this.settings);
    this.memory = new HostMemory(this.core, this.settings.memoryLimitBytes, (previous) => this.memoryChanged(previous));
    this.network = new NetworkLayer(this.core, networkOptionsOf(options), this.networkObserver());
    const { neighbors, paths, output } = this.network;
    this.transport = new Transport(this.core, this.settings, paths, neighbors, output, this.connectionServices());
    this.errors = new IcmpErrors(this.core, this.transport, paths, (connection, answer) =>
      this.chimney.updates.queryConnection(connection, answer),
    );
    this.infoQueries = new InfoQueries(this.core, (connection, answer) =>
      this.chimney.updates.queryConnection(connection, answer),
    );
    const driver = options.ndis.registerProtocolDriver<HostBinding>(
      protocolCharacteristics(options.name, () => this.chimney),
    );
    this.binding = driver.openAdapter(adapter, this.hostBinding());
    this.chimney = new Chimney(this.environment());
    this.chimney.status.enable();
    if (link.has(6)) this.core.defer(() => this.network.start());
  }

  // ---- for the application ----

  /** Our address: the first that was configured. */
  get address(): IpAddress {
    return this.core.interface.address;
  }

  /** All our addresses, tentative ones included. */
  get addresses(): readonly IpAddress[] {
    return this.core.interface.addresses.map(({ address }) => address);
  }

  /** Whether an address is ours, and known to be nobody else's. */
  hasAddress(address: IpAddress): boolean {
    return this.core.interface.isOwn(address);
  }

  /** Whether the stack speaks IPv6. */
  get hasIpv6(): boolean {
    return this.core.interface.has(6);
  }

  /** Counters of the stack outside of TCP. */
  get statistics(): Readonly<HostStatistics> {
    return this.core.statistics;
  }

  /** Counters of the host's TCP engine. */
  get tcpStatistics(): Readonly<TcpStatistics> {
    return this.core.tcp.statistics;
  }

  /** Bytes that connections have in buffers, with what it costs to keep them. */
  get memoryUsed(): number {
    return this.memory.used;
  }

  /** Connections whose applications have left them, and that have not ended yet. */
  get orphans(): number {
    return this.transport.orphans.size;
  }

  /** Received frames that were dropped, by reason. */
  get drops(): DropCounters {
    return this.core.drops;
  }

  /** Whether offloads may start now. */
  get canOffload(): boolean {
    return this.chimney.status.phase === 'running';
  }

  /**
   * Listens on a port. `handler` gets each established connection, from within `advance`.
   *
   * @throws Error when the port is taken.
   */
  listen(options: ListenOptions, handler: AcceptHandler): Listener {
    const { port, address = null, backlog = DEFAULT_BACKLOG, connection = {} } = options;
    return this.transport.listen(port, address, backlog, connection, handler);
  }

  /** Opens a connection. What becomes of it is told to the handlers. @throws Error when no local port is free. */
  connect(options: ConnectOptions, handlers: ConnectionHandlers = {}): Connection {
    const { address, port, localAddress = null, localPort = 0, connection = {} } = options;
    return this.transport.connect(address, port, localAddress, localPort, connection, handlers);
  }

  /** All connections that the stack knows, those in TIME-WAIT included. */
  connections(): Iterable<Connection> {
    return this.transport.connections;
  }

  /** Another router leads out of the link from now on; offloaded paths over the old one are moved (UPD-10). */
  setGateway(gateway: IpAddress | null, family: AddressFamily = gateway?.family ?? 4): void {
    this.core.defer(() => this.network.setGateway(family, gateway));
  }

  /**
   * Puts the adapter into a power state. Below full power every connection is taken back first (PM-01), and offloading
   * starts again with D0. `answer` gets the adapter's status, from within `advance`.
   */
  setPower(state: DevicePowerState, answer: (status: NdisStatus) => void = () => {}): void {
    this.chimney.power.set(state, answer);
  }

  /** Asks the adapter for the counters of offloaded traffic, to be added to `tcpStatistics` (STAT-18). */
  queryOffloadStatistics(answer: (statistics: OffloadStatistics) => void): void {
    this.chimney.statistics.query(answer);
  }

  /** Stops listening and aborts every connection. The binding closes when the target has given everything back. */
  close(): void {
    this.isClosing = true;
    this.transport.listeners.close();
    for (const connection of this.transport.connections) connection.abort();
    this.core.defer(() => {}); // `advance` is due, also when there is no connection
  }

  /** Whether `close` has done everything: the adapter may be halted. */
  get closed(): boolean {
    return this.binding.closed;
  }

  // ---- for the owner ----

  /** Moves time forward and does everything that is due. Not to be called from inside itself. */
  advance(nowMicroseconds: number): void {
    if (this.advancing) return;
    this.advancing = true;
    try {
      // Frames before timers: an acknowledgment that is here already must keep a late timer from retransmitting.
      this.core.tcp.setTime(nowMicroseconds);
      this.receiveFrames();
      this.core.tcp.advance(nowMicroseconds, expire);
      this.core.runDeferred();
      if (this.transport.listeners.acceptPending) this.transport.listeners.accept();
      this.serviceConnections();
      this.chimney.pump();
      if (this.isClosing) this.closeIfIdle();
      this.flush();
    } finally {
      this.advancing = false;
    }
  }

  /** When `advance` is needed next, microseconds of the stack's clock; Infinity when nothing is due. */
  nextDeadline(): number {
    const hasWork =
      this.scheduled.length > 0 ||
      this.incoming.length > 0 ||
      this.core.deferred ||
      this.transport.listeners.acceptPending;
    return hasWork ? this.core.tcp.now : this.core.tcp.nextDeadline();
  }

  private serviceConnections(): void {
    const connections = this.scheduled;
    this.scheduled = [];
    let done = 0;
    try {
      for (const connection of connections) {
        done++;
        connection.scheduled = false;
        this.transport.service(connection);
        this.chimney.service(connection);
        this.infoQueries.service(connection);
        notify(connection);
        this.memory.account(connection);
      }
    } finally {
      // The application's handlers may throw: nobody else loses his turn by that.
      if (done < connections.length) this.scheduled = [...connections.slice(done), ...this.scheduled];
    }
  }

  private receiveFrames(): void {
    const received = this.incoming;
    if (received.length === 0) return;
    this.incoming = [];
    let chain: NetBufferList | null = null;
    for (const item of received) {
      if (item instanceof LentFrame) {
        this.network.frameArrives(item.frame, item.checksumValid);
        continue;
      }
      // Adapters never use the memory of a frame again, so views of it may outlive the list.
      this.network.frameArrives(contiguousBytes(item.firstNetBuffer), item.tcpChecksumSucceeded);
      item.next = chain;
      chain = item;
    }
    if (chain !== null) this.binding.returnNetBufferLists(chain);
  }

  private enqueueFrame(frame: Uint8Array, segmentSize: number): void {
    if (this.binding.closed) return;
    this.core.statistics.framesSent++;
    const list = this.framePool.allocate(frame);
    list.tcpLargeSendMss = segmentSize;
    if (this.outgoingTail === null) this.outgoing = list;
    else this.outgoingTail.next = list;
    this.outgoingTail = list;
  }

  /** The adapter is done with frames: their lists, and the memory of large segments, are used again. */
  private framesSent(chain: NetBufferList): void {
    if (this.binding.adapter.copiesFrames) {
      for (const list of netBufferListsOf(chain)) {
        if (list.tcpLargeSendMss > 0) this.core.buffers.release(contiguousBytes(list.firstNetBuffer));
      }
    }
    this.framePool.freeChain(chain);
  }

  private flush(): void {
    const chain = this.outgoing;
    if (chain === null) return;
    this.outgoing = null;
    this.outgoingTail = null;
    if (!this.binding.closed) this.binding.sendNetBufferLists(chain);
  }

  private wake(): void {
    if (!this.advancing) this.onWork?.();
  }

  private closeIfIdle(): void {
    if (this.binding.closed || this.transport.connections.size > 0) return;
    for (const path of this.network.paths) if (path.shared.phase !== 'absent') return;
    for (const neighbor of this.network.neighbors) if (neighbor.shared.phase !== 'absent') return;
    this.flush();
    this.unbind();
  }

  private environment(): ChimneyEnvironment {
    return {
      core: this.core,
      tuning: this.tuning,
      memory: this.memory,
      settings: this.settings,
      neighbors: this.network.neighbors,
      paths: this.network.paths,
      transport: this.transport,
      binding: this.binding,
      pool: new NetBufferListPool(),
      schedule: (connection) => this.schedule(connection),
      flush: () => this.flush(),
    };
  }

  private schedule(connection: Connection): void {
    if (connection.scheduled) return;
    connection.scheduled = true;
    this.scheduled.push(connection);
    this.wake();
  }

  private memoryChanged(previous: MemoryState): void {
    const state = this.core.tcp.memoryState;
    this.core.defer(() => {
      if (state < previous) this.transport.relieve();
      else if (state >= MemoryState.EXHAUSTED) this.transport.prune();
      this.onMemory?.(state);
    });
  }

  private unbind(): void {
    if (this.binding.closed) return;
    this.network.clear();
    this.binding.close();
  }

  /** The adapter is taken away: whatever used it has ended. */
  private adapterGone(): void {
    if (this.binding.closed) return;
    for (const connection of this.transport.connections) this.transport.end(connection, 'ECONNABORTED');
    this.transport.listeners.close();
    const received = this.incoming.filter((item): item is NetBufferList => !(item instanceof LentFrame));
    this.incoming = [];
    const chain = linkNetBufferLists(received);
    if (chain !== null) this.binding.returnNetBufferLists(chain);
    this.unbind();
  }

  // ---- how the parts reach each other ----

  /** The protocol binding context: upcalls of NDIS. */
  private hostBinding(): HostBinding {
    return {
      chimney: () => this.chimney,
      framesReceived: (chain, flags) => this.framesReceived(chain, flags),
      framesSent: (chain) => this.framesSent(chain),
      statusIndicated: (indication) => this.chimney.status.indicated(indication),
      oidRequestComplete: (request, status) => this.chimney.oidRequestComplete(request, status),
      unbound: () => this.adapterGone(),
    };
  }

  private framesReceived(chain: NetBufferList, flags: number): void {
    const lent = (flags & ReceiveFlag.RESOURCES) !== 0;
    for (const list of netBufferListsOf(chain)) {
      this.incoming.push(lent ? new LentFrame(list) : list);
    }
    this.wake();
  }

  private connectionServices(): ConnectionServices {
    return {
      core: this.core,
      tuning: this.tuning,
      memory: this.memory,
      schedule: (connection) => this.schedule(connection),
      pathMtuChanged: (connection, pathMtu) => this.transport.pathMtuChanged(connection, pathMtu),
      destinationUnreachable: (connection) => this.transport.destinationUnreachable(connection),
      queryInfo: (connection, answer) => {
        this.infoQueries.add(connection, answer);
        this.schedule(connection);
      },
    };
  }

  private networkObserver(): NetworkObserver {
    return {
      tcpArrives: (frame, packet, checksumValid) => this.transport.tcpArrives(frame, packet, checksumValid),
      icmpError: (error, segment, pathMtu) => this.errors.icmpError(error, segment, pathMtu),
      addressSettled: (address) => this.transport.addressSettled(address),
      resolved: () => this.wake(),
      macAddressChanged: (neighbor) => {
        neighbor.shared.dirty = true;
        this.core.defer(() => this.chimney.updates.updateNeighbor(neighbor));
      },
      unreachable: (neighbor) => this.neighborUnreachable(neighbor),
      queryReachability: (neighbor) => this.chimney.updates.queryNeighbor(neighbor),
      pathMtuChanged: (path) => {
        path.shared.dirty = true;
        this.core.defer(() => this.chimney.updates.updatePath(path));
      },
      nextHopChanged: (path) => this.chimney.relinks.add(path),
    };
  }

  private neighborUnreachable(neighbor: Neighbor): void {
    this.chimney.updates.invalidateNeighbor(neighbor);
    for (const path of this.network.paths) {
      if (path.neighbor !== neighbor) continue;
      for (const member of [...path.members]) member.destinationUnreachable();
    }
  }
}

/** What the wheel holds: control blocks of connections, and the stack's own timers. */
function expire(entry: WheelEntry): void {
  if (entry instanceof HostTimer) {
    entry.expire();
    return;
  }
  const cb = entry as ControlBlock;
  cb.owner.expired(cb);
}

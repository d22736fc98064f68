/**
 * The miniport half of the software target: the adapter context of one adapter. It speaks the contract upwards and
 * messages downwards, and holds no connection state but the lists that are outstanding.
 */
import {
  linkStateIndication,
  type MiniportAdapter,
  type MiniportOffloadBlockList,
  NdisStatus,
  NeighborCachedState,
  NeighborConstantState,
  NeighborDelegatedState,
  NeighborOffloadState,
  OffloadBlockList,
  OffloadEvent,
  OffloadStateType,
  pauseIndication,
  resumeIndication,
  type TcpOffloadEventHandlers,
  uploadAllIndication,
} from '../../ndis/index.ts';
import type { Channel } from '../channel.ts';
import type { AdapterStatus, ToMiniport, ToNic } from '../messages.ts';
import { DataRequests } from './data-requests.ts';
import { connectionOffload, OidRequests, type TargetCapabilities } from './oid-requests.ts';
import { OrdinaryPath } from './ordinary-path.ts';
import { StateOperations } from './state-operations.ts';

/** Messages that wait while an initiate is in progress (INIT-10). */
type Deferrable = Extract<ToMiniport, { kind: 'status' | 'neighborQuery' }>;

export class TargetMiniport {
  readonly adapter: MiniportAdapter;
  readonly data: DataRequests;
  readonly state: StateOperations;
  readonly ordinary: OrdinaryPath;
  readonly oids: OidRequests;
  private readonly handlers: TcpOffloadEventHandlers;
  private readonly channel: Channel<ToNic, ToMiniport>;
  private lastId = 0;
  private paused = false;
  /** Initiates that arrived while paused (PAUSE-04). */
  private queuedInitiates: MiniportOffloadBlockList[] = [];
  private deferred: Deferrable[] = [];

  constructor(
    adapter: MiniportAdapter,
    handlers: TcpOffloadEventHandlers,
    channel: Channel<ToNic, ToMiniport>,
    capabilities: TargetCapabilities,
  ) {
    this.adapter = adapter;
    this.handlers = handlers;
    this.channel = channel;
    const post = (message: ToNic): void => channel.post(message);
    const nextId = (): number => {
      this.lastId += 1;
      return this.lastId;
    };
    this.data = new DataRequests(adapter, handlers, post, nextId);
    this.state = new StateOperations(adapter, post, nextId, this.data);
    this.ordinary = new OrdinaryPath(adapter, post);
    this.oids = new OidRequests(
      adapter,
      post,
      nextId,
      capabilities,
      () => this.state.connectionCount,
      (_enabled, extensionRevision) => {
        this.state.hostExtensionRevision = extensionRevision;
      },
    );
    channel.onMessage = (message) => this.message(message);
  }

  /** MiniportInitiateOffload: while paused the tree only waits. */
  initiate(root: MiniportOffloadBlockList): void {
    if (this.paused) this.queuedInitiates.push(root);
    else this.state.initiate(root);
  }

  /** Before the adapter halts: initiates that never got to the NIC fail (spec/decisions.md 12). */
  failQueuedInitiates(): void {
    for (const root of this.queuedInitiates.splice(0)) this.state.fail(root);
  }

  /** New capabilities that the next resume announces (PAUSE-07). */
  set capabilities(capabilities: TargetCapabilities) {
    this.oids.capabilities = capabilities;
  }

  private message(message: ToMiniport): void {
    switch (message.kind) {
      case 'frameUp':
        this.ordinary.indicate(message.frame, message.checksumValid);
        return;
      case 'sendComplete':
      case 'receiveComplete':
      case 'forwardComplete':
      case 'disconnectComplete':
      case 'receiveIndicate':
      case 'tcpEvent':
        this.connectionMessage(message);
        return;
      case 'initiateComplete':
        this.state.initiateComplete(message);
        this.runDeferred();
        return;
      case 'queryComplete':
        this.state.queryComplete(message);
        return;
      case 'updateComplete':
        this.state.updateComplete(message);
        return;
      case 'invalidateComplete':
        this.state.invalidateComplete(message);
        return;
      case 'terminateComplete':
        this.state.terminateComplete(message);
        this.oids.terminated();
        return;
      case 'statistics':
        this.oids.statistics(message.request, message.statistics);
        return;
      default:
        if (this.state.initiatesInProgress > 0) this.deferred.push(message);
        else this.indicate(message);
    }
  }

  private connectionMessage(message: Extract<ToMiniport, { connection: number }>): void {
    const context = this.state.find(message.connection);
    // The NIC says nothing about a connection before its initiate or after its terminate has been answered.
    if (context === null) return;
    switch (message.kind) {
      case 'sendComplete':
        this.data.sendComplete(context, message.completions);
        return;
      case 'receiveComplete':
        this.data.receiveComplete(context, message.completions);
        return;
      case 'forwardComplete':
        this.data.forwardComplete(context, message.completions);
        return;
      case 'disconnectComplete':
        this.data.disconnectComplete(context, message.completion);
        return;
      case 'receiveIndicate':
        this.data.receiveIndicate(context, message);
        return;
      case 'tcpEvent':
        this.handlers.tcpOffloadEventHandler(context.handle, message.type, message.information);
    }
  }

  private runDeferred(): void {
    while (this.deferred.length > 0 && this.state.initiatesInProgress === 0) {
      const message = this.deferred.shift();
      if (message !== undefined) this.indicate(message);
    }
  }

  private indicate(message: Deferrable): void {
    if (message.kind === 'neighborQuery') this.neighborQuery(message);
    else this.indicateStatus(message.status);
  }

  /** NBR-08, NBR-09, NBR-11: one block with the neighbor's stored handle and its three structures. */
  private neighborQuery({ neighbor, state }: Extract<ToMiniport, { kind: 'neighborQuery' }>): void {
    const context = this.state.find(neighbor);
    if (context === null) return;
    const constant = new NeighborConstantState();
    constant.dlSourceAddress = state.dlSourceAddress;
    constant.vlanId = state.vlanId;
    const cached = new NeighborCachedState(state.dlDestinationAddress);
    cached.hostReachabilityDelta = state.hostReachabilityDelta;
    const delegated = new NeighborDelegatedState();
    delegated.nicReachabilityDelta = state.nicReachabilityDelta;
    const behind = new NeighborOffloadState(constant, cached, delegated);
    const block = new OffloadBlockList(OffloadStateType.NEIGHBOR, context.handle, behind);
    block.status = NdisStatus.SUCCESS;
    this.adapter.offloadEventIndicate(block, OffloadEvent.NEIGHBOR_REACHABILITY_QUERY);
    this.channel.post({ kind: 'neighborAnswer', neighbor, hostReachabilityDelta: cached.hostReachabilityDelta });
  }

  /** Spec/algorithms.md 15; a change of the link is only told, the host decides (TERM-28). */
  private indicateStatus(status: AdapterStatus): void {
    const { adapter } = this;
    switch (status) {
      case 'pause':
        this.paused = true;
        adapter.indicateStatusEx(pauseIndication());
        return;
      case 'uploadAll':
        adapter.indicateStatusEx(uploadAllIndication());
        return;
      case 'resume':
        this.paused = false;
        adapter.indicateStatusEx(resumeIndication(connectionOffload(this.oids.capabilities)));
        for (const root of this.queuedInitiates.splice(0)) this.state.initiate(root);
        return;
      case 'linkUp':
      case 'linkDown':
        adapter.indicateStatusEx(linkStateIndication({ connected: status === 'linkUp', linkSpeed: 0 }));
    }
  }
}

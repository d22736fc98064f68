/** A tiny target and a tiny host stack that record what reaches them, and do exactly what a test says. */
import { expect } from 'vitest';
import {
  type BytesConsumed,
  ChimneyOffloadType,
  CLIENT_GENERIC_HEADER,
  CLIENT_TCP_HEADER,
  type ContractVerifier,
  createVerifier,
  Encapsulation,
  type MiniportAdapter,
  type MiniportDriver,
  type MiniportDriverCharacteristics,
  type MiniportOffloadBlockList,
  Ndis,
  type NdisBinding,
  NdisOffloadHandle,
  NdisStatus,
  NeighborCachedState,
  NeighborConstantState,
  NeighborDelegatedState,
  NeighborOffloadState,
  type NetBufferList,
  newOffload,
  type OffloadBlockList,
  OffloadStateType,
  Oid,
  type OidRequest,
  oidQuery,
  oidSet,
  PathCachedState,
  PathConstantState,
  PathDelegatedState,
  PathOffloadState,
  PROVIDER_GENERIC_HEADER,
  PROVIDER_TCP_HEADER,
  type ProtocolDriver,
  type ProtocolDriverCharacteristics,
  type ProtocolOffloadBlockList,
  RuleViolation,
  type StatusIndication,
  type TaskTcpConnectionOffload,
  type TcpOffloadEventHandlers,
  TcpOffloadState,
  walkBlocks,
} from '../../src/ndis/index.ts';
import { TcpCachedState, TcpConstantState, TcpDelegatedState } from '../../src/tcp/variables.ts';

/** A capability answer that offers everything. */
export const TASK: TaskTcpConnectionOffload = {
  task: 'tcp-connection-offload',
  supportIp4: true,
  supportIp6: true,
  supportIp6ExtensionHeaders: false,
  supportSack: true,
  tcpConnectionOffloadCapacity: 100,
  ticksPerSecond: 1000,
  tcpAckFrequency: 2,
  tcpDelayedAckTicks: 40,
  tcpMaximumRetransmissions: 15,
  tcpDoubtReachabilityRetransmissions: 3,
  tcpSwsPreventionTicks: 200,
  tcpDuplicateAckThreshold: 3,
  tcpPushTicks: 500,
  nceStaleTicks: 30_000,
  tcpFinWait2Ticks: 60_000,
  extensionRevision: 1,
};

export const TASKS = { version: 1, encapsulation: Encapsulation.IEEE_802_3, tasks: [TASK] } as const;
export const NO_TASKS = { version: 1, encapsulation: Encapsulation.IEEE_802_3, tasks: [] } as const;

/** Context of a fake target's object. */
export class FakeContext {
  readonly handle: NdisOffloadHandle | null;

  constructor(handle: NdisOffloadHandle | null) {
    this.handle = handle;
  }
}

/** What arrived at the target. */
export interface DataCall {
  readonly context: object;
  readonly list: NetBufferList;
  readonly flags: number;
}

export class FakeTarget {
  adapter: MiniportAdapter | null = null;
  handlers: TcpOffloadEventHandlers | null = null;
  readonly trees: MiniportOffloadBlockList[] = [];
  readonly calls: DataCall[] = [];
  readonly sent: NetBufferList[] = [];
  readonly returned: NetBufferList[] = [];
  readonly received: NetBufferList[] = [];
  halted = false;
  /** What data functions return. */
  dataStatus: NdisStatus = NdisStatus.PENDING;
  /** Run inside the entry points, for tests that do things there. */
  onState: (root: MiniportOffloadBlockList) => void = () => {};
  onData: (call: DataCall) => void = () => {};
  onOid: (request: OidRequest) => NdisStatus = answerOid;
  onInitialize: (adapter: MiniportAdapter) => void = (adapter) => {
    this.handlers = adapter.getOffloadHandlers(ChimneyOffloadType.TCP).handlers;
  };

  private state(_context: object, root: MiniportOffloadBlockList): void {
    this.trees.push(root);
    this.onState(root);
  }

  private data(context: object, list: NetBufferList, flags: number): NdisStatus {
    const call = { context, list, flags };
    this.calls.push(call);
    this.onData(call);
    return this.dataStatus;
  }

  readonly generic = {
    header: PROVIDER_GENERIC_HEADER,
    initiateOffload: (context: object, root: MiniportOffloadBlockList) => this.state(context, root),
    terminateOffload: (context: object, root: MiniportOffloadBlockList) => this.state(context, root),
    updateOffload: (context: object, root: MiniportOffloadBlockList) => this.state(context, root),
    invalidateOffload: (context: object, root: MiniportOffloadBlockList) => this.state(context, root),
    queryOffload: (context: object, root: MiniportOffloadBlockList) => this.state(context, root),
  };

  readonly tcp = {
    header: PROVIDER_TCP_HEADER,
    offloadType: ChimneyOffloadType.TCP,
    tcpOffloadSend: (_adapter: object, context: object, list: NetBufferList) => this.data(context, list, 0),
    tcpOffloadReceive: (_adapter: object, context: object, list: NetBufferList) => this.data(context, list, 0),
    tcpOffloadDisconnect: (_adapter: object, context: object, list: NetBufferList, flags: number) =>
      this.data(context, list, flags),
    tcpOffloadForward: (_adapter: object, context: object, list: NetBufferList) => this.data(context, list, 0),
    tcpOffloadReceiveReturn: (_adapter: object, list: NetBufferList) => {
      this.received.push(list);
      return NdisStatus.SUCCESS;
    },
  };

  readonly characteristics: MiniportDriverCharacteristics<FakeTarget> = {
    name: 'fake target',
    setOptions: (driver: MiniportDriver<FakeTarget>) => {
      driver.setOptionalHandlers(this.generic);
      driver.setOptionalHandlers(this.tcp);
    },
    initialize: (adapter: MiniportAdapter<FakeTarget>) => {
      adapter.setMiniportAttributes({
        miniportAdapterContext: this,
        macAddress: new Uint8Array([2, 0, 0, 0, 0, 1]),
        mtuSize: 1500,
        defaultConnectionOffload: null,
        hardwareConnectionOffload: null,
      });
      this.adapter = adapter;
      this.onInitialize(adapter);
      return NdisStatus.SUCCESS;
    },
    halt: () => {
      this.halted = true;
    },
    sendNetBufferLists: (_context: object, list: NetBufferList) => {
      this.sent.push(list);
    },
    returnNetBufferLists: (_context: object, list: NetBufferList) => {
      this.returned.push(list);
    },
    oidRequest: (_context: object, request: OidRequest) => this.onOid(request),
  };
}

/** Grants everything. */
export function answerOid(request: OidRequest): NdisStatus {
  if (request.requestType === 'query' && request.oid === Oid.TCP_TASK_OFFLOAD) request.information = TASKS;
  return NdisStatus.SUCCESS;
}

/** Writes SUCCESS into every block, and a context for each new one. */
export function offloadAll(root: MiniportOffloadBlockList): void {
  walkBlocks(root, (block) => {
    block.status = NdisStatus.SUCCESS;
    const slot = block.miniportOffloadContext;
    if (slot !== null) slot.miniportOffloadContext ??= new FakeContext(block.ndisOffloadHandle);
  });
}

/** Writes one status into every block. */
export function setAll(root: MiniportOffloadBlockList, status: NdisStatus): void {
  walkBlocks(root, (block) => {
    block.status = status;
  });
}

export class FakeHost {
  readonly completedTrees: ProtocolOffloadBlockList[] = [];
  readonly completed: { kind: string; list: NetBufferList }[] = [];
  readonly events: { handle: NdisOffloadHandle; type: number; information: number }[] = [];
  readonly offloadEvents: (ProtocolOffloadBlockList | null)[] = [];
  readonly indications: StatusIndication[] = [];
  readonly frames: { list: NetBufferList; count: number; flags: number }[] = [];
  readonly sendCompleted: NetBufferList[] = [];
  readonly oidCompleted: { request: OidRequest; status: NdisStatus }[] = [];
  binding: NdisBinding | null = null;
  onTreeComplete: (root: ProtocolOffloadBlockList) => void = () => {};
  onDataComplete: (list: NetBufferList) => void = () => {};
  onEvent: (handle: NdisOffloadHandle, type: number) => void = () => {};
  onOffloadEvent: (block: ProtocolOffloadBlockList | null) => void = () => {};
  onIndicate: (list: NetBufferList, bytesConsumed: BytesConsumed) => NdisStatus = acceptAll;

  private treeComplete(_context: object, root: ProtocolOffloadBlockList): void {
    this.completedTrees.push(root);
    this.onTreeComplete(root);
  }

  private dataComplete(kind: string, list: NetBufferList): void {
    this.completed.push({ kind, list });
    this.onDataComplete(list);
  }

  readonly generic = {
    header: CLIENT_GENERIC_HEADER,
    initiateOffloadComplete: (context: object, root: ProtocolOffloadBlockList) => this.treeComplete(context, root),
    terminateOffloadComplete: (context: object, root: ProtocolOffloadBlockList) => this.treeComplete(context, root),
    updateOffloadComplete: (context: object, root: ProtocolOffloadBlockList) => this.treeComplete(context, root),
    invalidateOffloadComplete: (context: object, root: ProtocolOffloadBlockList) => this.treeComplete(context, root),
    queryOffloadComplete: (context: object, root: ProtocolOffloadBlockList) => this.treeComplete(context, root),
    indicateOffloadEvent: (_context: object, block: ProtocolOffloadBlockList | null) => {
      this.offloadEvents.push(block);
      this.onOffloadEvent(block);
    },
  };

  readonly tcp = {
    header: CLIENT_TCP_HEADER,
    offloadType: ChimneyOffloadType.TCP,
    tcpOffloadSendComplete: (_context: object, list: NetBufferList) => this.dataComplete('send', list),
    tcpOffloadReceiveComplete: (_context: object, list: NetBufferList) => this.dataComplete('receive', list),
    tcpOffloadDisconnectComplete: (_context: object, list: NetBufferList) => this.dataComplete('disconnect', list),
    tcpOffloadForwardComplete: (_context: object, list: NetBufferList) => this.dataComplete('forward', list),
    tcpOffloadEvent: (handle: NdisOffloadHandle, type: number, information: number) => {
      this.events.push({ handle, type, information });
      this.onEvent(handle, type);
    },
    tcpOffloadReceiveIndicate: (
      _handle: NdisOffloadHandle,
      list: NetBufferList,
      _status: NdisStatus,
      bytesConsumed: BytesConsumed,
    ) => this.onIndicate(list, bytesConsumed),
  };

  readonly characteristics: ProtocolDriverCharacteristics<FakeHost> = {
    name: 'fake host',
    setOptions: (driver: ProtocolDriver<FakeHost>) => {
      driver.setOptionalHandlers(this.generic);
      driver.setOptionalHandlers(this.tcp);
    },
    receiveNetBufferLists: (_context, list, count, flags) => {
      this.frames.push({ list, count, flags });
    },
    sendNetBufferListsComplete: (_context, list) => {
      this.sendCompleted.push(list);
    },
    statusEx: (_context, indication) => {
      this.indications.push(indication);
    },
    oidRequestComplete: (_context, request, status) => {
      this.oidCompleted.push({ request, status });
    },
    unbindAdapter: () => {
      this.binding?.close();
    },
  };
}

/** Accepts an indication whole. */
export function acceptAll(list: NetBufferList, bytesConsumed: BytesConsumed): NdisStatus {
  bytesConsumed.value = list.firstNetBuffer.dataLength;
  return NdisStatus.SUCCESS;
}

/** A host bound to a target, with offload enabled. */
export interface World {
  readonly ndis: Ndis;
  readonly verifier: ContractVerifier;
  readonly target: FakeTarget;
  readonly host: FakeHost;
  readonly adapter: MiniportAdapter;
  readonly binding: NdisBinding;
  readonly handlers: TcpOffloadEventHandlers;
}

/** Brings a world up; `enable` false leaves connection offload off. */
export function createWorld(enable = true, verify = true): World {
  const verifier = createVerifier();
  const ndis = new Ndis({ verifier: verify ? verifier : null });
  const target = new FakeTarget();
  const host = new FakeHost();
  const { adapter } = ndis.registerMiniportDriver(target.characteristics).initializeAdapter('nic0');
  if (adapter === null || target.handlers === null) throw new Error('the fake target did not come up');
  const binding = ndis.registerProtocolDriver(host.characteristics).openAdapter(adapter, host);
  host.binding = binding;
  if (enable) enableOffload(binding);
  return { ndis, verifier, target, host, adapter, binding, handlers: target.handlers };
}

/** Queries and sets OID_TCP_TASK_OFFLOAD. */
export function enableOffload(binding: NdisBinding): void {
  expect(binding.oidRequest(oidQuery(Oid.TCP_TASK_OFFLOAD))).toBe(NdisStatus.SUCCESS);
  expect(binding.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, TASKS))).toBe(NdisStatus.SUCCESS);
}

export function neighborState(): NeighborOffloadState {
  return new NeighborOffloadState(
    new NeighborConstantState(),
    new NeighborCachedState(new Uint8Array([2, 0, 0, 0, 0, 2])),
    new NeighborDelegatedState(),
  );
}

export function pathState(): PathOffloadState {
  return new PathOffloadState(
    new PathConstantState(new Uint8Array([10, 0, 0, 1]), new Uint8Array([10, 0, 0, 2])),
    new PathCachedState(1500),
    new PathDelegatedState(),
  );
}

/** State of an established connection without data. */
export function tcpState(): TcpOffloadState {
  const delegated = new TcpDelegatedState();
  delegated.state = 4;
  return new TcpOffloadState(new TcpConstantState(), new TcpCachedState(), delegated);
}

/** A tree neighbor ▸ path ▸ TCP of new blocks with their handles. */
export class Tree {
  readonly neighborHandle = new NdisOffloadHandle();
  readonly pathHandle = new NdisOffloadHandle();
  readonly tcpHandle = new NdisOffloadHandle();
  readonly neighbor: OffloadBlockList = newOffload(this.neighborHandle, OffloadStateType.NEIGHBOR, neighborState());
  readonly path: OffloadBlockList = newOffload(this.pathHandle, OffloadStateType.IP4, pathState());
  readonly state: TcpOffloadState = tcpState();
  readonly tcp: OffloadBlockList = newOffload(this.tcpHandle, OffloadStateType.TCP, this.state);

  constructor() {
    this.neighbor.dependentBlockList = this.path;
    this.path.dependentBlockList = this.tcp;
  }
}

/** A world in which one connection is offloaded. */
export interface OffloadedWorld extends World {
  readonly tree: Tree;
  /** Handle of the connection. */
  readonly handle: NdisOffloadHandle;
}

/** Offloads a new tree and completes it with success. */
export function offloadTree(world: World, tree: Tree): void {
  world.binding.initiateOffload(tree.neighbor);
  const root = world.target.trees.at(-1) as MiniportOffloadBlockList;
  offloadAll(root);
  world.adapter.initiateOffloadComplete(root);
}

export function createOffloadedWorld(prepare: (tree: Tree) => void = () => {}): OffloadedWorld {
  const world = createWorld();
  const tree = new Tree();
  prepare(tree);
  offloadTree(world, tree);
  return { ...world, tree, handle: tree.tcpHandle };
}

/** Ends an operation on the last tree that the target received. */
export function lastTree(world: World): MiniportOffloadBlockList {
  return world.target.trees.at(-1) as MiniportOffloadBlockList;
}

/** Expects that the call breaks this rule, and no other. */
export function expectRule(rule: string, call: () => unknown): void {
  let caught: unknown = null;
  try {
    call();
  } catch (error) {
    caught = error;
  }
  expect(caught, `${rule} was not reported`).toBeInstanceOf(RuleViolation);
  expect((caught as RuleViolation).message).toMatch(new RegExp(`^${rule}: `));
  expect((caught as RuleViolation).rule).toBe(rule);
}

/** Gives a list the results of a request that moved `bytes`. */
export function finish(list: NetBufferList, status: NdisStatus, bytes = 0): NetBufferList {
  list.status = status;
  list.tcpOffloadBytesTransferred = bytes;
  let left = bytes;
  for (let buffer = list.firstNetBuffer; left > 0; ) {
    const step = Math.min(left, buffer.dataLength);
    buffer.dataLength -= step;
    buffer.currentMdlOffset += step;
    left -= step;
    if (buffer.next === null) break;
    buffer = buffer.next;
  }
  return list;
}

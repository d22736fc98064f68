/** A pass-through intermediate driver, as spec/algorithms.md 14 describes it, between the fake host and the fake target. */
import { describe, expect, it } from 'vitest';
import {
  BytesConsumed,
  blocksOf,
  ChimneyOffloadType,
  CLIENT_GENERIC_HEADER,
  CLIENT_TCP_HEADER,
  createVerifier,
  isOffloaded,
  linker,
  type MiniportAdapter,
  type MiniportOffloadBlockList,
  Ndis,
  type NdisBinding,
  NdisOffloadHandle,
  NdisStatus,
  type NetBufferList,
  netBufferListOf,
  newOffload,
  type OffloadBlockList,
  OffloadEvent,
  OffloadStateType,
  Oid,
  oidQuery,
  oidSet,
  PROVIDER_GENERIC_HEADER,
  PROVIDER_TCP_HEADER,
  type ProtocolOffloadBlockList,
  rebuildForAbove,
  rebuildForBelow,
  type TcpOffloadEventHandlers,
  TcpOffloadEventType,
} from '../../src/ndis/index.ts';
import {
  enableOffload,
  FakeHost,
  FakeTarget,
  finish,
  neighborState,
  offloadAll,
  setAll,
  TASKS,
  Tree,
} from './fakes.ts';

/** IM offload entry: the handle of the driver above and the one shown to the driver below. */
class OffloadEntry {
  readonly upper: NdisOffloadHandle;
  readonly lower = new NdisOffloadHandle(this);

  constructor(upper: NdisOffloadHandle) {
    this.upper = upper;
  }
}

/** IM call entry: what one state operation must restore, for every block (spec/decisions.md 6). */
interface CallEntry {
  readonly saved: ReadonlyMap<
    object,
    { imReserved: unknown; sourceHandle: NdisBinding | null; upper: NdisOffloadHandle | null }
  >;
}

class PassThrough {
  adapter: MiniportAdapter | null = null;
  lower: NdisBinding | null = null;
  handlers: TcpOffloadEventHandlers | null = null;

  /** Down: rebuild the tree and pass it on. */
  private down(root: MiniportOffloadBlockList, pass: (tree: ProtocolOffloadBlockList) => void): void {
    const saved = new Map(
      blocksOf(root).map((block) => [
        block as object,
        { imReserved: block.imReserved, sourceHandle: block.sourceHandle, upper: block.ndisOffloadHandle },
      ]),
    );
    const entry: CallEntry = { saved };
    for (const block of blocksOf(root)) block.imReserved = entry;
    pass(
      rebuildForBelow(root, (block) => {
        const upper = block.ndisOffloadHandle;
        if (upper === null) return null;
        const known = upper.miniportOffloadContext;
        return (known instanceof OffloadEntry ? known : new OffloadEntry(upper)).lower;
      }),
    );
  }

  /** Up: restore, publish new entries, and complete. */
  private up(
    root: ProtocolOffloadBlockList,
    complete: (tree: MiniportOffloadBlockList) => void,
    publish = false,
  ): void {
    const { saved } = root.imReserved as CallEntry;
    const own = new Map(blocksOf(root).map((block) => [block as object, block.offloadHandle]));
    const tree = rebuildForAbove(root, (block) => saved.get(block)?.upper ?? null);
    for (const block of blocksOf(tree)) {
      const before = saved.get(block);
      block.imReserved = before?.imReserved;
      block.sourceHandle = before?.sourceHandle ?? null;
      if (publish && isOffloaded(block.status) && block.miniportOffloadContext !== null) {
        block.miniportOffloadContext.miniportOffloadContext = own.get(block)?.context ?? null;
      }
    }
    complete(tree);
  }

  private get above(): MiniportAdapter {
    return this.adapter as MiniportAdapter;
  }

  private get below(): NdisBinding {
    return this.lower as NdisBinding;
  }

  private get upcalls(): TcpOffloadEventHandlers {
    return this.handlers as TcpOffloadEventHandlers;
  }

  readonly miniport = {
    name: 'pass-through (miniport edge)',
    setOptions: (driver: { setOptionalHandlers(table: never): NdisStatus }) => {
      driver.setOptionalHandlers({
        header: PROVIDER_GENERIC_HEADER,
        initiateOffload: (_c: object, root: MiniportOffloadBlockList) =>
          this.down(root, (t) => this.below.initiateOffload(t)),
        terminateOffload: (_c: object, root: MiniportOffloadBlockList) =>
          this.down(root, (t) => this.below.terminateOffload(t)),
        updateOffload: (_c: object, root: MiniportOffloadBlockList) =>
          this.down(root, (t) => this.below.updateOffload(t)),
        invalidateOffload: (_c: object, root: MiniportOffloadBlockList) =>
          this.down(root, (t) => this.below.invalidateOffload(t)),
        queryOffload: (_c: object, root: MiniportOffloadBlockList) =>
          this.down(root, (t) => this.below.queryOffloadState(t)),
      } as never);
      driver.setOptionalHandlers({
        header: PROVIDER_TCP_HEADER,
        offloadType: ChimneyOffloadType.TCP,
        tcpOffloadSend: (_c: object, entry: OffloadEntry, list: NetBufferList) =>
          this.below.offloadTcpSend(entry.lower, list),
        tcpOffloadReceive: (_c: object, entry: OffloadEntry, list: NetBufferList) =>
          this.below.offloadTcpReceive(entry.lower, list),
        tcpOffloadForward: (_c: object, entry: OffloadEntry, list: NetBufferList) =>
          this.below.offloadTcpForward(entry.lower, list),
        tcpOffloadDisconnect: (_c: object, entry: OffloadEntry, list: NetBufferList, flags: never) =>
          this.below.offloadTcpDisconnect(entry.lower, list, flags),
        tcpOffloadReceiveReturn: (_c: object, list: NetBufferList) => {
          this.below.offloadTcpReceiveReturn(list);
          return NdisStatus.SUCCESS;
        },
      } as never);
    },
    initialize: (adapter: MiniportAdapter<PassThrough>) => {
      adapter.setMiniportAttributes({
        miniportAdapterContext: this,
        macAddress: new Uint8Array(6),
        mtuSize: 1500,
        defaultConnectionOffload: null,
        hardwareConnectionOffload: null,
      });
      this.adapter = adapter;
      this.handlers = adapter.getOffloadHandlers(ChimneyOffloadType.TCP).handlers;
      return NdisStatus.SUCCESS;
    },
    halt: () => {},
    sendNetBufferLists: () => {},
    returnNetBufferLists: () => {},
    oidRequest: (_c: object, request: { requestType: string; oid: number; information: unknown }) => {
      // OID-13, OID-15: capability queries and sets are passed down.
      if (request.oid !== Oid.TCP_TASK_OFFLOAD) return NdisStatus.NOT_SUPPORTED;
      const own =
        request.requestType === 'query' ? oidQuery(Oid.TCP_TASK_OFFLOAD) : oidSet(Oid.TCP_TASK_OFFLOAD, TASKS);
      const status = this.below.oidRequest(own);
      if (own.requestType === 'query') request.information = own.information;
      return status;
    },
  };

  readonly protocol = {
    name: 'pass-through (protocol edge)',
    setOptions: (driver: { setOptionalHandlers(table: never): NdisStatus }) => {
      driver.setOptionalHandlers({
        header: CLIENT_GENERIC_HEADER,
        initiateOffloadComplete: (_c: object, root: ProtocolOffloadBlockList) =>
          this.up(root, (tree) => this.above.initiateOffloadComplete(tree), true),
        terminateOffloadComplete: (_c: object, root: ProtocolOffloadBlockList) =>
          this.up(root, (tree) => this.above.terminateOffloadComplete(tree)),
        updateOffloadComplete: (_c: object, root: ProtocolOffloadBlockList) =>
          this.up(root, (tree) => this.above.updateOffloadComplete(tree)),
        invalidateOffloadComplete: (_c: object, root: ProtocolOffloadBlockList) =>
          this.up(root, (tree) => this.above.invalidateOffloadComplete(tree)),
        queryOffloadComplete: (_c: object, root: ProtocolOffloadBlockList) =>
          this.up(root, (tree) => this.above.queryOffloadStateComplete(tree)),
        indicateOffloadEvent: (_c: object, block: ProtocolOffloadBlockList, code: OffloadEvent) => {
          const lower = block.offloadHandle as NdisOffloadHandle;
          const tree = rebuildForAbove(block, () => (lower.context as OffloadEntry).upper);
          this.above.offloadEventIndicate(tree, code);
          block.offloadHandle = lower;
        },
      } as never);
      driver.setOptionalHandlers({
        header: CLIENT_TCP_HEADER,
        offloadType: ChimneyOffloadType.TCP,
        tcpOffloadSendComplete: (_c: object, list: NetBufferList) =>
          this.upcalls.tcpOffloadSendComplete(this.above, list),
        tcpOffloadReceiveComplete: (_c: object, list: NetBufferList) =>
          this.upcalls.tcpOffloadReceiveComplete(this.above, list),
        tcpOffloadDisconnectComplete: (_c: object, list: NetBufferList) =>
          this.upcalls.tcpOffloadDisconnectComplete(this.above, list),
        tcpOffloadForwardComplete: (_c: object, list: NetBufferList) =>
          this.upcalls.tcpOffloadForwardComplete(this.above, list),
        tcpOffloadEvent: (handle: NdisOffloadHandle, type: TcpOffloadEventType, information: number) =>
          this.upcalls.tcpOffloadEventHandler((handle.context as OffloadEntry).upper, type, information),
        tcpOffloadReceiveIndicate: (
          handle: NdisOffloadHandle,
          list: NetBufferList,
          status: NdisStatus,
          consumed: BytesConsumed,
        ) => this.upcalls.tcpOffloadReceiveHandler((handle.context as OffloadEntry).upper, list, status, consumed),
      } as never);
    },
    receiveNetBufferLists: () => {},
    sendNetBufferListsComplete: () => {},
    statusEx: () => {},
    oidRequestComplete: () => {},
    unbindAdapter: () => {},
  };
}

function createStack() {
  const verifier = createVerifier();
  const ndis = new Ndis({ verifier });
  const target = new FakeTarget();
  const { adapter: nic } = ndis.registerMiniportDriver(target.characteristics).initializeAdapter('nic0');
  const middle = new PassThrough();
  const protocolEdge = ndis.registerProtocolDriver<PassThrough>(middle.protocol);
  middle.lower = protocolEdge.openAdapter(nic as MiniportAdapter, middle);
  const miniportEdge = ndis.registerMiniportDriver<PassThrough>(middle.miniport as never);
  miniportEdge.associateProtocol(protocolEdge);
  const { adapter: virtual } = miniportEdge.initializeAdapter('virtual0');
  const host = new FakeHost();
  const binding = ndis.registerProtocolDriver(host.characteristics).openAdapter(virtual as MiniportAdapter, host);
  enableOffload(binding);
  const handlers = target.handlers as TcpOffloadEventHandlers;
  return { verifier, target, nic: nic as MiniportAdapter, host, binding, handlers };
}

describe('routing through an intermediate driver', () => {
  it('IM-01 … IM-20: a whole life of a connection, the verifier silent on both levels', () => {
    const { verifier, target, nic, host, binding, handlers } = createStack();
    const tree = new Tree();
    const marks = { imReserved: {}, sourceHandle: null };
    tree.path.imReserved = marks.imReserved;
    binding.initiateOffload(tree.neighbor);
    const root = target.trees[0] as OffloadBlockList;
    expect(root).toBe(tree.neighbor);
    const lowerTcp = tree.tcp.offloadHandle as NdisOffloadHandle;
    const lowerNeighbor = tree.neighbor.offloadHandle as NdisOffloadHandle;
    expect(lowerTcp).not.toBe(tree.tcpHandle);
    offloadAll(root);
    nic.initiateOffloadComplete(root);
    expect(host.completedTrees).toEqual([tree.neighbor]);
    expect(tree.tcp.offloadHandle).toBe(tree.tcpHandle);
    expect(tree.path.imReserved).toBe(marks.imReserved);
    expect(tree.tcpHandle.miniportOffloadContext).toBeInstanceOf(OffloadEntry);
    expect(lowerTcp.miniportOffloadContext).not.toBeInstanceOf(OffloadEntry);
    expect(verifier.summary().objects).toBe(6);

    const sent = netBufferListOf(new Uint8Array(10));
    binding.offloadTcpSend(tree.tcpHandle, sent);
    expect(target.calls[0]).toEqual({ context: lowerTcp.miniportOffloadContext, list: sent, flags: 0 });
    handlers.tcpOffloadSendComplete(nic, finish(sent, NdisStatus.SUCCESS, 10));
    expect(host.completed).toEqual([{ kind: 'send', list: sent }]);

    handlers.tcpOffloadEventHandler(lowerTcp, TcpOffloadEventType.SEND_BACKLOG_CHANGE, 5);
    expect(host.events).toEqual([{ handle: tree.tcpHandle, type: 1, information: 5 }]);

    host.onIndicate = (_list, consumed) => {
      consumed.value = 3;
      return NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED;
    };
    const consumed = new BytesConsumed();
    const data = netBufferListOf(new Uint8Array(9));
    const answer = handlers.tcpOffloadReceiveHandler(lowerTcp, data, NdisStatus.SUCCESS, consumed);
    expect([answer, consumed.value]).toEqual([NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED, 3]);

    const query = newOffload(lowerNeighbor, OffloadStateType.NEIGHBOR, neighborState());
    query.miniportOffloadContext = lowerNeighbor;
    query.status = NdisStatus.SUCCESS;
    host.onOffloadEvent = (block) => {
      expect(block?.offloadHandle).toBe(tree.neighborHandle);
    };
    nic.offloadEventIndicate(query, OffloadEvent.NEIGHBOR_REACHABILITY_QUERY);
    expect(host.offloadEvents).toHaveLength(1);
    expect(query.ndisOffloadHandle).toBe(lowerNeighbor);

    const end = linker(tree.neighborHandle, OffloadStateType.NEIGHBOR);
    end.dependentBlockList = linker(tree.pathHandle, OffloadStateType.IP4);
    end.dependentBlockList.dependentBlockList = linker(tree.tcpHandle, OffloadStateType.TCP);
    binding.terminateOffload(end);
    setAll(end, NdisStatus.SUCCESS);
    nic.terminateOffloadComplete(end);
    expect(host.completedTrees.at(-1)).toBe(end);
    expect(tree.tcpHandle.miniportOffloadContext).toBeNull();
    expect(lowerTcp.miniportOffloadContext).toBeNull();
    expect(verifier.summary()).toEqual({ objects: 0, operations: 0, requests: 0, indicated: 0 });
  });
});

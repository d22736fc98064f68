import { describe, expect, it } from 'vitest';
import {
  BytesConsumed,
  ChimneyOffloadType,
  linker,
  linkNetBufferLists,
  type MiniportAdapter,
  Ndis,
  NdisOffloadHandle,
  NdisStatus,
  netBufferListOf,
  newOffload,
  OffloadEvent,
  OffloadStateType,
  pauseIndication,
  ReceiveFlag,
  TcpDisconnectFlag,
  TcpOffloadEventType,
  TcpUploadReason,
} from '../../src/ndis/index.ts';
import {
  createOffloadedWorld,
  createWorld,
  enableOffload,
  expectRule,
  FakeHost,
  FakeTarget,
  finish,
  lastTree,
  neighborState,
  offloadAll,
  offloadTree,
  setAll,
  Tree,
} from './fakes.ts';

describe('state operations', () => {
  it('TREE-19: come back as the tree that went down, in the form of each side', () => {
    const world = createWorld();
    const tree = new Tree();
    expect(world.binding.initiateOffload(tree.neighbor)).toBe(NdisStatus.PENDING);
    const root = lastTree(world);
    expect(root).toBe(tree.neighbor);
    expect(root.miniportOffloadContext).toBe(tree.neighborHandle);
    offloadAll(root);
    world.adapter.initiateOffloadComplete(root);
    expect(world.host.completedTrees).toEqual([tree.neighbor]);
    expect(tree.neighbor.miniportOffloadContext).toBeNull();
    expect(tree.tcpHandle.miniportOffloadContext).not.toBeNull();
  });

  it('reach the five entry points and the five completions', () => {
    const world = createOffloadedWorld();
    const root = linker(world.handle, OffloadStateType.TCP);
    const cycle = (call: () => NdisStatus, complete: (adapter: MiniportAdapter) => void): void => {
      expect(call()).toBe(NdisStatus.PENDING);
      expect(lastTree(world)).toBe(root);
      setAll(lastTree(world), NdisStatus.SUCCESS);
      complete(world.adapter);
      expect(world.host.completedTrees.at(-1)).toBe(root);
    };
    cycle(
      () => world.binding.queryOffloadState(root),
      (adapter) => adapter.queryOffloadStateComplete(root),
    );
    cycle(
      () => world.binding.updateOffload(root),
      (adapter) => adapter.updateOffloadComplete(root),
    );
    cycle(
      () => world.binding.invalidateOffload(root),
      (adapter) => adapter.invalidateOffloadComplete(root),
    );
    cycle(
      () => world.binding.terminateOffload(root),
      (adapter) => adapter.terminateOffloadComplete(root),
    );
    expect(world.host.completedTrees).toHaveLength(5);
  });

  it('spec/decisions.md 25: empty the handle when a terminate succeeded, and only then', () => {
    const world = createOffloadedWorld();
    const root = linker(world.handle, OffloadStateType.TCP);
    let seen: object | null = world;
    world.host.onTreeComplete = () => {
      seen = world.handle.miniportOffloadContext;
    };
    world.binding.terminateOffload(root);
    setAll(root, NdisStatus.FAILURE);
    world.adapter.terminateOffloadComplete(root);
    expect(seen).not.toBeNull();
    world.binding.terminateOffload(root);
    setAll(root, NdisStatus.SUCCESS);
    world.adapter.terminateOffloadComplete(root);
    expect(seen).toBeNull();
    expect(world.handle.ndisReserved).toBeNull();
  });

  it('REG-08: do not pass when a driver registered no chimney functions, and change nothing', () => {
    const ndis = new Ndis();
    const target = new FakeTarget();
    const host = new FakeHost();
    const { adapter } = ndis
      .registerMiniportDriver({ ...target.characteristics, setOptions: () => {} })
      .initializeAdapter('plain');
    const binding = ndis.registerProtocolDriver(host.characteristics).openAdapter(adapter as MiniportAdapter, host);
    enableOffload(binding);
    expect(binding.chimneyEnabled).toBe(false);
    const tree = new Tree();
    expect(binding.initiateOffload(tree.neighbor)).toBe(NdisStatus.NOT_SUPPORTED);
    expect(binding.terminateOffload(tree.neighbor)).toBe(NdisStatus.NOT_SUPPORTED);
    expect(target.trees).toEqual([]);
    expect(tree.tcpHandle.ndisReserved).toBeNull();
  });

  it('REG-08: do not pass an intermediate driver whose protocol edge registered nothing', () => {
    const ndis = new Ndis();
    const target = new FakeTarget();
    const edge = ndis.registerProtocolDriver({ ...new FakeHost().characteristics, setOptions: () => {} });
    const driver = ndis.registerMiniportDriver(target.characteristics);
    driver.associateProtocol(edge);
    const { adapter } = driver.initializeAdapter('virtual');
    const host = new FakeHost();
    const binding = ndis.registerProtocolDriver(host.characteristics).openAdapter(adapter as MiniportAdapter, host);
    enableOffload(binding);
    expect(binding.initiateOffload(new Tree().neighbor)).toBe(NdisStatus.NOT_SUPPORTED);
    const registered = ndis.registerProtocolDriver(new FakeHost().characteristics);
    driver.associateProtocol(registered);
    enableOffload(binding);
    expect(binding.initiateOffload(new Tree().neighbor)).toBe(NdisStatus.PENDING);
  });

  it('are refused while connection offload is not enabled', () => {
    const world = createWorld(false, false);
    expect(world.binding.initiateOffload(new Tree().neighbor)).toBe(NdisStatus.NOT_SUPPORTED);
  });
});

describe('data requests', () => {
  it('IM-14: name the context value to the target, and keep the list', () => {
    const world = createOffloadedWorld();
    const context = world.handle.miniportOffloadContext;
    const lists = [1, 2, 3, 40].map((size) => netBufferListOf(new Uint8Array(size)));
    const [send, receive, , forward] = lists as [never, never, never, never];
    const segment = netBufferListOf(new Uint8Array(20).fill(0x50));
    expect(world.binding.offloadTcpSend(world.handle, send)).toBe(NdisStatus.PENDING);
    expect(world.binding.offloadTcpReceive(world.handle, receive)).toBe(NdisStatus.PENDING);
    expect(world.binding.offloadTcpForward(world.handle, segment)).toBe(NdisStatus.PENDING);
    const close = netBufferListOf([]);
    const flags = TcpDisconnectFlag.GRACEFUL_CLOSE;
    expect(world.binding.offloadTcpDisconnect(world.handle, close, flags)).toBe(NdisStatus.PENDING);
    expect(world.target.calls).toEqual([
      { context, list: send, flags: 0 },
      { context, list: receive, flags: 0 },
      { context, list: segment, flags: 0 },
      { context, list: close, flags },
    ]);
    expect(forward).toBeDefined();
    world.handlers.tcpOffloadSendComplete(world.adapter, finish(send, NdisStatus.SUCCESS, 1));
    world.handlers.tcpOffloadReceiveComplete(world.adapter, finish(receive, NdisStatus.SUCCESS, 2));
    world.handlers.tcpOffloadForwardComplete(world.adapter, finish(segment, NdisStatus.SUCCESS));
    world.handlers.tcpOffloadDisconnectComplete(world.adapter, finish(close, NdisStatus.SUCCESS));
    expect(world.host.completed.map(({ kind }) => kind)).toEqual(['send', 'receive', 'forward', 'disconnect']);
    expect(world.verifier.summary().requests).toBe(0);
  });

  it('INIT-07: are refused by NDIS itself when the handle names nothing, with or without verifier', () => {
    const world = createWorld(true, false);
    const list = netBufferListOf(new Uint8Array(1));
    expectRule('INIT-07', () => world.binding.offloadTcpSend(new NdisOffloadHandle(), list));
  });

  it('RECV-45: receive-return is synchronous', () => {
    const world = createOffloadedWorld();
    const list = netBufferListOf(new Uint8Array(4));
    const consumed = new BytesConsumed();
    const { tcpOffloadReceiveHandler } = world.handlers;
    expect(tcpOffloadReceiveHandler(world.handle, list, NdisStatus.SUCCESS, consumed)).toBe(NdisStatus.SUCCESS);
    expect(consumed.value).toBe(4);
    world.binding.offloadTcpReceiveReturn(list);
    expect(world.target.received).toEqual([list]);
  });
});

describe('indications', () => {
  it('CTX-08: reach the driver that owns the handle', () => {
    const world = createOffloadedWorld();
    world.handlers.tcpOffloadEventHandler(world.handle, TcpOffloadEventType.RETRIEVE, TcpUploadReason.UPLOAD_REQUESTED);
    expect(world.host.events).toEqual([{ handle: world.handle, type: 3, information: 10 }]);
  });

  it('CTX-08: are refused for a handle that was never offloaded, without verifier too', () => {
    const world = createWorld(true, false);
    expectRule('CTX-08', () =>
      world.handlers.tcpOffloadEventHandler(new NdisOffloadHandle(), TcpOffloadEventType.ABORT, 0),
    );
  });

  it('NBR-11: the neighbor event brings the answer of the host back in the block', () => {
    const world = createOffloadedWorld();
    const state = neighborState();
    const block = newOffload(world.tree.neighborHandle, OffloadStateType.NEIGHBOR, state);
    block.status = NdisStatus.SUCCESS;
    block.miniportOffloadContext = block.offloadHandle;
    world.host.onOffloadEvent = (upper) => {
      expect(upper?.offloadHandle).toBe(world.tree.neighborHandle);
      if (state.cached !== null) state.cached.hostReachabilityDelta = 25;
    };
    world.adapter.offloadEventIndicate(block, OffloadEvent.NEIGHBOR_REACHABILITY_QUERY);
    expect(state.cached?.hostReachabilityDelta).toBe(25);
    expect(block.status).toBe(NdisStatus.SUCCESS);
    expect(block.miniportOffloadContext).toBe(world.tree.neighborHandle);
  });

  it('EVT-12: status indications reach every protocol bound to the adapter', () => {
    const world = createWorld();
    const other = new FakeHost();
    world.ndis.registerProtocolDriver(other.characteristics).openAdapter(world.adapter, other);
    const indication = pauseIndication();
    world.adapter.indicateStatusEx(indication);
    expect(world.host.indications).toEqual([indication]);
    expect(other.indications).toEqual([indication]);
    expect(indication.sourceHandle).toBe(world.adapter);
  });
});

describe('offload handlers', () => {
  it('REG-10: exist for TCP only', () => {
    const target = new FakeTarget();
    const results: NdisStatus[] = [];
    target.onInitialize = (adapter) => {
      const { RDMA, IPSEC, TCP } = ChimneyOffloadType;
      for (const type of [RDMA, IPSEC, TCP]) {
        const { status, handlers } = adapter.getOffloadHandlers(type);
        expect(handlers === null).toBe(status !== NdisStatus.SUCCESS);
        results.push(status);
      }
    };
    new Ndis().registerMiniportDriver(target.characteristics).initializeAdapter('nic0');
    expect(results).toEqual([NdisStatus.NOT_SUPPORTED, NdisStatus.NOT_SUPPORTED, NdisStatus.SUCCESS]);
  });

  it('REG-11, REG-12: are six functions behind a header with the chimney type', () => {
    const { handlers } = createWorld();
    const { header, ...functions } = handlers;
    expect(header).toEqual({ type: ChimneyOffloadType.TCP, revision: 1, size: 0x38 });
    expect(Object.values(functions).map((each) => typeof each)).toEqual(Array(6).fill('function'));
  });

  it('REG-15: a completion on an adapter without offload is refused, without verifier too', () => {
    const world = createWorld(false, false);
    const list = netBufferListOf(new Uint8Array(1));
    expectRule('REG-15', () => world.handlers.tcpOffloadSendComplete(world.adapter, list));
    expectRule('REG-15', () => world.adapter.initiateOffloadComplete(new Tree().neighbor));
    expectRule('REG-15', () => world.adapter.offloadEventIndicate(null, OffloadEvent.NEIGHBOR_REACHABILITY_QUERY));
  });
});

describe('the ordinary path', () => {
  it('sends and completes to the binding that sent', () => {
    const world = createWorld();
    const other = new FakeHost();
    const second = world.ndis.registerProtocolDriver(other.characteristics).openAdapter(world.adapter, other);
    const lists = [1, 2, 3, 4].map((size) => netBufferListOf(new Uint8Array(size)));
    const [a, b, c, d] = lists as [never, never, never, never];
    world.binding.sendNetBufferLists(a);
    second.sendNetBufferLists(linkNetBufferLists([b, c]) as never);
    world.binding.sendNetBufferLists(d);
    expect(world.target.sent).toEqual([a, b, d]);
    world.adapter.sendNetBufferListsComplete(linkNetBufferLists([a, b, c, d]) as never);
    expect(world.host.sendCompleted).toEqual([a, d]);
    expect(other.sendCompleted).toEqual([b]);
    expect((b as { next: unknown }).next).toBe(c);
  });

  it('hands frames up to be kept by one protocol, and lends them to the others', () => {
    const world = createWorld();
    const other = new FakeHost();
    const second = world.ndis.registerProtocolDriver(other.characteristics).openAdapter(world.adapter, other);
    const frame = netBufferListOf(new Uint8Array(60));
    world.adapter.indicateReceiveNetBufferLists(frame, 1);
    expect(world.host.frames).toEqual([{ list: frame, count: 1, flags: ReceiveFlag.RESOURCES }]);
    expect(other.frames).toEqual([{ list: frame, count: 1, flags: 0 }]);
    second.returnNetBufferLists(frame);
    expect(world.target.returned).toEqual([frame]);
  });

  it('gives frames back at once when nobody is bound', () => {
    const world = createWorld();
    world.binding.close();
    const frame = netBufferListOf(new Uint8Array(60));
    world.adapter.indicateReceiveNetBufferLists(frame, 1);
    world.adapter.indicateReceiveNetBufferLists(frame, 1, ReceiveFlag.RESOURCES);
    expect(world.target.returned).toEqual([frame]);
  });
});

describe('adapters and bindings', () => {
  it('are closed before the adapter halts', () => {
    const world = createWorld();
    world.adapter.halt();
    expect(world.binding.closed).toBe(true);
    expect(world.target.halted).toBe(true);
    expect(world.adapter.bindings).toEqual([]);
    world.adapter.halt();
    expect(() =>
      world.ndis.registerProtocolDriver(world.host.characteristics).openAdapter(world.adapter, world.host),
    ).toThrow(/halted/);
  });

  it('do not halt under a protocol that keeps its binding', () => {
    const world = createWorld();
    world.host.binding = null;
    expect(() => world.adapter.halt()).toThrow(/did not close/);
  });

  it('do not exist when the driver could not initialize them', () => {
    const target = new FakeTarget();
    const ndis = new Ndis();
    const failing = { ...target.characteristics, initialize: () => NdisStatus.RESOURCES };
    expect(ndis.registerMiniportDriver(failing).initializeAdapter('nic0')).toEqual({
      status: NdisStatus.RESOURCES,
      adapter: null,
    });
    const silent = { ...target.characteristics, initialize: () => NdisStatus.SUCCESS };
    expect(() => ndis.registerMiniportDriver(silent).initializeAdapter('nic0')).toThrow(/setMiniportAttributes/);
  });

  it('give their drivers what was configured and what was set', () => {
    const target = new FakeTarget();
    const driver = new Ndis().registerMiniportDriver(target.characteristics);
    const { adapter } = driver.initializeAdapter('nic0', { tap: 3 });
    expect(adapter?.configuration).toEqual({ tap: 3 });
    expect(adapter?.mtuSize).toBe(1500);
    expect([...(adapter?.macAddress ?? [])]).toEqual([2, 0, 0, 0, 0, 1]);
    expect(adapter?.miniportAdapterContext).toBe(target);
    expect(driver.adapters).toEqual([adapter]);
  });

  it('leave nothing behind after a whole life', () => {
    const world = createOffloadedWorld();
    const { tree } = world;
    const neighbor = linker(tree.neighborHandle, OffloadStateType.NEIGHBOR);
    neighbor.dependentBlockList = linker(tree.pathHandle, OffloadStateType.IP4);
    neighbor.dependentBlockList.dependentBlockList = linker(tree.tcpHandle, OffloadStateType.TCP);
    world.binding.terminateOffload(neighbor);
    setAll(neighbor, NdisStatus.SUCCESS);
    world.adapter.terminateOffloadComplete(neighbor);
    expect(world.verifier.summary()).toEqual({ objects: 0, operations: 0, requests: 0, indicated: 0 });
    offloadTree(world, tree);
    expect(world.verifier.summary().objects).toBe(3);
  });
});

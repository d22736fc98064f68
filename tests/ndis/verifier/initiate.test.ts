import { describe, expect, it } from 'vitest';
import {
  BytesConsumed,
  linker,
  linkNetBufferLists,
  Mdl,
  NdisOffloadHandle,
  NdisStatus,
  NetBuffer,
  type NetBufferList,
  netBufferListOf,
  newOffload,
  OffloadStateType,
  TcpDisconnectFlag,
  TcpOffloadEventType,
} from '../../../src/ndis/index.ts';
import { TcpState } from '../../../src/tcp/state.ts';
import {
  createOffloadedWorld,
  createWorld,
  expectRule,
  finish,
  offloadAll,
  offloadTree,
  setAll,
  Tree,
  tcpState,
} from '../fakes.ts';

/** Gives the connection of a tree outstanding send data, SND.UNA at its start. */
function withSendData(tree: Tree, sizes: readonly number[], sent = 0): NetBufferList[] {
  const lists = sizes.map((size) => netBufferListOf(new Uint8Array(size)));
  tree.tcp.netBufferListChain = linkNetBufferLists(lists);
  tree.state.sendDataHead = lists[0] ?? null;
  tree.state.sendDataTail = lists.at(-1) ?? null;
  if (tree.state.delegated !== null) {
    tree.state.delegated.sndNxt = sent;
    tree.state.delegated.sndMax = sent;
  }
  return lists;
}

describe('initiate rules', () => {
  it('INIT-01: completes after the call down has returned', () => {
    const world = createWorld();
    world.target.onState = (root) => {
      offloadAll(root);
      world.adapter.initiateOffloadComplete(root);
    };
    expectRule('INIT-01', () => world.binding.initiateOffload(new Tree().neighbor));
    offloadTree(createWorld(), new Tree());
  });

  it('INIT-02: only connections in the six states are offloaded', () => {
    for (const [name, state] of Object.entries(TcpState)) {
      const world = createWorld();
      const tree = new Tree();
      if (tree.state.delegated !== null) tree.state.delegated.state = state;
      const call = (): NdisStatus => world.binding.initiateOffload(tree.neighbor);
      if (state >= TcpState.ESTABLISHED && state <= TcpState.LAST_ACK)
        expect([name, call()]).toEqual([name, NdisStatus.PENDING]);
      else expectRule('INIT-02', call);
    }
  });

  it('INIT-05: an object that is being offloaded is not offloaded again', () => {
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    const second = new Tree();
    second.neighbor.offloadHandle = tree.neighborHandle;
    expectRule('INIT-05', () => world.binding.initiateOffload(second.neighbor));
    // INIT-06: other objects may be offloaded meanwhile.
    expect(world.binding.initiateOffload(new Tree().neighbor)).toBe(NdisStatus.PENDING);
  });

  it('INIT-07: nothing is asked of an object before its initiate completed', () => {
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    const { binding } = world;
    const handle = tree.tcpHandle;
    const list = (): NetBufferList => netBufferListOf(new Uint8Array(20));
    expectRule('INIT-07', () => binding.offloadTcpSend(handle, list()));
    expectRule('INIT-07', () => binding.offloadTcpReceive(handle, list()));
    expectRule('INIT-07', () => binding.offloadTcpForward(handle, list()));
    expectRule('INIT-07', () => binding.offloadTcpDisconnect(handle, list(), TcpDisconnectFlag.GRACEFUL_CLOSE));
    const root = linker(handle, OffloadStateType.TCP);
    expectRule('INIT-07', () => binding.queryOffloadState(root));
    expectRule('INIT-07', () => binding.updateOffload(root));
    expectRule('INIT-07', () => binding.invalidateOffload(root));
    expectRule('INIT-07', () => binding.terminateOffload(root));
    expectRule('INIT-07', () => binding.offloadTcpSend(new NdisOffloadHandle(), list()));
    offloadAll(tree.neighbor);
    world.adapter.initiateOffloadComplete(tree.neighbor);
    expect(binding.offloadTcpSend(handle, list())).toBe(NdisStatus.PENDING);
  });

  it('INIT-09: data is indicated after the completion call has returned', () => {
    const world = createWorld();
    const tree = new Tree();
    const indicate = (): unknown =>
      world.handlers.tcpOffloadReceiveHandler(
        tree.tcpHandle,
        netBufferListOf(new Uint8Array(1)),
        NdisStatus.SUCCESS,
        new BytesConsumed(),
      );
    world.binding.initiateOffload(tree.neighbor);
    expectRule('INIT-09', indicate);
    offloadAll(tree.neighbor);
    let inside = 0;
    world.host.onTreeComplete = () => {
      expectRule('INIT-09', indicate);
      inside++;
    };
    world.adapter.initiateOffloadComplete(tree.neighbor);
    expect(inside).toBe(1);
    expect(indicate()).toBe(NdisStatus.SUCCESS);
  });

  it('INIT-10: no event of a connection during its initiate', () => {
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    const abort = (): void => world.handlers.tcpOffloadEventHandler(tree.tcpHandle, TcpOffloadEventType.ABORT, 0);
    expectRule('INIT-10', abort);
    offloadAll(tree.neighbor);
    world.adapter.initiateOffloadComplete(tree.neighbor);
    abort();
  });

  describe('failure statuses', () => {
    /** Fails one block of a tree and completes it. */
    function failWith(
      layer: 'neighbor' | 'path' | 'tcp',
      status: NdisStatus,
      prepare: (tree: Tree) => void = () => {},
    ) {
      const world = createWorld();
      const tree = new Tree();
      prepare(tree);
      world.binding.initiateOffload(tree.neighbor);
      if (layer === 'tcp') {
        offloadAll(tree.neighbor);
        tree.tcpHandle.miniportOffloadContext = null;
        tree.path.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
      } else {
        setAll(tree.neighbor, NdisStatus.FAILURE);
        if (layer === 'path') {
          tree.neighborHandle.miniportOffloadContext = {};
          tree.neighbor.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
        }
      }
      tree[layer].status = status;
      return () => world.adapter.initiateOffloadComplete(tree.neighbor);
    }

    function ownAddress(tree: Tree): void {
      const state = tree.neighbor.state;
      if (state?.kind === 'neighbor' && state.constant !== null) {
        state.constant.dlSourceAddress = new Uint8Array(6);
        state.constant.vlanId = 5;
      }
    }

    it('INIT-11: are among those that an initiate has', () => {
      expectRule('INIT-11', failWith('tcp', NdisStatus.UPLOAD_IN_PROGRESS));
      for (const status of [NdisStatus.FAILURE, NdisStatus.RESOURCES]) failWith('tcp', status)();
    });

    const cases = [
      ['INIT-13', NdisStatus.OFFLOAD_TCP_ENTRIES, 'tcp', 'path'],
      ['INIT-14', NdisStatus.OFFLOAD_PATH_ENTRIES, 'path', 'tcp'],
      ['INIT-15', NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES, 'neighbor', 'tcp'],
      ['INIT-16', NdisStatus.OFFLOAD_HW_ADDRESS_ENTRIES, 'neighbor', 'path'],
      ['INIT-17', NdisStatus.OFFLOAD_IP_ADDRESS_ENTRIES, 'path', 'neighbor'],
      ['INIT-18', NdisStatus.OFFLOAD_TCP_XMIT_BUFFER, 'tcp', 'neighbor'],
      ['INIT-19', NdisStatus.OFFLOAD_TCP_RCV_BUFFER, 'tcp', 'path'],
      ['INIT-20', NdisStatus.OFFLOAD_TCP_RCV_WINDOW, 'tcp', 'path'],
      ['INIT-21', NdisStatus.OFFLOAD_PATH_MTU, 'path', 'tcp'],
      ['INIT-22', NdisStatus.OFFLOAD_CONNECTION_REJECTED, 'tcp', 'path'],
      ['VLAN-03', NdisStatus.OFFLOAD_VLAN_ENTRIES, 'neighbor', 'path'],
      ['VLAN-07', NdisStatus.OFFLOAD_VLAN_MISMATCH, 'neighbor', 'tcp'],
    ] as const;
    for (const [rule, status, right, wrong] of cases) {
      it(`${rule}: belong to the layer that lacks something (${right})`, () => {
        expectRule(rule, failWith(wrong, status, ownAddress));
        failWith(right, status, ownAddress)();
      });
    }

    it('INIT-16, VLAN-05: only for what the neighbor asks for', () => {
      expectRule('INIT-16', failWith('neighbor', NdisStatus.OFFLOAD_HW_ADDRESS_ENTRIES));
      expectRule('VLAN-05', failWith('neighbor', NdisStatus.OFFLOAD_VLAN_MISMATCH));
    });
  });

  it('INIT-23: the send data of a failed block is left alone', () => {
    const failed = (change: (lists: NetBufferList[]) => void): (() => void) => {
      const world = createWorld();
      const tree = new Tree();
      const lists = withSendData(tree, [10, 10], 20);
      world.binding.initiateOffload(tree.neighbor);
      offloadAll(tree.neighbor);
      tree.tcpHandle.miniportOffloadContext = null;
      tree.tcp.status = NdisStatus.OFFLOAD_TCP_ENTRIES;
      tree.path.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
      change(lists);
      return () => {
        world.adapter.initiateOffloadComplete(tree.neighbor);
        expect(world.verifier.summary().requests).toBe(0);
      };
    };
    expectRule(
      'INIT-23',
      failed(([list]) => {
        if (list !== undefined) list.status = NdisStatus.FAILURE;
      }),
    );
    failed(() => {})();
    const world = createWorld();
    const tree = new Tree();
    const lists = withSendData(tree, [10, 10], 20);
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    const [first] = lists as [NetBufferList, NetBufferList];
    first.next = null;
    world.handlers.tcpOffloadSendComplete(world.adapter, finish(first, NdisStatus.SUCCESS, 10));
    first.next = lists[1] ?? null;
    tree.tcpHandle.miniportOffloadContext = null;
    tree.tcp.status = NdisStatus.OFFLOAD_TCP_ENTRIES;
    tree.path.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
    expectRule('INIT-23', () => world.adapter.initiateOffloadComplete(tree.neighbor));
  });

  it('INIT-24: send data comes as lists of one buffer, with head and tail', () => {
    const initiate = (change: (tree: Tree, lists: NetBufferList[]) => void): (() => unknown) => {
      const world = createWorld();
      const tree = new Tree();
      change(tree, withSendData(tree, [10, 10], 5));
      return () => world.binding.initiateOffload(tree.neighbor);
    };
    expectRule(
      'INIT-24',
      initiate((_tree, [list]) => {
        if (list !== undefined) list.firstNetBuffer.next = new NetBuffer(new Mdl(new Uint8Array(1)));
      }),
    );
    expectRule(
      'INIT-24',
      initiate((tree) => {
        tree.state.sendDataTail = tree.state.sendDataHead;
      }),
    );
    expectRule(
      'INIT-24',
      initiate((tree) => {
        tree.path.netBufferListChain = netBufferListOf(new Uint8Array(1));
      }),
    );
    initiate(() => {})();
    initiate((tree) => {
      // STATE-21: without a chain the two members do not matter.
      withSendData(tree, []);
      tree.state.sendDataHead = netBufferListOf(new Uint8Array(1));
    })();
  });

  it('SEND-21: SND.UNA ≤ SND.NXT ≤ SND.MAX lie in the chain, also across the wrap', () => {
    const initiate = (una: number, nxt: number, max: number): (() => unknown) => {
      const world = createWorld();
      const tree = new Tree();
      withSendData(tree, [600, 800, 600]);
      Object.assign(tree.state.delegated as object, { sndUna: una | 0, sndNxt: nxt | 0, sndMax: max | 0 });
      return () => world.binding.initiateOffload(tree.neighbor);
    };
    expectRule('SEND-21', initiate(0, 1601, 1600));
    expectRule('SEND-21', initiate(0, -1, 1600));
    expectRule('SEND-21', initiate(0, 1000, 2002));
    initiate(0, 1000, 1600)();
    initiate(0xfffffe00, 0xfffffe00 + 1000, 0xfffffe00 + 1600)();
    initiate(0, 2001, 2001)();
  });

  it('SEND-22: handed-over send data is completed like any other send', () => {
    const world = createWorld();
    const tree = new Tree();
    const lists = withSendData(tree, [10, 10], 20);
    offloadTree(world, tree);
    for (const list of lists) finish(list, NdisStatus.SUCCESS, 10);
    world.handlers.tcpOffloadSendComplete(world.adapter, lists[0] as NetBufferList);
    expect(world.host.completed).toHaveLength(1);
    expect(world.verifier.summary().requests).toBe(0);
  });

  it('NBR-04: a neighbor is offloaded with equal deltas', () => {
    const world = createWorld();
    const tree = new Tree();
    const state = tree.neighbor.state;
    if (state?.kind === 'neighbor' && state.cached !== null) state.cached.hostReachabilityDelta = 7;
    expectRule('NBR-04', () => world.binding.initiateOffload(tree.neighbor));
    if (state?.kind === 'neighbor' && state.delegated !== null) state.delegated.nicReachabilityDelta = 7;
    expect(world.binding.initiateOffload(tree.neighbor)).toBe(NdisStatus.PENDING);
  });

  it('RECV-44: buffered data waits for a receive request', () => {
    const world = createOffloadedWorld((tree) => {
      tree.state.bufferedData = netBufferListOf(new Uint8Array(8));
    });
    const indicate = (): unknown =>
      world.handlers.tcpOffloadReceiveHandler(
        world.handle,
        netBufferListOf(new Uint8Array(3)),
        NdisStatus.SUCCESS,
        new BytesConsumed(),
      );
    expectRule('RECV-44', indicate);
    const request = netBufferListOf(new Uint8Array(5));
    world.binding.offloadTcpReceive(world.handle, request);
    world.handlers.tcpOffloadReceiveComplete(world.adapter, finish(request, NdisStatus.SUCCESS, 5));
    expect(indicate()).toBe(NdisStatus.SUCCESS);
  });

  it('a new connection can be offloaded below a known path', () => {
    const world = createOffloadedWorld();
    const root = linker(world.tree.pathHandle, OffloadStateType.IP4);
    root.dependentBlockList = newOffload(new NdisOffloadHandle(), OffloadStateType.TCP, tcpState());
    world.binding.initiateOffload(root);
    offloadAll(root);
    world.adapter.initiateOffloadComplete(root);
    expect(world.verifier.summary().objects).toBe(4);
  });
});

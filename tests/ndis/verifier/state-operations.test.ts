import { describe, expect, it } from 'vitest';
import {
  BytesConsumed,
  linker,
  linkNetBufferLists,
  type MiniportOffloadBlockList,
  NdisOffloadHandle,
  NdisStatus,
  NeighborCachedState,
  NeighborDelegatedState,
  NeighborOffloadState,
  type NetBufferList,
  netBufferListOf,
  newOffload,
  OffloadStateType,
  TcpDisconnectFlag,
  TcpOffloadEventType,
  TcpOffloadState,
  TcpUploadReason,
} from '../../../src/ndis/index.ts';
import { TcpCachedState, TcpConstantState, TcpDelegatedState } from '../../../src/tcp/variables.ts';
import {
  createOffloadedWorld,
  expectRule,
  finish,
  neighborState,
  type OffloadedWorld,
  offloadAll,
  pathState,
  setAll,
  tcpState,
} from '../fakes.ts';

function delegatedOnly(): TcpOffloadState {
  return new TcpOffloadState(null, null, new TcpDelegatedState());
}

/** Starts a terminate of the connection, with delegated state to fill. */
function terminate(world: OffloadedWorld): MiniportOffloadBlockList {
  const root = newOffload(world.handle, OffloadStateType.TCP_DELEGATED, delegatedOnly());
  expect(world.binding.terminateOffload(root)).toBe(NdisStatus.PENDING);
  setAll(root, NdisStatus.SUCCESS);
  return root;
}

function send(world: OffloadedWorld, size = 10): NetBufferList {
  const list = netBufferListOf(new Uint8Array(size));
  world.binding.offloadTcpSend(world.handle, list);
  return list;
}

describe('query, update and invalidate rules', () => {
  it('QRY-01, UPD-01, INV-01, TERM-01: completions come after the call down has returned', () => {
    const world = createOffloadedWorld();
    const { adapter, binding } = world;
    const inCall = (complete: (root: MiniportOffloadBlockList) => void): void => {
      world.target.onState = (root) => {
        setAll(root, NdisStatus.SUCCESS);
        complete(root);
      };
    };
    const block = () => linker(createdHandle(), OffloadStateType.TCP);
    const createdHandle = (): NdisOffloadHandle => world.handle;
    inCall((root) => adapter.queryOffloadStateComplete(root));
    expectRule('QRY-01', () => binding.queryOffloadState(block()));
    inCall((root) => adapter.updateOffloadComplete(root));
    expectRule('UPD-01', () => binding.updateOffload(block()));
    const other = createOffloadedWorld();
    other.target.onState = (root) => {
      setAll(root, NdisStatus.SUCCESS);
      other.adapter.invalidateOffloadComplete(root);
    };
    expectRule('INV-01', () => other.binding.invalidateOffload(linker(other.handle, OffloadStateType.TCP)));
    const third = createOffloadedWorld();
    third.target.onState = (root) => {
      setAll(root, NdisStatus.SUCCESS);
      third.adapter.terminateOffloadComplete(root);
    };
    expectRule('TERM-01', () => third.binding.terminateOffload(linker(third.handle, OffloadStateType.TCP)));
  });

  it('QRY-04: several queries of one object may be outstanding', () => {
    const world = createOffloadedWorld();
    const one = newOffload(world.handle, OffloadStateType.TCP, tcpState());
    const two = newOffload(world.handle, OffloadStateType.TCP_DELEGATED, delegatedOnly());
    for (const root of [one, two]) world.binding.queryOffloadState(root);
    for (const root of [two, one]) {
      setAll(root, NdisStatus.SUCCESS);
      world.adapter.queryOffloadStateComplete(root);
    }
    expect(world.verifier.summary().operations).toBe(0);
  });

  it('UPD-02: an update carries cached variables only', () => {
    const world = createOffloadedWorld();
    expectRule('UPD-02', () =>
      world.binding.updateOffload(newOffload(world.handle, OffloadStateType.TCP_DELEGATED, delegatedOnly())),
    );
    expectRule('UPD-02', () =>
      world.binding.updateOffload(
        newOffload(world.handle, OffloadStateType.TCP_CONST, new TcpOffloadState(new TcpConstantState(), null, null)),
      ),
    );
    const cached = new TcpOffloadState(null, new TcpCachedState(), null);
    expect(world.binding.updateOffload(newOffload(world.handle, OffloadStateType.TCP_CACHED, cached))).toBe(
      NdisStatus.PENDING,
    );
  });

  it('UPD-03: an invalidated object is not updated', () => {
    const world = createOffloadedWorld();
    const root = linker(world.tree.neighborHandle, OffloadStateType.NEIGHBOR);
    world.binding.invalidateOffload(root);
    setAll(root, NdisStatus.SUCCESS);
    world.adapter.invalidateOffloadComplete(root);
    const cached = new NeighborOffloadState(null, new NeighborCachedState(new Uint8Array(6)), null);
    expectRule('UPD-03', () =>
      world.binding.updateOffload(newOffload(world.tree.neighborHandle, OffloadStateType.NEIGHBOR_CACHED, cached)),
    );
    expect(world.binding.updateOffload(linker(world.tree.pathHandle, OffloadStateType.IP4))).toBe(NdisStatus.PENDING);
  });

  it('UPD-04: one update of an object at a time; UPD-05: several of different ones', () => {
    const world = createOffloadedWorld();
    const root = linker(world.handle, OffloadStateType.TCP);
    world.binding.updateOffload(root);
    expectRule('UPD-04', () => world.binding.updateOffload(linker(world.handle, OffloadStateType.TCP)));
    world.binding.updateOffload(linker(world.tree.pathHandle, OffloadStateType.IP4));
    setAll(root, NdisStatus.SUCCESS);
    world.adapter.updateOffloadComplete(root);
    expect(world.binding.updateOffload(root)).toBe(NdisStatus.PENDING);
  });

  it('UPD-08, UPD-09: paths move to another neighbor, connections to no other path', () => {
    const world = createOffloadedWorld();
    const { tree, binding, adapter } = world;
    const otherNeighbor = new NdisOffloadHandle();
    const otherPath = new NdisOffloadHandle();
    const grown = newOffload(otherNeighbor, OffloadStateType.NEIGHBOR, neighborState());
    grown.dependentBlockList = newOffload(otherPath, OffloadStateType.IP4, pathState());
    binding.initiateOffload(grown);
    offloadAll(grown);
    adapter.initiateOffloadComplete(grown);

    const wrong = linker(otherPath, OffloadStateType.IP4);
    wrong.dependentBlockList = linker(tree.tcpHandle, OffloadStateType.TCP);
    expectRule('UPD-09', () => binding.updateOffload(wrong));

    const relink = linker(otherNeighbor, OffloadStateType.NEIGHBOR);
    relink.dependentBlockList = linker(tree.pathHandle, OffloadStateType.IP4);
    binding.updateOffload(relink);
    setAll(relink, NdisStatus.SUCCESS);
    adapter.updateOffloadComplete(relink);
    // UPD-10: now nothing depends on the old neighbor, and two paths on the new one.
    expectRule('TERM-04', () => binding.terminateOffload(linker(otherNeighbor, OffloadStateType.NEIGHBOR)));
    const old = linker(tree.neighborHandle, OffloadStateType.NEIGHBOR);
    expect(binding.terminateOffload(old)).toBe(NdisStatus.PENDING);
  });

  it('INV-02: an invalidate carries no state', () => {
    const world = createOffloadedWorld();
    const state = new NeighborOffloadState(null, null, new NeighborDelegatedState());
    const root = newOffload(world.tree.neighborHandle, OffloadStateType.NEIGHBOR_DELEGATED, state);
    expectRule('INV-02', () => world.binding.invalidateOffload(root));
    root.state = null;
    expect(world.binding.invalidateOffload(root)).toBe(NdisStatus.PENDING);
  });
});

describe('terminate rules', () => {
  it('TERM-03: not before queries, updates and invalidates completed and calls returned', () => {
    const world = createOffloadedWorld();
    const query = linker(world.handle, OffloadStateType.TCP);
    world.binding.queryOffloadState(query);
    const end = linker(world.handle, OffloadStateType.TCP);
    expectRule('TERM-03', () => world.binding.terminateOffload(end));
    setAll(query, NdisStatus.SUCCESS);
    world.adapter.queryOffloadStateComplete(query);
    world.target.onData = () => expectRule('TERM-03', () => world.binding.terminateOffload(end));
    world.binding.offloadTcpReceive(world.handle, netBufferListOf(new Uint8Array(1)));
    world.binding.offloadTcpDisconnect(world.handle, netBufferListOf([]), TcpDisconnectFlag.GRACEFUL_CLOSE);
    expect(world.target.calls).toHaveLength(2);
    expect(world.binding.terminateOffload(end)).toBe(NdisStatus.PENDING);
  });

  it('TERM-04: an object goes with or after what depends on it', () => {
    const world = createOffloadedWorld();
    expectRule('TERM-04', () => world.binding.terminateOffload(linker(world.tree.pathHandle, OffloadStateType.IP4)));
    const root = linker(world.tree.neighborHandle, OffloadStateType.NEIGHBOR);
    expectRule('TERM-04', () => world.binding.terminateOffload(root));
    root.dependentBlockList = linker(world.tree.pathHandle, OffloadStateType.IP4);
    root.dependentBlockList.dependentBlockList = linker(world.handle, OffloadStateType.TCP);
    expect(world.binding.terminateOffload(root)).toBe(NdisStatus.PENDING);
  });

  it('TERM-08: all requests of the connection are complete first', () => {
    const open = (start: (world: OffloadedWorld) => void): (() => void) => {
      const world = createOffloadedWorld();
      start(world);
      const root = terminate(world);
      return () => world.adapter.terminateOffloadComplete(root);
    };
    const segment = netBufferListOf(new Uint8Array(20).fill(0x50));
    const list = (): NetBufferList => netBufferListOf(new Uint8Array(10));
    expectRule(
      'TERM-08',
      open((world) => send(world)),
    );
    expectRule(
      'TERM-08',
      open((world) => world.binding.offloadTcpReceive(world.handle, list())),
    );
    expectRule(
      'TERM-08',
      open((world) => world.binding.offloadTcpForward(world.handle, segment)),
    );
    expectRule(
      'TERM-08',
      open((world) => world.binding.offloadTcpDisconnect(world.handle, list(), TcpDisconnectFlag.GRACEFUL_CLOSE)),
    );
    open((world) => {
      const sent = send(world);
      world.handlers.tcpOffloadSendComplete(world.adapter, finish(sent, NdisStatus.UPLOAD_IN_PROGRESS, 0));
    })();
  });

  it('TERM-09: not inside an indication of the connection', () => {
    const world = createOffloadedWorld();
    let root: MiniportOffloadBlockList | null = null;
    const inside = (): NdisStatus => {
      if (root !== null) expectRule('TERM-09', () => world.adapter.terminateOffloadComplete(root as never));
      return NdisStatus.SUCCESS;
    };
    world.host.onEvent = () => {
      root = terminate(world);
      inside();
    };
    world.handlers.tcpOffloadEventHandler(world.handle, TcpOffloadEventType.RETRIEVE, TcpUploadReason.UPLOAD_REQUESTED);
    expect(root).not.toBeNull();
    // TERM-22: data may still be offered, but the terminate completes outside of that call too.
    world.host.onIndicate = (list, consumed) => {
      consumed.value = list.firstNetBuffer.dataLength;
      return inside();
    };
    const data = netBufferListOf(new Uint8Array(2));
    world.handlers.tcpOffloadReceiveHandler(world.handle, data, NdisStatus.SUCCESS, new BytesConsumed());
    world.adapter.terminateOffloadComplete(root as never);
    expect(world.verifier.summary().objects).toBe(2);
  });

  it('TERM-17, FWD-05: nothing is posted after the terminate was called', () => {
    const world = createOffloadedWorld();
    terminate(world);
    const list = netBufferListOf(new Uint8Array(20).fill(0x50));
    expectRule('TERM-17', () => world.binding.offloadTcpSend(world.handle, list));
    expectRule('TERM-17', () => world.binding.offloadTcpReceive(world.handle, list));
    expectRule('FWD-05', () => world.binding.offloadTcpForward(world.handle, list));
    expect(world.target.calls).toEqual([]);
  });

  describe('send data handed back', () => {
    /** Two sends outstanding, a terminate under way; the test prepares what comes back. */
    function handBack(
      prepare: (root: MiniportOffloadBlockList, state: TcpOffloadState, lists: [NetBufferList, NetBufferList]) => void,
    ): () => void {
      const world = createOffloadedWorld();
      const lists: [NetBufferList, NetBufferList] = [send(world, 10), send(world, 20)];
      const root = terminate(world);
      const state = root.state as TcpOffloadState;
      root.netBufferListChain = linkNetBufferLists(lists);
      [state.sendDataHead, state.sendDataTail] = lists;
      Object.assign(state.delegated as object, { sndUna: -5, sndNxt: 5, sndMax: 15 });
      prepare(root, state, lists);
      return () => {
        world.adapter.terminateOffloadComplete(root);
        expect(world.verifier.summary()).toMatchObject({ objects: 2, requests: 0 });
      };
    }

    it('TERM-18: is legal in order and with positions', () => {
      handBack(() => {})();
    });

    it('TERM-19: has the order in which it was given, and head and tail', () => {
      expectRule(
        'TERM-19',
        handBack((root, state, [one, two]) => {
          root.netBufferListChain = linkNetBufferLists([two, one]);
          [state.sendDataHead, state.sendDataTail] = [two, one];
        }),
      );
      expectRule(
        'TERM-19',
        handBack((_root, state) => {
          state.sendDataTail = null;
        }),
      );
      expectRule(
        'TERM-08',
        handBack((root, state, [one]) => {
          root.netBufferListChain = linkNetBufferLists([one]);
          state.sendDataTail = one;
        }),
      );
    });

    it('TERM-20: comes with SND.UNA, SND.NXT and SND.MAX', () => {
      expectRule(
        'TERM-20',
        handBack((_root, state) => {
          Object.assign(state.delegated as object, { sndMax: 30 });
        }),
      );
      expectRule(
        'TERM-20',
        handBack((root) => {
          root.state = null;
        }),
      );
    });

    it('TERM-21: is a null chain when there is none', () => {
      const world = createOffloadedWorld();
      const root = terminate(world);
      root.netBufferListChain = netBufferListOf(new Uint8Array(1));
      expectRule('TERM-21', () => world.adapter.terminateOffloadComplete(root));
      root.netBufferListChain = null;
      world.adapter.terminateOffloadComplete(root);
    });
  });

  it('TERM-24: buffered data is the host’s until it comes back through receive-return', () => {
    const world = createOffloadedWorld();
    const kept = netBufferListOf(new Uint8Array(3));
    world.handlers.tcpOffloadReceiveHandler(world.handle, kept, NdisStatus.SUCCESS, new BytesConsumed());
    const root = terminate(world);
    const state = root.state as TcpOffloadState;
    state.bufferedData = kept;
    expectRule('TERM-24', () => world.adapter.terminateOffloadComplete(root));
    const left = netBufferListOf(new Uint8Array(4));
    state.bufferedData = left;
    world.adapter.terminateOffloadComplete(root);
    expect(world.verifier.summary().indicated).toBe(2);
    world.binding.offloadTcpReceiveReturn(linkNetBufferLists([left, kept]) as NetBufferList);
    expect(world.verifier.summary().indicated).toBe(0);
    expectRule('RECV-38', () => world.binding.offloadTcpReceiveReturn(left));
  });

  it('STATE-03: a terminate returns neither constant nor cached values', () => {
    const world = createOffloadedWorld();
    const root = newOffload(world.handle, OffloadStateType.TCP, tcpState());
    world.binding.terminateOffload(root);
    setAll(root, NdisStatus.SUCCESS);
    const state = root.state as TcpOffloadState;
    if (state.cached !== null) state.cached.ttlOrHopLimit = 1;
    expectRule('STATE-03', () => world.adapter.terminateOffloadComplete(root));
    if (state.cached !== null) state.cached.ttlOrHopLimit = 64;
    if (state.delegated !== null) state.delegated.rcvNxt = 99;
    world.adapter.terminateOffloadComplete(root);
  });

  it('HWF-04: after a hardware failure everything is aborted, and a second terminate succeeds', () => {
    const world = createOffloadedWorld();
    const sent = send(world);
    const posted = netBufferListOf(new Uint8Array(5));
    world.binding.offloadTcpReceive(world.handle, posted);
    const first = linker(world.handle, OffloadStateType.TCP);
    world.binding.terminateOffload(first);
    setAll(first, NdisStatus.FAILURE);
    world.adapter.terminateOffloadComplete(first);
    const { tcpOffloadEventHandler } = world.handlers;
    tcpOffloadEventHandler(world.handle, TcpOffloadEventType.RETRIEVE, TcpUploadReason.HARDWARE_FAILURE);
    tcpOffloadEventHandler(world.handle, TcpOffloadEventType.ABORT, 0);
    const second = terminate(world);
    const completeSend = (status: NdisStatus): void =>
      world.handlers.tcpOffloadSendComplete(world.adapter, finish(sent, status));
    const completeReceive = (status: NdisStatus): void =>
      world.handlers.tcpOffloadReceiveComplete(world.adapter, finish(posted, status));
    expectRule('HWF-04', () => completeSend(NdisStatus.UPLOAD_IN_PROGRESS));
    completeSend(NdisStatus.REQUEST_ABORTED);
    completeReceive(NdisStatus.REQUEST_ABORTED);
    world.adapter.terminateOffloadComplete(second);
    expect(world.verifier.summary()).toMatchObject({ objects: 2, operations: 0, requests: 0 });
  });
});

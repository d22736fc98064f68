import { describe, expect, it } from 'vitest';
import {
  linkBlocks,
  linker,
  NdisOffloadHandle,
  NdisStatus,
  newOffload,
  type OffloadBlockList,
  OffloadStateType,
  PathCachedState,
  PathConstantState,
  PathDelegatedState,
  PathOffloadState,
  placeholder,
} from '../../../src/ndis/index.ts';
import {
  createOffloadedWorld,
  createWorld,
  expectRule,
  FakeContext,
  neighborState,
  offloadAll,
  offloadTree,
  pathState,
  setAll,
  Tree,
  tcpState,
} from '../fakes.ts';

/** Passes a changed tree down and says what happens. */
function initiate(change: (tree: Tree) => void): () => void {
  const world = createWorld();
  const tree = new Tree();
  change(tree);
  return () => world.binding.initiateOffload(tree.neighbor);
}

function newPath(): OffloadBlockList {
  return newOffload(new NdisOffloadHandle(), OffloadStateType.IP4, pathState());
}

function newTcp(): OffloadBlockList {
  return newOffload(new NdisOffloadHandle(), OffloadStateType.TCP, tcpState());
}

describe('the shape of trees', () => {
  it('TREE-01: neighbor, path, TCP, and nothing below TCP', () => {
    expectRule(
      'TREE-01',
      initiate((tree) => {
        tree.tcp.dependentBlockList = newTcp();
      }),
    );
    expectRule(
      'TREE-01',
      initiate((tree) => {
        tree.neighbor.dependentBlockList = tree.tcp;
      }),
    );
    initiate(() => {})();
  });

  it('TREE-02: siblings are of one layer, and no block occurs twice', () => {
    expectRule(
      'TREE-02',
      initiate((tree) => {
        tree.neighbor.nextBlock = newPath();
      }),
    );
    expectRule(
      'TREE-02',
      initiate((tree) => {
        tree.tcp.nextBlock = tree.tcp;
      }),
    );
    initiate((tree) => {
      tree.path.nextBlock = newPath();
    })();
  });

  it('TREE-04: an object occurs once', () => {
    expectRule(
      'TREE-04',
      initiate((tree) => {
        tree.tcp.nextBlock = newOffload(tree.tcpHandle, OffloadStateType.TCP, tcpState());
      }),
    );
    initiate((tree) => {
      tree.tcp.nextBlock = newTcp();
    })();
  });

  it('TREE-06: a placeholder has no state, and its type does not matter', () => {
    expectRule(
      'TREE-06',
      initiate((tree) => {
        const gap = placeholder(OffloadStateType.NEIGHBOR);
        gap.state = neighborState();
        tree.neighbor.nextBlock = gap;
      }),
    );
    initiate((tree) => {
      tree.neighbor.nextBlock = placeholder(OffloadStateType.TCP);
    })();
  });

  it('TREE-07: a linker has no state, and names an offloaded object of its layer', () => {
    const world = createOffloadedWorld();
    const root = linker(world.tree.neighborHandle, OffloadStateType.NEIGHBOR);
    root.dependentBlockList = newPath();
    root.state = neighborState();
    expectRule('TREE-07', () => world.binding.initiateOffload(root));
    root.state = null;
    const stranger = new NdisOffloadHandle();
    stranger.miniportOffloadContext = new FakeContext(stranger);
    root.offloadHandle = stranger;
    expectRule('TREE-07', () => world.binding.initiateOffload(root));
    root.offloadHandle = world.tree.neighborHandle;
    expect(world.binding.initiateOffload(root)).toBe(NdisStatus.PENDING);
  });

  it('TREE-08: a new block carries all of its state', () => {
    expectRule(
      'TREE-08',
      initiate((tree) => {
        tree.tcp.state = null;
      }),
    );
    expectRule(
      'TREE-08',
      initiate((tree) => {
        tree.path.header = { ...tree.path.header, type: OffloadStateType.IP4_CACHED };
        tree.path.state = new PathOffloadState(null, new PathCachedState(1500), null);
      }),
    );
  });

  it('TREE-10: below a linker there is something new', () => {
    const world = createOffloadedWorld();
    const root = linker(world.tree.neighborHandle, OffloadStateType.NEIGHBOR);
    expectRule('TREE-10', () => world.binding.initiateOffload(root));
    root.dependentBlockList = linker(world.tree.pathHandle, OffloadStateType.IP4);
    root.dependentBlockList.dependentBlockList = newTcp();
    expect(world.binding.initiateOffload(root)).toBe(NdisStatus.PENDING);
  });

  it('STATE-08, STATE-09: types say what follows, and convey chimney state', () => {
    expectRule(
      'STATE-08',
      initiate((tree) => {
        tree.path.header = { ...tree.path.header, type: OffloadStateType.IP4_DELEGATED };
      }),
    );
    expectRule(
      'STATE-08',
      initiate((tree) => {
        tree.path.state = tcpState();
      }),
    );
    expectRule(
      'STATE-09',
      initiate((tree) => {
        tree.tcp.header = { ...tree.tcp.header, type: OffloadStateType.TCP_RESOURCE };
      }),
    );
  });

  it('STATE-11: addresses have the length of their family', () => {
    const six = (): PathOffloadState =>
      new PathOffloadState(
        new PathConstantState(new Uint8Array(16), new Uint8Array(16)),
        new PathCachedState(1500),
        new PathDelegatedState(),
      );
    expectRule(
      'STATE-11',
      initiate((tree) => {
        tree.path.state = six();
      }),
    );
    initiate((tree) => {
      tree.path.state = six();
      tree.path.header = { ...tree.path.header, type: OffloadStateType.IP6 };
    })();
  });
});

describe('completed trees', () => {
  /** Two connections below one path; the test writes the statuses. */
  function pair(write: (tree: Tree, second: OffloadBlockList) => void): () => void {
    const world = createWorld();
    const tree = new Tree();
    const second = newTcp();
    tree.tcp.nextBlock = second;
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    write(tree, second);
    return () => world.adapter.initiateOffloadComplete(tree.neighbor);
  }

  function fail(block: OffloadBlockList, status: NdisStatus): void {
    block.status = status;
    if (block.offloadHandle !== null) block.offloadHandle.miniportOffloadContext = null;
  }

  it('the example of spec/algorithms.md 1.4 is legal', () => {
    const world = createWorld();
    const tree = new Tree();
    const second = newTcp();
    tree.tcp.nextBlock = second;
    const lost = newPath();
    tree.path.nextBlock = lost;
    const untried = newTcp();
    lost.dependentBlockList = untried;
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    tree.neighbor.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
    tree.path.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
    fail(second, NdisStatus.RESOURCES);
    fail(lost, NdisStatus.FAILURE);
    fail(untried, NdisStatus.FAILURE);
    world.adapter.initiateOffloadComplete(tree.neighbor);
    expect(world.verifier.summary()).toMatchObject({ objects: 3, operations: 0 });
  });

  it('TREE-11: a placeholder always succeeds, also over failed blocks', () => {
    const world = createOffloadedWorld();
    const known = linker(world.tree.pathHandle, OffloadStateType.IP4);
    const lost = newTcp();
    known.dependentBlockList = lost;
    const root = placeholder(OffloadStateType.NEIGHBOR);
    root.dependentBlockList = known;
    world.binding.initiateOffload(root);
    fail(lost, NdisStatus.OFFLOAD_TCP_ENTRIES);
    known.status = NdisStatus.FAILURE;
    root.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
    expectRule('TREE-11', () => world.adapter.initiateOffloadComplete(root));
    root.status = NdisStatus.SUCCESS;
    world.adapter.initiateOffloadComplete(root);
  });

  it('TREE-12: a linker succeeds, partly succeeds or fails with its dependents', () => {
    const world = createOffloadedWorld();
    const root = linker(world.tree.pathHandle, OffloadStateType.IP4);
    const one = newTcp();
    const two = newTcp();
    root.dependentBlockList = linkBlocks([one, two]);
    world.binding.initiateOffload(root);
    offloadAll(root);
    fail(two, NdisStatus.RESOURCES);
    expectRule('TREE-12', () => world.adapter.initiateOffloadComplete(root));
    root.status = NdisStatus.FAILURE;
    expectRule('TREE-12', () => world.adapter.initiateOffloadComplete(root));
    root.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
    world.adapter.initiateOffloadComplete(root);
  });

  it('TREE-13: a new block partly succeeds when an immediate dependent failed', () => {
    const wrong = pair((_tree, second) => fail(second, NdisStatus.RESOURCES));
    expectRule('TREE-13', wrong);
    expectRule(
      'TREE-13',
      pair((tree) => {
        tree.path.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
      }),
    );
    // A partly successful path counts as offloaded for its neighbor (spec/decisions.md 2).
    pair((tree, second) => {
      fail(second, NdisStatus.RESOURCES);
      tree.path.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
    })();
  });

  it('TREE-14: when the root failed, nothing was offloaded', () => {
    const world = createWorld();
    const tree = new Tree();
    const other = newOffload(new NdisOffloadHandle(), OffloadStateType.NEIGHBOR, neighborState());
    tree.neighbor.nextBlock = other;
    world.binding.initiateOffload(tree.neighbor);
    setAll(tree.neighbor, NdisStatus.FAILURE);
    tree.neighbor.status = NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES;
    if (other.offloadHandle !== null) other.offloadHandle.miniportOffloadContext = new FakeContext(null);
    other.status = NdisStatus.SUCCESS;
    expectRule('TREE-14', () => world.adapter.initiateOffloadComplete(tree.neighbor));
    fail(other, NdisStatus.RESOURCES);
    expectRule('TREE-14', () => world.adapter.initiateOffloadComplete(tree.neighbor));
    fail(other, NdisStatus.FAILURE);
    world.adapter.initiateOffloadComplete(tree.neighbor);
    expect(world.verifier.summary().objects).toBe(0);
  });

  it('TREE-15: below a failed block nothing is offloaded, and the status is failure', () => {
    const failPath = (write: (tree: Tree, second: OffloadBlockList) => void): (() => void) =>
      pair((tree, second) => {
        tree.neighbor.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
        fail(tree.path, NdisStatus.OFFLOAD_PATH_ENTRIES);
        fail(tree.tcp, NdisStatus.FAILURE);
        fail(second, NdisStatus.FAILURE);
        write(tree, second);
      });
    expectRule(
      'TREE-15',
      failPath((_tree, second) => fail(second, NdisStatus.OFFLOAD_TCP_ENTRIES)),
    );
    expectRule(
      'TREE-15',
      failPath((tree) => {
        tree.tcp.status = NdisStatus.SUCCESS;
      }),
    );
    failPath(() => {})();
  });

  it('TREE-17: every block has a status', () => {
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    tree.tcp.status = NdisStatus.PENDING;
    expectRule('TREE-17', () => world.adapter.initiateOffloadComplete(tree.neighbor));
    tree.tcp.status = NdisStatus.SUCCESS;
    world.adapter.initiateOffloadComplete(tree.neighbor);
  });

  it('TREE-18: other operations succeed or fail', () => {
    const world = createOffloadedWorld();
    const root = linker(world.handle, OffloadStateType.TCP);
    world.binding.queryOffloadState(root);
    root.status = NdisStatus.RESOURCES;
    expectRule('TREE-18', () => world.adapter.queryOffloadStateComplete(root));
    root.status = NdisStatus.FAILURE;
    world.adapter.queryOffloadStateComplete(root);
  });

  it('TREE-19: the completed tree is one that is outstanding, completed once, by its own completion', () => {
    const world = createWorld();
    const tree = new Tree();
    expectRule('TREE-19', () => world.adapter.initiateOffloadComplete(new Tree().neighbor));
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    expectRule('TREE-19', () => world.adapter.queryOffloadStateComplete(tree.neighbor));
    expectRule('TREE-19', () => world.binding.initiateOffload(tree.neighbor));
    world.adapter.initiateOffloadComplete(tree.neighbor);
    expectRule('TREE-19', () => world.adapter.initiateOffloadComplete(tree.neighbor));
  });

  it('TREE-21: reserved members come back as they were', () => {
    for (const member of ['ndisReserved', 'protocolReserved', 'imReserved', 'sourceHandle'] as const) {
      const world = createWorld();
      const tree = new Tree();
      world.binding.initiateOffload(tree.neighbor);
      offloadAll(tree.neighbor);
      Object.assign(tree.tcp, { [member]: {} });
      expectRule('TREE-21', () => world.adapter.initiateOffloadComplete(tree.neighbor));
    }
    const world = createWorld();
    const tree = new Tree();
    tree.tcp.imReserved = {};
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    tree.tcp.miniportReserved = {};
    tree.tcp.scratch = {};
    world.adapter.initiateOffloadComplete(tree.neighbor);
  });

  it('STATE-01: constant variables stay as they are', () => {
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    if (tree.state.constant !== null) tree.state.constant.remotePort = 1;
    expectRule('STATE-01', () => world.adapter.initiateOffloadComplete(tree.neighbor));
  });
});

describe('context values', () => {
  it('CTX-01: each object has its own', () => {
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    tree.tcpHandle.miniportOffloadContext = tree.pathHandle.miniportOffloadContext;
    expectRule('CTX-01', () => world.adapter.initiateOffloadComplete(tree.neighbor));
  });

  it('CTX-02: is written for an offloaded object', () => {
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    setAll(tree.neighbor, NdisStatus.SUCCESS);
    expectRule('CTX-02', () => world.adapter.initiateOffloadComplete(tree.neighbor));
    offloadAll(tree.neighbor);
    world.adapter.initiateOffloadComplete(tree.neighbor);
  });

  it('CTX-03: is not written for a block that failed', () => {
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    tree.path.status = NdisStatus.OFFLOAD_PARTIAL_SUCCESS;
    tree.tcp.status = NdisStatus.RESOURCES;
    expectRule('CTX-03', () => world.adapter.initiateOffloadComplete(tree.neighbor));
    tree.tcpHandle.miniportOffloadContext = null;
    world.adapter.initiateOffloadComplete(tree.neighbor);
  });

  it('CTX-04: stays the same until the object is terminated', () => {
    const world = createOffloadedWorld();
    const root = linker(world.handle, OffloadStateType.TCP);
    const context = world.handle.miniportOffloadContext;
    world.handle.miniportOffloadContext = new FakeContext(null);
    expectRule('CTX-04', () => world.binding.queryOffloadState(root));
    world.handle.miniportOffloadContext = context;
    world.binding.terminateOffload(root);
    expectRule('CTX-04', () => world.binding.queryOffloadState(linker(world.handle, OffloadStateType.TCP)));
    setAll(root, NdisStatus.SUCCESS);
    world.adapter.terminateOffloadComplete(root);
    const again = new Tree();
    again.neighbor.offloadHandle = null;
    again.neighbor.state = null;
    again.path.offloadHandle = world.tree.pathHandle;
    again.path.state = null;
    again.tcp.offloadHandle = world.handle;
    offloadTree(world, again);
  });
});

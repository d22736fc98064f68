import { describe, expect, it } from 'vitest';
import {
  BytesConsumed,
  linker,
  type MiniportOffloadBlockList,
  NdisOffloadHandle,
  NdisStatus,
  NeighborCachedState,
  NeighborOffloadState,
  netBufferListOf,
  newOffload,
  OffloadEvent,
  OffloadStateType,
  TcpOffloadEventType,
  TcpUploadReason,
} from '../../../src/ndis/index.ts';
import { acceptAll, createOffloadedWorld, expectRule, neighborState, type OffloadedWorld, setAll } from '../fakes.ts';

function event(world: OffloadedWorld, handle: NdisOffloadHandle, type: TcpOffloadEventType, information = 0): void {
  world.handlers.tcpOffloadEventHandler(handle, type, information);
}

function indicate(world: OffloadedWorld, handle: NdisOffloadHandle, size = 10): NdisStatus {
  const list = netBufferListOf(new Uint8Array(size));
  return world.handlers.tcpOffloadReceiveHandler(handle, list, NdisStatus.SUCCESS, new BytesConsumed());
}

describe('event rules', () => {
  it('CTX-08, CTX-09: indications name an offloaded connection, never a path', () => {
    const world = createOffloadedWorld();
    const { ABORT } = TcpOffloadEventType;
    expectRule('CTX-08', () => event(world, new NdisOffloadHandle(), ABORT));
    expectRule('CTX-08', () => event(world, world.tree.neighborHandle, ABORT));
    expectRule('CTX-09', () => event(world, world.tree.pathHandle, ABORT));
    expectRule('CTX-08', () => indicate(world, new NdisOffloadHandle()));
    expectRule('CTX-09', () => indicate(world, world.tree.pathHandle));
    event(world, world.handle, ABORT);
    const root = linker(world.handle, OffloadStateType.TCP);
    world.binding.terminateOffload(root);
    setAll(root, NdisStatus.SUCCESS);
    world.adapter.terminateOffloadComplete(root);
    expectRule('CTX-08', () => indicate(world, world.handle));
  });

  it('TERM-26: a retrieve request concerns a connection; it may be repeated', () => {
    const world = createOffloadedWorld();
    const { RETRIEVE } = TcpOffloadEventType;
    for (const handle of [world.tree.pathHandle, world.tree.neighborHandle]) {
      expectRule('TERM-26', () => event(world, handle, RETRIEVE, TcpUploadReason.LOW_ACTIVITY));
    }
    for (let i = 0; i < 3; i++) event(world, world.handle, RETRIEVE, TcpUploadReason.LOW_ACTIVITY);
    expect(world.host.events).toHaveLength(3);
  });

  it('EVT-01: a FIN is reported when all data before it was consumed', () => {
    const world = createOffloadedWorld();
    const { DISCONNECT } = TcpOffloadEventType;
    world.host.onIndicate = (_list, consumed) => {
      consumed.value = 4;
      return NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED;
    };
    indicate(world, world.handle, 10);
    expectRule('EVT-01', () => event(world, world.handle, DISCONNECT));
    const list = netBufferListOf(new Uint8Array(6));
    world.binding.offloadTcpReceive(world.handle, list);
    list.status = NdisStatus.SUCCESS;
    list.tcpOffloadBytesTransferred = 6;
    list.firstNetBuffer.dataLength = 0;
    world.handlers.tcpOffloadReceiveComplete(world.adapter, list);
    event(world, world.handle, DISCONNECT);
    world.host.onIndicate = acceptAll;
    expectRule('EVT-01', () => indicate(world, world.handle));
  });

  it('EVT-06: events carry a known reason, or a number of bytes', () => {
    const world = createOffloadedWorld();
    const { RETRIEVE, SEND_BACKLOG_CHANGE } = TcpOffloadEventType;
    for (const reason of [0, 12, Number.NaN]) expectRule('EVT-06', () => event(world, world.handle, RETRIEVE, reason));
    for (const bytes of [-1, 0.5]) expectRule('EVT-06', () => event(world, world.handle, SEND_BACKLOG_CHANGE, bytes));
    expectRule('EVT-06', () => event(world, world.handle, 9 as never));
    event(world, world.handle, SEND_BACKLOG_CHANGE, 65_536);
  });
});

describe('neighbor event rules', () => {
  function query(change: (block: ReturnType<typeof newOffload>, world: OffloadedWorld) => void): () => void {
    const world = createOffloadedWorld();
    const block = newOffload(world.tree.neighborHandle, OffloadStateType.NEIGHBOR, neighborState());
    block.miniportOffloadContext = block.offloadHandle;
    block.status = NdisStatus.SUCCESS;
    change(block, world);
    return () =>
      world.adapter.offloadEventIndicate(block as MiniportOffloadBlockList, OffloadEvent.NEIGHBOR_REACHABILITY_QUERY);
  }

  it('NBR-08: carries the three structures and the stored handle (spec/decisions.md 16)', () => {
    expectRule(
      'NBR-08',
      query((block) => {
        block.state = new NeighborOffloadState(null, new NeighborCachedState(new Uint8Array(6)), null);
      }),
    );
    expectRule(
      'NBR-08',
      query((block) => {
        block.offloadHandle = null;
      }),
    );
    expectRule(
      'NBR-08',
      query((block, world) => {
        block.offloadHandle = world.handle;
      }),
    );
    query(() => {})();
  });

  it('NBR-09: is one lone block with status success', () => {
    expectRule(
      'NBR-09',
      query((block) => {
        block.nextBlock = newOffload(new NdisOffloadHandle(), OffloadStateType.NEIGHBOR, null);
      }),
    );
    expectRule(
      'NBR-09',
      query((block) => {
        block.status = NdisStatus.PENDING;
      }),
    );
    expectRule(
      'NBR-09',
      query((block) => {
        block.header = { ...block.header, type: OffloadStateType.NEIGHBOR_CACHED };
      }),
    );
    const world = createOffloadedWorld();
    expectRule('NBR-09', () => world.adapter.offloadEventIndicate(null, OffloadEvent.NEIGHBOR_REACHABILITY_QUERY));
  });

  it('NBR-10: other codes carry no block', () => {
    const world = createOffloadedWorld();
    const block = newOffload(world.tree.neighborHandle, OffloadStateType.NEIGHBOR, neighborState());
    const code = OffloadEvent.NEIGHBOR_REACHABILITY_IN_DOUBT;
    expectRule('NBR-10', () => world.adapter.offloadEventIndicate(block, code));
    world.adapter.offloadEventIndicate(null, code);
    expect(world.host.offloadEvents).toEqual([null]);
  });

  it('NBR-11: the host answers with ticks', () => {
    const answer = (delta: number): (() => void) =>
      query((block, world) => {
        world.host.onOffloadEvent = () => {
          if (block.state?.kind === 'neighbor' && block.state.cached !== null) {
            block.state.cached.hostReachabilityDelta = delta;
          }
        };
      });
    expectRule('NBR-11', answer(-1));
    answer(0)();
    answer(30_000)();
  });
});

import { describe, expect, it } from 'vitest';
import {
  BytesConsumed,
  linkNetBufferLists,
  Mdl,
  NdisStatus,
  NetBuffer,
  type NetBufferList,
  netBufferListOf,
  TcpOffloadEventType,
  TcpUploadReason,
} from '../../../src/ndis/index.ts';
import { acceptAll, createOffloadedWorld, createWorld, expectRule, finish, type OffloadedWorld } from '../fakes.ts';

function post(world: OffloadedWorld, size = 10, noPush = false): NetBufferList {
  const list = netBufferListOf(new Uint8Array(size));
  list.tcpReceiveNoPush = noPush;
  expect(world.binding.offloadTcpReceive(world.handle, list)).toBe(NdisStatus.PENDING);
  return list;
}

function complete(world: OffloadedWorld, ...lists: NetBufferList[]): void {
  world.handlers.tcpOffloadReceiveComplete(world.adapter, linkNetBufferLists(lists) as NetBufferList);
}

function indicate(world: OffloadedWorld, list: NetBufferList | number = 10): NdisStatus {
  const data = typeof list === 'number' ? netBufferListOf(new Uint8Array(list)) : list;
  return world.handlers.tcpOffloadReceiveHandler(world.handle, data, NdisStatus.SUCCESS, new BytesConsumed());
}

function disconnect(world: OffloadedWorld): void {
  world.handlers.tcpOffloadEventHandler(world.handle, TcpOffloadEventType.DISCONNECT, 0);
}

function refuse(_list: NetBufferList, consumed: BytesConsumed): NdisStatus {
  consumed.value = 0;
  return NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED;
}

describe('receive request rules', () => {
  it('RECV-01: a post is pending, and completes after the call down has returned', () => {
    const world = createOffloadedWorld();
    world.target.dataStatus = NdisStatus.SUCCESS;
    expectRule('RECV-01', () => world.binding.offloadTcpReceive(world.handle, netBufferListOf(new Uint8Array(1))));
    const other = createOffloadedWorld();
    other.target.onData = ({ list }) => complete(other, finish(list, NdisStatus.SUCCESS, 1));
    expectRule('RECV-01', () => other.binding.offloadTcpReceive(other.handle, netBufferListOf(new Uint8Array(1))));
  });

  it('RECV-02: requests complete first in, first out', () => {
    const world = createOffloadedWorld();
    const [one, two] = [post(world), post(world)];
    finish(one, NdisStatus.SUCCESS, 10);
    finish(two, NdisStatus.SUCCESS, 4);
    expectRule('RECV-02', () => complete(world, two));
    expectRule('RECV-02', () => world.binding.offloadTcpReceive(world.handle, one));
    // RECV-32: the filled ones and a partly filled one together.
    complete(world, one, two);
    expectRule('RECV-02', () => complete(world, one));
  });

  it('RECV-03: one post call on a connection at a time', () => {
    const world = createOffloadedWorld();
    let inner = 0;
    world.target.onData = () => {
      if (inner++ > 0) return;
      expectRule('RECV-03', () => world.binding.offloadTcpReceive(world.handle, netBufferListOf(new Uint8Array(1))));
    };
    post(world);
    post(world);
    expect(world.target.calls).toHaveLength(2);
  });

  it('RECV-04: one buffer in each request', () => {
    const world = createOffloadedWorld();
    const list = netBufferListOf(new Uint8Array(1));
    list.firstNetBuffer.next = new NetBuffer(new Mdl(new Uint8Array(1)));
    expectRule('RECV-04', () => world.binding.offloadTcpReceive(world.handle, list));
    list.firstNetBuffer.next = null;
    world.binding.offloadTcpReceive(world.handle, list);
  });

  it('RECV-34: only non-push requests come partly filled', () => {
    const world = createOffloadedWorld();
    const list = netBufferListOf(new Uint8Array(10));
    list.tcpReceiveBytesTransferred = 4;
    expectRule('RECV-34', () => world.binding.offloadTcpReceive(world.handle, list));
    list.tcpReceiveNoPush = true;
    world.binding.offloadTcpReceive(world.handle, list);
    complete(world, finish(list, NdisStatus.SUCCESS, 6));
    expect(world.verifier.summary().requests).toBe(0);
  });

  it('RECV-06, RECV-07: completions and indications of a connection never overlap', () => {
    const world = createOffloadedWorld();
    const [one, two, three] = [post(world), post(world), post(world)];
    for (const list of [one, two, three]) finish(list, NdisStatus.SUCCESS, 10);
    const seen: string[] = [];
    world.host.onDataComplete = (list) => {
      if (list !== one) return;
      expectRule('RECV-06', () => complete(world, two));
      expectRule('RECV-06', () => indicate(world));
      world.target.onData = () => {
        expectRule('RECV-07', () => complete(world, two));
        seen.push('posted');
      };
      post(world);
      world.target.onData = () => {};
      seen.push('completed');
    };
    complete(world, one);
    complete(world, two, three);
    expect(seen).toEqual(['posted', 'completed']);
    const other = createOffloadedWorld();
    const posted = finish(post(other), NdisStatus.SUCCESS, 10);
    other.host.onIndicate = (list, consumed) => {
      expectRule('RECV-06', () => complete(other, posted));
      return acceptAll(list, consumed);
    };
    indicate(other);
    complete(other, posted);
  });

  it('RECV-19: a non-push request is full, unless the stream has ended (spec/decisions.md 15)', () => {
    const ended = (): OffloadedWorld => {
      const world = createOffloadedWorld();
      const list = post(world, 10, true);
      post(world);
      complete(world, finish(list, NdisStatus.SUCCESS, 4));
      return world;
    };
    const world = ended();
    const next = world.target.calls[1]?.list as NetBufferList;
    expectRule('RECV-19', () => complete(world, finish(next, NdisStatus.SUCCESS, 1)));
    expectRule('RECV-19', () => indicate(ended()));
    const legal = ended();
    complete(legal, finish(legal.target.calls[1]?.list as NetBufferList, NdisStatus.SUCCESS, 0));
    disconnect(legal);
  });

  it('RECV-25: a zero-length request consumes nothing and is completed', () => {
    const world = createOffloadedWorld();
    const list = post(world, 0);
    list.status = NdisStatus.SUCCESS;
    list.tcpOffloadBytesTransferred = 1;
    expectRule('RECV-25', () => complete(world, list));
    list.tcpOffloadBytesTransferred = 0;
    complete(world, list);
  });

  it('RECV-27: only the statuses of a receive', () => {
    for (const status of [NdisStatus.FAILURE, NdisStatus.PENDING]) {
      const world = createOffloadedWorld();
      expectRule('RECV-27', () => complete(world, finish(post(world), status)));
    }
    for (const status of [NdisStatus.REQUEST_ABORTED, NdisStatus.UPLOAD_IN_PROGRESS]) {
      const world = createOffloadedWorld();
      complete(world, finish(post(world), status, 3));
    }
  });

  it('RECV-30: what is posted after the disconnect indication ends with INVALID_STATE and nothing', () => {
    const world = createOffloadedWorld();
    const early = post(world);
    expectRule('RECV-30', () => complete(world, finish(early, NdisStatus.INVALID_STATE)));
    complete(world, finish(early, NdisStatus.SUCCESS, 3));
    disconnect(world);
    const late = post(world);
    expectRule('RECV-30', () => complete(world, finish(late, NdisStatus.SUCCESS, 0)));
    complete(world, finish(late, NdisStatus.INVALID_STATE));
    const withData = post(world);
    expectRule('RECV-30', () => complete(world, finish(withData, NdisStatus.INVALID_STATE, 2)));
  });

  it('RECV-31: TcpOffloadBytesTransferred is set and the data start advanced by it', () => {
    const world = createOffloadedWorld();
    const list = post(world);
    list.status = NdisStatus.SUCCESS;
    expectRule('RECV-31', () => complete(world, list));
    list.tcpOffloadBytesTransferred = 10;
    expectRule('RECV-31', () => complete(world, list));
    complete(world, finish(list, NdisStatus.SUCCESS, 10));
  });

  it('HWF-04: receives are aborted after a hardware failure', () => {
    const world = createOffloadedWorld();
    const list = post(world);
    const { tcpOffloadEventHandler } = world.handlers;
    tcpOffloadEventHandler(world.handle, TcpOffloadEventType.RETRIEVE, TcpUploadReason.HARDWARE_FAILURE);
    expectRule('HWF-04', () => complete(world, finish(list, NdisStatus.UPLOAD_IN_PROGRESS)));
    complete(world, finish(list, NdisStatus.REQUEST_ABORTED));
  });
});

describe('receive indication rules', () => {
  it('RECV-24: refused data waits for a post, and what was posted is served first', () => {
    const world = createOffloadedWorld();
    world.host.onIndicate = refuse;
    indicate(world);
    expectRule('RECV-24', () => indicate(world));
    const list = post(world, 4);
    expectRule('RECV-24', () => indicate(world));
    complete(world, finish(list, NdisStatus.SUCCESS, 4));
    expect(indicate(world, 6)).toBe(NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED);
    // RECV-25: a zero-length request permits it at once.
    post(world, 0);
    world.host.onIndicate = acceptAll;
    expect(indicate(world, 6)).toBe(NdisStatus.SUCCESS);
  });

  it('RECV-24: requests posted inside the refused indication are served first', () => {
    const world = createOffloadedWorld();
    let inside: NetBufferList | null = null;
    world.host.onIndicate = (list, consumed) => {
      inside = post(world, 4);
      return refuse(list, consumed);
    };
    indicate(world);
    world.host.onIndicate = acceptAll;
    expectRule('RECV-24', () => indicate(world));
    complete(world, finish(inside as unknown as NetBufferList, NdisStatus.SUCCESS, 4));
    expect(indicate(world, 6)).toBe(NdisStatus.SUCCESS);
  });

  it('RECV-35: is made with success', () => {
    const world = createOffloadedWorld();
    const list = netBufferListOf(new Uint8Array(1));
    const { tcpOffloadReceiveHandler } = world.handlers;
    expectRule('RECV-35', () =>
      tcpOffloadReceiveHandler(world.handle, list, NdisStatus.RESOURCES, new BytesConsumed()),
    );
    expect(indicate(world, list)).toBe(NdisStatus.SUCCESS);
  });

  it('RECV-36: is one list with one buffer, of any number of MDLs', () => {
    const world = createOffloadedWorld();
    const pair = linkNetBufferLists([netBufferListOf(new Uint8Array(1)), netBufferListOf(new Uint8Array(1))]);
    expectRule('RECV-36', () => indicate(world, pair as NetBufferList));
    const double = netBufferListOf(new Uint8Array(1));
    double.firstNetBuffer.next = new NetBuffer(new Mdl(new Uint8Array(1)));
    expectRule('RECV-36', () => indicate(world, double));
    expect(indicate(world, netBufferListOf([new Uint8Array(1), new Uint8Array(1)]))).toBe(NdisStatus.SUCCESS);
  });

  it('RECV-37: success takes everything, and the list stays with the host', () => {
    const world = createOffloadedWorld();
    world.host.onIndicate = (_list, consumed) => {
      consumed.value = 3;
      return NdisStatus.SUCCESS;
    };
    expectRule('RECV-37', () => indicate(world));
    const other = createOffloadedWorld();
    other.host.onIndicate = () => NdisStatus.FAILURE;
    expectRule('RECV-37', () => indicate(other));
    const third = createOffloadedWorld();
    const list = netBufferListOf(new Uint8Array(1));
    indicate(third, list);
    expectRule('RECV-37', () => indicate(third, list));
    third.binding.offloadTcpReceiveReturn(list);
    indicate(third, list);
  });

  it('RECV-38: a refusal takes nothing, and the list is the target’s again', () => {
    const world = createOffloadedWorld();
    world.host.onIndicate = (_list, consumed) => {
      consumed.value = 3;
      return NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED;
    };
    expectRule('RECV-38', () => indicate(world));
    const other = createOffloadedWorld();
    const list = netBufferListOf(new Uint8Array(1));
    other.host.onIndicate = refuse;
    indicate(other, list);
    expectRule('RECV-38', () => other.binding.offloadTcpReceiveReturn(list));
    const third = createOffloadedWorld();
    third.host.onIndicate = (each, consumed) => {
      third.binding.offloadTcpReceiveReturn(each);
      return refuse(each, consumed);
    };
    expectRule('RECV-38', () => indicate(third));
  });

  it('RECV-39: partial acceptance takes some, not all', () => {
    const accept = (bytes: number): (() => NdisStatus) => {
      const world = createOffloadedWorld();
      world.host.onIndicate = (_list, consumed) => {
        consumed.value = bytes;
        return NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED;
      };
      return () => indicate(world);
    };
    expectRule('RECV-39', accept(0));
    expectRule('RECV-39', accept(10));
    expect(accept(9)()).toBe(NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED);
  });

  it('RECV-46: all indicated lists are back before the binding closes', () => {
    const world = createWorld();
    const frame = netBufferListOf(new Uint8Array(60));
    world.adapter.indicateReceiveNetBufferLists(frame, 1);
    expectRule('RECV-46', () => world.adapter.halt());
    world.binding.returnNetBufferLists(frame);
    expectRule('RECV-38', () => world.binding.returnNetBufferLists(frame));
    world.adapter.halt();
    expect(world.target.halted).toBe(true);
  });
});

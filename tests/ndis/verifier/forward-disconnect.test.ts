import { describe, expect, it } from 'vitest';
import {
  BytesConsumed,
  linkNetBufferLists,
  Mdl,
  NdisStatus,
  NetBuffer,
  type NetBufferList,
  netBufferListOf,
  TcpDisconnectFlag,
} from '../../../src/ndis/index.ts';
import { createOffloadedWorld, expectRule, finish, type OffloadedWorld } from '../fakes.ts';

/** A TCP segment with the smallest header and some data. */
function segment(data = 0, dataOffset = 5): NetBufferList {
  const bytes = new Uint8Array(20 + data);
  bytes[12] = dataOffset << 4;
  return netBufferListOf(bytes);
}

describe('forward rules', () => {
  function forward(world: OffloadedWorld, list = segment(4)): NetBufferList {
    expect(world.binding.offloadTcpForward(world.handle, list)).toBe(NdisStatus.PENDING);
    return list;
  }

  it('FWD-01: a forward is pending, and completes after the call down has returned', () => {
    const world = createOffloadedWorld();
    world.target.dataStatus = NdisStatus.SUCCESS;
    expectRule('FWD-01', () => world.binding.offloadTcpForward(world.handle, segment()));
    const other = createOffloadedWorld();
    other.target.onData = ({ list }) =>
      other.handlers.tcpOffloadForwardComplete(other.adapter, finish(list, NdisStatus.SUCCESS));
    expectRule('FWD-01', () => other.binding.offloadTcpForward(other.handle, segment()));
  });

  it('FWD-02: each list is one segment that begins with its TCP header', () => {
    const world = createOffloadedWorld();
    const { binding, handle } = world;
    expectRule('FWD-02', () => binding.offloadTcpForward(handle, netBufferListOf(new Uint8Array(19))));
    expectRule('FWD-02', () => binding.offloadTcpForward(handle, segment(0, 4)));
    expectRule('FWD-02', () => binding.offloadTcpForward(handle, segment(3, 6)));
    const double = segment();
    double.firstNetBuffer.next = new NetBuffer(new Mdl(new Uint8Array(20)));
    expectRule('FWD-02', () => binding.offloadTcpForward(handle, double));
    forward(world, linkNetBufferLists([segment(), segment(4, 6)]) as NetBufferList);
  });

  it('FWD-07: the lists belong to the target until it completes them', () => {
    const world = createOffloadedWorld();
    const list = forward(world);
    expectRule('FWD-07', () => world.binding.offloadTcpForward(world.handle, list));
    const { tcpOffloadForwardComplete } = world.handlers;
    tcpOffloadForwardComplete(world.adapter, finish(list, NdisStatus.SUCCESS));
    expectRule('FWD-07', () => tcpOffloadForwardComplete(world.adapter, list));
  });

  it('FWD-08: each has one of three statuses (spec/decisions.md 14)', () => {
    const world = createOffloadedWorld();
    const { tcpOffloadForwardComplete } = world.handlers;
    const list = forward(world);
    expectRule('FWD-08', () => tcpOffloadForwardComplete(world.adapter, list));
    expectRule('FWD-08', () => tcpOffloadForwardComplete(world.adapter, finish(list, NdisStatus.FAILURE)));
    const later = forward(world);
    finish(list, NdisStatus.UPLOAD_IN_PROGRESS);
    finish(later, NdisStatus.REQUEST_ABORTED);
    tcpOffloadForwardComplete(world.adapter, linkNetBufferLists([list, later]) as NetBufferList);
    expect(world.verifier.summary().requests).toBe(0);
  });
});

describe('disconnect rules', () => {
  const { GRACEFUL_CLOSE, ABORTIVE_CLOSE } = TcpDisconnectFlag;

  function disconnect(world: OffloadedWorld, size = 0, flags: TcpDisconnectFlag = GRACEFUL_CLOSE): NetBufferList {
    const list = netBufferListOf(new Uint8Array(size));
    expect(world.binding.offloadTcpDisconnect(world.handle, list, flags)).toBe(NdisStatus.PENDING);
    return list;
  }

  function complete(world: OffloadedWorld, list: NetBufferList): void {
    world.handlers.tcpOffloadDisconnectComplete(world.adapter, list);
  }

  it('DISC-01: a disconnect is pending, and completes after the call down has returned', () => {
    const world = createOffloadedWorld();
    world.target.dataStatus = NdisStatus.SUCCESS;
    expectRule('DISC-01', () => world.binding.offloadTcpDisconnect(world.handle, netBufferListOf([]), GRACEFUL_CLOSE));
    const other = createOffloadedWorld();
    other.target.onData = ({ list }) => complete(other, finish(list, NdisStatus.SUCCESS));
    expectRule('DISC-01', () => other.binding.offloadTcpDisconnect(other.handle, netBufferListOf([]), GRACEFUL_CLOSE));
  });

  it('DISC-02: one list, one buffer, one flag, no data in an abortive one', () => {
    const world = createOffloadedWorld();
    const attempt = (list: NetBufferList, flags: number): void =>
      expectRule('DISC-02', () => world.binding.offloadTcpDisconnect(world.handle, list, flags as never));
    attempt(linkNetBufferLists([netBufferListOf([]), netBufferListOf([])]) as NetBufferList, GRACEFUL_CLOSE);
    const double = netBufferListOf([]);
    double.firstNetBuffer.next = new NetBuffer(new Mdl(new Uint8Array(1)));
    attempt(double, GRACEFUL_CLOSE);
    attempt(netBufferListOf([]), GRACEFUL_CLOSE | ABORTIVE_CLOSE);
    attempt(netBufferListOf([]), 0);
    attempt(netBufferListOf(new Uint8Array(1)), ABORTIVE_CLOSE);
    disconnect(world, 5);
    disconnect(world, 0, ABORTIVE_CLOSE);
  });

  it('DISC-04: nothing is indicated after an abortive disconnect', () => {
    const world = createOffloadedWorld();
    const indicate = (): NdisStatus =>
      world.handlers.tcpOffloadReceiveHandler(
        world.handle,
        netBufferListOf(new Uint8Array(1)),
        NdisStatus.SUCCESS,
        new BytesConsumed(),
      );
    disconnect(world);
    // DISC-09: after a graceful one the receive half goes on.
    expect(indicate()).toBe(NdisStatus.SUCCESS);
    disconnect(world, 0, ABORTIVE_CLOSE);
    expectRule('DISC-04', indicate);
  });

  it('DISC-05, DISC-10: earlier sends are completed first', () => {
    for (const [rule, flags] of [
      ['DISC-05', ABORTIVE_CLOSE],
      ['DISC-10', GRACEFUL_CLOSE],
    ] as const) {
      const world = createOffloadedWorld();
      const sent = netBufferListOf(new Uint8Array(3));
      world.binding.offloadTcpSend(world.handle, sent);
      const list = finish(disconnect(world, 0, flags), NdisStatus.SUCCESS);
      expectRule(rule, () => complete(world, list));
      world.handlers.tcpOffloadSendComplete(world.adapter, finish(sent, NdisStatus.REQUEST_ABORTED));
      complete(world, list);
    }
  });

  it('DISC-06, DISC-12: only the statuses of a disconnect', () => {
    const world = createOffloadedWorld();
    expectRule('DISC-06', () => complete(world, finish(disconnect(world, 0, ABORTIVE_CLOSE), NdisStatus.FAILURE)));
    const other = createOffloadedWorld();
    expectRule('DISC-12', () => complete(other, finish(disconnect(other), NdisStatus.INVALID_STATE)));
    for (const status of [NdisStatus.UPLOAD_IN_PROGRESS, NdisStatus.REQUEST_ABORTED]) {
      const legal = createOffloadedWorld();
      complete(legal, finish(disconnect(legal, 5), status, 2));
    }
  });

  it('DISC-11: success means that data and FIN were acknowledged', () => {
    const world = createOffloadedWorld();
    const list = disconnect(world, 5);
    expectRule('DISC-11', () => complete(world, finish(list, NdisStatus.SUCCESS, 4)));
    const other = createOffloadedWorld();
    complete(other, finish(disconnect(other, 5), NdisStatus.SUCCESS, 5));
  });

  it('DISC-13: a failed disconnect is not issued again', () => {
    const world = createOffloadedWorld();
    complete(world, finish(disconnect(world), NdisStatus.UPLOAD_IN_PROGRESS));
    expectRule('DISC-13', () => world.binding.offloadTcpDisconnect(world.handle, netBufferListOf([]), GRACEFUL_CLOSE));
    disconnect(world, 0, ABORTIVE_CLOSE);
  });

  it('DISC-14: bytes are counted and the data start advanced', () => {
    const world = createOffloadedWorld();
    const list = disconnect(world, 5);
    list.status = NdisStatus.UPLOAD_IN_PROGRESS;
    expectRule('DISC-14', () => complete(world, list));
    list.tcpOffloadBytesTransferred = 5;
    expectRule('DISC-14', () => complete(world, list));
    complete(world, finish(list, NdisStatus.SUCCESS, 5));
  });

  it('DISC-15: a disconnect completion returns the disconnect’s list alone', () => {
    const world = createOffloadedWorld();
    const sent = netBufferListOf(new Uint8Array(3));
    world.binding.offloadTcpSend(world.handle, sent);
    const list = finish(disconnect(world), NdisStatus.SUCCESS);
    finish(sent, NdisStatus.SUCCESS, 3);
    expectRule('DISC-15', () => complete(world, linkNetBufferLists([sent, list]) as NetBufferList));
    sent.next = null;
    world.handlers.tcpOffloadSendComplete(world.adapter, sent);
    list.next = netBufferListOf(new Uint8Array(1));
    expectRule('DISC-15', () => complete(world, list));
    list.next = null;
    complete(world, list);
  });
});

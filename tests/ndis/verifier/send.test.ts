import { describe, expect, it } from 'vitest';
import {
  linkNetBufferLists,
  Mdl,
  NdisStatus,
  NetBuffer,
  type NetBufferList,
  netBufferListOf,
  TcpDisconnectFlag,
  TcpOffloadEventType,
} from '../../../src/ndis/index.ts';
import { createOffloadedWorld, expectRule, finish, type OffloadedWorld } from '../fakes.ts';

function send(world: OffloadedWorld, size = 10): NetBufferList {
  const list = netBufferListOf(new Uint8Array(size));
  expect(world.binding.offloadTcpSend(world.handle, list)).toBe(NdisStatus.PENDING);
  return list;
}

/** Completes one chain of sends. */
function complete(world: OffloadedWorld, ...lists: NetBufferList[]): void {
  world.handlers.tcpOffloadSendComplete(world.adapter, linkNetBufferLists(lists) as NetBufferList);
}

/** Completes one send of 10 bytes with a status and bytes; the test changes the list before. */
function completed(status: NdisStatus, bytes: number, change: (list: NetBufferList) => void = () => {}): () => void {
  const world = createOffloadedWorld();
  const list = finish(send(world), status, bytes);
  change(list);
  return () => complete(world, list);
}

describe('send rules', () => {
  it('SEND-01: a send is pending, and completes after the call down has returned', () => {
    const world = createOffloadedWorld();
    world.target.dataStatus = NdisStatus.SUCCESS;
    expectRule('SEND-01', () => world.binding.offloadTcpSend(world.handle, netBufferListOf(new Uint8Array(1))));
    const other = createOffloadedWorld();
    other.target.onData = ({ list }) => complete(other, finish(list, NdisStatus.SUCCESS, 1));
    expectRule('SEND-01', () => other.binding.offloadTcpSend(other.handle, netBufferListOf(new Uint8Array(1))));
    completed(NdisStatus.SUCCESS, 10)();
  });

  it('SEND-02: sends of a connection complete in posting order', () => {
    const world = createOffloadedWorld();
    const [one, two] = [send(world), send(world)];
    finish(one, NdisStatus.SUCCESS, 10);
    finish(two, NdisStatus.SUCCESS, 10);
    expectRule('SEND-02', () => complete(world, two));
    // SEND-15: lists of several calls in one completion.
    complete(world, one, two);
    expect(world.verifier.summary().requests).toBe(0);
  });

  it('SEND-04: lists belong to the target until it completes them, once', () => {
    const world = createOffloadedWorld();
    const list = send(world);
    expectRule('SEND-04', () => world.binding.offloadTcpSend(world.handle, list));
    complete(world, finish(list, NdisStatus.SUCCESS, 10));
    expectRule('SEND-04', () => complete(world, list));
    expectRule('SEND-04', () => complete(world, netBufferListOf(new Uint8Array(1))));
    world.binding.offloadTcpSend(world.handle, list);
  });

  it('SEND-05: one send call on a connection at a time; SEND-06: further ones before completion', () => {
    const world = createOffloadedWorld();
    let inner = 0;
    world.target.onData = () => {
      if (inner++ > 0) return;
      expectRule('SEND-05', () => world.binding.offloadTcpSend(world.handle, netBufferListOf(new Uint8Array(1))));
    };
    send(world);
    expect(inner).toBe(1);
    send(world);
    expect(world.target.calls).toHaveLength(2);
  });

  it('SEND-08: success means that everything was acknowledged', () => {
    expectRule('SEND-08', completed(NdisStatus.SUCCESS, 9));
    completed(NdisStatus.UPLOAD_IN_PROGRESS, 9)();
    completed(NdisStatus.SUCCESS, 10)();
  });

  it('SEND-10, PAUSE-05: only the statuses of a send', () => {
    expectRule('SEND-10', completed(NdisStatus.FAILURE, 0));
    expectRule('SEND-10', completed(NdisStatus.PENDING, 0));
    expectRule('PAUSE-05', completed(NdisStatus.PAUSED, 0));
    // SEND-11
    completed(NdisStatus.REQUEST_ABORTED, 3)();
  });

  it('SEND-12: at most one list of a chain is partly sent', () => {
    const world = createOffloadedWorld();
    const lists = [send(world), send(world), send(world)];
    for (const list of lists) finish(list, NdisStatus.UPLOAD_IN_PROGRESS, 4);
    expectRule('SEND-12', () => complete(world, ...lists));
    const other = createOffloadedWorld();
    const [one, two, three] = [send(other), send(other), send(other)];
    finish(one, NdisStatus.SUCCESS, 10);
    finish(two, NdisStatus.UPLOAD_IN_PROGRESS, 4);
    finish(three, NdisStatus.UPLOAD_IN_PROGRESS, 0);
    complete(other, one, two, three);
  });

  it('SEND-13: TcpOffloadBytesTransferred is set', () => {
    expectRule(
      'SEND-13',
      completed(NdisStatus.UPLOAD_IN_PROGRESS, 0, (list) => {
        list.tcpOffloadBytesTransferred = -1;
      }),
    );
    expectRule(
      'SEND-13',
      completed(NdisStatus.SUCCESS, 10, (list) => {
        list.tcpOffloadBytesTransferred = 11;
      }),
    );
    completed(NdisStatus.UPLOAD_IN_PROGRESS, 0)();
  });

  it('SEND-14: the data start is advanced, over all buffers of a list (SEND-24)', () => {
    expectRule(
      'SEND-14',
      completed(NdisStatus.SUCCESS, 10, (list) => {
        list.firstNetBuffer.dataLength = 10;
      }),
    );
    const world = createOffloadedWorld();
    const list = netBufferListOf(new Uint8Array(4));
    list.firstNetBuffer.next = new NetBuffer(new Mdl(new Uint8Array(6)));
    world.binding.offloadTcpSend(world.handle, list);
    complete(world, finish(list, NdisStatus.UPLOAD_IN_PROGRESS, 7));
    expect(list.firstNetBuffer.next.dataLength).toBe(3);
  });

  it('SEND-23: UPLOAD_REQUESTED follows REQUEST_UPLOAD on the first list', () => {
    const world = createOffloadedWorld();
    const [one, two] = [send(world), send(world)];
    finish(one, NdisStatus.UPLOAD_REQUESTED);
    finish(two, NdisStatus.UPLOAD_REQUESTED);
    expectRule('SEND-23', () => complete(world, one, two));
    one.status = NdisStatus.REQUEST_UPLOAD;
    complete(world, one, two);
  });

  it('EVT-04: nothing succeeds after an abort', () => {
    const world = createOffloadedWorld();
    const list = send(world);
    const posted = netBufferListOf(new Uint8Array(2));
    world.binding.offloadTcpReceive(world.handle, posted);
    const close = netBufferListOf([]);
    world.binding.offloadTcpDisconnect(world.handle, close, TcpDisconnectFlag.GRACEFUL_CLOSE);
    world.handlers.tcpOffloadEventHandler(world.handle, TcpOffloadEventType.ABORT, 0);
    const { tcpOffloadReceiveComplete, tcpOffloadDisconnectComplete } = world.handlers;
    expectRule('EVT-04', () => complete(world, finish(list, NdisStatus.SUCCESS, 10)));
    list.status = NdisStatus.REQUEST_ABORTED;
    complete(world, list);
    expectRule('EVT-04', () => tcpOffloadReceiveComplete(world.adapter, finish(posted, NdisStatus.SUCCESS)));
    expectRule('EVT-04', () => tcpOffloadDisconnectComplete(world.adapter, finish(close, NdisStatus.SUCCESS)));
    tcpOffloadDisconnectComplete(world.adapter, finish(close, NdisStatus.REQUEST_ABORTED));
  });
});

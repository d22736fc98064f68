/** Query, update, relink, invalidate, urgent data and hardware failure of offloaded objects. */
import { describe, expect, it } from 'vitest';
import {
  linker,
  NdisOffloadHandle,
  NeighborCachedState,
  NeighborConstantState,
  NeighborDelegatedState,
  NeighborOffloadState,
  netBufferListOf,
  newOffload,
  OffloadStateType,
  PathCachedState,
  PathConstantState,
  PathDelegatedState,
  PathOffloadState,
  TcpOffloadState,
} from '../../src/ndis/index.ts';
import { TcpCachedFlag, TcpCachedState, TcpConstantState, TcpDelegatedState } from '../../src/tcp/index.ts';
import { MacAddress, TcpFlag } from '../../src/wire/index.ts';
import {
  type Bench,
  bytesOfChain,
  neighborState,
  type OffloadedTree,
  offloaded,
  pattern,
  RCV,
  REMOTE,
  SND,
  tcpState,
} from './bench.ts';

const OTHER_MAC = MacAddress.parse('02:00:00:00:00:77') as MacAddress;

/** The cached variables as the default connection has them, changed. */
function cachedState(change: (cached: TcpCachedState) => void): TcpOffloadState {
  const cached = new TcpCachedState();
  cached.flags = 0;
  change(cached);
  return new TcpOffloadState(null, cached, null);
}

function update(
  bench: Bench,
  handle: NdisOffloadHandle,
  type: OffloadStateType,
  state: TcpOffloadState | PathOffloadState | NeighborOffloadState,
): void {
  bench.binding.updateOffload(newOffload(handle, type, state));
  bench.run();
}

/** Offloads a second neighbor and moves the path of the tree to it. */
function relink(bench: Bench, tree: OffloadedTree): NdisOffloadHandle {
  const handle = new NdisOffloadHandle();
  bench.initiate(newOffload(handle, OffloadStateType.NEIGHBOR, neighborState({ destination: OTHER_MAC })));
  const root = linker(handle, OffloadStateType.NEIGHBOR);
  root.dependentBlockList = linker(tree.path, OffloadStateType.IP4);
  bench.binding.updateOffload(root);
  bench.run();
  return handle;
}

describe('query', () => {
  it('returns every variable of every class (QRY-02, QRY-03, QRY-06…08)', () => {
    const { bench, tree } = offloaded();
    bench.accept = () => 0;
    bench.peer({ payload: pattern(100) });
    bench.send(tree.tcp, pattern(50));
    bench.takeLog();
    const state = new TcpOffloadState(new TcpConstantState(), new TcpCachedState(), new TcpDelegatedState());
    const root = newOffload(tree.tcp, OffloadStateType.TCP, state);
    bench.binding.queryOffloadState(root);
    bench.run();
    expect(bench.takeLog()).toEqual(['query SUCCESS']);
    expect(state.constant?.remotePort).toBe(REMOTE.port);
    expect(state.cached?.flags).toBe(0);
    expect(state.delegated?.rcvNxt).toBe(RCV + 100);
    expect(state.delegated?.sndMax).toBe(SND + 50);
    expect(state.delegated?.keepAlive.timeoutDelta).toBe(-1);
    expect(state.delegated?.retransmit.timeoutDelta).toBeGreaterThan(0);
    expect(state.receiveBacklogSize).toBe(100);
    const backlog = state.sendBacklogSize;
    expect(backlog).toBeGreaterThanOrEqual(64 * 1024);
    // STATE-24: it does not depend on what is queued.
    bench.send(tree.tcp, pattern(100_000));
    bench.binding.queryOffloadState(newOffload(tree.tcp, OffloadStateType.TCP, state));
    bench.run();
    expect(state.sendBacklogSize).toBe(backlog);
  });

  it('several at once, of one class only, of path and neighbor (QRY-04, STATE-10, NBR-15)', () => {
    const { bench, tree } = offloaded();
    const delegated = new TcpOffloadState(null, null, new TcpDelegatedState());
    const path = new PathOffloadState(
      new PathConstantState(new Uint8Array(4), new Uint8Array(4)),
      new PathCachedState(0),
      new PathDelegatedState(),
    );
    const neighbor = new NeighborOffloadState(
      new NeighborConstantState(),
      new NeighborCachedState(new Uint8Array(6)),
      new NeighborDelegatedState(),
    );
    bench.elapse(70_000);
    bench.binding.queryOffloadState(newOffload(tree.tcp, OffloadStateType.TCP_DELEGATED, delegated));
    bench.binding.queryOffloadState(newOffload(tree.path, OffloadStateType.IP4, path));
    bench.binding.queryOffloadState(newOffload(tree.neighbor, OffloadStateType.NEIGHBOR, neighbor));
    bench.run();
    expect(bench.takeLog()).toEqual(['query SUCCESS', 'query SUCCESS', 'query SUCCESS']);
    expect(delegated.delegated?.sndUna).toBe(SND);
    expect(path.cached?.pathMtu).toBe(1500);
    expect([...(path.constant?.destinationAddress ?? [])]).toEqual([10, 0, 0, 2]);
    expect(neighbor.delegated?.nicReachabilityDelta).toBe(70);
    expect(neighbor.cached?.hostReachabilityDelta).toBe(70);
  });
});

describe('update', () => {
  it('changes TTL and traffic class of later segments (UPD-02)', () => {
    const { bench, tree } = offloaded();
    update(
      bench,
      tree.tcp,
      OffloadStateType.TCP_CACHED,
      cachedState((cached) => {
        cached.ttlOrHopLimit = 9;
        cached.tosOrTrafficClass = 0x10;
        cached.userPriority = 5;
      }),
    );
    bench.send(tree.tcp, pattern(1));
    const [segment] = bench.takeSent();
    expect([segment.ttl, segment.typeOfService, segment.vlanId, segment.priority]).toEqual([9, 0x10, 0, 5]); // VLAN-09
    expect(bench.takeLog()).toEqual(['update SUCCESS']);
  });

  it('a larger receive window is advertised at once on command (UPD-13)', () => {
    const { bench, tree } = offloaded(
      {},
      tcpState(({ cached, delegated }) => {
        cached.initialRcvWnd = 10_000;
        delegated.rcvWnd = 10_000;
      }),
    );
    update(
      bench,
      tree.tcp,
      OffloadStateType.TCP_CACHED,
      cachedState((cached) => {
        cached.flags = TcpCachedFlag.UPDATE_RCV_WND;
        cached.initialRcvWnd = 40_000;
      }),
    );
    expect(bench.takeSent().at(-1)?.window).toBe(40_000);
  });

  it('MAX_RT_RESTART resets TotalRT and, with new keepalive values, their counters (UPD-14, UPD-15, TMR-RTX-05)', () => {
    const { bench, tree } = offloaded(
      {},
      tcpState(({ cached, delegated }) => {
        cached.flags = TcpCachedFlag.KEEP_ALIVE_ENABLED;
        delegated.totalRt = 77;
        delegated.keepAlive = { probeCount: 2, timeoutDelta: 50 };
      }),
    );
    update(
      bench,
      tree.tcp,
      OffloadStateType.TCP_CACHED,
      cachedState((cached) => {
        cached.flags = TcpCachedFlag.MAX_RT_RESTART | TcpCachedFlag.KEEP_ALIVE_ENABLED;
        cached.kaProbeCount = 4;
        cached.kaTimeout = 9000;
      }),
    );
    const { state } = bench.terminateTcp(tree.tcp);
    expect(state.delegated?.totalRt).toBe(0);
    expect(state.delegated?.keepAlive).toEqual({ probeCount: 0, timeoutDelta: 9000 });
  });

  it('a path MTU holds for segments built afterwards (UPD-12)', () => {
    const { bench, tree } = offloaded();
    update(bench, tree.path, OffloadStateType.IP4_CACHED, new PathOffloadState(null, new PathCachedState(600), null));
    bench.send(tree.tcp, pattern(1000));
    expect(bench.takeSent().map((segment) => segment.payload.length)).toEqual([560, 440]);
  });

  it('a smaller path MTU sends nothing again for a connection that waits for its upload (EVT-07, UPD-12)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(1400));
    expect(bench.takeSent().length).toBe(1);
    bench.target.requestUploads();
    bench.run();
    update(bench, tree.path, OffloadStateType.IP4_CACHED, new PathOffloadState(null, new PathCachedState(600), null));
    bench.elapse(1000);
    expect(bench.takeSent()).toEqual([]);
    const { block } = bench.terminateTcp(tree.tcp);
    expect(bytesOfChain(block.netBufferListChain)).toEqual(pattern(1400));
  });

  it('a smaller path MTU than before holds when a connection that stood still goes on (UPD-08, UPD-12)', () => {
    const { bench, tree } = offloaded();
    bench.binding.invalidateOffload(linker(tree.neighbor, OffloadStateType.NEIGHBOR));
    bench.run();
    update(bench, tree.path, OffloadStateType.IP4_CACHED, new PathOffloadState(null, new PathCachedState(600), null));
    bench.send(tree.tcp, pattern(1000));
    relink(bench, tree);
    expect(bench.takeSent().map((segment) => segment.payload.length)).toEqual([560, 440]);
  });

  it('a new MAC of the next hop holds for later frames (UPD-11)', () => {
    const { bench, tree } = offloaded();
    const cached = new NeighborCachedState(OTHER_MAC.bytes.slice());
    update(bench, tree.neighbor, OffloadStateType.NEIGHBOR_CACHED, new NeighborOffloadState(null, cached, null));
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0].destinationMac).toBe(OTHER_MAC.toString());
  });

  it('paths move to another neighbor (UPD-08)', () => {
    const { bench, tree } = offloaded();
    relink(bench, tree);
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0].destinationMac).toBe(OTHER_MAC.toString());
    expect(bench.takeLog()).toEqual(['initiate SUCCESS', 'update SUCCESS']);
    bench.terminate(tree.neighbor, OffloadStateType.NEIGHBOR, null); // UPD-10: nothing depends on the old one
    expect(bench.takeLog()).toEqual(['terminate SUCCESS']);
  });
});

describe('invalidate', () => {
  const named: [string, (tree: OffloadedTree) => [NdisOffloadHandle, OffloadStateType]][] = [
    ['the connection', (tree) => [tree.tcp, OffloadStateType.TCP]],
    ['its path', (tree) => [tree.path, OffloadStateType.IP4]],
    ['its neighbor', (tree) => [tree.neighbor, OffloadStateType.NEIGHBOR]],
  ];
  for (const [what, object] of named) {
    it(`of ${what} stops sending at once and asks for the upload (INV-02…06, EVT-07)`, () => {
      const { bench, tree } = offloaded();
      bench.send(tree.tcp, pattern(100));
      bench.takeSent();
      bench.binding.invalidateOffload(linker(...object(tree)));
      bench.run();
      expect(bench.takeLog()).toEqual(['invalidate SUCCESS', 'event retrieve INVALID_STATE']);
      bench.send(tree.tcp, pattern(50, 100));
      bench.peer({ payload: pattern(10) });
      bench.elapse(2_000_000);
      expect(bench.takeSent()).toEqual([]);
      const { block } = bench.terminateTcp(tree.tcp);
      expect(bytesOfChain(block.netBufferListChain)).toEqual(pattern(150));
      expect(bench.takeLog()).toEqual(['terminate SUCCESS', 'ordinary']);
      expect(bench.takeSent()).toEqual([]);
    });
  }

  it('of the old neighbor, then a relink: the connection goes on (spec/algorithms.md 13)', () => {
    const { bench, tree } = offloaded();
    bench.binding.invalidateOffload(linker(tree.neighbor, OffloadStateType.NEIGHBOR));
    bench.run();
    bench.send(tree.tcp, pattern(20));
    bench.peer({ payload: pattern(5) });
    expect(bench.takeSent()).toEqual([]);
    relink(bench, tree);
    const sent = bench.takeSent();
    expect(sent.flatMap((segment) => [...segment.payload])).toEqual([...pattern(20)]);
    expect(sent.every((segment) => segment.destinationMac === OTHER_MAC.toString())).toBe(true);
    expect(bench.received).toEqual([...pattern(5)]);
  });
});

describe('urgent data', () => {
  it('asks for the upload, acknowledges nothing more, and gives the segments to the host after it (URG-02…04)', () => {
    const { bench, tree } = offloaded();
    bench.peer({ payload: pattern(10) });
    bench.takeLog();
    const urgent = bench.peerFrame({ sequence: RCV + 10, payload: pattern(5), flags: TcpFlag.ACK | TcpFlag.URG });
    const later = bench.peerFrame({ sequence: RCV + 15, payload: pattern(5) });
    bench.link.onReceive(urgent);
    bench.link.onReceive(later);
    bench.run();
    expect(bench.takeLog()).toEqual(['event retrieve RECEIVED_URGENT_DATA']);
    bench.elapse(1_000_000);
    expect(bench.takeSent().every((segment) => segment.acknowledgment === RCV + 10)).toBe(true);
    const { state } = bench.terminateTcp(tree.tcp);
    expect(state.delegated?.rcvNxt).toBe(RCV + 10);
    expect(bench.takeLog()).toEqual(['terminate SUCCESS', 'ordinary', 'ordinary']);
    expect(bench.ordinary).toEqual([urgent, later]);
  });

  it('outside the window it is no reason to stop (URG-01)', () => {
    const { bench } = offloaded();
    bench.peer({ sequence: RCV - 5000, payload: pattern(5), flags: TcpFlag.ACK | TcpFlag.URG });
    bench.peer({ payload: pattern(10) });
    expect(bench.takeLog()).toEqual(['indicate 10 take 10']);
  });

  it('a forwarded urgent segment goes back to the host (URG-03)', () => {
    const { bench, tree } = offloaded();
    const frame = bench.peerFrame({ payload: pattern(5), flags: TcpFlag.ACK | TcpFlag.URG });
    bench.binding.offloadTcpForward(tree.tcp, netBufferListOf(frame.slice(34)));
    bench.run();
    expect(bench.takeLog()).toEqual(['event retrieve RECEIVED_URGENT_DATA', 'forward UPLOAD_IN_PROGRESS']);
  });

  it('a flood of held segments is bounded', () => {
    const { bench, tree } = offloaded({ limits: { heldSegments: 3 } });
    for (let index = 0; index < 10; index += 1) {
      bench.peer({ sequence: RCV + index, payload: pattern(1), flags: TcpFlag.ACK | TcpFlag.URG });
    }
    bench.terminateTcp(tree.tcp);
    expect(bench.ordinary).toHaveLength(3);
  });
});

describe('hardware failure', () => {
  it('of a query: failure, two events, requests aborted at the terminate (HWF-01…04)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(10));
    bench.post(tree.tcp, 10);
    bench.target.failNext('query');
    bench.binding.queryOffloadState(linker(tree.tcp, OffloadStateType.TCP));
    bench.run();
    expect(bench.takeLog()).toEqual(['query FAILURE', 'event retrieve HARDWARE_FAILURE', 'event abort']);
    bench.peer({ acknowledgment: SND + 10, payload: pattern(5) });
    expect(bench.takeLog()).toEqual([]);
    const { block } = bench.terminateTcp(tree.tcp);
    expect(block.netBufferListChain).toBeNull();
    expect(bench.takeLog().slice(0, 3)).toEqual([
      'receive REQUEST_ABORTED 0',
      'send REQUEST_ABORTED 0',
      'terminate SUCCESS',
    ]);
  });

  it('of an invalidate of the path, for every connection of it (INV-07)', () => {
    const { bench, tree } = offloaded();
    bench.target.failNext('invalidate');
    bench.binding.invalidateOffload(linker(tree.path, OffloadStateType.IP4));
    bench.run();
    expect(bench.takeLog()).toEqual(['invalidate FAILURE', 'event retrieve HARDWARE_FAILURE', 'event abort']);
  });

  it('of a terminate: a second one succeeds (decision 9)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(10));
    bench.target.failNext('terminate');
    bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual(['terminate FAILURE', 'event retrieve HARDWARE_FAILURE', 'event abort']);
    bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual(['send REQUEST_ABORTED 0', 'terminate SUCCESS']);
  });

  it('of an update: nothing changes, and the connection goes on (UPD-06)', () => {
    const { bench, tree } = offloaded();
    bench.target.failNext('update');
    update(bench, tree.path, OffloadStateType.IP4_CACHED, new PathOffloadState(null, new PathCachedState(600), null));
    bench.send(tree.tcp, pattern(1000));
    expect(bench.takeSent().map((segment) => segment.payload.length)).toEqual([1000]);
    expect(bench.takeLog()).toEqual(['update FAILURE']);
  });
});

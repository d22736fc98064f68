/** The adapter as a whole: neighbors, VLANs, pause and upload-all, power, OIDs, statistics, channels with delays. */
import { describe, expect, it } from 'vitest';
import {
  DevicePowerState,
  type IpOffloadStatistics,
  NdisOffloadHandle,
  NdisStatus,
  NeighborDelegatedState,
  NeighborOffloadState,
  newOffload,
  OffloadStateType,
  Oid,
  type OidRequest,
  oidQuery,
  oidSet,
  TcpOffloadState,
  type TcpOffloadStatistics,
} from '../../src/ndis/index.ts';
import type { ChannelPair, ToMiniport, ToNic } from '../../src/target/index.ts';
import { type Flow, FlowTable, portPair } from '../../src/target/nic/flow-table.ts';
import { elapsed, hostConfirmed, isStale, startReachability } from '../../src/target/nic/neighbor-reachability.ts';
import { TcpDelegatedState } from '../../src/tcp/index.ts';
import { IpAddress, IpPacket, MacAddress } from '../../src/wire/index.ts';
import { Bench, LOCAL, neighborState, newTree, offloaded, pathState, pattern, RCV, SND, tcpState } from './bench.ts';

describe('neighbor reachability', () => {
  it('follows the derived values of spec/algorithms.md 8 (NBR-01, NBR-02, NBR-06, NBR-11)', () => {
    const neighbor = { hostReachabilityTime: 0, nicReachabilityTime: 0, queryOutstanding: false };
    startReachability(neighbor, 1000, 40, 40);
    expect([neighbor.hostReachabilityTime, neighbor.nicReachabilityTime]).toEqual([960, 960]);
    expect(isStale(neighbor, 1060, 100)).toBe(false);
    expect(isStale(neighbor, 1061, 100)).toBe(true);
    expect(elapsed(1061, neighbor.nicReachabilityTime)).toBe(101);
    hostConfirmed(neighbor, 1061, 0);
    expect(isStale(neighbor, 1161, 100)).toBe(false);
    expect(isStale(neighbor, 1162, 100)).toBe(true);
    expect(elapsed(1162, neighbor.nicReachabilityTime)).toBe(202);
    hostConfirmed(neighbor, 5, 10);
    expect(neighbor.hostReachabilityTime >>> 0).toBe(0xfffffffb);
    expect(elapsed(5, neighbor.hostReachabilityTime)).toBe(10);
  });

  const slow = { parameters: { nceStaleTicks: 100, minimumRtoTicks: 20 } };

  it('asks once before a datagram when both sides are stale, and takes the answer (NBR-06…09, NBR-11)', () => {
    const { bench, tree } = offloaded(slow, tcpState(), pathState(), neighborState({ delta: 40 }));
    bench.elapse(60_000);
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeLog()).toEqual([]);
    bench.elapse(1_000);
    bench.send(tree.tcp, pattern(1), pattern(1));
    expect(bench.takeLog()).toEqual(['neighbor query hrd 101 nrd 101']);
    bench.takeSent();
  });

  it('forward progress keeps it silent (NBR-05)', () => {
    const { bench, tree } = offloaded(slow);
    for (let index = 0; index < 5; index += 1) {
      bench.elapse(50_000);
      bench.send(tree.tcp, pattern(1));
      bench.peer({ acknowledgment: SND + index + 1 });
    }
    expect(bench.takeLog().filter((line) => line.startsWith('neighbor'))).toEqual([]);
  });

  it('a terminate returns NRD (NBR-15)', () => {
    const bench = new Bench();
    const handle = new NdisOffloadHandle();
    bench.initiate(newOffload(handle, OffloadStateType.NEIGHBOR, neighborState({ delta: 10 })));
    bench.elapse(25_000);
    const state = new NeighborOffloadState(null, null, new NeighborDelegatedState());
    const block = newOffload(handle, OffloadStateType.NEIGHBOR_DELEGATED, state);
    bench.binding.terminateOffload(block);
    bench.run();
    expect(state.delegated?.nicReachabilityDelta).toBe(35);
  });
});

describe('VLANs and MAC addresses', () => {
  it('a VLAN is tagged with the user priority, and nothing else is accepted (VLAN-10, VLAN-12)', () => {
    const { bench, tree } = offloaded(
      {},
      tcpState(({ cached }) => {
        cached.userPriority = 3;
      }),
      pathState(),
      neighborState({ vlanId: 42 }),
    );
    bench.send(tree.tcp, pattern(1));
    const [segment] = bench.takeSent();
    expect([segment.vlanId, segment.priority]).toEqual([42, 3]);
    bench.peer({ payload: pattern(4) });
    bench.peer({ payload: pattern(4), vlanId: 43 });
    expect(bench.takeLog()).toEqual([]);
    bench.peer({ payload: pattern(4), vlanId: 42 });
    expect(bench.takeLog()).toEqual(['indicate 4 take 4']);
    expect(bench.target.drops).toEqual({ 'vlan-mismatch': 2 });
  });

  it('without VLAN and priority there is no tag, and any frame is accepted (VLAN-08, VLAN-11)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0].vlanId).toBe(-1);
    bench.peer({ payload: pattern(4), vlanId: 9 });
    expect(bench.takeLog()).toEqual(['indicate 4 take 4']);
  });

  it('a given source MAC is used and listened to; so are groups (STATE-19, STATE-20)', () => {
    const source = MacAddress.parse('02:00:00:00:00:55') as MacAddress;
    const { bench, tree } = offloaded({}, tcpState(), pathState(), neighborState({ source: source.bytes.slice() }));
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0].sourceMac).toBe(source.toString());
    bench.peer({ payload: pattern(4), destinationMac: LOCAL.mac });
    expect(bench.takeLog()).toEqual(['ordinary']);
    bench.peer({ payload: pattern(4), destinationMac: source });
    const group = MacAddress.parse('01:00:5e:00:00:01') as MacAddress;
    bench.peer({ sequence: RCV + 4, payload: pattern(4), destinationMac: group });
    expect(bench.takeLog()).toEqual(['indicate 4 take 4', 'indicate 4 take 4']);
  });
});

describe('pause, resume, upload-all', () => {
  it('a pause leaves connections alone, and a resume reports capabilities anew (PAUSE-02, PAUSE-06)', () => {
    const { bench, tree } = offloaded();
    bench.target.indicatePause();
    bench.run();
    expect(bench.takeLog()).toEqual(['status NDIS_STATUS_OFFLOAD_PAUSE']);
    bench.send(tree.tcp, pattern(10));
    expect(bench.takeSent()).toHaveLength(1);
    bench.target.indicateResume();
    bench.run();
    expect(bench.takeLog()).toEqual(['status NDIS_STATUS_OFFLOAD_RESUME']);
    const query = oidQuery(Oid.TCP_TASK_OFFLOAD);
    bench.binding.oidRequest(query);
    expect(query.information?.tasks).toHaveLength(1);
  });

  // A host that the verifier watches never gets here (PAUSE-01); behind an intermediate driver it can happen.
  it('initiates that reach a paused target wait for the resume (PAUSE-04)', () => {
    const bench = new Bench({}, false);
    bench.target.indicatePause();
    bench.run();
    const tree = newTree();
    bench.initiate(tree.root);
    expect(bench.takeLog()).toEqual(['status NDIS_STATUS_OFFLOAD_PAUSE']);
    bench.target.indicateResume();
    bench.run();
    expect(bench.takeLog()).toEqual(['status NDIS_STATUS_OFFLOAD_RESUME', 'initiate SUCCESS']);
  });

  it('or fail when the adapter halts (decision 12)', () => {
    const bench = new Bench({}, false);
    bench.target.indicatePause();
    bench.run();
    const tree = newTree();
    bench.initiate(tree.root);
    bench.takeLog();
    bench.target.halt();
    expect(bench.takeLog()).toEqual(['initiate FAILURE']);
    expect(tree.tcpBlock.status).toBe(NdisStatus.FAILURE);
    expect(tree.tcp.miniportOffloadContext).toBeNull();
  });

  it('an initiate under way when the pause comes is still accepted (PAUSE-03)', () => {
    const bench = new Bench();
    const tree = newTree();
    bench.binding.initiateOffload(tree.root);
    bench.target.indicatePause();
    bench.run();
    expect(bench.takeLog()).toEqual(['initiate SUCCESS', 'status NDIS_STATUS_OFFLOAD_PAUSE']); // INIT-10: in this order
  });

  it('sends after an upload-all go back with UPLOAD_IN_PROGRESS, in order (PAUSE-05)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(10));
    bench.target.indicatePause();
    bench.target.indicateUploadAll();
    bench.run();
    bench.send(tree.tcp, pattern(5));
    expect(bench.takeSent()).toHaveLength(1);
    expect(bench.takeLog()).toEqual(['status NDIS_STATUS_OFFLOAD_PAUSE', 'status NDIS_STATUS_UPLOAD_ALL']);
    bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual(['send UPLOAD_IN_PROGRESS 0', 'send UPLOAD_IN_PROGRESS 0', 'terminate SUCCESS']);
  });

  it('what came too late stays behind, also when a resume comes before the terminate (PAUSE-05, SEND-02, DISC-07)', () => {
    const { bench, tree } = offloaded();
    bench.target.indicatePause();
    bench.target.indicateUploadAll();
    bench.run();
    bench.send(tree.tcp, pattern(5));
    bench.target.indicateResume();
    bench.run();
    bench.takeLog();
    bench.send(tree.tcp, pattern(7));
    bench.disconnect(tree.tcp, pattern(3));
    // Neither the later bytes nor the FIN may take the sequence numbers of the bytes before them.
    expect(bench.takeSent()).toEqual([]);
    bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual([
      'send UPLOAD_IN_PROGRESS 0',
      'send UPLOAD_IN_PROGRESS 0',
      'disconnect UPLOAD_IN_PROGRESS 0',
      'terminate SUCCESS',
    ]);
  });

  it('a FIN waits for the terminate after an upload-all (PAUSE-05, DISC-12)', () => {
    const { bench, tree } = offloaded();
    bench.target.indicateUploadAll();
    bench.run();
    bench.send(tree.tcp, pattern(5));
    bench.disconnect(tree.tcp, pattern(0));
    expect(bench.takeSent()).toEqual([]);
    bench.takeLog();
    bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toContain('disconnect UPLOAD_IN_PROGRESS 0');
  });

  it('asks for single connections (INIT-29, INIT-30) and tells the state of the link (TERM-28)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(10));
    bench.target.requestUploads();
    bench.target.requestUploads();
    bench.target.indicateLink(false);
    bench.run();
    expect(bench.takeLog()).toEqual(['event retrieve UPLOAD_REQUESTED', 'status NDIS_STATUS_LINK_STATE']);
    bench.send(tree.tcp, pattern(5));
    bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual(['send UPLOAD_IN_PROGRESS 0', 'send UPLOAD_IN_PROGRESS 0', 'terminate SUCCESS']);
  });
});

describe('OIDs', () => {
  it('capabilities name what the target can do (OID-02)', () => {
    const bench = new Bench({ limits: { connections: 12 }, supportsExtension: false });
    const query = oidQuery(Oid.TCP_TASK_OFFLOAD);
    expect(bench.binding.oidRequest(query)).toBe(NdisStatus.SUCCESS);
    const [task] = query.information?.tasks ?? [];
    expect(task).toMatchObject({ supportIp4: true, supportIp6: true, supportSack: true, extensionRevision: 0 });
    expect(task?.tcpConnectionOffloadCapacity).toBe(12);
    const current = oidQuery(Oid.TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG);
    bench.binding.oidRequest(current);
    expect(current.information?.tcpConnectionOffloadCapacity).toBe(12);
  });

  it('ticks of the host are the unit of its timers (OID-03, TMR-PUSH-01)', () => {
    const bench = new Bench();
    const query = oidQuery(Oid.TCP_TASK_OFFLOAD);
    bench.binding.oidRequest(query);
    if (query.information === null) throw new Error('no answer');
    const tasks = query.information.tasks.map((task) => ({ ...task, ticksPerSecond: 10, tcpPushTicks: 7 }));
    expect(bench.binding.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, { ...query.information, tasks }))).toBe(
      NdisStatus.SUCCESS,
    );
    bench.run();
    const tree = newTree();
    bench.initiate(tree.root);
    bench.post(tree.tcp, 100);
    bench.peer({ payload: pattern(10) });
    bench.takeLog();
    bench.elapse(600_000);
    expect(bench.takeLog()).toEqual([]);
    bench.elapse(200_000);
    expect(bench.takeLog()).toEqual(['receive SUCCESS 10']);
    const odd = query.information.tasks.map((task) => ({ ...task, ticksPerSecond: 60 }));
    expect(bench.binding.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, { ...query.information, tasks: odd }))).toBe(
      NdisStatus.INVALID_DATA,
    );
  });

  it('statistics count offloaded traffic only, and a set clears them (STAT-01…03, STAT-05…07, STAT-12…15)', () => {
    const { bench, tree } = offloaded();
    const read = (
      oid: typeof Oid.IP4_OFFLOAD_STATS | typeof Oid.TCP4_OFFLOAD_STATS,
    ): IpOffloadStatistics & TcpOffloadStatistics => {
      const query = oidQuery(oid);
      expect(bench.binding.oidRequest(query as OidRequest)).toBe(NdisStatus.PENDING);
      bench.run();
      expect(bench.oidResults.pop()).toBe(query);
      return query.information as IpOffloadStatistics & TcpOffloadStatistics;
    };
    bench.peer({ remotePort: 1 });
    bench.send(tree.tcp, pattern(100));
    bench.elapse(5_000_000);
    const resent = bench.takeSent().length - 1;
    expect(resent).toBeGreaterThan(0);
    bench.peer({ acknowledgment: SND + 100, payload: pattern(20) });
    const tcp = read(Oid.TCP4_OFFLOAD_STATS);
    expect(tcp.inSegments).toBe(1);
    expect(tcp.retransmittedSegments).toBe(resent);
    expect(tcp.outSegments).toBe(1);
    expect(tcp.currentlyEstablished).toBe(1);
    const ip = read(Oid.IP4_OFFLOAD_STATS);
    expect([ip.inReceives, ip.inOctets, ip.inDelivers]).toEqual([1, 60, 1]);
    expect([ip.outRequests, ip.outOctets]).toEqual([1 + resent, 140 * (1 + resent)]);
    bench.disconnect(tree.tcp, pattern(0), true);
    const after = read(Oid.TCP4_OFFLOAD_STATS);
    expect([after.outResets, after.resetEstablished, after.currentlyEstablished]).toEqual([1, 1, 0]);
    bench.binding.oidRequest(oidSet(Oid.TCP4_OFFLOAD_STATS, null));
    expect(read(Oid.TCP4_OFFLOAD_STATS).outResets).toBe(0);
    const ip6 = oidQuery(Oid.IP6_OFFLOAD_STATS);
    bench.binding.oidRequest(ip6);
    bench.run();
    expect(ip6.information?.inReceives).toBe(0);
  });

  it('set-power waits for the last terminate (PM-02, PM-03)', () => {
    const { bench, tree } = offloaded();
    const state = new TcpOffloadState(null, null, new TcpDelegatedState());
    bench.binding.terminateOffload(newOffload(tree.tcp, OffloadStateType.TCP_DELEGATED, state));
    const sleep = oidSet(Oid.PNP_SET_POWER, DevicePowerState.D3);
    expect(bench.binding.oidRequest(sleep)).toBe(NdisStatus.PENDING);
    bench.run();
    expect(bench.oidResults).toEqual([sleep]);
    expect(sleep.status).toBe(NdisStatus.SUCCESS);
    expect(bench.binding.oidRequest(oidSet(Oid.PNP_SET_POWER, DevicePowerState.D0))).toBe(NdisStatus.SUCCESS);
  });
});

/** Every message arrives as its structured clone, after a delay of its own direction; the order is kept. */
class SlowChannel implements ChannelPair {
  readonly miniport: ChannelPair['miniport'];
  readonly nic: ChannelPair['nic'];
  onWork: (() => void) | null = null;
  private readonly down: { at: number; message: ToNic }[] = [];
  private readonly up: { at: number; message: ToMiniport }[] = [];
  private now = 0;

  constructor(downDelay: () => number, upDelay: () => number) {
    const later = (queue: readonly { at: number }[], delay: number): number =>
      Math.max(this.now + delay, queue.at(-1)?.at ?? 0);
    this.miniport = {
      post: (message) => {
        this.down.push({ at: later(this.down, downDelay()), message: structuredClone(message) });
        this.onWork?.();
      },
      onMessage: () => {},
    };
    this.nic = {
      post: (message) => {
        this.up.push({ at: later(this.up, upDelay()), message: structuredClone(message) });
        this.onWork?.();
      },
      onMessage: () => {},
    };
  }

  advance(nowMicroseconds: number): void {
    this.now = nowMicroseconds;
    while (this.down.length > 0 && this.down[0].at <= nowMicroseconds) {
      const [{ message }] = this.down.splice(0, 1);
      this.nic.onMessage(message);
    }
    while (this.up.length > 0 && this.up[0].at <= nowMicroseconds) {
      const [{ message }] = this.up.splice(0, 1);
      this.miniport.onMessage(message);
    }
  }

  nextDeadline(): number {
    return Math.min(this.down[0]?.at ?? Number.POSITIVE_INFINITY, this.up[0]?.at ?? Number.POSITIVE_INFINITY);
  }
}

describe('the channel', () => {
  it('may clone and delay: every byte arrives both ways, and all requests come back', () => {
    let seed = 7;
    const delay = (): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed % 3000;
    };
    const { bench, tree } = ((): ReturnType<typeof offloaded> => {
      const slow = new Bench({ channel: () => new SlowChannel(delay, delay) });
      slow.elapse(10_000);
      const built = newTree();
      slow.initiate(built.root);
      slow.elapse(20_000);
      expect(slow.takeLog()).toEqual(['initiate SUCCESS']);
      return { bench: slow, tree: built };
    })();
    let sequence = RCV;
    let acknowledged = SND;
    bench.accept = (length) => (delay() % 3 === 0 ? 0 : length);
    for (let index = 0; index < 200; index += 1) {
      bench.peer({ sequence, payload: pattern(100, sequence - RCV), acknowledgment: acknowledged });
      sequence += 100;
      bench.send(tree.tcp, pattern(50));
      if (index % 7 === 0) bench.post(tree.tcp, delay() % 500);
      bench.elapse(delay());
      for (const segment of bench.takeSent()) {
        acknowledged = Math.max(acknowledged, segment.sequence + segment.payload.length);
      }
    }
    const finish = new TcpOffloadState(null, null, new TcpDelegatedState());
    bench.binding.terminateOffload(newOffload(tree.tcp, OffloadStateType.TCP_DELEGATED, finish));
    bench.elapse(100_000);
    expect(bench.takeLog().at(-1)).toBe('terminate SUCCESS');
    const left: number[] = [];
    for (let list = finish.bufferedData; list !== null; list = list.next) {
      for (
        let mdl: typeof list.firstNetBuffer.mdlChain | null = list.firstNetBuffer.mdlChain;
        mdl !== null;
        mdl = mdl.next
      ) {
        left.push(...mdl.bytes);
      }
    }
    expect([...bench.received, ...left]).toEqual([...pattern((finish.delegated?.rcvNxt ?? 0) - RCV)]);
    expect(sequence - (finish.delegated?.rcvNxt ?? 0)).toBe(0);
    expect(bench.target.offloadedConnections).toBe(0);
  });
});

describe('the flow table', () => {
  it('finds exactly what was added, through growth and removal', () => {
    const table = new FlowTable<Flow>(12345);
    const local = IpAddress.fromWords(6, 1, 2, 3, 4);
    const other = IpAddress.fromWords(6, 1, 2, 3, 5);
    const find = (flow: Flow, to = flow.localAddress): Flow | null => {
      const packet = Object.assign(new IpPacket(), { family: 6, source0: -1, source3: flow.remoteAddress.word3 });
      Object.assign(packet, { destination0: 1, destination1: 2, destination2: 3, destination3: to.word3 });
      return table.find(packet, flow.ports);
    };
    const flows = Array.from({ length: 5000 }, (_, index) => ({
      localAddress: local,
      remoteAddress: IpAddress.fromWords(6, -1, 0, 0, -index),
      ports: portPair(80, 60_000 + (index % 7)),
    }));
    for (const flow of flows) table.add(flow);
    expect(table.size).toBe(5000);
    expect(flows.every((flow) => find(flow) === flow && table.has(local, flow.remoteAddress, flow.ports))).toBe(true);
    expect(find(flows[3], other)).toBeNull();
    expect(table.has(other, flows[3].remoteAddress, flows[3].ports)).toBe(false);
    for (let round = 0; round < 20; round += 1) {
      expect(flows.every((flow) => table.remove(flow))).toBe(true);
      expect(table.size).toBe(0);
      expect(find(flows[9])).toBeNull();
      for (const flow of flows) table.add(flow);
    }
    expect(table.remove({ ...flows[0] })).toBe(false);
  });
});

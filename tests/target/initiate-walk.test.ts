/** The depth-first walk and the roll-up of statuses, with the test vectors of spec/algorithms.md 1.2 and 1.4. */
import { describe, expect, it } from 'vitest';
import { NdisStatus } from '../../src/ndis/index.ts';
import { completeLimits, type TargetLimits } from '../../src/target/limits.ts';
import type { InitiateBlock, NewState, ToMiniport } from '../../src/target/messages.ts';
import { NicConnectionOwner } from '../../src/target/nic/connection-owner.ts';
import { NicCore } from '../../src/target/nic/core.ts';
import { initiate } from '../../src/target/nic/initiate.ts';
import type { TcpCachedState, TcpConstantState, TcpDelegatedState } from '../../src/tcp/index.ts';
import { LOCAL, tcpState } from './bench.ts';

function newCore(
  limits: Partial<TargetLimits> = {},
  interfaceVlans: number[] = [],
): { core: NicCore; order: number[] } {
  const posted: ToMiniport[] = [];
  const core = new NicCore(
    {
      macAddress: LOCAL.mac,
      link: { mtu: 1500, onReceive: () => {}, send: () => {} },
      limits: completeLimits(limits),
      interfaceVlans,
      sendHandBack: 'chain',
      supportsExtension: true,
      random: () => 1,
      parameters: {},
      nowMicroseconds: 0,
    },
    (message) => posted.push(message),
  );
  const order: number[] = [];
  for (const map of [core.neighbors, core.paths, core.connections] as Map<number, unknown>[]) {
    const set = map.set.bind(map);
    map.set = (id, object) => {
      order.push(id);
      return set(id, object);
    };
  }
  return { core, order };
}

const neighbor = (vlanId = 0): NewState => ({
  kind: 'neighbor',
  dlSourceAddress: null,
  vlanId,
  dlDestinationAddress: Uint8Array.of(2, 0, 0, 0, 0, 9),
  hostReachabilityDelta: 0,
  nicReachabilityDelta: 0,
});

const path = (last = 2, pathMtu = 1500): NewState => ({
  kind: 'path',
  sourceAddress: Uint8Array.of(10, 0, 0, 1),
  destinationAddress: Uint8Array.of(10, 0, 0, last),
  pathMtu,
});

let port = 1000;
function tcp(change: Parameters<typeof tcpState>[0] = () => {}): NewState {
  port += 1;
  const remotePort = port;
  const state = tcpState((all) => {
    all.constant.remotePort = remotePort;
    change(all);
  });
  return {
    kind: 'tcp',
    constant: state.constant as TcpConstantState,
    cached: state.cached as TcpCachedState,
    delegated: state.delegated as TcpDelegatedState,
    extension: null,
    sends: [],
    buffered: [],
  };
}

interface Node {
  readonly id: number;
  readonly state: NewState | null;
  readonly dependents?: readonly Node[];
}

/** Lays siblings and their dependents out, in the order of the tree. */
function layOut(siblings: readonly Node[]): { blocks: InitiateBlock[]; ids: number[] } {
  const blocks: { next: number; dependent: number; id: number; state: NewState | null }[] = [];
  const place = (nodes: readonly Node[]): number => {
    let first = -1;
    let previous = -1;
    for (const node of nodes) {
      const index = blocks.push({ next: -1, dependent: -1, id: node.id, state: node.state }) - 1;
      if (previous >= 0) blocks[previous].next = index;
      else first = index;
      blocks[index].dependent = place(node.dependents ?? []);
      previous = index;
    }
    return first;
  };
  place(siblings);
  return { blocks, ids: blocks.map((block) => block.id) };
}

function run(core: NicCore, siblings: readonly Node[]): { statuses: Map<number, NdisStatus>; list: NdisStatus[] } {
  const { blocks, ids } = layOut(siblings);
  const list = initiate(core, new NicConnectionOwner(core), blocks, []).map((result) => result.status);
  return { list, statuses: new Map(ids.map((id, index) => [id, list[index]])) };
}

const { SUCCESS, FAILURE, OFFLOAD_PARTIAL_SUCCESS } = NdisStatus;

describe('order', () => {
  it('is N1 P1 T1 T2 P2 T3 N2 P3 T4 T5 (TREE-05, test vector 1.2)', () => {
    const { core, order } = newCore();
    const [n1, p1, t1, t2, p2, t3, n2, p3, t4, t5] = [11, 21, 31, 32, 22, 33, 12, 23, 34, 35];
    const { list } = run(core, [
      {
        id: n1,
        state: neighbor(),
        dependents: [
          { id: p1, state: path(2), dependents: [t1, t2].map((id) => ({ id, state: tcp() })) },
          { id: p2, state: path(3), dependents: [{ id: t3, state: tcp() }] },
        ],
      },
      {
        id: n2,
        state: neighbor(),
        dependents: [{ id: p3, state: path(4), dependents: [t4, t5].map((id) => ({ id, state: tcp() })) }],
      },
    ]);
    expect(order).toEqual([n1, p1, t1, t2, p2, t3, n2, p3, t4, t5]);
    expect(list.every((status) => status === SUCCESS)).toBe(true);
    // TREE-22, TREE-04: links lead up, shared objects exist once.
    expect(core.connections.get(t2)?.path).toBe(core.connections.get(t1)?.path);
    expect(core.connections.get(t3)?.path.neighbor.id).toBe(n1);
  });

  it('20,000 siblings do not overflow anything (TREE-03)', () => {
    const { core } = newCore({ connections: 1_000_000 });
    const template = tcp();
    if (template.kind !== 'tcp') throw new Error('unreachable');
    const connections = Array.from({ length: 20_000 }, (_, index) => ({
      id: 100 + index,
      state: {
        ...template,
        constant: { ...template.constant, localPort: 1 + (index >> 10), remotePort: 1 + (index & 1023) },
      } as NewState,
    }));
    const { list } = run(core, [
      { id: 1, state: neighbor(), dependents: [{ id: 2, state: path(), dependents: connections }] },
    ]);
    expect(list.every((status) => status === SUCCESS)).toBe(true);
    expect(core.flows.size).toBe(20_000);
  });
});

describe('roll-up', () => {
  it('follows test vector 1.4 (TREE-13, TREE-15, TREE-16)', () => {
    const { core, order } = newCore();
    const [n1, p1, t1, t2, p2, t3] = [11, 21, 31, 32, 22, 33];
    core.refusals.set('tcp', NdisStatus.RESOURCES);
    // T2 comes first of the two here so that the arranged failure meets it; the order of siblings does not matter.
    const { statuses } = run(core, [
      {
        id: n1,
        state: neighbor(),
        dependents: [
          {
            id: p1,
            state: path(2),
            dependents: [
              { id: t2, state: tcp() },
              { id: t1, state: tcp() },
            ],
          },
          {
            id: p2,
            state: { ...(path(3) as NewState & { kind: 'path' }), sourceAddress: new Uint8Array(16) },
            dependents: [{ id: t3, state: tcp() }],
          },
        ],
      },
    ]);
    expect(Object.fromEntries(statuses)).toEqual({
      [n1]: OFFLOAD_PARTIAL_SUCCESS,
      [p1]: OFFLOAD_PARTIAL_SUCCESS,
      [t1]: SUCCESS,
      [t2]: NdisStatus.RESOURCES,
      [p2]: FAILURE,
      [t3]: FAILURE,
    });
    expect(order).toEqual([n1, p1, t1]);
  });

  it('a failed root ends everything, its siblings included (TREE-14)', () => {
    const { core, order } = newCore({ neighbors: 0 });
    const { list } = run(core, [
      { id: 1, state: neighbor(), dependents: [{ id: 2, state: path() }] },
      { id: 3, state: neighbor() },
    ]);
    expect(list).toEqual([NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES, FAILURE, FAILURE]);
    expect(order).toEqual([]);
  });

  it('a failed block skips its subtree only (decision 1)', () => {
    const { core, order } = newCore();
    core.refusals.set('path', FAILURE);
    const { list } = run(core, [
      {
        id: 1,
        state: neighbor(),
        dependents: [
          { id: 2, state: path(2), dependents: [{ id: 3, state: tcp() }] },
          { id: 4, state: path(3), dependents: [{ id: 5, state: tcp() }] },
        ],
      },
    ]);
    expect(list).toEqual([OFFLOAD_PARTIAL_SUCCESS, FAILURE, FAILURE, SUCCESS, SUCCESS]);
    expect(order).toEqual([1, 4, 5]);
  });

  it('linkers: all, some, none of their dependents (TREE-09, TREE-12)', () => {
    const { core } = newCore({ connections: 3 });
    run(core, [{ id: 1, state: neighbor(), dependents: [{ id: 2, state: path() }] }]);
    const link = (connections: Node[]): NdisStatus[] =>
      run(core, [{ id: 0, state: null, dependents: [{ id: 2, state: null, dependents: connections }] }]).list;
    expect(link([{ id: 10, state: tcp() }])).toEqual([SUCCESS, SUCCESS, SUCCESS]);
    expect(core.connections.get(10)?.path.id).toBe(2);
    const entries = NdisStatus.OFFLOAD_TCP_ENTRIES;
    expect(
      link([
        { id: 11, state: tcp() },
        { id: 12, state: tcp() },
        { id: 13, state: tcp() },
      ]),
    ).toEqual([SUCCESS, OFFLOAD_PARTIAL_SUCCESS, SUCCESS, SUCCESS, entries]);
    // A placeholder reports success also when everything below it failed (TREE-11).
    expect(link([{ id: 14, state: tcp() }])).toEqual([SUCCESS, FAILURE, entries]);
  });

  it('a partially successful dependent counts as offloaded (decision 2)', () => {
    const { core } = newCore({ connections: 0 });
    const { list } = run(core, [
      { id: 1, state: neighbor(), dependents: [{ id: 2, state: path(), dependents: [{ id: 3, state: tcp() }] }] },
    ]);
    expect(list).toEqual([SUCCESS, OFFLOAD_PARTIAL_SUCCESS, NdisStatus.OFFLOAD_TCP_ENTRIES]);
  });

  it('new objects directly below a placeholder fail (decision 3)', () => {
    const { core } = newCore();
    expect(run(core, [{ id: 0, state: null, dependents: [{ id: 2, state: path() }] }]).list).toEqual([
      SUCCESS,
      FAILURE,
    ]);
    expect(
      run(core, [{ id: 0, state: null, dependents: [{ id: 0, state: null, dependents: [{ id: 3, state: tcp() }] }] }])
        .list,
    ).toEqual([SUCCESS, SUCCESS, FAILURE]);
  });
});

describe('limits', () => {
  const one = (
    limits: Partial<TargetLimits>,
    parts: { neighbor?: NewState; path?: NewState; tcp?: NewState },
    vlans: number[] = [],
  ): NdisStatus[] => {
    const { core } = newCore(limits, vlans);
    return run(core, [
      {
        id: 1,
        state: parts.neighbor ?? neighbor(),
        dependents: [{ id: 2, state: parts.path ?? path(), dependents: [{ id: 3, state: parts.tcp ?? tcp() }] }],
      },
    ]).list;
  };

  it('each has its status (INIT-13…INIT-22)', () => {
    expect(one({ connections: 0 }, {})[2]).toBe(NdisStatus.OFFLOAD_TCP_ENTRIES);
    expect(one({ paths: 0 }, {})[1]).toBe(NdisStatus.OFFLOAD_PATH_ENTRIES);
    expect(one({ neighbors: 0 }, {})[0]).toBe(NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES);
    expect(one({ ipAddresses: 0 }, {})[1]).toBe(NdisStatus.OFFLOAD_IP_ADDRESS_ENTRIES);
    expect(one({ pathMtu: 1499 }, {})[1]).toBe(NdisStatus.OFFLOAD_PATH_MTU);
    expect(one({ receiveWindow: 65_534 }, {})[2]).toBe(NdisStatus.OFFLOAD_TCP_RCV_WINDOW);
    const sends = [{ id: 9, chunks: [new Uint8Array(100)] }];
    expect(one({ transmitBuffer: 99 }, { tcp: { ...tcp(), sends } as NewState })[2]).toBe(
      NdisStatus.OFFLOAD_TCP_XMIT_BUFFER,
    );
    const buffered = [new Uint8Array(100)];
    expect(one({ receiveBuffer: 99 }, { tcp: { ...tcp(), buffered } as NewState })[2]).toBe(
      NdisStatus.OFFLOAD_TCP_RCV_BUFFER,
    );
    const rejected = NdisStatus.OFFLOAD_CONNECTION_REJECTED;
    expect(one({ rejection: { remoteMssBelow: 1461, ports: [] } }, {})[2]).toBe(rejected);
    expect(one({ rejection: { remoteMssBelow: 0, ports: [80] } }, {})[2]).toBe(rejected);
  });

  it('source MAC addresses (INIT-16)', () => {
    const own = { ...neighbor(), dlSourceAddress: LOCAL.mac.bytes } as NewState;
    const other = { ...neighbor(), dlSourceAddress: Uint8Array.of(2, 0, 0, 0, 0, 7) } as NewState;
    expect(one({ sourceMacAddresses: 0 }, { neighbor: own })[0]).toBe(SUCCESS);
    expect(one({ sourceMacAddresses: 0 }, { neighbor: other })[0]).toBe(NdisStatus.OFFLOAD_HW_ADDRESS_ENTRIES);
    expect(one({ sourceMacAddresses: 1 }, { neighbor: other })[0]).toBe(SUCCESS);
  });

  it('reasons without a status of their own: FAILURE (INIT-02, INIT-11)', () => {
    const closing = tcp(({ delegated }) => {
      delegated.state = 10; // TIME-WAIT
    });
    expect(one({}, { tcp: closing })[2]).toBe(FAILURE);
    for (const positions of [
      { sndNxt: -1, sndMax: 0 },
      { sndNxt: 0, sndMax: 1 },
      { sndNxt: 1, sndMax: 0 },
    ]) {
      const beyond = tcp(({ delegated }) => {
        delegated.sndNxt = (delegated.sndUna + positions.sndNxt) | 0;
        delegated.sndMax = (delegated.sndUna + positions.sndMax) | 0;
      });
      expect(one({}, { tcp: beyond })[2], JSON.stringify(positions)).toBe(FAILURE);
    }
    const { core } = newCore();
    const same = tcp();
    const { list } = run(core, [
      {
        id: 1,
        state: neighbor(),
        dependents: [
          {
            id: 2,
            state: path(),
            dependents: [
              { id: 3, state: same },
              { id: 4, state: same },
            ],
          },
        ],
      },
    ]);
    expect(list).toEqual([SUCCESS, OFFLOAD_PARTIAL_SUCCESS, SUCCESS, FAILURE]);
  });

  it('VLANs: the table of VLAN-03…07', () => {
    const vlan = (id: number, configured: number[], slots = 8): NdisStatus =>
      one({ vlans: slots }, { neighbor: neighbor(id) }, configured)[0];
    expect(vlan(5, [])).toBe(SUCCESS); // VLAN-04
    expect(vlan(5, [0])).toBe(SUCCESS);
    expect(vlan(0, [7])).toBe(SUCCESS); // VLAN-05
    expect(vlan(7, [7, 8])).toBe(SUCCESS); // VLAN-06
    expect(vlan(5, [7, 8])).toBe(NdisStatus.OFFLOAD_VLAN_MISMATCH); // VLAN-07
    expect(vlan(5, [], 0)).toBe(NdisStatus.OFFLOAD_VLAN_ENTRIES); // VLAN-03
    expect(vlan(0, [], 0)).toBe(SUCCESS);
  });
});

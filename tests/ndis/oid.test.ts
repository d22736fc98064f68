import { describe, expect, it } from 'vitest';
import {
  Encapsulation,
  type MiniportAdapter,
  NdisStatus,
  OffloadSetting,
  Oid,
  oidQuery,
  oidSet,
  resumeIndication,
  TCP_CONNECTION_OFFLOAD_HEADER,
  TCP_CONNECTION_OFFLOAD_PARAMETERS_HEADER,
  type TcpConnectionOffload,
  type TcpConnectionOffloadParameters,
} from '../../src/ndis/index.ts';
import { answerOid, createWorld, enableOffload, FakeHost, NO_TASKS, TASKS } from './fakes.ts';

const CAPABILITIES: TcpConnectionOffload = {
  header: TCP_CONNECTION_OFFLOAD_HEADER,
  encapsulation: Encapsulation.IEEE_802_3,
  supportIPv4: true,
  supportIPv6: false,
  supportIPv6ExtensionHeaders: false,
  supportSack: true,
  congestionAlgorithm: 0,
  tcpConnectionOffloadCapacity: 10,
  flags: 0,
  extensionRevision: 1,
};

const PARAMETERS: TcpConnectionOffloadParameters = {
  header: TCP_CONNECTION_OFFLOAD_PARAMETERS_HEADER,
  encapsulation: {
    ipv4: { enabled: OffloadSetting.ON, encapsulationType: Encapsulation.IEEE_802_3, headerSize: 14 },
    ipv6: { enabled: OffloadSetting.NO_CHANGE, encapsulationType: Encapsulation.IEEE_802_3, headerSize: 14 },
  },
  ticksPerSecond: 1000,
  tcpAckFrequency: 2,
  tcpDelayedAckTicks: 40,
  tcpMaximumRetransmissions: 15,
  tcpDoubtReachabilityRetransmissions: 3,
  tcpSwsPreventionTicks: 200,
  tcpDuplicateAckThreshold: 3,
  tcpPushTicks: 500,
  nceStaleTicks: 30_000,
  congestionAlgorithm: 0,
};

describe('OID requests', () => {
  it('OID-08: a query of the parameters returns the most recent set, and reaches no miniport', () => {
    const world = createWorld();
    const query = oidQuery(Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS);
    expect(world.binding.oidRequest(query)).toBe(NdisStatus.NOT_SUPPORTED);
    const changed = { ...PARAMETERS, tcpAckFrequency: 4 };
    for (const set of [PARAMETERS, changed]) {
      expect(world.binding.oidRequest(oidSet(Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS, set))).toBe(NdisStatus.SUCCESS);
    }
    world.target.onOid = () => NdisStatus.FAILURE;
    expect(world.binding.oidRequest(oidSet(Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS, PARAMETERS))).toBe(
      NdisStatus.FAILURE,
    );
    expect(world.binding.oidRequest(query)).toBe(NdisStatus.SUCCESS);
    expect(query.information).toBe(changed);
  });

  it('OID-12: only one protocol has connection offload enabled at a time', () => {
    const world = createWorld();
    const host = new FakeHost();
    const second = world.ndis.registerProtocolDriver(host.characteristics).openAdapter(world.adapter, host);
    second.oidRequest(oidQuery(Oid.TCP_TASK_OFFLOAD));
    expect(second.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, TASKS))).toBe(NdisStatus.FAILURE);
    expect(second.chimneyEnabled).toBe(false);
    expect(world.binding.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, NO_TASKS))).toBe(NdisStatus.SUCCESS);
    expect(world.binding.chimneyEnabled).toBe(false);
    enableOffload(second);
    expect(second.chimneyEnabled).toBe(true);
    second.close();
    enableOffload(world.binding);
    expect(world.binding.chimneyEnabled).toBe(true);
  });

  it('answers the configuration and the capabilities from what the miniport said', () => {
    const world = createWorld();
    const current = oidQuery(Oid.TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG);
    expect(world.binding.oidRequest(current)).toBe(NdisStatus.NOT_SUPPORTED);
    world.adapter.setMiniportAttributes({
      miniportAdapterContext: world.target,
      macAddress: new Uint8Array(6),
      mtuSize: 1500,
      defaultConnectionOffload: CAPABILITIES,
      hardwareConnectionOffload: { ...CAPABILITIES, tcpConnectionOffloadCapacity: 20 },
    });
    expect(world.binding.oidRequest(current)).toBe(NdisStatus.SUCCESS);
    expect(current.information).toBe(CAPABILITIES);
    const hardware = oidQuery(Oid.TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES);
    expect(world.binding.oidRequest(hardware)).toBe(NdisStatus.SUCCESS);
    expect(hardware.information?.tcpConnectionOffloadCapacity).toBe(20);
    const set = oidSet(Oid.TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG, CAPABILITIES);
    expect(world.binding.oidRequest(set)).toBe(NdisStatus.NOT_SUPPORTED);
    expect(world.binding.oidRequest(oidSet(Oid.TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES, CAPABILITIES))).toBe(
      NdisStatus.NOT_SUPPORTED,
    );
  });

  it('PAUSE-07: new capabilities that come with a resume are in force at once', () => {
    const world = createWorld();
    world.adapter.indicateStatusEx(resumeIndication(CAPABILITIES));
    expect(world.adapter.connectionOffload).toBe(CAPABILITIES);
    world.adapter.indicateStatusEx(resumeIndication());
    expect(world.adapter.connectionOffload).toBe(CAPABILITIES);
    world.adapter.indicateStatusEx({
      statusCode: NdisStatus.TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES,
      statusBuffer: CAPABILITIES,
      portNumber: 0,
      sourceHandle: null,
    });
    expect(world.adapter.hardwareConnectionOffload).toBe(CAPABILITIES);
  });

  it('a pending request takes effect when it completes', () => {
    const world = createWorld(false);
    world.binding.oidRequest(oidQuery(Oid.TCP_TASK_OFFLOAD));
    world.target.onOid = () => NdisStatus.PENDING;
    const set = oidSet(Oid.TCP_TASK_OFFLOAD, TASKS);
    expect(world.binding.oidRequest(set)).toBe(NdisStatus.PENDING);
    expect(world.binding.chimneyEnabled).toBe(false);
    world.adapter.oidRequestComplete(set, NdisStatus.SUCCESS);
    expect(world.host.oidCompleted).toEqual([{ request: set, status: NdisStatus.SUCCESS }]);
    expect(set.status).toBe(NdisStatus.SUCCESS);
    expect(world.binding.chimneyEnabled).toBe(true);
  });

  it('are completed on the adapter that they were made to', () => {
    const world = createWorld();
    const set = oidSet(Oid.TCP_TASK_OFFLOAD, TASKS);
    expect(() => world.adapter.oidRequestComplete(set, NdisStatus.SUCCESS)).toThrow(/REG-15/);
    set.sourceHandle = world.binding;
    const other = createWorld();
    expect(() => (other.adapter as MiniportAdapter).oidRequestComplete(set, NdisStatus.SUCCESS)).toThrow(/REG-15/);
  });

  it('reach the miniport otherwise', () => {
    const world = createWorld();
    const seen: number[] = [];
    world.target.onOid = (request) => {
      seen.push(request.oid);
      return answerOid(request);
    };
    world.binding.oidRequest(oidQuery(Oid.TCP4_OFFLOAD_STATS));
    world.binding.oidRequest(oidSet(Oid.IP4_OFFLOAD_STATS, null));
    expect(seen).toEqual([Oid.TCP4_OFFLOAD_STATS, Oid.IP4_OFFLOAD_STATS]);
  });
});

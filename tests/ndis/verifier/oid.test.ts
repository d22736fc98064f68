import { describe, expect, it } from 'vitest';
import {
  DevicePowerState,
  Encapsulation,
  linker,
  NdisStatus,
  OffloadSetting,
  OffloadStateType,
  Oid,
  oidQuery,
  oidSet,
  pauseIndication,
  resumeIndication,
  TCP_CONNECTION_OFFLOAD_PARAMETERS_HEADER,
  type TcpConnectionOffloadParameters,
  uploadAllIndication,
} from '../../../src/ndis/index.ts';
import {
  createOffloadedWorld,
  createWorld,
  enableOffload,
  expectRule,
  NO_TASKS,
  type OffloadedWorld,
  offloadTree,
  setAll,
  TASK,
  TASKS,
  Tree,
} from '../fakes.ts';

const { tcpFinWait2Ticks: _ticks, ...settings } = TASK;
const PARAMETERS: TcpConnectionOffloadParameters = {
  ...settings,
  header: TCP_CONNECTION_OFFLOAD_PARAMETERS_HEADER,
  encapsulation: {
    ipv4: { enabled: OffloadSetting.ON, encapsulationType: Encapsulation.IEEE_802_3, headerSize: 14 },
    ipv6: { enabled: OffloadSetting.ON, encapsulationType: Encapsulation.IEEE_802_3, headerSize: 14 },
  },
  congestionAlgorithm: 0,
};

/** Takes the whole tree of a world back. */
function takeBack(world: OffloadedWorld): void {
  const root = linker(world.tree.neighborHandle, OffloadStateType.NEIGHBOR);
  root.dependentBlockList = linker(world.tree.pathHandle, OffloadStateType.IP4);
  root.dependentBlockList.dependentBlockList = linker(world.tree.tcpHandle, OffloadStateType.TCP);
  world.binding.terminateOffload(root);
  setAll(root, NdisStatus.SUCCESS);
  world.adapter.terminateOffloadComplete(root);
}

describe('capability rules', () => {
  it('OID-01: query, set, and only then offload', () => {
    const world = createWorld(false);
    expectRule('OID-01', () => world.binding.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, TASKS)));
    expectRule('OID-01', () => world.binding.initiateOffload(new Tree().neighbor));
    enableOffload(world.binding);
    offloadTree(world, new Tree());
  });

  it('OID-02: a chimney target answers with its capabilities', () => {
    const world = createWorld(false);
    world.target.onOid = (request) => {
      if (request.requestType === 'query' && request.oid === Oid.TCP_TASK_OFFLOAD) request.information = NO_TASKS;
      return NdisStatus.SUCCESS;
    };
    expectRule('OID-02', () => world.binding.oidRequest(oidQuery(Oid.TCP_TASK_OFFLOAD)));
    world.target.onOid = () => NdisStatus.NOT_SUPPORTED;
    expect(world.binding.oidRequest(oidQuery(Oid.TCP_TASK_OFFLOAD))).toBe(NdisStatus.NOT_SUPPORTED);
  });

  it('OID-03, OID-07: the parameters have a legal tick and a right header', () => {
    const world = createWorld();
    const set = (changes: Partial<TcpConnectionOffloadParameters>): NdisStatus =>
      world.binding.oidRequest(oidSet(Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS, { ...PARAMETERS, ...changes }));
    expectRule('OID-03', () => set({ ticksPerSecond: 50 }));
    expectRule('OID-07', () => set({ header: { ...PARAMETERS.header, size: 0x3c } }));
    expectRule('OID-07', () => set({ header: { ...PARAMETERS.header, type: 0xa7 } }));
    expect(set({ ticksPerSecond: 100 })).toBe(NdisStatus.SUCCESS);
    expect(set({ header: { ...PARAMETERS.header, revision: 2, size: 0x3c } })).toBe(NdisStatus.SUCCESS);
  });

  it('OID-11: nothing is offloaded when offload is switched off, or the binding closed', () => {
    const world = createOffloadedWorld();
    expectRule('OID-11', () => world.binding.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, NO_TASKS)));
    expectRule('OID-11', () => world.binding.close());
    takeBack(world);
    expect(world.binding.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, NO_TASKS))).toBe(NdisStatus.SUCCESS);
    world.binding.close();
  });
});

describe('power rules', () => {
  it('PM-01: all terminates are under way before the power goes', () => {
    const world = createOffloadedWorld();
    const sleep = oidSet(Oid.PNP_SET_POWER, DevicePowerState.D3);
    expectRule('PM-01', () => world.binding.oidRequest(sleep));
    expect(world.binding.oidRequest(oidSet(Oid.PNP_SET_POWER, DevicePowerState.D0))).toBe(NdisStatus.SUCCESS);
    world.binding.terminateOffload(linker(world.handle, OffloadStateType.TCP));
    world.target.onOid = () => NdisStatus.PENDING;
    expect(world.binding.oidRequest(sleep)).toBe(NdisStatus.PENDING);
  });

  it('PM-02: the target succeeds only when all terminates are complete', () => {
    const world = createOffloadedWorld();
    const root = linker(world.handle, OffloadStateType.TCP);
    world.binding.terminateOffload(root);
    expectRule('PM-02', () => world.binding.oidRequest(oidSet(Oid.PNP_SET_POWER, DevicePowerState.D3)));
    setAll(root, NdisStatus.SUCCESS);
    world.adapter.terminateOffloadComplete(root);
    expect(world.binding.oidRequest(oidSet(Oid.PNP_SET_POWER, DevicePowerState.D3))).toBe(NdisStatus.SUCCESS);
  });
});

describe('pause rules', () => {
  it('PAUSE-01, PAUSE-06: no offload during a pause, nor before the capabilities were read again', () => {
    const world = createWorld();
    world.adapter.indicateStatusEx(pauseIndication());
    expectRule('PAUSE-01', () => world.binding.initiateOffload(new Tree().neighbor));
    world.adapter.indicateStatusEx(resumeIndication());
    expectRule('PAUSE-06', () => world.binding.initiateOffload(new Tree().neighbor));
    enableOffload(world.binding);
    offloadTree(world, new Tree());
  });

  it('PAUSE-08: no offload after upload-all', () => {
    const world = createOffloadedWorld();
    world.adapter.indicateStatusEx(uploadAllIndication());
    expectRule('PAUSE-08', () => world.binding.initiateOffload(new Tree().neighbor));
    takeBack(world);
    world.adapter.indicateStatusEx(resumeIndication());
    enableOffload(world.binding);
    offloadTree(world, new Tree());
  });
});

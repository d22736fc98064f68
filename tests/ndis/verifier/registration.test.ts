import { describe, expect, it } from 'vitest';
import {
  ChimneyOffloadType,
  createVerifier,
  type MiniportAdapter,
  type MiniportDriver,
  Ndis,
  NdisStatus,
  netBufferListOf,
  type ProtocolDriver,
} from '../../../src/ndis/index.ts';
import { createOffloadedWorld, createWorld, expectRule, FakeHost, FakeTarget, offloadAll, Tree } from '../fakes.ts';

function registerTarget(setOptions: (driver: MiniportDriver<FakeTarget>, target: FakeTarget) => void): () => void {
  const target = new FakeTarget();
  const ndis = new Ndis({ verifier: createVerifier() });
  return () => ndis.registerMiniportDriver({ ...target.characteristics, setOptions: (d) => setOptions(d, target) });
}

function registerHost(setOptions: (driver: ProtocolDriver<FakeHost>, host: FakeHost) => void): () => void {
  const host = new FakeHost();
  const ndis = new Ndis({ verifier: createVerifier() });
  return () => ndis.registerProtocolDriver({ ...host.characteristics, setOptions: (d) => setOptions(d, host) });
}

/** A table in which one entry point is missing. */
function without<T extends object>(table: T, entry: keyof T): T {
  return { ...table, [entry]: undefined };
}

describe('registration rules', () => {
  it('REG-01: a miniport registers both tables once each, or none', () => {
    expectRule(
      'REG-01',
      registerTarget((driver, target) => driver.setOptionalHandlers(target.generic)),
    );
    expectRule(
      'REG-01',
      registerTarget((driver, target) => {
        driver.setOptionalHandlers(target.tcp);
        driver.setOptionalHandlers(target.tcp);
      }),
    );
    const late = new FakeTarget();
    const driver = new Ndis({ verifier: createVerifier() }).registerMiniportDriver(late.characteristics);
    expectRule('REG-01', () => driver.setOptionalHandlers(late.tcp));
    registerTarget(() => {})();
    registerTarget((each, target) => each.setOptionalHandlers(target.tcp) && each.setOptionalHandlers(target.generic));
  });

  it('REG-02, REG-03, REG-07: its tables are complete, for TCP, and give their size', () => {
    const entries = [
      'initiateOffload',
      'terminateOffload',
      'updateOffload',
      'invalidateOffload',
      'queryOffload',
    ] as const;
    for (const entry of entries.slice(1)) {
      expectRule(
        'REG-02',
        registerTarget((driver, target) => driver.setOptionalHandlers(without(target.generic, entry))),
      );
    }
    expectRule(
      'REG-03',
      registerTarget((driver, target) => driver.setOptionalHandlers(without(target.tcp, 'tcpOffloadForward'))),
    );
    expectRule(
      'REG-03',
      registerTarget((driver, target) =>
        driver.setOptionalHandlers({ ...target.tcp, offloadType: ChimneyOffloadType.RDMA }),
      ),
    );
    const header = { type: 0, revision: 1, size: 4 };
    expectRule(
      'REG-07',
      registerTarget((driver, target) => driver.setOptionalHandlers({ ...target.tcp, header })),
    );
    const ignored = { type: 0, revision: 1, size: 0x38 };
    registerTarget((driver, target) => {
      driver.setOptionalHandlers({ ...target.tcp, header: ignored });
      driver.setOptionalHandlers(target.generic);
    })();
  });

  it('REG-04: a protocol registers both tables once each, or none', () => {
    expectRule(
      'REG-04',
      registerHost((driver, host) => driver.setOptionalHandlers(host.generic)),
    );
    const late = new FakeHost();
    const driver = new Ndis({ verifier: createVerifier() }).registerProtocolDriver(late.characteristics);
    expectRule('REG-04', () => driver.setOptionalHandlers(late.tcp));
    registerHost(() => {})();
  });

  it('REG-05, REG-06: its tables are complete, and for TCP', () => {
    expectRule(
      'REG-05',
      registerHost((driver, host) => driver.setOptionalHandlers(without(host.generic, 'indicateOffloadEvent'))),
    );
    expectRule(
      'REG-06',
      registerHost((driver, host) => driver.setOptionalHandlers(without(host.tcp, 'tcpOffloadForwardComplete'))),
    );
    expectRule(
      'REG-06',
      registerHost((driver, host) =>
        driver.setOptionalHandlers({ ...host.tcp, offloadType: ChimneyOffloadType.IPSEC }),
      ),
    );
    expect(createWorld().host).toBeInstanceOf(FakeHost);
  });

  it('are answered with a status where no verifier watches', () => {
    const target = new FakeTarget();
    const host = new FakeHost();
    const ndis = new Ndis();
    const miniport = ndis.registerMiniportDriver(target.characteristics);
    const protocol = ndis.registerProtocolDriver(host.characteristics);
    const rdma = { ...target.tcp, offloadType: ChimneyOffloadType.RDMA };
    expect(ndis.setOptionalHandlers(miniport, rdma)).toBe(NdisStatus.BAD_CHARACTERISTICS);
    expect(ndis.setOptionalHandlers(miniport, target.tcp)).toBe(NdisStatus.SUCCESS);
    const ipsec = { ...host.tcp, offloadType: ChimneyOffloadType.IPSEC };
    expect(ndis.setOptionalHandlers(protocol, ipsec)).toBe(NdisStatus.BAD_CHARACTERISTICS);
    expect(ndis.setOptionalHandlers(protocol, host.generic)).toBe(NdisStatus.SUCCESS);
  });

  it('REG-09: the offload handlers are asked for once, while the adapter initializes', () => {
    const bringUp = (onInitialize: (adapter: MiniportAdapter) => void): (() => void) => {
      const target = new FakeTarget();
      target.onInitialize = onInitialize;
      const driver = new Ndis({ verifier: createVerifier() }).registerMiniportDriver(target.characteristics);
      return () => driver.initializeAdapter('nic0');
    };
    const ask = (adapter: MiniportAdapter): unknown => adapter.getOffloadHandlers(ChimneyOffloadType.TCP);
    expectRule(
      'REG-09',
      bringUp(() => {}),
    );
    expectRule(
      'REG-09',
      bringUp((adapter) => [ask(adapter), ask(adapter)]),
    );
    bringUp((adapter) => [adapter.getOffloadHandlers(ChimneyOffloadType.RDMA), ask(adapter)])();
    const world = createWorld();
    expectRule('REG-09', () => ask(world.adapter));
  });

  it('REG-15: completions name the adapter that was asked', () => {
    const other = createWorld();
    const world = createWorld();
    const tree = new Tree();
    world.binding.initiateOffload(tree.neighbor);
    offloadAll(tree.neighbor);
    expectRule('REG-15', () => world.verifier.stateCompleteBegin(0, other.adapter, tree.neighbor));
    world.adapter.initiateOffloadComplete(tree.neighbor);
    const disabled = createWorld(false);
    const list = netBufferListOf(new Uint8Array(1));
    expectRule('REG-15', () => disabled.handlers.tcpOffloadSendComplete(disabled.adapter, list));
    expect(createOffloadedWorld().verifier.summary().objects).toBe(3);
  });
});

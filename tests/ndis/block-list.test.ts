import { describe, expect, it } from 'vitest';
import {
  BlockRole,
  blocksOf,
  classesOf,
  dependentsOf,
  isComplete,
  layerOf,
  linkBlocks,
  linker,
  NdisOffloadHandle,
  NdisStatus,
  newOffload,
  type OffloadBlockList,
  OffloadLayer,
  OffloadStateType,
  PathDelegatedState,
  PathOffloadState,
  placeholder,
  rebuildForAbove,
  rebuildForBelow,
  roleOf,
  StateClass,
  stateHeaders,
  TcpOffloadState,
  toMiniportForm,
  toProtocolForm,
  typeOfState,
  walkBlocks,
} from '../../src/ndis/index.ts';
import { TcpDelegatedState } from '../../src/tcp/variables.ts';
import { neighborState, pathState, Tree, tcpState } from './fakes.ts';

/** A tree of named blocks: the handle's context is the name. */
function block(name: string, dependents: OffloadBlockList[] = []): OffloadBlockList {
  const type = { N: OffloadStateType.NEIGHBOR, P: OffloadStateType.IP4, T: OffloadStateType.TCP }[name[0] as 'N'];
  const created = newOffload(new NdisOffloadHandle({ name }), type, null);
  created.dependentBlockList = linkBlocks(dependents);
  return created;
}

function nameOf(each: OffloadBlockList): string {
  return (each.offloadHandle as unknown as { context: { name: string } }).context.name;
}

/** The test vector of spec/algorithms.md 1.2. */
function exampleTree(): OffloadBlockList {
  const first = block('N1', [block('P1', [block('T1'), block('T2')]), block('P2', [block('T3')])]);
  first.nextBlock = block('N2', [block('P3', [block('T4'), block('T5')])]);
  return first;
}

describe('state trees', () => {
  it('TREE-05: are walked depth first, then sideways', () => {
    expect(blocksOf(exampleTree()).map(nameOf)).toEqual('N1 P1 T1 T2 P2 T3 N2 P3 T4 T5'.split(' '));
  });

  it('tell parent and depth, and skip what lies below a block on request', () => {
    const seen: string[] = [];
    walkBlocks(exampleTree(), (each, parent, depth) => {
      seen.push(`${parent === null ? '-' : nameOf(parent)}>${nameOf(each)}@${depth}`);
      return nameOf(each) !== 'P1';
    });
    expect(seen.join(' ')).toBe('->N1@0 N1>P1@1 N1>P2@1 P2>T3@2 ->N2@0 N2>P3@1 P3>T4@2 P3>T5@2');
  });

  it('TREE-03: may have 100,000 siblings', () => {
    const count = 100_000;
    const root = block('N1', [
      block(
        'P1',
        Array.from({ length: count }, (_, i) => block(`T${i}`)),
      ),
    ]);
    expect(blocksOf(root)).toHaveLength(count + 2);
    expect(toProtocolForm(toMiniportForm(root))).toBe(root);
  });

  it('have immediate dependents: the dependent block and its siblings', () => {
    expect(dependentsOf(exampleTree()).map(nameOf)).toEqual(['P1', 'P2']);
    expect(dependentsOf(block('T1'))).toEqual([]);
  });
});

describe('conversion', () => {
  it('IM-04: makes every block a miniport block whose location is the handle itself', () => {
    const tree = new Tree();
    const gap = placeholder(OffloadStateType.NEIGHBOR);
    tree.neighbor.nextBlock = gap;
    const below = toMiniportForm(tree.neighbor);
    expect(below).toBe(tree.neighbor);
    expect(tree.tcp.miniportOffloadContext).toBe(tree.tcpHandle);
    expect(tree.tcp.ndisOffloadHandle).toBe(tree.tcpHandle);
    expect(gap.miniportOffloadContext).toBeNull();
    expect(gap.ndisOffloadHandle).toBeNull();
    expect(blocksOf(below).every((each) => each.status === NdisStatus.PENDING)).toBe(true);
  });

  it('CTX-02: lets the driver below write the context value into the handle', () => {
    const tree = new Tree();
    const slot = toMiniportForm(tree.tcp).miniportOffloadContext;
    const context = {};
    if (slot !== null) slot.miniportOffloadContext = context;
    expect(tree.tcpHandle.miniportOffloadContext).toBe(context);
  });

  it('IM-05, IM-06, IM-09: makes protocol blocks of them again, with every other member in its place', () => {
    const tree = new Tree();
    const members = { imReserved: {}, protocolReserved: {}, portNumber: 7, scratch: 1 };
    Object.assign(tree.tcp, members);
    const header = tree.tcp.header;
    const above = toProtocolForm(toMiniportForm(tree.neighbor));
    expect(above).toBe(tree.neighbor);
    expect(tree.tcp.miniportOffloadContext).toBeNull();
    expect(tree.tcp.offloadHandle).toBe(tree.tcpHandle);
    expect(tree.tcp).toMatchObject(members);
    expect(tree.tcp.header).toBe(header);
    expect(tree.tcp.header.size).toBe(152);
    expect(tree.tcp.state).toBe(tree.state);
  });

  it('rebuilds a tree for the driver below and back, as an intermediate driver does', () => {
    const tree = new Tree();
    const received = toMiniportForm(tree.neighbor);
    const saved = new Map(blocksOf(received).map((each) => [each, each.ndisOffloadHandle]));
    const own = new Map(blocksOf(received).map((each) => [each, new NdisOffloadHandle()]));
    const passed = rebuildForBelow(received, (each) => own.get(each) ?? null);
    expect(tree.tcp.offloadHandle).toBe(own.get(tree.tcp));
    const lower = toMiniportForm(passed);
    expect(tree.tcp.miniportOffloadContext).toBe(own.get(tree.tcp));
    const back = rebuildForAbove(toProtocolForm(lower), (each) => saved.get(each as OffloadBlockList) ?? null);
    expect(back).toBe(tree.neighbor);
    expect(tree.tcp.miniportOffloadContext).toBe(tree.tcpHandle);
    expect(tree.tcp.ndisOffloadHandle).toBe(tree.tcpHandle);
  });

  it('TREE-06, TREE-07, TREE-08: shows the role of a block', () => {
    const handle = new NdisOffloadHandle();
    const fresh = newOffload(handle, OffloadStateType.TCP, tcpState());
    toMiniportForm(fresh);
    expect(roleOf(fresh)).toBe(BlockRole.NEW);
    handle.miniportOffloadContext = {};
    const known = linker(handle, OffloadStateType.TCP);
    expect(roleOf(toMiniportForm(known))).toBe(BlockRole.LINKER);
    expect(roleOf(toMiniportForm(placeholder(OffloadStateType.IP4)))).toBe(BlockRole.PLACEHOLDER);
  });
});

describe('state types', () => {
  it('STATE-08: say which structures follow', () => {
    expect(classesOf(OffloadStateType.TCP)).toBe(StateClass.ALL);
    expect(classesOf(OffloadStateType.IP6)).toBe(StateClass.ALL);
    expect(classesOf(OffloadStateType.IP6_CACHED)).toBe(StateClass.CACHED);
    expect(classesOf(OffloadStateType.TCP_DELEGATED)).toBe(StateClass.DELEGATED);
    expect(classesOf(OffloadStateType.NEIGHBOR_CONST)).toBe(StateClass.CONSTANT);
    expect(classesOf(OffloadStateType.TCP_RESOURCE)).toBe(0);
    expect(layerOf(OffloadStateType.IP4_DELEGATED)).toBe(OffloadLayer.PATH);
    expect(layerOf(OffloadStateType.FILTER_RESERVED)).toBeNull();
    expect(layerOf(0)).toBeNull();
  });

  it('follow from a state', () => {
    expect(typeOfState(neighborState())).toBe(OffloadStateType.NEIGHBOR);
    expect(typeOfState(pathState())).toBe(OffloadStateType.IP4);
    expect(typeOfState(pathState(), 6)).toBe(OffloadStateType.IP6);
    expect(typeOfState(new PathOffloadState(null, null, new PathDelegatedState()), 6)).toBe(
      OffloadStateType.IP6_DELEGATED,
    );
    expect(typeOfState(tcpState())).toBe(OffloadStateType.TCP);
    expect(typeOfState(new TcpOffloadState(null, null, new TcpDelegatedState()))).toBe(OffloadStateType.TCP_DELEGATED);
    expect(typeOfState(new TcpOffloadState(null, null, null))).toBeNull();
    const two = tcpState();
    two.constant = null;
    expect(typeOfState(two)).toBeNull();
    expect(isComplete(two)).toBe(false);
    expect(isComplete(tcpState())).toBe(true);
  });

  it('STATE-07: have headers with the full size of each structure', () => {
    expect(stateHeaders(tcpState()).map((header) => header.length)).toEqual([24, 44, 128]);
    expect(stateHeaders(new PathOffloadState(null, null, new PathDelegatedState()))).toEqual([
      { length: 8, recognizedOptions: 0 },
    ]);
  });
});

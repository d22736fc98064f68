/** State structures behind blocks, as the plain data of messages, and back. */
import {
  advanceNetBufferList,
  isComplete,
  linkNetBufferLists,
  type NetBufferList,
  netBufferListsOf,
  type OffloadState,
  type TcpOffloadState,
  viewsOfNetBufferList,
} from '../../ndis/index.ts';
import type { CachedUpdate, NewState, ObjectState, SendList, TerminatedState } from '../messages.ts';
import { ListKind, type OffloadContext } from './offload-context.ts';

/** Numbers the lists of a chain and returns what the NIC needs of them; the chain is taken apart. */
export function sendListsOf(head: NetBufferList | null, nextId: () => number, context: OffloadContext): SendList[] {
  const lists: SendList[] = [];
  for (const list of netBufferListsOf(head)) {
    const id = nextId();
    context.hold(ListKind.SEND, id, list);
    lists.push({ id, chunks: viewsOfNetBufferList(list) });
  }
  return lists;
}

/** State of a new block; null when a class is missing (the block is then failed). Receive data is copied (INIT-27). */
export function newStateOf(state: OffloadState, sends: readonly SendList[]): NewState | null {
  if (!isComplete(state)) return null;
  switch (state.kind) {
    case 'neighbor':
      return {
        kind: 'neighbor',
        dlSourceAddress: givenMac(state.constant.dlSourceAddress),
        vlanId: state.constant.vlanId,
        dlDestinationAddress: state.cached.dlDestinationAddress.slice(0, 6),
        hostReachabilityDelta: state.cached.hostReachabilityDelta,
        nicReachabilityDelta: state.delegated.nicReachabilityDelta,
      };
    case 'path':
      return {
        kind: 'path',
        sourceAddress: state.constant.sourceAddress.slice(),
        destinationAddress: state.constant.destinationAddress.slice(),
        pathMtu: state.cached.pathMtu,
      };
    case 'tcp':
      return {
        kind: 'tcp',
        constant: { ...state.constant },
        cached: { ...state.cached },
        delegated: {
          ...state.delegated,
          keepAlive: { ...state.delegated.keepAlive },
          retransmit: { ...state.delegated.retransmit },
        },
        extension: state.extension,
        sends,
        buffered: copiesOf(state.bufferedData),
      };
  }
}

/** New cached values behind an update block, or null when there are none. */
export function cachedUpdateOf(state: OffloadState | null): CachedUpdate | null {
  if (state === null) return null;
  if (state.kind === 'neighbor' && state.cached !== null) {
    return {
      kind: 'neighbor',
      dlDestinationAddress: state.cached.dlDestinationAddress.slice(0, 6),
      hostReachabilityDelta: state.cached.hostReachabilityDelta,
    };
  }
  if (state.kind === 'path' && state.cached !== null) return { kind: 'path', pathMtu: state.cached.pathMtu };
  if (state.kind === 'tcp' && state.cached !== null) return { kind: 'tcp', cached: { ...state.cached } };
  return null;
}

/** Writes every variable of the structures that follow a query block (QRY-03, STATE-10). */
export function fillQueried(into: OffloadState, from: ObjectState): void {
  if (into.kind === 'neighbor' && from.kind === 'neighbor') {
    if (into.constant !== null) {
      into.constant.dlSourceAddress = from.dlSourceAddress;
      into.constant.vlanId = from.vlanId;
    }
    if (into.cached !== null) {
      into.cached.dlDestinationAddress = from.dlDestinationAddress;
      into.cached.hostReachabilityDelta = from.hostReachabilityDelta;
    }
    if (into.delegated !== null) into.delegated.nicReachabilityDelta = from.nicReachabilityDelta;
  } else if (into.kind === 'path' && from.kind === 'path') {
    if (into.constant !== null) {
      into.constant.sourceAddress = from.sourceAddress;
      into.constant.destinationAddress = from.destinationAddress;
    }
    if (into.cached !== null) into.cached.pathMtu = from.pathMtu;
  } else if (into.kind === 'tcp' && from.kind === 'tcp') {
    if (into.constant !== null) Object.assign(into.constant, from.constant);
    if (into.cached !== null) Object.assign(into.cached, from.cached);
    if (into.delegated === null) return;
    Object.assign(into.delegated, from.delegated);
    into.sendBacklogSize = from.sendBacklogSize;
    into.receiveBacklogSize = from.receiveBacklogSize;
  }
}

/** Writes the delegated values that a terminate returns, and nothing of the other classes (TERM-06, STATE-03). */
export function fillTerminated(into: OffloadState, from: TerminatedState): void {
  if (into.kind === 'neighbor' && from.kind === 'neighbor' && into.delegated !== null) {
    into.delegated.nicReachabilityDelta = from.nicReachabilityDelta;
  } else if (into.kind === 'tcp' && from.kind === 'tcp' && into.delegated !== null) {
    Object.assign(into.delegated, from.delegated);
    into.extension = from.extension;
    into.extensionLost = [...from.lost];
  }
}

/**
 * Chains lists that go back with the state, in their order; the first one is advanced to SND.UNA (TERM-19, TERM-20).
 * Returns the head, to become NetBufferListChain.
 */
export function handBack(
  state: TcpOffloadState,
  lists: readonly NetBufferList[],
  acknowledged: number,
): NetBufferList | null {
  const head = linkNetBufferLists(lists);
  if (head !== null) advanceNetBufferList(head, acknowledged);
  state.sendDataHead = head;
  state.sendDataTail = lists[lists.length - 1] ?? null;
  return head;
}

/** An address of zeros means none (spec/decisions.md 5). */
function givenMac(address: Uint8Array | null): Uint8Array | null {
  if (address === null || address.length < 6) return null;
  const mac = address.slice(0, 6);
  return mac.some((byte) => byte !== 0) ? mac : null;
}

function copiesOf(head: NetBufferList | null): Uint8Array[] {
  const copies: Uint8Array[] = [];
  for (const list of netBufferListsOf(head)) {
    for (const view of viewsOfNetBufferList(list)) copies.push(view.slice());
  }
  return copies;
}

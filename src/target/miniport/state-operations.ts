/**
 * The five state operations. Each entry point stores the tree in an open operation, posts what the NIC needs, and
 * returns; the NIC's answer completes it with the same pointer (INIT-01, QRY-01, UPD-01, INV-01, TERM-01, TREE-19).
 */
import {
  isOffloaded,
  layerOf,
  type MiniportAdapter,
  type MiniportOffloadBlockList,
  NdisStatus,
  type NetBufferList,
  OffloadLayer,
  StateOperation,
  walkBlocks,
} from '../../ndis/index.ts';
import { partsOfExtension } from '../extension.ts';
import type { InitiateBlock, TerminatedState, ToMiniport, ToNic, UpdateBlock } from '../messages.ts';
import type { DataRequests } from './data-requests.ts';
import { OffloadContext } from './offload-context.ts';
import { cachedUpdateOf, fillQueried, fillTerminated, handBack, newStateOf, sendListsOf } from './state-messages.ts';

/** A tree that the target owns at the moment. */
interface OpenOperation {
  readonly kind: StateOperation;
  readonly root: MiniportOffloadBlockList;
  /** The blocks in the contract's order; indexes of messages refer to it. */
  readonly blocks: readonly MiniportOffloadBlockList[];
  /** The object of each block, null for placeholders; of an initiate, also those that are about to be offloaded. */
  readonly contexts: readonly (OffloadContext | null)[];
}

/** A tree laid out in the contract's order (TREE-05), by index. */
interface Layout {
  readonly blocks: MiniportOffloadBlockList[];
  readonly parents: number[];
}

export class StateOperations {
  /** Objects offloaded, by id. */
  readonly contexts = new Map<number, OffloadContext>();
  /** Connections among them. */
  connectionCount = 0;
  /** Initiates that the NIC works on: nothing is indicated meanwhile that can wait (INIT-10). */
  initiatesInProgress = 0;
  /** Revision of the extension that the host knows (spec/decisions.md 23). */
  hostExtensionRevision: 0 | 1 = 0;
  private readonly adapter: MiniportAdapter;
  private readonly post: (message: ToNic) => void;
  private readonly nextId: () => number;
  private readonly data: DataRequests;
  private readonly open = new Map<number, OpenOperation>();

  constructor(adapter: MiniportAdapter, post: (message: ToNic) => void, nextId: () => number, data: DataRequests) {
    this.adapter = adapter;
    this.post = post;
    this.nextId = nextId;
    this.data = data;
  }

  /** The object that a context value names. */
  find(id: number): OffloadContext | null {
    return this.contexts.get(id) ?? null;
  }

  initiate(root: MiniportOffloadBlockList): void {
    const { blocks } = layOut(root);
    const indexes = new Map(blocks.map((block, index) => [block, index]));
    const indexOf = (block: MiniportOffloadBlockList | null): number =>
      block === null ? -1 : (indexes.get(block) ?? -1);
    const contexts = blocks.map((block) => this.contextOfInitiate(block));
    const messages = blocks.map((block, index): InitiateBlock => {
      const context = contexts[index];
      const isNew = context !== null && !this.contexts.has(context.id);
      return {
        next: indexOf(block.nextBlock),
        dependent: indexOf(block.dependentBlockList),
        id: context?.id ?? 0,
        state: isNew ? this.newState(block, context) : null,
      };
    });
    this.initiatesInProgress += 1;
    const operation = this.begin(StateOperation.INITIATE, root, blocks, contexts);
    this.post({ kind: 'initiate', operation, blocks: messages });
  }

  query(root: MiniportOffloadBlockList): void {
    const operation = this.beginNamed(StateOperation.QUERY, root);
    this.post({ kind: 'query', operation, objects: this.idsOf(operation) });
  }

  invalidate(root: MiniportOffloadBlockList): void {
    const operation = this.beginNamed(StateOperation.INVALIDATE, root);
    this.post({ kind: 'invalidate', operation, objects: this.idsOf(operation) });
  }

  terminate(root: MiniportOffloadBlockList): void {
    const operation = this.beginNamed(StateOperation.TERMINATE, root);
    this.post({ kind: 'terminate', operation, objects: this.idsOf(operation) });
  }

  update(root: MiniportOffloadBlockList): void {
    const { blocks, parents } = layOut(root);
    const contexts = blocks.map(contextOf);
    const messages = blocks.map((block, index): UpdateBlock => {
      const parent = parents[index] < 0 ? null : contexts[parents[index]];
      const below = contexts[index]?.layer === OffloadLayer.PATH && parent?.layer === OffloadLayer.NEIGHBOR;
      return {
        id: contexts[index]?.id ?? 0,
        neighbor: below ? (parent?.id ?? 0) : 0,
        values: cachedUpdateOf(block.state),
      };
    });
    const operation = this.begin(StateOperation.UPDATE, root, blocks, contexts);
    this.post({ kind: 'update', operation, blocks: messages });
  }

  /** Fails a tree that never reached the NIC (spec/decisions.md 12); no list of it is touched (INIT-23). */
  fail(root: MiniportOffloadBlockList): void {
    walkBlocks(root, (block) => {
      block.status = block.miniportOffloadContext === null ? NdisStatus.SUCCESS : NdisStatus.FAILURE;
    });
    this.adapter.initiateOffloadComplete(root);
  }

  /** Writes statuses, contexts of new objects and losses, completes, and lets indications begin (CTX-02, INIT-09). */
  initiateComplete(message: Extract<ToMiniport, { kind: 'initiateComplete' }>): void {
    const open = this.take(message.operation);
    if (open === null) return;
    for (let index = 0; index < open.blocks.length; index += 1) {
      const block = open.blocks[index];
      const { status, lost } = message.results[index];
      block.status = status;
      const context = open.contexts[index];
      if (context === null || this.contexts.has(context.id)) continue;
      if (!isOffloaded(status)) continue; // CTX-03, INIT-23: the lists stay the host's, untouched
      this.contexts.set(context.id, context);
      if (context.layer === OffloadLayer.TCP) this.connectionCount += 1;
      if (block.miniportOffloadContext !== null) block.miniportOffloadContext.miniportOffloadContext = context;
      if (block.state?.kind === 'tcp') block.state.extensionLost = [...lost];
    }
    this.initiatesInProgress -= 1;
    this.adapter.initiateOffloadComplete(open.root);
    this.post({ kind: 'initiateConfirmed', operation: message.operation });
  }

  queryComplete(message: Extract<ToMiniport, { kind: 'queryComplete' }>): void {
    const open = this.take(message.operation);
    if (open === null) return;
    for (let index = 0; index < open.blocks.length; index += 1) {
      const block = open.blocks[index];
      const state = message.states[index];
      if (block.state !== null && state !== null) fillQueried(block.state, state);
      block.status = message.statuses[index];
    }
    this.adapter.queryOffloadStateComplete(open.root);
  }

  updateComplete(message: Extract<ToMiniport, { kind: 'updateComplete' }>): void {
    const open = this.take(message.operation);
    if (open === null) return;
    writeStatuses(open, message.statuses);
    this.adapter.updateOffloadComplete(open.root);
  }

  invalidateComplete(message: Extract<ToMiniport, { kind: 'invalidateComplete' }>): void {
    const open = this.take(message.operation);
    if (open === null) return;
    writeStatuses(open, message.statuses);
    this.adapter.invalidateOffloadComplete(open.root);
  }

  /** Hands everything back, forgets the objects, completes (TERM-08, TERM-11). */
  terminateComplete(message: Extract<ToMiniport, { kind: 'terminateComplete' }>): void {
    const open = this.take(message.operation);
    if (open === null) return;
    writeStatuses(open, message.statuses);
    for (let index = 0; index < open.blocks.length; index += 1) {
      const context = open.contexts[index];
      const state = message.states[index];
      if (context === null || state === null) continue;
      this.contexts.delete(context.id);
      if (context.layer === OffloadLayer.TCP) this.connectionCount -= 1;
      this.returnState(open.blocks[index], context, state);
    }
    this.adapter.terminateOffloadComplete(open.root);
  }

  private returnState(block: MiniportOffloadBlockList, context: OffloadContext, state: TerminatedState): void {
    const { state: into } = block;
    if (into !== null) fillTerminated(into, state);
    block.netBufferListChain = null; // TERM-21
    if (state.kind !== 'tcp') return;
    if (into?.kind !== 'tcp' || into.delegated === null) {
      // Nowhere to put positions (TERM-20): the lists complete instead.
      this.data.completeLeft(context, state.acknowledged);
      return;
    }
    into.bufferedData = this.data.bufferedDataOf(state.buffered); // TERM-23
    if (this.hostExtensionRevision === 0 && into.extension !== null) {
      into.extensionLost = partsOfExtension(into.extension);
      into.extension = null;
    }
    const lists: NetBufferList[] = [];
    for (const id of state.handedBack) {
      const list = context.take(id);
      if (list !== null) lists.push(list);
    }
    block.netBufferListChain = handBack(into, lists, state.acknowledged);
    this.data.completeLeft(context, 0);
  }

  /** Roles are told apart by what the location holds (spec/algorithms.md 1.1). */
  private contextOfInitiate(block: MiniportOffloadBlockList): OffloadContext | null {
    const existing = contextOf(block);
    if (existing !== null || block.miniportOffloadContext === null) return existing;
    const layer = layerOf(block.header.type) ?? OffloadLayer.TCP;
    const { ndisOffloadHandle } = block;
    if (ndisOffloadHandle === null) return null;
    return new OffloadContext(this.nextId(), layer, ndisOffloadHandle);
  }

  /** State that is incomplete offloads nothing: it becomes a neighbor without address, which the NIC fails. */
  private newState(block: MiniportOffloadBlockList, context: OffloadContext): InitiateBlock['state'] {
    const { state } = block;
    if (state === null) return UNUSABLE;
    const sends = state.kind === 'tcp' ? sendListsOf(block.netBufferListChain, this.nextId, context) : [];
    return newStateOf(state, sends) ?? UNUSABLE;
  }

  private beginNamed(kind: StateOperation, root: MiniportOffloadBlockList): number {
    const { blocks } = layOut(root);
    return this.begin(kind, root, blocks, blocks.map(contextOf));
  }

  private begin(
    kind: StateOperation,
    root: MiniportOffloadBlockList,
    blocks: readonly MiniportOffloadBlockList[],
    contexts: readonly (OffloadContext | null)[],
  ): number {
    const operation = this.nextId();
    this.open.set(operation, { kind, root, blocks, contexts });
    return operation;
  }

  private idsOf(operation: number): number[] {
    return (this.open.get(operation)?.contexts ?? []).map((context) => context?.id ?? 0);
  }

  private take(operation: number): OpenOperation | null {
    const open = this.open.get(operation) ?? null;
    this.open.delete(operation);
    return open;
  }
}

const UNUSABLE: InitiateBlock['state'] = {
  kind: 'neighbor',
  dlSourceAddress: null,
  vlanId: 0,
  dlDestinationAddress: new Uint8Array(0),
  hostReachabilityDelta: 0,
  nicReachabilityDelta: 0,
};

/** The object that a block names, by the context value in its location (CTX-04, spec/decisions.md 4). */
function contextOf(block: MiniportOffloadBlockList): OffloadContext | null {
  const value = block.miniportOffloadContext?.miniportOffloadContext ?? null;
  return value instanceof OffloadContext ? value : null;
}

function layOut(root: MiniportOffloadBlockList): Layout {
  const blocks: MiniportOffloadBlockList[] = [];
  const parents: number[] = [];
  const ancestors: number[] = [];
  walkBlocks(root, (block, _parent, depth) => {
    ancestors[depth] = blocks.length;
    parents.push(depth === 0 ? -1 : ancestors[depth - 1]);
    blocks.push(block);
  });
  return { blocks, parents };
}

function writeStatuses(open: OpenOperation, statuses: readonly NdisStatus[]): void {
  for (let index = 0; index < open.blocks.length; index += 1) open.blocks[index].status = statuses[index];
}

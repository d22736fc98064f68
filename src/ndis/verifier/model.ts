/**
 * What the verifier knows: every binding, offloaded object, tree under way, and list that a driver below owns. Trees,
 * handles and lists pass an intermediate driver as the same objects, so everything is kept per binding.
 */
import type { NdisBinding } from '../binding.ts';
import type { BlockRole, OffloadBlockList } from '../block-list.ts';
import type { NetBufferList } from '../net-buffer.ts';
import type { NdisOffloadHandle } from '../offload-handle.ts';
import type { OffloadLayer } from '../offload-state.ts';
import type { DataRequest, StateOperation } from '../operations.ts';
import type { NdisStatus } from '../status.ts';

/** The life of an offloaded object as its owner above sees it. */
export const Life = { INITIATING: 0, OFFLOADED: 1, TERMINATING: 2 } as const;
export type Life = (typeof Life)[keyof typeof Life];

/** One list that a data request handed to the driver below. */
export class ListRecord {
  readonly list: NetBufferList;
  readonly request: DataRequest;
  readonly object: ObjectRecord;
  /** Used bytes when it was handed down. */
  readonly length: number;
  /** Flags of a disconnect. */
  readonly flags: number;
  /** The call that handed it down has not returned. */
  inCall = true;
  /** Came in the chain of an initiate instead of by a send call. */
  handedOver = false;
  /** Status of the list before it was handed over. */
  readonly earlierStatus: NdisStatus;
  /** Posted after the peer's FIN had been indicated (RECV-30). */
  afterDisconnect = false;
  /** Posted after data had been refused: completes before anything is indicated again (RECV-24). */
  afterRefusal = false;

  constructor(list: NetBufferList, request: DataRequest, object: ObjectRecord, length: number, flags: number) {
    this.list = list;
    this.request = request;
    this.object = object;
    this.length = length;
    this.flags = flags;
    this.earlierStatus = list.status;
  }
}

/** The data side of one TCP connection. Queues are in posting order. */
export class ConnectionRecord {
  sends: ListRecord[] = [];
  receives: ListRecord[] = [];
  forwards: ListRecord[] = [];
  disconnects: ListRecord[] = [];
  /** Calls under way: 1 while the host is inside one. */
  inSend = 0;
  inReceivePost = 0;
  inDisconnect = 0;
  inReceiveCompletion = 0;
  inIndication = 0;
  inEvent = 0;
  /** Length and list of the indication under way. */
  indicatedLength = 0;
  /** The last indication was refused and nothing was posted since. */
  refused = false;
  /** That data came with the offload instead, and was never indicated (RECV-44). */
  heldFromOffload = false;
  /** At least so many bytes are held in the target for the host. */
  heldBytes = 0;
  /** Posted after a refusal and not completed. */
  owedBeforeIndication = 0;
  peerClosed = false;
  aborted = false;
  abortRequested = false;
  hardwareFailed = false;
  /** Flags of a disconnect that failed; 0 none (DISC-13). */
  failedDisconnect = 0;
  /** A non-push request was completed before it was full: no more data may follow (RECV-19, spec/decisions.md 15). */
  endedShort = false;
  /** The host gave up control: a terminate was called. */
  uploading = false;
}

/** One object that is offloaded, or on its way. */
export class ObjectRecord {
  readonly handle: NdisOffloadHandle;
  readonly layer: OffloadLayer;
  readonly binding: BindingRecord;
  readonly connection = new ConnectionRecord();
  life: Life = Life.INITIATING;
  /** The initiate's completion call has returned (INIT-09). */
  announced = false;
  /** Context value that the driver below wrote. */
  context: object | null = null;
  parent: ObjectRecord | null;
  readonly dependents = new Set<ObjectRecord>();
  invalidated = false;
  queries = 0;
  updates = 0;
  invalidates = 0;

  constructor(handle: NdisOffloadHandle, layer: OffloadLayer, binding: BindingRecord, parent: ObjectRecord | null) {
    this.handle = handle;
    this.layer = layer;
    this.binding = binding;
    this.parent = parent;
  }
}

/** One block of a tree under way, as it was when it went down. */
export class BlockRecord {
  readonly block: OffloadBlockList;
  readonly parent: BlockRecord | null;
  readonly dependents: BlockRecord[] = [];
  readonly role: BlockRole;
  readonly layer: OffloadLayer;
  /** Null for a placeholder, and for a new object until it is recorded. */
  object: ObjectRecord | null;
  readonly ndisReserved: unknown;
  readonly protocolReserved: unknown;
  readonly imReserved: unknown;
  readonly sourceHandle: unknown;
  /** Copies of the constant and cached structures that follow the block. */
  readonly constant: object | null;
  readonly cached: object | null;

  constructor(
    block: OffloadBlockList,
    parent: BlockRecord | null,
    role: BlockRole,
    layer: OffloadLayer,
    object: ObjectRecord | null,
  ) {
    this.block = block;
    this.parent = parent;
    this.role = role;
    this.layer = layer;
    this.object = object;
    this.ndisReserved = block.ndisReserved;
    this.protocolReserved = block.protocolReserved;
    this.imReserved = block.imReserved;
    this.sourceHandle = block.sourceHandle;
    const state = block.state;
    this.constant = state === null || state.constant === null ? null : { ...state.constant };
    this.cached = state === null || state.cached === null ? null : { ...state.cached };
    parent?.dependents.push(this);
  }
}

/** A state operation under way. Blocks are in the contract's order. */
export class TreeRecord {
  readonly operation: StateOperation;
  readonly blocks: BlockRecord[] = [];
  /** The call down has not returned. */
  inCall = true;

  constructor(operation: StateOperation) {
    this.operation = operation;
  }
}

/** Everything that crosses one binding. */
export class BindingRecord {
  readonly binding: NdisBinding;
  readonly objects = new Set<ObjectRecord>();
  /** Context values in use (CTX-01). */
  readonly contexts = new Map<object, ObjectRecord>();
  readonly trees = new Map<object, TreeRecord>();
  /** Lists that the driver below owns. */
  readonly lists = new Map<NetBufferList, ListRecord>();
  /** Lists of receive indications that the driver above owns. */
  readonly indicated = new Set<NetBufferList>();
  /** The same on the ordinary path. */
  readonly ordinary = new Set<NetBufferList>();
  /** The objects whose receive completion is under way, innermost last. */
  readonly completing: ObjectRecord[][] = [];
  /** The initiate completions under way, innermost last. */
  readonly announcing: ObjectRecord[][] = [];
  queried = false;
  paused = false;
  uploadingAll = false;
  /** Resumed, and the capabilities were not read again yet (PAUSE-06). */
  mustQueryAgain = false;

  constructor(binding: NdisBinding) {
    this.binding = binding;
  }
}

/** The whole of it. */
export class Model {
  private readonly objects = new Map<NdisOffloadHandle, ObjectRecord>();
  private readonly bindings = new Map<NdisBinding, BindingRecord>();

  bindingOf(binding: NdisBinding): BindingRecord {
    let record = this.bindings.get(binding);
    if (record === undefined) {
      record = new BindingRecord(binding);
      this.bindings.set(binding, record);
    }
    return record;
  }

  objectOf(handle: NdisOffloadHandle): ObjectRecord | null {
    return this.objects.get(handle) ?? null;
  }

  addObject(object: ObjectRecord): void {
    this.objects.set(object.handle, object);
    object.binding.objects.add(object);
    object.parent?.dependents.add(object);
  }

  removeObject(object: ObjectRecord): void {
    this.objects.delete(object.handle);
    object.binding.objects.delete(object);
    object.parent?.dependents.delete(object);
    if (object.context !== null) object.binding.contexts.delete(object.context);
  }

  removeBinding(binding: NdisBinding): void {
    this.bindings.delete(binding);
  }

  /** All bindings, for summaries. */
  allBindings(): Iterable<BindingRecord> {
    return this.bindings.values();
  }
}

const LAYER_NAMES = ['neighbor', 'path', 'TCP connection'] as const;

/** "the TCP connection on nic0", for messages. */
export function describe(object: ObjectRecord): string {
  return `the ${LAYER_NAMES[object.layer]} on ${object.binding.binding.adapter.name}`;
}

/** "path", for messages. */
export function layerName(layer: OffloadLayer): string {
  return LAYER_NAMES[layer];
}

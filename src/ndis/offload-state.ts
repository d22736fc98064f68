/**
 * The state structures that follow a block (spec/ddi.md 5). A block of a combined type is followed by the constant,
 * cached and delegated structure of its object; one of a single-class type by just that one (STATE-08). Members for the
 * classes that do not travel are null.
 */
import type {
  ExtensionPart,
  TcpCachedState,
  TcpConstantState,
  TcpDelegatedState,
  TcpExtensionState,
} from '../tcp/variables.ts';
import type { NetBufferList } from './net-buffer.ts';

/** OFFLOAD_STATE_TYPE: Header.Type of a block. */
export const OffloadStateType = {
  NEIGHBOR_CONST: 0x01,
  NEIGHBOR_CACHED: 0x02,
  NEIGHBOR_DELEGATED: 0x03,
  NEIGHBOR: 0x04,
  IP4_CONST: 0x05,
  IP4_CACHED: 0x06,
  IP4_DELEGATED: 0x07,
  IP4: 0x08,
  IP6_CONST: 0x09,
  IP6_CACHED: 0x0a,
  IP6_DELEGATED: 0x0b,
  IP6: 0x0c,
  TCP_CONST: 0x0d,
  TCP_CACHED: 0x0e,
  TCP_DELEGATED: 0x0f,
  /** Not used to convey chimney state (STATE-09). */
  TCP_RESOURCE: 0x10,
  TCP: 0x11,
  /** For filter drivers, never in a chimney tree (STATE-09). */
  FILTER_RESERVED: 0xfe,
} as const;
export type OffloadStateType = (typeof OffloadStateType)[keyof typeof OffloadStateType];

/** The three levels of a state tree (TREE-01), from the root down. */
export const OffloadLayer = { NEIGHBOR: 0, PATH: 1, TCP: 2 } as const;
export type OffloadLayer = (typeof OffloadLayer)[keyof typeof OffloadLayer];

/** The layer of a block type; null for the two types that convey no chimney state (STATE-09) and for unknown ones. */
export function layerOf(type: number): OffloadLayer | null {
  if (type >= OffloadStateType.NEIGHBOR_CONST && type <= OffloadStateType.NEIGHBOR) return OffloadLayer.NEIGHBOR;
  if (type >= OffloadStateType.IP4_CONST && type <= OffloadStateType.IP6) return OffloadLayer.PATH;
  if (type >= OffloadStateType.TCP_CONST && type <= OffloadStateType.TCP_DELEGATED) return OffloadLayer.TCP;
  return type === OffloadStateType.TCP ? OffloadLayer.TCP : null;
}

/** Bits for the classes of variables. */
export const StateClass = { CONSTANT: 1, CACHED: 2, DELEGATED: 4, ALL: 7 } as const;

/** Which structures follow a block of this type, as `StateClass` bits; 0 for a type that conveys no chimney state. */
export function classesOf(type: number): number {
  if (type === OffloadStateType.TCP) return StateClass.ALL;
  if (layerOf(type) === null) return 0;
  const index = (type - 1) & 3;
  return index === 3 ? StateClass.ALL : 1 << index;
}

/** NEIGHBOR_OFFLOAD_STATE_CONST. */
export class NeighborConstantState {
  /** Source MAC of packets to this neighbor, 6 bytes; null means the interface's own (STATE-19). */
  dlSourceAddress: Uint8Array | null = null;
  /** 12 bits; 0 means none (spec/decisions.md 5). */
  vlanId = 0;
}

/** NEIGHBOR_OFFLOAD_STATE_CACHED. */
export class NeighborCachedState {
  /** MAC of the next hop, 6 bytes. */
  dlDestinationAddress: Uint8Array;
  /** HostReachabilityDelta: ticks since the host last had the neighbor confirmed (NBR-01). */
  hostReachabilityDelta = 0;

  constructor(dlDestinationAddress: Uint8Array) {
    this.dlDestinationAddress = dlDestinationAddress;
  }
}

/** NEIGHBOR_OFFLOAD_STATE_DELEGATED. */
export class NeighborDelegatedState {
  /** NicReachabilityDelta: ticks since the target last had the neighbor confirmed (NBR-15). */
  nicReachabilityDelta = 0;
}

/** State of a neighbor: the next hop on the link. */
export class NeighborOffloadState {
  readonly kind = 'neighbor';
  constant: NeighborConstantState | null;
  cached: NeighborCachedState | null;
  delegated: NeighborDelegatedState | null;

  constructor(
    constant: NeighborConstantState | null,
    cached: NeighborCachedState | null,
    delegated: NeighborDelegatedState | null,
  ) {
    this.constant = constant;
    this.cached = cached;
    this.delegated = delegated;
  }
}

/** PATH_OFFLOAD_STATE_CONST: addresses in network byte order, both 4 or both 16 bytes (STATE-11). */
export class PathConstantState {
  sourceAddress: Uint8Array;
  destinationAddress: Uint8Array;

  constructor(sourceAddress: Uint8Array, destinationAddress: Uint8Array) {
    this.sourceAddress = sourceAddress;
    this.destinationAddress = destinationAddress;
  }
}

/** PATH_OFFLOAD_STATE_CACHED. */
export class PathCachedState {
  /** Largest IP datagram of the path, bytes, header included. */
  pathMtu: number;

  constructor(pathMtu: number) {
    this.pathMtu = pathMtu;
  }
}

/** PATH_OFFLOAD_STATE_DELEGATED: nothing but its header (STATE-10). */
export class PathDelegatedState {}

/** State of an IP path: a pair of addresses. */
export class PathOffloadState {
  readonly kind = 'path';
  constant: PathConstantState | null;
  cached: PathCachedState | null;
  delegated: PathDelegatedState | null;

  constructor(
    constant: PathConstantState | null,
    cached: PathCachedState | null,
    delegated: PathDelegatedState | null,
  ) {
    this.constant = constant;
    this.cached = cached;
    this.delegated = delegated;
  }
}

/** Value of `sendBacklogSize` and `receiveBacklogSize` for "not supported" (DOC_BACKLOG_UNSUPPORTED; QRY-07, QRY-08). */
export const BACKLOG_UNSUPPORTED = 0xffffffff;

/**
 * State of a TCP connection. The data members belong to the delegated structure; the contract overlays the backlog
 * sizes on them (a query fills the sizes; initiate and terminate carry the lists, STATE-21).
 */
export class TcpOffloadState {
  readonly kind = 'tcp';
  constant: TcpConstantState | null;
  cached: TcpCachedState | null;
  delegated: TcpDelegatedState | null;
  /** First and last list with send data in the block's `netBufferListChain` (INIT-24, TERM-19). */
  sendDataHead: NetBufferList | null = null;
  sendDataTail: NetBufferList | null = null;
  /**
   * Received, acknowledged data that the application does not have yet, ending exactly at RCV.NXT, as linked lists
   * (INIT-26, TERM-23). On initiate the target copies it before it completes; on terminate the host copies it and gives
   * the lists back through receive-return (TERM-24).
   */
  bufferedData: NetBufferList | null = null;
  /** Query: bytes that the host should keep outstanding (QRY-07). */
  sendBacklogSize: number = BACKLOG_UNSUPPORTED;
  /** Query: received bytes held in the target (QRY-08). */
  receiveBacklogSize: number = BACKLOG_UNSUPPORTED;
  /** What the delegated structure has no room for (spec/decisions.md 23); null when an end does not know it. */
  extension: TcpExtensionState | null = null;
  /** Written by an end that could not keep part of the extension, before it completes (spec/decisions.md 23). */
  extensionLost: ExtensionPart[] = [];

  constructor(constant: TcpConstantState | null, cached: TcpCachedState | null, delegated: TcpDelegatedState | null) {
    this.constant = constant;
    this.cached = cached;
    this.delegated = delegated;
  }
}

/** What may follow a block; tell them apart by `kind`. */
export type OffloadState = NeighborOffloadState | PathOffloadState | TcpOffloadState;

/** A state of which all three classes are present, as every new block of an initiate tree carries it (TREE-08). */
export type CompleteState<S extends OffloadState> = S & {
  constant: NonNullable<S['constant']>;
  cached: NonNullable<S['cached']>;
  delegated: NonNullable<S['delegated']>;
};

/** Whether all three classes are present. */
export function isComplete<S extends OffloadState>(state: S): state is CompleteState<S> {
  return state.constant !== null && state.cached !== null && state.delegated !== null;
}

/** OFFLOAD_STATE_HEADER: the size of one structure in bytes, header included; RecognizedOptions is unused (STATE-07). */
export interface OffloadStateHeader {
  readonly length: number;
  readonly recognizedOptions: 0;
}

/** Bytes of each structure in the order constant, cached, delegated (spec/structs.json, x64). */
const STRUCTURE_LENGTHS = {
  neighbor: [44, 44, 12],
  path: [24, 12, 8],
  tcp: [24, 44, 128],
} as const;

/**
 * The headers of the structures that are present, in their order (STATE-07, STATE-08). Objects have no bytes to measure,
 * so the header is computed when asked for instead of stored.
 */
export function stateHeaders(state: OffloadState): OffloadStateHeader[] {
  const lengths = STRUCTURE_LENGTHS[state.kind];
  return [state.constant, state.cached, state.delegated].flatMap((structure, index) =>
    structure === null ? [] : [{ length: lengths[index] ?? 0, recognizedOptions: 0 as const }],
  );
}

/** The type of a block that is followed by this state (STATE-08). Null when no class, or two of the three, are present. */
export function typeOfState(state: OffloadState, family: 4 | 6 = 4): OffloadStateType | null {
  const classes =
    (state.constant === null ? 0 : StateClass.CONSTANT) |
    (state.cached === null ? 0 : StateClass.CACHED) |
    (state.delegated === null ? 0 : StateClass.DELEGATED);
  const index = [0, 1, 2, -1, 3, -1, -1, 4][classes] ?? -1;
  if (index < 1) return null;
  if (state.kind === 'neighbor') return index as OffloadStateType;
  if (state.kind === 'path') return ((family === 4 ? 4 : 8) + index) as OffloadStateType;
  return index === 4 ? OffloadStateType.TCP : ((12 + index) as OffloadStateType);
}

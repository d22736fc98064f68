/**
 * What the two halves of the software target say to each other. Every message survives a structured clone: plain
 * objects, numbers and typed arrays, no functions and no identity. So a thread or a machine may lie between the halves.
 *
 * Objects, requests and operations are named by integers that the miniport hands out and never uses twice. Messages of
 * one direction arrive in the order in which they were posted; nothing else is assumed about the time between.
 *
 * Byte arrays belong to the receiver of the message, with two exceptions: the bytes of a send stay the host's until its
 * completion (INIT-25), and the bytes of a receive indication stay readable for as long as the host keeps them. Frames
 * are never written again once they have been handed on.
 */
import type {
  IpOffloadStatistics,
  NdisStatus,
  TcpDisconnectFlag,
  TcpOffloadEventType,
  TcpOffloadStatistics,
} from '../ndis/index.ts';
import type {
  ExtensionPart,
  TcpCachedState,
  TcpConstantState,
  TcpDelegatedState,
  TcpExtensionState,
} from '../tcp/variables.ts';

/** One list of send data: a request of the host, or a link of the chain handed over with a connection. */
export interface SendList {
  readonly id: number;
  /** The data in order; views of the host's memory. */
  readonly chunks: readonly Uint8Array[];
}

/** A posted receive request (RECV-01). */
export interface ReceiveRequest {
  readonly id: number;
  /** Size of the buffer, bytes. */
  readonly length: number;
  /** Bytes of it that the host has filled already (TcpReceiveBytesTransferred). */
  readonly prefilled: number;
  /** Non-push mode: completed only when full (RECV-19, RECV-33). */
  readonly noPush: boolean;
}

/** State of a neighbor as it goes down. Times in ticks. */
export interface NewNeighbor {
  readonly kind: 'neighbor';
  /** Source MAC, 6 bytes; null means that of the interface (STATE-19). */
  readonly dlSourceAddress: Uint8Array | null;
  readonly vlanId: number;
  readonly dlDestinationAddress: Uint8Array;
  readonly hostReachabilityDelta: number;
  readonly nicReachabilityDelta: number;
}

/** State of a path as it goes down: addresses of 4 or 16 bytes, and the MTU in bytes. */
export interface NewPath {
  readonly kind: 'path';
  readonly sourceAddress: Uint8Array;
  readonly destinationAddress: Uint8Array;
  readonly pathMtu: number;
}

/** State of a connection as it goes down, with everything that is in flight. */
export interface NewTcp {
  readonly kind: 'tcp';
  readonly constant: TcpConstantState;
  readonly cached: TcpCachedState;
  readonly delegated: TcpDelegatedState;
  readonly extension: TcpExtensionState | null;
  /** Outstanding send data, the first byte being SND.UNA (SEND-21). */
  readonly sends: readonly SendList[];
  /** Acknowledged receive data that ends at RCV.NXT; copied out of the host's memory already (INIT-26, INIT-27). */
  readonly buffered: readonly Uint8Array[];
}

export type NewState = NewNeighbor | NewPath | NewTcp;

/** One block of an initiate tree. Block 0 is the root; `next` and `dependent` are indexes, -1 for none. */
export interface InitiateBlock {
  readonly next: number;
  readonly dependent: number;
  /** The object: its new id, the id that a linker refers to, or 0 for a placeholder (TREE-06…08). */
  readonly id: number;
  /** What is to be offloaded; null for linkers and placeholders. */
  readonly state: NewState | null;
}

/** One block of a query, invalidate or terminate tree: an object, or 0 for a placeholder. */
export type ObjectId = number;

/** New cached values of one object. */
export type CachedUpdate =
  | { readonly kind: 'neighbor'; readonly dlDestinationAddress: Uint8Array; readonly hostReachabilityDelta: number }
  | { readonly kind: 'path'; readonly pathMtu: number }
  | { readonly kind: 'tcp'; readonly cached: TcpCachedState };

/** One block of an update tree. */
export interface UpdateBlock {
  readonly id: ObjectId;
  /** The neighbor block that this path block hangs under, as object id; 0 for none: the relink (UPD-08). */
  readonly neighbor: ObjectId;
  /** New cached values, or null when only the link changes. */
  readonly values: CachedUpdate | null;
}

/** Operations that a hardware fault can be arranged for. */
export type FaultyOperation = 'query' | 'update' | 'invalidate' | 'terminate';

/** What the miniport tells the NIC. */
export type ToNic =
  | { readonly kind: 'initiate'; readonly operation: number; readonly blocks: readonly InitiateBlock[] }
  /** The completion call of the initiate has returned: indications may begin (INIT-09). */
  | { readonly kind: 'initiateConfirmed'; readonly operation: number }
  | { readonly kind: 'query'; readonly operation: number; readonly objects: readonly ObjectId[] }
  | { readonly kind: 'update'; readonly operation: number; readonly blocks: readonly UpdateBlock[] }
  | { readonly kind: 'invalidate'; readonly operation: number; readonly objects: readonly ObjectId[] }
  | { readonly kind: 'terminate'; readonly operation: number; readonly objects: readonly ObjectId[] }
  | { readonly kind: 'send'; readonly connection: number; readonly lists: readonly SendList[] }
  | { readonly kind: 'postReceive'; readonly connection: number; readonly requests: readonly ReceiveRequest[] }
  | { readonly kind: 'forward'; readonly connection: number; readonly segments: readonly ForwardedSegment[] }
  | {
      readonly kind: 'disconnect';
      readonly connection: number;
      readonly id: number;
      readonly flag: TcpDisconnectFlag;
      readonly chunks: readonly Uint8Array[];
    }
  /** The completion call for what `receiveComplete` carried has returned (RECV-06, RECV-07). */
  | { readonly kind: 'receiveCompleted'; readonly connection: number }
  /** The indication call has returned. */
  | {
      readonly kind: 'receiveIndicated';
      readonly connection: number;
      /** SUCCESS, OFFLOAD_DATA_NOT_ACCEPTED or OFFLOAD_DATA_PARTIALLY_ACCEPTED. */
      readonly status: NdisStatus;
      readonly bytesConsumed: number;
    }
  /** The host's answer to `neighborQuery` (NBR-11). */
  | { readonly kind: 'neighborAnswer'; readonly neighbor: number; readonly hostReachabilityDelta: number }
  /** A frame of the ordinary path, to be sent. */
  | { readonly kind: 'frameDown'; readonly frame: Uint8Array; readonly segmentSize: number }
  | { readonly kind: 'parameters'; readonly parameters: OffloadParameters }
  | { readonly kind: 'statisticsQuery'; readonly request: number }
  | { readonly kind: 'statisticsReset'; readonly family: 'ip4' | 'ip6' | 'tcp4' | 'tcp6' }
  /** The next operation of this kind finds the hardware's state corrupt (HWF-01). */
  | { readonly kind: 'hardwareFault'; readonly operation: FaultyOperation }
  /** The next new block of this layer fails with this status: host memory, rejection and the like (INIT-11…22). */
  | { readonly kind: 'refuseNext'; readonly layer: NewState['kind']; readonly status: NdisStatus };

/** A segment that the host received (FWD-02): TCP header, options and data, copied out of the host's memory. */
export interface ForwardedSegment {
  readonly id: number;
  readonly bytes: Uint8Array;
  /** Its datagram was marked "congestion experienced" (spec/decisions.md 37). */
  readonly congestionExperienced: boolean;
}

/** The settings of NDIS_TCP_CONNECTION_OFFLOAD_PARAMETERS that the engine uses (OID-03…05). */
export interface OffloadParameters {
  readonly ticksPerSecond: number;
  readonly ackFrequency: number;
  readonly delayedAckTicks: number;
  readonly maximumRetransmissions: number;
  readonly doubtReachabilityRetransmissions: number;
  readonly swsPreventionTicks: number;
  readonly duplicateAckThreshold: number;
  readonly pushTicks: number;
  readonly nceStaleTicks: number;
}

/** A request of the host that is finished: its status, and the bytes that were sent and acknowledged. */
export interface SendCompletion {
  readonly id: number;
  readonly status: NdisStatus;
  readonly bytes: number;
}

/** A receive request that is finished. */
export interface ReceiveCompletion {
  readonly id: number;
  readonly status: NdisStatus;
  /** What belongs into the buffer, behind the bytes that the host had filled. */
  readonly chunks: readonly Uint8Array[];
}

/** A forwarded segment that is finished (FWD-08). */
export interface ForwardCompletion {
  readonly id: number;
  readonly status: NdisStatus;
}

/** All variables of one object, as a query returns them (QRY-03). */
export type ObjectState =
  | {
      readonly kind: 'neighbor';
      readonly dlSourceAddress: Uint8Array | null;
      readonly vlanId: number;
      readonly dlDestinationAddress: Uint8Array;
      readonly hostReachabilityDelta: number;
      readonly nicReachabilityDelta: number;
    }
  | {
      readonly kind: 'path';
      readonly sourceAddress: Uint8Array;
      readonly destinationAddress: Uint8Array;
      readonly pathMtu: number;
    }
  | {
      readonly kind: 'tcp';
      readonly constant: TcpConstantState;
      readonly cached: TcpCachedState;
      readonly delegated: TcpDelegatedState;
      readonly sendBacklogSize: number;
      readonly receiveBacklogSize: number;
    };

/** What comes back of one object that was terminated. */
export type TerminatedState =
  | { readonly kind: 'neighbor'; readonly nicReachabilityDelta: number }
  | { readonly kind: 'path' }
  | {
      readonly kind: 'tcp';
      readonly delegated: TcpDelegatedState;
      readonly extension: TcpExtensionState | null;
      /** What of the extension this end could not return (spec/decisions.md 23). */
      readonly lost: readonly ExtensionPart[];
      /** Send lists handed back, in the order in which they were given (TERM-19). */
      readonly handedBack: readonly number[];
      /** Bytes of the first of them that were acknowledged: they lie before SND.UNA. */
      readonly acknowledged: number;
      /** Undelivered receive data that ends at RCV.NXT (TERM-23). */
      readonly buffered: readonly Uint8Array[];
    };

/** Result of one block of an initiate tree. */
export interface InitiateResult {
  readonly status: NdisStatus;
  /** Parts of the extension that this target dropped (spec/decisions.md 23). */
  readonly lost: readonly ExtensionPart[];
}

/** What the NIC tells the miniport. */
export type ToMiniport =
  | { readonly kind: 'initiateComplete'; readonly operation: number; readonly results: readonly InitiateResult[] }
  | {
      readonly kind: 'queryComplete';
      readonly operation: number;
      readonly statuses: readonly NdisStatus[];
      readonly states: readonly (ObjectState | null)[];
    }
  | { readonly kind: 'updateComplete'; readonly operation: number; readonly statuses: readonly NdisStatus[] }
  | { readonly kind: 'invalidateComplete'; readonly operation: number; readonly statuses: readonly NdisStatus[] }
  | {
      readonly kind: 'terminateComplete';
      readonly operation: number;
      readonly statuses: readonly NdisStatus[];
      readonly states: readonly (TerminatedState | null)[];
    }
  | { readonly kind: 'sendComplete'; readonly connection: number; readonly completions: readonly SendCompletion[] }
  | {
      readonly kind: 'receiveComplete';
      readonly connection: number;
      readonly completions: readonly ReceiveCompletion[];
    }
  | {
      readonly kind: 'forwardComplete';
      readonly connection: number;
      readonly completions: readonly ForwardCompletion[];
    }
  | { readonly kind: 'disconnectComplete'; readonly connection: number; readonly completion: SendCompletion }
  | { readonly kind: 'receiveIndicate'; readonly connection: number; readonly chunks: readonly Uint8Array[] }
  | {
      readonly kind: 'tcpEvent';
      readonly connection: number;
      readonly type: TcpOffloadEventType;
      readonly information: number;
    }
  | { readonly kind: 'neighborQuery'; readonly neighbor: number; readonly state: NewNeighbor }
  /** A frame that is not for an offloaded connection: the ordinary receive path. */
  | { readonly kind: 'frameUp'; readonly frame: Uint8Array; readonly checksumValid: boolean }
  | { readonly kind: 'statistics'; readonly request: number; readonly statistics: TargetStatistics }
  | { readonly kind: 'status'; readonly status: AdapterStatus };

/** Status indications that the NIC originates. */
export type AdapterStatus = 'pause' | 'uploadAll' | 'resume' | 'linkUp' | 'linkDown';

/** The four statistics structures (STAT-01). */
export interface TargetStatistics {
  readonly ip4: IpOffloadStatistics;
  readonly ip6: IpOffloadStatistics;
  readonly tcp4: TcpOffloadStatistics;
  readonly tcp6: TcpOffloadStatistics;
}

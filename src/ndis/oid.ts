/**
 * OID requests that concern connection offload, with their information as typed objects (spec/ddi.md 7). A query returns
 * its answer in `information`; a set carries its value there.
 */
import type { NdisBinding } from './binding.ts';
import type { NdisObjectHeader } from './object-header.ts';
import { NdisStatus } from './status.ts';

/** Object identifiers (spec/constants.json), int32. The comment is the value that the headers print. */
export const Oid = {
  TCP_TASK_OFFLOAD: -67042815, // 0xFC010201
  TCP4_OFFLOAD_STATS: -67042809, // 0xFC010207
  TCP6_OFFLOAD_STATS: -67042808, // 0xFC010208
  IP4_OFFLOAD_STATS: -67042807, // 0xFC010209
  IP6_OFFLOAD_STATS: -67042806, // 0xFC01020A
  TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG: -67042802, // 0xFC01020E
  TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES: -67042801, // 0xFC01020F
  TCP_CONNECTION_OFFLOAD_PARAMETERS: -66911743, // 0xFC030201
  PNP_SET_POWER: -50265855, // 0xFD010101
} as const;
export type Oid = (typeof Oid)[keyof typeof Oid];

/** NDIS_ENCAPSULATION_… flags. */
export const Encapsulation = {
  NOT_SUPPORTED: 0x00,
  NULL: 0x01,
  IEEE_802_3: 0x02,
  IEEE_802_3_P_AND_Q: 0x04,
  IEEE_802_3_P_AND_Q_IN_OOB: 0x08,
  IEEE_LLC_SNAP_ROUTED: 0x10,
} as const;

/** NDIS_TCP_CONNECTION_OFFLOAD: what a target can do. */
export interface TcpConnectionOffload {
  readonly header: NdisObjectHeader;
  /** `Encapsulation` flags; without IEEE_802_3 or IEEE_LLC_SNAP_ROUTED the capability is ignored. */
  readonly encapsulation: number;
  readonly supportIPv4: boolean;
  readonly supportIPv6: boolean;
  readonly supportIPv6ExtensionHeaders: boolean;
  readonly supportSack: boolean;
  /** Reserved (OID-06). */
  readonly congestionAlgorithm: number;
  /** Most connections at once, IPv4 and IPv6 together. */
  readonly tcpConnectionOffloadCapacity: number;
  /** Reserved. */
  readonly flags: number;
  /** Revision of the state extension that this end knows, 0 none (spec/decisions.md 23). */
  readonly extensionRevision: 0 | 1;
}

/** NDIS_OFFLOAD_SET_… values of an encapsulation setting. */
export const OffloadSetting = { NO_CHANGE: 0, ON: 1, OFF: 2 } as const;
export type OffloadSetting = (typeof OffloadSetting)[keyof typeof OffloadSetting];

/** One half of NDIS_OFFLOAD_ENCAPSULATION. */
export interface EncapsulationSetting {
  readonly enabled: OffloadSetting;
  /** One `Encapsulation` flag. */
  readonly encapsulationType: number;
  /** Bytes of the link header. */
  readonly headerSize: number;
}

/** The timing and limit members that the parameters structure and the task item share. */
interface ConnectionOffloadSettings {
  /** Unit of every tick-valued variable: 10, 100 or 1000 (OID-03). */
  readonly ticksPerSecond: number;
  readonly tcpAckFrequency: number;
  readonly tcpDelayedAckTicks: number;
  readonly tcpMaximumRetransmissions: number;
  readonly tcpDoubtReachabilityRetransmissions: number;
  readonly tcpSwsPreventionTicks: number;
  readonly tcpDuplicateAckThreshold: number;
  readonly tcpPushTicks: number;
  readonly nceStaleTicks: number;
}

/** NDIS_TCP_CONNECTION_OFFLOAD_PARAMETERS: what the host sets (OID-07). */
export interface TcpConnectionOffloadParameters extends ConnectionOffloadSettings {
  readonly header: NdisObjectHeader;
  /** NDIS_OFFLOAD_ENCAPSULATION (OID-09). */
  readonly encapsulation: { readonly ipv4: EncapsulationSetting; readonly ipv6: EncapsulationSetting };
  /** Reserved, from revision 2 on (OID-06). */
  readonly congestionAlgorithm: number;
}

/** NDIS_TASK_TCP_CONNECTION_OFFLOAD: the item of the task list that stands for connection offload (OID-02). */
export interface TaskTcpConnectionOffload extends ConnectionOffloadSettings {
  readonly task: 'tcp-connection-offload';
  readonly supportIp4: boolean;
  readonly supportIp6: boolean;
  readonly supportIp6ExtensionHeaders: boolean;
  readonly supportSack: boolean;
  readonly tcpConnectionOffloadCapacity: number;
  readonly tcpFinWait2Ticks: number;
  /** As in `TcpConnectionOffload`; in a set, what the host knows. */
  readonly extensionRevision: 0 | 1;
}

/** NDIS_TASK_OFFLOAD_HEADER with its list of NDIS_TASK_OFFLOAD items. An empty list is a zero OffsetFirstTask (OID-10). */
export interface TaskOffloadList {
  /** NDIS_TASK_OFFLOAD_VERSION. */
  readonly version: 1;
  /** One `Encapsulation` flag: of the host's packets. */
  readonly encapsulation: number;
  readonly tasks: readonly TaskTcpConnectionOffload[];
}

/** IP_OFFLOAD_STATS of one interface and IP version (STAT-05 … STAT-11). Numbers wrap at their contract width (STAT-04). */
export interface IpOffloadStatistics {
  inReceives: number;
  inOctets: number;
  inDelivers: number;
  outRequests: number;
  outOctets: number;
  inHeaderErrors: number;
  inTruncatedPackets: number;
  inDiscards: number;
  outDiscards: number;
  outNoRoutes: number;
}

/** TCP_OFFLOAD_STATS of one interface and IP version (STAT-12 … STAT-16). */
export interface TcpOffloadStatistics {
  inSegments: number;
  outSegments: number;
  currentlyEstablished: number;
  resetEstablished: number;
  retransmittedSegments: number;
  inErrors: number;
  outResets: number;
}

/** NDIS_DEVICE_POWER_STATE: D0 is full power. */
export const DevicePowerState = { D0: 1, D1: 2, D2: 3, D3: 4 } as const;
export type DevicePowerState = (typeof DevicePowerState)[keyof typeof DevicePowerState];

/** What each OID conveys. */
interface OidInformation {
  [Oid.TCP_TASK_OFFLOAD]: TaskOffloadList;
  [Oid.TCP4_OFFLOAD_STATS]: TcpOffloadStatistics;
  [Oid.TCP6_OFFLOAD_STATS]: TcpOffloadStatistics;
  [Oid.IP4_OFFLOAD_STATS]: IpOffloadStatistics;
  [Oid.IP6_OFFLOAD_STATS]: IpOffloadStatistics;
  [Oid.TCP_CONNECTION_OFFLOAD_CURRENT_CONFIG]: TcpConnectionOffload;
  [Oid.TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES]: TcpConnectionOffload;
  [Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS]: TcpConnectionOffloadParameters;
  [Oid.PNP_SET_POWER]: DevicePowerState;
}

/** A query of one OID; the answer is written to `information`. */
export interface OidQuery<O extends Oid> {
  readonly requestType: 'query';
  readonly oid: O;
  information: OidInformation[O] | null;
  /** Result of a request that was answered PENDING, set before the completion. */
  status: NdisStatus;
  /** Written by NDIS: who asks. A driver that passes a request on makes one of its own. */
  sourceHandle: NdisBinding | null;
}

/** A set of one OID. A set of statistics ignores `information` and clears the counters (STAT-03). */
export interface OidSet<O extends Oid> {
  readonly requestType: 'set';
  readonly oid: O;
  readonly information: OidInformation[O] | null;
  status: NdisStatus;
  sourceHandle: NdisBinding | null;
}

/** NDIS_OID_REQUEST: any of them; tell them apart by `oid` and `requestType`. */
export type OidRequest = { [O in Oid]: OidQuery<O> | OidSet<O> }[Oid];

/** A query to pass to `NdisBinding.oidRequest`. */
export function oidQuery<O extends Oid>(oid: O): OidQuery<O> {
  return { requestType: 'query', oid, information: null, status: NdisStatus.PENDING, sourceHandle: null };
}

/** A set to pass to `NdisBinding.oidRequest`. */
export function oidSet<O extends Oid>(oid: O, information: OidInformation[O] | null): OidSet<O> {
  return { requestType: 'set', oid, information, status: NdisStatus.PENDING, sourceHandle: null };
}

/** The name of an OID for people: `OID_TCP_TASK_OFFLOAD`. */
export function oidName(oid: number): string {
  const found = Object.entries(Oid).find(([, value]) => value === (oid | 0));
  return found === undefined ? `OID 0x${(oid >>> 0).toString(16).toUpperCase()}` : `OID_${found[0]}`;
}

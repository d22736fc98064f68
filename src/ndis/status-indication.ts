/** NDIS_STATUS_INDICATION: what an adapter tells every protocol bound to it. */
import type { MiniportAdapter } from './miniport-adapter.ts';
import type { TcpConnectionOffload } from './oid.ts';
import { NdisStatus } from './status.ts';

/** NDIS_LINK_STATE, the part that Chimney uses. */
export interface LinkState {
  readonly connected: boolean;
  /** Bits per second; 0 unknown. */
  readonly linkSpeed: number;
}

interface Indication<Code extends NdisStatus, Buffer> {
  readonly statusCode: Code;
  readonly statusBuffer: Buffer;
  readonly portNumber: number;
  /** The adapter that indicates; written by NDIS. */
  sourceHandle: MiniportAdapter | null;
}

/** Status indications of NdisMIndicateStatusEx, told apart by `statusCode` (spec/ddi.md 7). */
export type StatusIndication =
  | Indication<typeof NdisStatus.LINK_STATE, LinkState>
  /** The host starts no new offloads (PAUSE-01). */
  | Indication<typeof NdisStatus.OFFLOAD_PAUSE, null>
  /** The host takes everything back (PAUSE-08, EVT-12). */
  | Indication<typeof NdisStatus.UPLOAD_ALL, null>
  /** Offloads may start again; the capabilities may be new (PAUSE-06, PAUSE-07). Null: as before. */
  | Indication<typeof NdisStatus.OFFLOAD_RESUME, TcpConnectionOffload | null>
  /** The hardware set behind an intermediate driver changed. */
  | Indication<typeof NdisStatus.TCP_CONNECTION_OFFLOAD_HARDWARE_CAPABILITIES, TcpConnectionOffload>;

/** The link went up or down (TERM-28). */
export function linkStateIndication(state: LinkState): StatusIndication {
  return { statusCode: NdisStatus.LINK_STATE, statusBuffer: state, portNumber: 0, sourceHandle: null };
}

/** No new offloads, please. */
export function pauseIndication(): StatusIndication {
  return { statusCode: NdisStatus.OFFLOAD_PAUSE, statusBuffer: null, portNumber: 0, sourceHandle: null };
}

/** Take everything back, please. */
export function uploadAllIndication(): StatusIndication {
  return { statusCode: NdisStatus.UPLOAD_ALL, statusBuffer: null, portNumber: 0, sourceHandle: null };
}

/** Offloads may start again, with the given capabilities or, with null, the earlier ones. */
export function resumeIndication(capabilities: TcpConnectionOffload | null = null): StatusIndication {
  return { statusCode: NdisStatus.OFFLOAD_RESUME, statusBuffer: capabilities, portNumber: 0, sourceHandle: null };
}

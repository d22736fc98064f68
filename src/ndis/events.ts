/**
 * Small enumerations of the contract that travel as plain integers (spec/constants.json): chimney types, events, upload
 * reasons and disconnect flags.
 */

/** NDIS_CHIMNEY_OFFLOAD_TYPE. Only TCP is usable (REG-10). */
export const ChimneyOffloadType = { TCP: 1, IPSEC: 2, RDMA: 3 } as const;
export type ChimneyOffloadType = (typeof ChimneyOffloadType)[keyof typeof ChimneyOffloadType];

/** INDICATE_OFFLOAD_EVENT: codes of NdisMOffloadEventIndicate. NEIGHBOR_REACHABILITY_IN_DOUBT is reserved (NBR-10). */
export const OffloadEvent = { NEIGHBOR_REACHABILITY_IN_DOUBT: 1, NEIGHBOR_REACHABILITY_QUERY: 2 } as const;
export type OffloadEvent = (typeof OffloadEvent)[keyof typeof OffloadEvent];

/**
 * TCP_OFFLOAD_EVENT_TYPE. The information passed along is a `TcpUploadReason` for RETRIEVE, a number of bytes for
 * SEND_BACKLOG_CHANGE, and 0 for the two others (EVT-06).
 */
export const TcpOffloadEventType = { SEND_BACKLOG_CHANGE: 1, DISCONNECT: 2, RETRIEVE: 3, ABORT: 4 } as const;
export type TcpOffloadEventType = (typeof TcpOffloadEventType)[keyof typeof TcpOffloadEventType];

/** TCP_UPLOAD_REASON: why a target asks for a connection to be taken back. */
export const TcpUploadReason = {
  LOW_ACTIVITY: 1,
  HIGH_DROP_RATE: 2,
  SMALL_IO: 3,
  NO_BUFFER_PREPOSTING: 4,
  RECEIVED_URGENT_DATA: 5,
  HIGH_FRAGMENTATION: 6,
  HIGH_OUT_OF_ORDER_PACKETS: 7,
  TIMEOUT_EXPIRATION: 8,
  INVALID_STATE: 9,
  UPLOAD_REQUESTED: 10,
  HARDWARE_FAILURE: 11,
} as const;
export type TcpUploadReason = (typeof TcpUploadReason)[keyof typeof TcpUploadReason];

const REASON_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(TcpUploadReason).map(([name, value]) => [value, name]),
);

/** The name of an upload reason for people: `UPLOAD_REQUESTED`. */
export function uploadReasonName(reason: number): string {
  return REASON_NAMES.get(reason) ?? `reason ${reason}`;
}

/** Whether the host must take the connection back (EVT-07, TERM-27); the other reasons it may ignore (EVT-08). */
export function isMandatoryUpload(reason: TcpUploadReason): boolean {
  return (
    reason === TcpUploadReason.HARDWARE_FAILURE ||
    reason === TcpUploadReason.INVALID_STATE ||
    reason === TcpUploadReason.RECEIVED_URGENT_DATA ||
    reason === TcpUploadReason.TIMEOUT_EXPIRATION ||
    reason === TcpUploadReason.UPLOAD_REQUESTED
  );
}

/** Flags of NdisOffloadTcpDisconnect; exactly one is set (DISC-02). */
export const TcpDisconnectFlag = { GRACEFUL_CLOSE: 1, ABORTIVE_CLOSE: 2 } as const;
export type TcpDisconnectFlag = (typeof TcpDisconnectFlag)[keyof typeof TcpDisconnectFlag];

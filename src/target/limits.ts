/**
 * What the target has room for. Each limit is reported with the status of its own when it is reached (INIT-11…22); all
 * are plain data.
 */
export interface TargetLimits {
  /** Neighbor objects (OFFLOAD_NEIGHBOR_ENTRIES, INIT-15). */
  readonly neighbors: number;
  /** Path objects (OFFLOAD_PATH_ENTRIES, INIT-14). */
  readonly paths: number;
  /** Connections (OFFLOAD_TCP_ENTRIES, INIT-13). */
  readonly connections: number;
  /** Source MAC addresses besides the interface's own; 0: not configurable (OFFLOAD_HW_ADDRESS_ENTRIES, INIT-16). */
  readonly sourceMacAddresses: number;
  /** Local IP addresses (OFFLOAD_IP_ADDRESS_ENTRIES, INIT-17). */
  readonly ipAddresses: number;
  /** Non-zero VLAN identifiers (OFFLOAD_VLAN_ENTRIES, VLAN-03). */
  readonly vlans: number;
  /** Largest InitialRcvWnd, bytes (OFFLOAD_TCP_RCV_WINDOW, INIT-20). */
  readonly receiveWindow: number;
  /** Send data queued on all connections when another one comes with more, bytes (OFFLOAD_TCP_XMIT_BUFFER, INIT-18). */
  readonly transmitBuffer: number;
  /** Handed-over receive data held for all connections, bytes (OFFLOAD_TCP_RCV_BUFFER, INIT-19). */
  readonly receiveBuffer: number;
  /** Largest path MTU, bytes (OFFLOAD_PATH_MTU, INIT-21). */
  readonly pathMtu: number;
  /** Which connections are poor candidates (OFFLOAD_CONNECTION_REJECTED, INIT-22). */
  readonly rejection: ConnectionRejection;
  /** Segments kept for one connection while it waits for its upload (URG-04); more are left to the peer to repeat. */
  readonly heldSegments: number;
}

/** A connection is rejected when any of these holds. */
export interface ConnectionRejection {
  /** The peer's MSS is below this, bytes; 0: never. */
  readonly remoteMssBelow: number;
  /** Either port is one of these. */
  readonly ports: readonly number[];
}

export const DEFAULT_TARGET_LIMITS: TargetLimits = {
  neighbors: 1024,
  paths: 65_536,
  connections: 65_536,
  sourceMacAddresses: 8,
  ipAddresses: 16,
  vlans: 64,
  receiveWindow: 16 * 1024 * 1024,
  transmitBuffer: 1024 * 1024 * 1024,
  receiveBuffer: 1024 * 1024 * 1024,
  pathMtu: 65_535,
  rejection: { remoteMssBelow: 0, ports: [] },
  heldSegments: 256,
};

/** Fills in what the caller left out. */
export function completeLimits(limits: Partial<TargetLimits>): TargetLimits {
  return { ...DEFAULT_TARGET_LIMITS, ...limits };
}

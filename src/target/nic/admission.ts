/** Whether there is room for an object, and if not, the status that says what is short (INIT-11…22, VLAN-03…07). */
import { NdisStatus } from '../../ndis/index.ts';
import { isContinuable, isOffloadable } from '../../tcp/index.ts';
import { IpAddress } from '../../wire/index.ts';
import type { NewNeighbor, NewPath, NewTcp } from '../messages.ts';
import type { NicCore } from './core.ts';

/** A neighbor: objects, source MAC, VLAN. */
export function admitNeighbor(core: NicCore, state: NewNeighbor): NdisStatus {
  const { limits, interfaceVlans, macAddress } = core.options;
  if (core.neighbors.size >= limits.neighbors) return NdisStatus.OFFLOAD_NEIGHBOR_ENTRIES;
  if (state.dlDestinationAddress.length < 6) return NdisStatus.FAILURE;
  const source = state.dlSourceAddress;
  if (source !== null && !sameBytes(source, macAddress.bytes)) {
    const others = new Set<string>([macText(source)]);
    for (const neighbor of core.neighbors.values()) {
      if (neighbor.dlSourceAddress !== null) others.add(neighbor.dlSourceAddress.toString());
    }
    others.delete(macAddress.toString());
    if (others.size > limits.sourceMacAddresses) return NdisStatus.OFFLOAD_HW_ADDRESS_ENTRIES;
  }
  if (state.vlanId === 0) return NdisStatus.SUCCESS; // VLAN-04, VLAN-05
  const vlans = new Set<number>([state.vlanId]);
  for (const neighbor of core.neighbors.values()) if (neighbor.vlanId !== 0) vlans.add(neighbor.vlanId);
  if (vlans.size > limits.vlans) return NdisStatus.OFFLOAD_VLAN_ENTRIES; // VLAN-03
  const configured = interfaceVlans.filter((vlan) => vlan !== 0);
  // VLAN-04, VLAN-06, VLAN-07
  return configured.length === 0 || configured.includes(state.vlanId)
    ? NdisStatus.SUCCESS
    : NdisStatus.OFFLOAD_VLAN_MISMATCH;
}

/** A path: objects, addresses of one family (STATE-11), MTU, local address. */
export function admitPath(core: NicCore, state: NewPath): NdisStatus {
  const { limits } = core.options;
  if (core.paths.size >= limits.paths) return NdisStatus.OFFLOAD_PATH_ENTRIES;
  const { length } = state.sourceAddress;
  if ((length !== 4 && length !== 16) || state.destinationAddress.length !== length) return NdisStatus.FAILURE;
  if (state.pathMtu > limits.pathMtu) return NdisStatus.OFFLOAD_PATH_MTU;
  const source = IpAddress.fromBytes(length === 4 ? 4 : 6, state.sourceAddress);
  const isNew = !core.localAddresses.has(source.toString());
  return isNew && core.localAddresses.size >= limits.ipAddresses
    ? NdisStatus.OFFLOAD_IP_ADDRESS_ENTRIES
    : NdisStatus.SUCCESS;
}

/** A connection: objects, state, window, buffers, and whether it is worth it. */
export function admitConnection(core: NicCore, state: NewTcp): NdisStatus {
  const { limits } = core.options;
  if (core.connections.size >= limits.connections) return NdisStatus.OFFLOAD_TCP_ENTRIES;
  if (!isOffloadable(state.delegated.state)) return NdisStatus.FAILURE; // INIT-02
  if (state.cached.initialRcvWnd > limits.receiveWindow) return NdisStatus.OFFLOAD_TCP_RCV_WINDOW;
  const handedOver = state.sends.reduce((sum, list) => sum + bytesOf(list.chunks), 0);
  if (!isContinuable(state.delegated, handedOver)) return NdisStatus.FAILURE; // sends that do not fit their positions
  if (core.transmitBytes + handedOver > limits.transmitBuffer) return NdisStatus.OFFLOAD_TCP_XMIT_BUFFER;
  const unread = bytesOf(state.buffered);
  if (unread > 0 && heldReceiveBytes(core) + unread > limits.receiveBuffer) return NdisStatus.OFFLOAD_TCP_RCV_BUFFER;
  const { rejection } = limits;
  const { remoteMss, localPort, remotePort } = state.constant;
  const rejected =
    remoteMss < rejection.remoteMssBelow || rejection.ports.includes(localPort) || rejection.ports.includes(remotePort);
  return rejected ? NdisStatus.OFFLOAD_CONNECTION_REJECTED : NdisStatus.SUCCESS;
}

/** Bytes of all chunks. */
export function bytesOf(chunks: readonly Uint8Array[]): number {
  let sum = 0;
  for (const chunk of chunks) sum += chunk.length;
  return sum;
}

function heldReceiveBytes(core: NicCore): number {
  let sum = 0;
  for (const connection of core.connections.values()) sum += connection.delivery.backlog;
  return sum;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < 6; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

function macText(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

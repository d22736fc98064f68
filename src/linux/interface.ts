/** Network interfaces by name: MTU and flags, as ifconfig sets them. */
import { close, configurationSocket, ioctl, LITTLE_ENDIAN } from './ffi.ts';

/** Bytes of an interface name, its terminating zero included. */
export const INTERFACE_NAME_BYTES = 16;

/** Bytes of struct ifreq. */
const IFREQ_BYTES = 40;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFMTU = 0x8921;
const SIOCSIFMTU = 0x8922;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const IFF_UP = 1;

/** Whether the kernel can have an interface of this name: 1 to 15 bytes, no slash, no colon, no white space. */
export function isInterfaceName(name: string): boolean {
  return (
    /^[^\s/:%]{1,15}$/.test(name) && Buffer.byteLength(name) < INTERFACE_NAME_BYTES && name !== '.' && name !== '..'
  );
}

/** struct ifreq with a name, the rest zero. */
export function interfaceRequest(name: string): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(IFREQ_BYTES);
  bytes.set(new TextEncoder().encode(name).subarray(0, INTERFACE_NAME_BYTES - 1));
  return { bytes, view: new DataView(bytes.buffer) };
}

/** The name in a request that the kernel has filled. */
export function interfaceNameOf(request: Uint8Array): string {
  const end = request.indexOf(0);
  return new TextDecoder().decode(
    request.subarray(0, Math.min(end < 0 ? INTERFACE_NAME_BYTES : end, INTERFACE_NAME_BYTES)),
  );
}

/** Sets the MTU, unless it is that already. @throws SystemCallError */
export function setInterfaceMtu(name: string, mtu: number): void {
  if (interfaceMtu(name) === mtu) return;
  const { bytes, view } = interfaceRequest(name);
  view.setInt32(INTERFACE_NAME_BYTES, mtu, LITTLE_ENDIAN);
  configure(SIOCSIFMTU, 'SIOCSIFMTU', bytes, name);
}

/** The MTU, bytes. @throws SystemCallError */
export function interfaceMtu(name: string): number {
  const { bytes, view } = interfaceRequest(name);
  configure(SIOCGIFMTU, 'SIOCGIFMTU', bytes, name);
  return view.getInt32(INTERFACE_NAME_BYTES, LITTLE_ENDIAN);
}

/** The index, by which device files are named. @throws SystemCallError ENODEV when there is no such interface */
export function interfaceIndex(name: string): number {
  const { bytes, view } = interfaceRequest(name);
  configure(SIOCGIFINDEX, 'SIOCGIFINDEX', bytes, name);
  return view.getInt32(INTERFACE_NAME_BYTES, LITTLE_ENDIAN);
}

/** The MAC address, 6 bytes. @throws SystemCallError */
export function interfaceMacAddress(name: string): Uint8Array {
  const { bytes } = interfaceRequest(name);
  configure(SIOCGIFHWADDR, 'SIOCGIFHWADDR', bytes, name);
  // struct sockaddr: two bytes of family first.
  return bytes.slice(INTERFACE_NAME_BYTES + 2, INTERFACE_NAME_BYTES + 8);
}

/** Brings the interface up, unless it is. @throws SystemCallError */
export function setInterfaceUp(name: string): void {
  const { bytes, view } = interfaceRequest(name);
  configure(SIOCGIFFLAGS, 'SIOCGIFFLAGS', bytes, name);
  const flags = view.getInt16(INTERFACE_NAME_BYTES, LITTLE_ENDIAN);
  if ((flags & IFF_UP) !== 0) return;
  view.setInt16(INTERFACE_NAME_BYTES, flags | IFF_UP, LITTLE_ENDIAN);
  configure(SIOCSIFFLAGS, 'SIOCSIFFLAGS', bytes, name);
}

function configure(request: number, call: string, bytes: Uint8Array, name: string): void {
  const socket = configurationSocket(name);
  try {
    ioctl(socket, request, call, bytes, name);
  } finally {
    close(socket);
  }
}

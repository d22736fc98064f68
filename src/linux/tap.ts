/** TAP interfaces (Documentation/networking/tuntap.rst of Linux): the kernel is the other end of the wire. */
import { closeSync, constants, openSync } from 'node:fs';
import { DeviceLink } from './device-link.ts';
import { ioctl, ioctlNumber, LITTLE_ENDIAN } from './ffi.ts';
import {
  INTERFACE_NAME_BYTES,
  interfaceMtu,
  interfaceNameOf,
  interfaceRequest,
  isInterfaceName,
  setInterfaceMtu,
  setInterfaceUp,
} from './interface.ts';

const TUN_DEVICE = '/dev/net/tun';

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

/** Offloads that we take: checksums, and TCP segments that nobody has cut, of either family. */
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;

/** How a TAP is opened. */
export interface TapOptions {
  /** Largest IP packet, bytes; by default that of the interface, 1500 for a new one. */
  readonly mtu?: number;
  /** Checksums and segmentation are left to the kernel, both ways: 64 KiB in one frame. Default true. */
  readonly offload?: boolean;
}

/**
 * Opens a TAP interface: makes it, or takes a persistent one that exists and that nobody has open; and brings it up. The
 * interface that was made vanishes with the link, or with the process.
 *
 * @param name of the interface; with `%d` in it the kernel chooses a number
 * @throws RangeError when the kernel cannot have an interface of that name
 * @throws SystemCallError EPERM without CAP_NET_ADMIN, EBUSY when another process has it, EINVAL when it is no TAP
 * @throws Error of `node:fs` when /dev/net/tun cannot be opened
 */
export function openTap(name: string, options: TapOptions = {}): DeviceLink {
  if (!isInterfaceName(name.replace('%d', '0'))) {
    throw new RangeError(`"${name}" is no name of an interface: use 1 to 15 characters without slash, colon or space.`);
  }
  const offload = options.offload ?? true;
  const fd = openSync(TUN_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    const request = interfaceRequest(name);
    const flags = IFF_TAP | IFF_NO_PI | (offload ? IFF_VNET_HDR : 0);
    request.view.setUint16(INTERFACE_NAME_BYTES, flags, LITTLE_ENDIAN);
    ioctl(fd, TUNSETIFF, 'TUNSETIFF', request.bytes, name);
    const given = interfaceNameOf(request.bytes);
    ioctlNumber(fd, TUNSETOFFLOAD, 'TUNSETOFFLOAD', offload ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0, given);
    if (options.mtu !== undefined) setInterfaceMtu(given, options.mtu);
    setInterfaceUp(given);
    return new DeviceLink({ fd, name: given, mtu: interfaceMtu(given), offload });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** TAP interfaces (Documentation/networking/tuntap.rst of Linux): the kernel is the other end of the wire. */
import { closeSync, constants, openSync } from 'node:fs';
import { DeviceLink } from './device-link.ts';
import { interfaceMtu, isInterfaceName, setInterfaceMtu, setInterfaceUp } from './interface.ts';
import { configureTun } from './tun.ts';

const TUN_DEVICE = '/dev/net/tun';

/** How a TAP is opened. */
export interface TapOptions {
  /** Largest IP packet, bytes; by default that of the interface, 1500 for a new one. */
  readonly mtu?: number;
  /** Checksums and segmentation are left to the kernel, both ways: 64 KiB in one frame. Default true. */
  readonly offload?: boolean;
  /**
   * Without offloads: join received segments that follow each other (see `Coalescer`). Default true; false for a user who
   * is to see frames as they were on the wire.
   */
  readonly coalesce?: boolean;
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
  const { offload = true, coalesce = true } = options;
  const fd = openSync(TUN_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    const given = configureTun(fd, name, offload);
    if (options.mtu !== undefined) setInterfaceMtu(given, options.mtu);
    setInterfaceUp(given);
    return new DeviceLink({ fd, name: given, mtu: interfaceMtu(given), offload, coalesce });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

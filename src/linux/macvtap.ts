/** macvtap interfaces: a port of its own on the network that another interface is connected to. */
import { closeSync, constants, openSync } from 'node:fs';
import { DeviceLink } from './device-link.ts';
import { interfaceIndex, interfaceMacAddress, interfaceMtu, isInterfaceName, setInterfaceUp } from './interface.ts';
import { configureTun } from './tun.ts';

/** How a macvtap is opened. */
export interface MacvtapOptions {
  /** Checksums and segmentation are left to the kernel, both ways. Default true. */
  readonly offload?: boolean;
  /**
   * Without offloads: join received segments that follow each other (see `Coalescer`). Default true; false for a user who
   * is to see frames as they were on the wire.
   */
  readonly coalesce?: boolean;
}

/** A link over a macvtap interface, and the only MAC address whose frames it brings. */
export interface MacvtapLink {
  readonly link: DeviceLink;
  /** Six bytes. */
  readonly macAddress: Uint8Array;
}

/**
 * Opens the device of a macvtap interface that exists (`ip link add link eth0 name NAME type macvtap mode bridge`), and
 * brings the interface up. The interface stays when the link is closed: whoever has made it removes it.
 *
 * @throws RangeError when the kernel cannot have an interface of that name
 * @throws SystemCallError ENODEV when there is no such interface; others with the call that failed
 * @throws Error of `node:fs` when its device cannot be opened
 */
export function openMacvtap(name: string, options: MacvtapOptions = {}): MacvtapLink {
  if (!isInterfaceName(name)) {
    throw new RangeError(`"${name}" is no name of an interface: use 1 to 15 characters without slash, colon or space.`);
  }
  const { offload = true, coalesce = true } = options;
  const fd = openSync(`/dev/tap${interfaceIndex(name)}`, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    configureTun(fd, name, offload);
    setInterfaceUp(name);
    const macAddress = interfaceMacAddress(name);
    return { link: new DeviceLink({ fd, name, mtu: interfaceMtu(name), offload, coalesce }), macAddress };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** What TAP and macvtap descriptors have in common (include/uapi/linux/if_tun.h). */
import { ioctl, ioctlNumber, LITTLE_ENDIAN } from './ffi.ts';
import { INTERFACE_NAME_BYTES, interfaceNameOf, interfaceRequest } from './interface.ts';

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

/** Offloads that we take: checksums, and TCP segments that nobody has cut, of either family. */
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;

/**
 * Makes the descriptor one of whole Ethernet frames, with a virtio-net header and offloads if asked for, and binds it to an
 * interface. Returns the interface's name, as the kernel has chosen it where `name` left a choice.
 *
 * @throws SystemCallError
 */
export function configureTun(fd: number, name: string, offload: boolean): string {
  const request = interfaceRequest(name);
  const flags = IFF_TAP | IFF_NO_PI | (offload ? IFF_VNET_HDR : 0);
  request.view.setUint16(INTERFACE_NAME_BYTES, flags, LITTLE_ENDIAN);
  ioctl(fd, TUNSETIFF, 'TUNSETIFF', request.bytes, name);
  const given = interfaceNameOf(request.bytes);
  ioctlNumber(fd, TUNSETOFFLOAD, 'TUNSETOFFLOAD', offload ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0, given);
  return given;
}

/** IPv6 addresses with a meaning of their own: groups, link-local ones, interface identifiers (RFC 4291). */

import { IpAddress } from './ip-address.ts';
import { MacAddress } from './mac-address.ts';

/** :: */
export const UNSPECIFIED_IPV6 = IpAddress.fromWords(6, 0);
/** ff02::1, all nodes of the link. */
export const ALL_NODES = IpAddress.fromWords(6, 0xff020000, 0, 0, 1);
/** ff02::2, all routers of the link. */
export const ALL_ROUTERS = IpAddress.fromWords(6, 0xff020000, 0, 0, 2);
/** fe80::, whose first 64 bits are those of all link-local addresses. */
export const LINK_LOCAL_PREFIX = IpAddress.fromWords(6, 0xfe800000);

/** fe80::/10 (RFC 4291 section 2.5.6). */
export function isLinkLocal(address: IpAddress): boolean {
  return address.family === 6 && address.word0 >>> 22 === 0x3fa;
}

/** The group in which the owners of an address listen for solicitations (RFC 4291 section 2.7.1). */
export function solicitedNode(address: IpAddress): IpAddress {
  return IpAddress.fromWords(6, 0xff020000, 0, 1, 0xff000000 | (address.word3 & 0xffffff));
}

/** Where frames to an IPv6 group go: 33:33 and the last four bytes of the group (RFC 2464 section 7). */
export function multicastMacAddress(group: IpAddress): MacAddress {
  return MacAddress.fromWords(0x3333, group.word3);
}

/** The address of an interface in a network of 64 bits, from its MAC address (RFC 4291 appendix A, RFC 2464 section 4). */
export function addressFromMac(prefix: IpAddress, macAddress: MacAddress): IpAddress {
  const { high, low } = macAddress;
  const word2 = ((high ^ 0x0200) << 16) | ((low >>> 16) & 0xff00) | 0xff;
  const word3 = (0xfe << 24) | (low & 0xffffff);
  return IpAddress.fromWords(6, prefix.word0, prefix.word1, word2, word3);
}

/** IP and MAC addresses. */

export { type AddressFamily, formatIpv4, IpAddress } from './ip-address.ts';
export { MacAddress } from './mac-address.ts';

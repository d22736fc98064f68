/** Bytes and headers: parsing, writing and describing Ethernet, ARP, IPv4, IPv6, ICMP, NDP and TCP. Nothing here throws on input. */

export * from './addresses.ts';
export * from './arp.ts';
export { readInt32, readUint16, writeInt32, writeUint16 } from './bytes.ts';
export * from './checksum.ts';
export * from './describe.ts';
export * from './drop-reason.ts';
export * from './ethernet.ts';
export * from './frame.ts';
export { Gatherer } from './gatherer.ts';
export * from './icmpv4.ts';
export * from './icmpv6.ts';
export * from './ip-packet.ts';
export * from './ipv4.ts';
export * from './ipv6.ts';
export * from './ipv6-addresses.ts';
export * from './mld.ts';
export * from './ndp.ts';
export * from './segment-object.ts';
export * from './source-route.ts';
export * from './tcp.ts';
export * from './tcp-header.ts';

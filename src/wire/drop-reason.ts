/**
 * Why a frame, packet or segment was dropped: small integers, one counter each.
 *
 * Parsers return one of these and never throw; `NONE` (0) is success. The rooms above count their own reasons in the same
 * table, so that the fate of every received frame can be read in one place.
 */
export const DropReason = {
  /** Not dropped: the header was parsed. */
  NONE: 0,
  /** Shorter than an Ethernet header, or than its 802.1Q tag. */
  ETHERNET_TRUNCATED: 1,
  /** An IEEE 802.3 length where an EtherType should be: LLC frames are not ours. */
  ETHERNET_LENGTH_FIELD: 2,
  /** The destination MAC address is neither the port's nor a group that it listens to. */
  ETHERNET_DESTINATION: 3,
  /** An EtherType without a handler. */
  ETHERNET_TYPE: 4,
  /** Untagged, or tagged for another VLAN (VLAN-12). */
  VLAN_MISMATCH: 5,
  /** Shorter than the 28 bytes of an ARP packet for IPv4 over Ethernet (RFC 826). */
  ARP_TRUNCATED: 6,
  /** Hardware or protocol type, or an address length, that is not that of IPv4 over Ethernet. */
  ARP_UNSUPPORTED: 7,
  /** Neither request nor reply. */
  ARP_OPERATION: 8,
  /** A sender address that no host can have (group MAC address, multicast or broadcast IP address). */
  ARP_SENDER: 9,
  /** Fewer bytes than an IPv4 header, or than its own header length says. */
  IPV4_TRUNCATED: 10,
  /** The version field is not 4 (RFC 1122 section 3.2.1.1). */
  IPV4_VERSION: 11,
  /** Header length below 20 bytes. */
  IPV4_HEADER_LENGTH: 12,
  /** Total length below the header length, or above the bytes that arrived. */
  IPV4_TOTAL_LENGTH: 13,
  /** The header checksum is wrong (RFC 1122 section 3.2.1.2). */
  IPV4_CHECKSUM: 14,
  /** A source address that no host can have (RFC 1122 section 3.2.1.3). */
  IPV4_SOURCE: 15,
  /** The destination address is not one of ours. */
  IPV4_DESTINATION: 16,
  /** A fragment that cannot be part of any datagram: its length is no multiple of 8, or it leaves the 64 KiB. */
  IPV4_FRAGMENT: 17,
  /** A protocol without a handler. */
  IPV4_PROTOCOL: 18,
  /** Shorter than the 8 bytes of an ICMP header. */
  ICMP_TRUNCATED: 19,
  /** The ICMP checksum is wrong. */
  ICMP_CHECKSUM: 20,
  /** A type or code without a handler. */
  ICMP_TYPE: 21,
  /** The datagram inside an ICMP error is too short, or no IPv4 datagram, or a later fragment. */
  ICMP_EMBEDDED: 22,
  /** The datagram inside an ICMP error belongs to no connection, or to bytes that are not in flight (RFC 5927). */
  ICMP_STALE: 23,
  /** Fewer bytes than a TCP header, or than its data offset says. */
  TCP_TRUNCATED: 24,
  /** Data offset below 5 words (20 bytes). */
  TCP_DATA_OFFSET: 25,
  /** An option whose length is below 2 or leaves the header (RFC 9293 section 3.1, MUST-7). */
  TCP_OPTION_LENGTH: 26,
  /** The TCP checksum is wrong (RFC 9293 section 3.1, MUST-3). */
  TCP_CHECKSUM: 27,
  /** Source or destination port 0. */
  TCP_PORT: 28,
  /** No connection and no listener; answered with a reset unless it was one. */
  TCP_NO_CONNECTION: 29,
  /** A table or queue that the segment needed is full. */
  RESOURCES: 30,
  /** Shorter than the 40 bytes of an IPv6 header. */
  IPV6_TRUNCATED: 31,
  /** The version field is not 6. */
  IPV6_VERSION: 32,
  /** The payload length is above the bytes that arrived. */
  IPV6_PAYLOAD_LENGTH: 33,
  /** A chain of extension headers that is malformed, too long, or asks for what hosts do not do (RFC 8200 section 4). */
  IPV6_EXTENSION: 34,
  /** An option that is not recognized, and whose type says that the datagram is to be dropped (RFC 8200 section 4.2). */
  IPV6_OPTION: 35,
  /** A source address that no host can have. */
  IPV6_SOURCE: 36,
  /** The destination address is neither one of ours nor a group of ours. */
  IPV6_DESTINATION: 37,
  /** A fragment that cannot be part of any datagram: its length is no multiple of 8, or it leaves the 64 KiB. */
  IPV6_FRAGMENT: 38,
  /** An upper-layer protocol without a handler. */
  IPV6_PROTOCOL: 39,
  /** A fragment that overlaps another one: everything of its datagram is dropped (RFC 5722). */
  FRAGMENT_OVERLAP: 40,
  /** Fragments of a datagram that did not become whole in time. */
  FRAGMENT_TIMEOUT: 41,
  /** Fragments that were dropped because too many were kept already. */
  FRAGMENT_LIMIT: 42,
  /** Neighbor Discovery that must be ignored: hop limit not 255, malformed options and the like (RFC 4861 sections 6.1, 7.1, 8.1). */
  NDP_INVALID: 43,
  /** A source route that is not accepted here, or that goes on to somebody else (RFC 7126 sections 4.3 and 4.4). */
  IPV4_SOURCE_ROUTE: 44,
} as const;

/** One of the values of the `DropReason` table. */
export type DropReason = (typeof DropReason)[keyof typeof DropReason];

const NAMES: readonly string[] = Object.keys(DropReason).map((key) => key.toLowerCase().replaceAll('_', '-'));

/** Number of different reasons, `NONE` included. */
export const DROP_REASON_COUNT = NAMES.length;

/** The name of a reason for people: `'tcp-checksum'`. An integer that is no reason yields `'unknown'`. */
export function dropReasonName(reason: number): string {
  return NAMES[reason] ?? 'unknown';
}

/** One counter per drop reason. */
export class DropCounters {
  /** Doubles, so that the counters never wrap in practice. */
  readonly #counts = new Float64Array(DROP_REASON_COUNT);

  /** Counts one drop. `NONE` is not counted, so a parser's result can be passed on unseen. */
  count(reason: DropReason): void {
    if (reason !== DropReason.NONE) this.#counts[reason] += 1;
  }

  /** How often `reason` was counted. */
  get(reason: DropReason): number {
    return this.#counts[reason];
  }

  /** All drops together. */
  get total(): number {
    let sum = 0;
    for (const count of this.#counts) sum += count;
    return sum;
  }

  /** The counters that are not zero, by name: `{ 'tcp-checksum': 3 }`. */
  toObject(): Record<string, number> {
    const result: Record<string, number> = {};
    for (let reason = 1; reason < DROP_REASON_COUNT; reason += 1) {
      if (this.#counts[reason] !== 0) result[NAMES[reason]] = this.#counts[reason];
    }
    return result;
  }
}

/** A stack's one interface: its addresses of both families, and which of them a datagram comes from. */
import {
  type AddressFamily,
  IPV6_MINIMUM_MTU,
  type IpAddress,
  type IpPacket,
  isLinkLocal,
  type MacAddress,
} from '../wire/index.ts';

/** An address with the network that it lies in. */
export interface AddressConfiguration {
  readonly address: IpAddress;
  /** Bits of the address that name the link's network: 0…32, or 0…128. */
  readonly prefixLength: number;
}

/**
 * Where an address stands in its life (RFC 4862 section 2): `tentative` while nobody knows whether it is unique,
 * `deprecated` when it should start no new connections, `duplicate` when somebody else has it.
 */
export type AddressState = 'tentative' | 'preferred' | 'deprecated' | 'duplicate';

export class InterfaceAddress implements AddressConfiguration {
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** From a router advertisement, and gone with its lifetime; else it stays. */
  readonly isAdvertised: boolean;
  state: AddressState;
  /** When the address becomes deprecated, and when it goes: microseconds of the stack's clock. */
  preferredUntil = Number.POSITIVE_INFINITY;
  validUntil = Number.POSITIVE_INFINITY;

  constructor(configuration: AddressConfiguration, state: AddressState, isAdvertised: boolean) {
    this.address = configuration.address;
    this.prefixLength = configuration.prefixLength;
    this.state = state;
    this.isAdvertised = isAdvertised;
  }

  /** Whether the stack answers to the address. */
  get isAssigned(): boolean {
    return this.state === 'preferred' || this.state === 'deprecated';
  }
}

/** What an interface is made of. */
export interface InterfaceConfiguration {
  /** At least one; the first names the stack. */
  readonly addresses: readonly AddressConfiguration[];
  readonly macAddress: MacAddress;
  /** Largest IP datagram of the link, bytes. */
  readonly mtu: number;
  /** The adapter completes TCP checksums and cuts segments. */
  readonly taskOffload: boolean;
}

/** Addresses that advertisements may add; more would only serve an attacker (RFC 4862 section 5.5.3 (e)). */
const ADVERTISED_ADDRESSES = 16;

export class NetworkInterface {
  readonly macAddress: MacAddress;
  /** Largest IPv4 datagram of the link, bytes. */
  readonly mtu: number;
  readonly taskOffload: boolean;
  /** Largest IPv6 datagram, bytes: what a router says, at most the link's. */
  ipv6Mtu: number;
  /** Hop limit of IPv6 datagrams that nobody chose another for (RFC 4861 section 6.3.2). */
  hopLimit = 64;
  private readonly list: InterfaceAddress[];

  /** @throws RangeError for no address at all, a bad prefix length, or a link that is too narrow for IPv6. */
  constructor(configuration: InterfaceConfiguration) {
    const { addresses, macAddress, mtu, taskOffload } = configuration;
    if (addresses.length === 0) throw new RangeError('an interface needs at least one address');
    for (const { address, prefixLength } of addresses) {
      const most = address.family === 4 ? 32 : 128;
      if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > most) {
        throw new RangeError(`${address}/${prefixLength} has no prefix length from 0 to ${most}`);
      }
    }
    this.macAddress = macAddress;
    this.mtu = mtu;
    this.taskOffload = taskOffload;
    this.ipv6Mtu = mtu;
    this.list = addresses.map(
      (each) => new InterfaceAddress(each, each.address.family === 4 ? 'preferred' : 'tentative', false),
    );
    if (this.has(6) && mtu < IPV6_MINIMUM_MTU) {
      throw new RangeError(`IPv6 needs a link with an MTU of at least ${IPV6_MINIMUM_MTU} bytes, this one has ${mtu}`);
    }
  }

  get addresses(): readonly InterfaceAddress[] {
    return this.list;
  }

  /** The first address: the one that names the stack. */
  get address(): IpAddress {
    return this.list[0].address;
  }

  /** Whether there is any address of the family, tentative ones included. */
  has(family: AddressFamily): boolean {
    return this.list.some(({ address }) => address.family === family);
  }

  /** Largest datagram of the family, bytes: of the link, or the smaller one that a router has told (RFC 9293 SHLD-6). */
  mtuOf(family: AddressFamily): number {
    return family === 4 ? this.mtu : this.ipv6Mtu;
  }

  /** The entry of an address, whatever its state; null when it is not ours. */
  find(address: IpAddress): InterfaceAddress | null {
    for (const entry of this.list) if (entry.address.equals(address)) return entry;
    return null;
  }

  /** Whether the stack answers to an address. */
  isOwn(address: IpAddress): boolean {
    return this.find(address)?.isAssigned === true;
  }

  /** Whether a packet goes to one of our addresses. */
  isOwnDestination(packet: IpPacket): boolean {
    for (const entry of this.list) if (packet.isTo(entry.address)) return entry.isAssigned;
    return false;
  }

  /** Whether a packet claims to come from one of our addresses. */
  isOwnSource(packet: IpPacket): boolean {
    for (const entry of this.list) if (packet.isFrom(entry.address)) return entry.isAssigned;
    return false;
  }

  /** Adds an address; null when it is there already, or advertisements have added enough. */
  add(configuration: AddressConfiguration, state: AddressState, isAdvertised: boolean): InterfaceAddress | null {
    if (this.find(configuration.address) !== null) return null;
    if (isAdvertised && this.list.filter((entry) => entry.isAdvertised).length >= ADVERTISED_ADDRESSES) return null;
    const entry = new InterfaceAddress(configuration, state, isAdvertised);
    this.list.push(entry);
    return entry;
  }

  /** Takes an address away. The last one stays. */
  remove(entry: InterfaceAddress): void {
    const index = this.list.indexOf(entry);
    if (index >= 0 && this.list.length > 1) this.list.splice(index, 1);
  }

  /**
   * GET_SRCADDR (RFC 9293 section 3.9.1.1, MUST-44):
   * the address that a datagram to `destination` comes from (RFC 6724 section 5, rules 1, 2, 3 and 8); null when there is
   * none of its family that could. A tentative address is chosen only when there is no other: its user must wait.
   */
  sourceFor(destination: IpAddress): InterfaceAddress | null {
    let best: InterfaceAddress | null = null;
    let bestRank = -1;
    for (const entry of this.list) {
      if (entry.address.family !== destination.family || entry.state === 'duplicate') continue;
      const rank = rankOf(entry, destination);
      if (rank > bestRank) {
        best = entry;
        bestRank = rank;
      }
    }
    return best;
  }
}

/** Higher is better; the first of equals is taken. */
function rankOf(entry: InterfaceAddress, destination: IpAddress): number {
  const { address, state } = entry;
  const sameScope = isLinkLocal(address) === isLinkLocal(destination);
  return (
    (state === 'tentative' ? 0 : 8192) +
    (address.equals(destination) ? 4096 : 0) +
    (sameScope ? 2048 : 0) +
    (state === 'deprecated' ? 0 : 1024) +
    commonPrefix(address, destination)
  );
}

/** Leading bits that two addresses of one family have in common, 0…128. */
function commonPrefix(a: IpAddress, b: IpAddress): number {
  if (a.word0 !== b.word0) return Math.clz32(a.word0 ^ b.word0);
  if (a.word1 !== b.word1) return 32 + Math.clz32(a.word1 ^ b.word1);
  if (a.word2 !== b.word2) return 64 + Math.clz32(a.word2 ^ b.word2);
  return a.word3 === b.word3 ? 128 : 96 + Math.clz32(a.word3 ^ b.word3);
}

/**
 * Demultiplexing (RFC 9293 section 3.3.1): from the addresses and ports of a segment to its connection.
 *
 * An open-addressed table of int32 with linear probing; the hash is keyed, so that nobody outside can aim at one chain,
 * and every hit is compared exactly. The connection found last is tried first: segments come in trains.
 */
import type { IpAddress, IpPacket } from '../../wire/index.ts';

/** What the table compares. These must not change while the entry is in the table. */
export interface TableEntry {
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  readonly localPort: number;
}

const INITIAL_SLOTS = 64;
const EMPTY = -1;

export class ConnectionTable<T extends TableEntry> {
  private readonly key: number;
  /** Slots: an index into `entries`, or EMPTY. The number of slots is a power of two. */
  private slots = new Int32Array(INITIAL_SLOTS).fill(EMPTY);
  /** The hash of the entry in the slot of the same number. */
  private hashes = new Int32Array(INITIAL_SLOTS);
  private readonly entries: (T | null)[] = [];
  private readonly freeEntries: number[] = [];
  private count = 0;
  private last: T | null = null;

  /** @param key int32 from the random source. */
  constructor(key: number) {
    this.key = key;
  }

  get size(): number {
    return this.count;
  }

  /** All entries. The table may change during the iteration. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const entry of this.entries.slice()) {
      if (entry !== null) yield entry;
    }
  }

  /** The connection of a received segment. */
  lookup(packet: IpPacket, remotePort: number, localPort: number): T | null {
    const { last } = this;
    if (last !== null && matches(last, packet, remotePort, localPort)) return last;
    const { source0, source1, source2, source3 } = packet;
    const hash = this.hash(source0, source1, source2, source3, remotePort, localPort);
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; this.slots[slot] !== EMPTY; slot = (slot + 1) & mask) {
      if (this.hashes[slot] !== hash) continue;
      const entry = this.entries[this.slots[slot]];
      if (entry !== null && matches(entry, packet, remotePort, localPort)) {
        this.last = entry;
        return entry;
      }
    }
    return null;
  }

  /** The connection between two endpoints. */
  find(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): T | null {
    const { word0, word1, word2, word3 } = remote;
    const hash = this.hash(word0, word1, word2, word3, remotePort, localPort);
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; this.slots[slot] !== EMPTY; slot = (slot + 1) & mask) {
      if (this.hashes[slot] !== hash) continue;
      const entry = this.entries[this.slots[slot]];
      if (
        entry !== null &&
        entry.localPort === localPort &&
        entry.remotePort === remotePort &&
        entry.remoteAddress.equals(remote) &&
        entry.localAddress.equals(local)
      ) {
        return entry;
      }
    }
    return null;
  }

  /** Whether exactly this entry is in the table. */
  has(entry: T): boolean {
    return this.slotOf(entry) !== EMPTY;
  }

  /** Adds an entry whose addresses and ports are not in the table yet. */
  insert(entry: T): void {
    if ((this.count + 1) * 2 > this.slots.length) this.grow();
    const index = this.freeEntries.pop() ?? this.entries.length;
    this.entries[index] = entry;
    this.place(index, this.hashOf(entry));
    this.count++;
  }

  /** Removes an entry; false when it is not there. */
  remove(entry: T): boolean {
    let hole = this.slotOf(entry);
    if (hole === EMPTY) return false;
    if (this.last === entry) this.last = null;
    const index = this.slots[hole];
    this.entries[index] = null;
    this.freeEntries.push(index);
    this.count--;
    // Backward shift: entries behind the hole move up when the hole lies between their home slot and them.
    const mask = this.slots.length - 1;
    for (let slot = (hole + 1) & mask; this.slots[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const home = this.hashes[slot] & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      this.slots[hole] = this.slots[slot];
      this.hashes[hole] = this.hashes[slot];
      hole = slot;
    }
    this.slots[hole] = EMPTY;
    return true;
  }

  private slotOf(entry: T): number {
    const hash = this.hashOf(entry);
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; this.slots[slot] !== EMPTY; slot = (slot + 1) & mask) {
      if (this.hashes[slot] === hash && this.entries[this.slots[slot]] === entry) return slot;
    }
    return EMPTY;
  }

  private hashOf(entry: T): number {
    const { word0, word1, word2, word3 } = entry.remoteAddress;
    return this.hash(word0, word1, word2, word3, entry.remotePort, entry.localPort);
  }

  /** Mixes the four words and the ports into an int32 (the finalizer of MurmurHash3 after each word). */
  private hash(w0: number, w1: number, w2: number, w3: number, remotePort: number, localPort: number): number {
    let hash = mix(this.key ^ w0);
    if ((w1 | w2 | w3) !== 0) hash = mix(mix(mix(hash ^ w1) ^ w2) ^ w3);
    return mix(hash ^ ((remotePort << 16) | localPort));
  }

  private place(index: number, hash: number): void {
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    while (this.slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.slots[slot] = index;
    this.hashes[slot] = hash;
  }

  private grow(): void {
    const size = this.slots.length * 2;
    this.slots = new Int32Array(size).fill(EMPTY);
    this.hashes = new Int32Array(size);
    for (let index = 0; index < this.entries.length; index++) {
      const entry = this.entries[index];
      if (entry !== null) this.place(index, this.hashOf(entry));
    }
  }
}

function matches(entry: TableEntry, packet: IpPacket, remotePort: number, localPort: number): boolean {
  return (
    entry.remotePort === remotePort &&
    entry.localPort === localPort &&
    packet.isFrom(entry.remoteAddress) &&
    packet.isTo(entry.localAddress)
  );
}

function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

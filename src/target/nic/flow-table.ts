/** Which offloaded connection a received segment belongs to: found without an allocation, compared exactly. */
import type { IpAddress, IpPacket } from '../../wire/index.ts';

/** What the table stores: local and remote address, of either family, and both ports in one int32 (`portPair`). */
export interface Flow {
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  readonly ports: number;
}

/** Local port in the upper half, remote port in the lower. */
export function portPair(localPort: number, remotePort: number): number {
  return (localPort << 16) | remotePort;
}

const EMPTY = 0;
const DELETED = -1;
const INITIAL_SLOTS = 64;

/**
 * Open addressing with linear probing: slots hold the index of a flow plus one. At most half of the slots are in use,
 * deleted ones included, so that a search ends soon. The hash is keyed: a peer cannot choose ports that collide.
 */
export class FlowTable<F extends Flow> {
  private slots = new Int32Array(INITIAL_SLOTS);
  private readonly flows: (F | null)[] = [];
  private readonly freeIndexes: number[] = [];
  /** Slots that are not EMPTY. */
  private used = 0;
  private count = 0;
  private readonly key: number;
  /** The flow of the previous segment: segments come in trains. */
  private last: F | null = null;

  /** @param key any int32, unknown to peers. */
  constructor(key: number) {
    this.key = key;
  }

  /** Flows in the table. */
  get size(): number {
    return this.count;
  }

  /** The flow that a received segment belongs to, or null. */
  find(packet: IpPacket, ports: number): F | null {
    const { last } = this;
    if (last !== null && matches(last, packet, ports)) return last;
    const { source0, source1, source2, source3, destination0, destination3 } = packet;
    const mask = this.slots.length - 1;
    const hash = this.hash(source0, source1, source2, source3, destination0 ^ destination3, ports);
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot];
      if (entry === EMPTY) return null;
      if (entry === DELETED) continue;
      const flow = this.flows[entry - 1];
      if (flow !== null && matches(flow, packet, ports)) {
        this.last = flow;
        return flow;
      }
    }
  }

  /** Whether there is a flow with exactly these addresses and ports. */
  has(localAddress: IpAddress, remoteAddress: IpAddress, ports: number): boolean {
    const mask = this.slots.length - 1;
    for (let slot = this.hashOf({ localAddress, remoteAddress, ports }) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot];
      if (entry === EMPTY) return false;
      if (entry === DELETED) continue;
      const flow = this.flows[entry - 1];
      if (flow?.ports !== ports || !flow.remoteAddress.equals(remoteAddress)) continue;
      if (flow.localAddress.equals(localAddress)) return true;
    }
  }

  /** Adds a flow that is not in the table yet. */
  add(flow: F): void {
    if ((this.used + 1) * 2 > this.slots.length) this.rebuild();
    const index = this.freeIndexes.pop() ?? this.flows.push(null) - 1;
    this.flows[index] = flow;
    this.count += 1;
    this.insert(flow, index + 1);
  }

  /** Takes a flow out; false when it is not in the table. */
  remove(flow: F): boolean {
    if (this.last === flow) this.last = null;
    const mask = this.slots.length - 1;
    for (let slot = this.hashOf(flow) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot];
      if (entry === EMPTY) return false;
      if (entry === DELETED || this.flows[entry - 1] !== flow) continue;
      this.slots[slot] = DELETED;
      this.flows[entry - 1] = null;
      this.freeIndexes.push(entry - 1);
      this.count -= 1;
      return true;
    }
  }

  private insert(flow: F, entry: number): void {
    const mask = this.slots.length - 1;
    let slot = this.hashOf(flow) & mask;
    while (this.slots[slot] > EMPTY) slot = (slot + 1) & mask;
    if (this.slots[slot] === EMPTY) this.used += 1;
    this.slots[slot] = entry;
  }

  /** Makes room, and drops what was deleted. */
  private rebuild(): void {
    let length = INITIAL_SLOTS;
    while (length < (this.count + 1) * 4) length *= 2;
    this.slots = new Int32Array(length);
    this.used = 0;
    for (let index = 0; index < this.flows.length; index += 1) {
      const flow = this.flows[index];
      if (flow !== null) this.insert(flow, index + 1);
    }
  }

  private hashOf({ localAddress, remoteAddress, ports }: Flow): number {
    const { word0, word1, word2, word3 } = remoteAddress;
    return this.hash(word0, word1, word2, word3, localAddress.word0 ^ localAddress.word3, ports);
  }

  /** Rounds of the 32-bit finaliser of MurmurHash3; the last words of IPv4 addresses are zero and cost nothing. */
  private hash(w0: number, w1: number, w2: number, w3: number, local: number, ports: number): number {
    let hash = mix(this.key ^ w0);
    if ((w1 | w2 | w3) !== 0) hash = mix(mix(mix(hash ^ w1) ^ w2) ^ w3);
    return mix(mix(hash ^ ports) ^ local);
  }
}

function matches(flow: Flow, packet: IpPacket, ports: number): boolean {
  return flow.ports === ports && packet.isFrom(flow.remoteAddress) && packet.isTo(flow.localAddress);
}

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * Reassembly of fragments (RFC 791, RFC 815; RFC 8200 section 4.5), with bounds on memory and time. A datagram of which two
 * fragments overlap is dropped as a whole, those that come later included (RFC 5722, for IPv4 too); an exact repetition is
 * ignored. Fragments are copied: they are rare, and a view of a few bytes would hold a whole buffer.
 */
import {
  DropReason,
  IPV6_HEADER_LENGTH,
  type IpPacket,
  IpProtocol,
  internetChecksum,
  ParameterProblemCode,
  writeUint16,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { HostTimer } from '../timer.ts';

/** Bounds of one stack, for each family. */
export const ReassemblyLimits = {
  /** RFC 8200 section 4.5; RFC 1122 section 3.3.2 asks for 60 to 120 s for IPv4, and 30 s is common practice. */
  IPV4_MILLISECONDS: 30_000,
  IPV6_MILLISECONDS: 60_000,
  DATAGRAMS: 256,
  BYTES: 4 * 1024 * 1024,
  DATAGRAMS_PER_SOURCE: 64,
  BYTES_PER_SOURCE: 512 * 1024,
  FRAGMENTS_PER_DATAGRAM: 128,
} as const;

/** What a fragment costs beside its bytes. */
const OVERHEAD_BYTES = 128;

const MAXIMUM_DATAGRAM = 65535;
/** Bytes of a TCP header: the first IPv6 fragment must hold it (RFC 7112 section 5). */
const TCP_HEADER = 20;

/** ECN code points in the two lowest bits (RFC 3168 section 5). */
const ECN_MASK = 3;
const ECN_CE = 3;

interface Fragment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A datagram that is not whole. */
class Datagram {
  readonly key: string;
  readonly source: string;
  /** Tick at which it is given up. */
  readonly deadline: number;
  /** Sorted by offset; they do not overlap. */
  readonly fragments: Fragment[] = [];
  /** Bytes of the fragments, and what they cost. */
  received = 0;
  cost = OVERHEAD_BYTES;
  /** Bytes of the whole payload; -1 until the last fragment has come. */
  total = -1;
  /** Link and IP headers of the first fragment, up to what was fragmented; null until it has come. */
  header: Uint8Array | null = null;
  /** IPv6: the protocol that the first Fragment header names, and where its own name lies in `header`. */
  protocol = 0;
  namedAt = 0;
  /** Where the IP header starts in `header`. */
  ipOffset = 0;
  /** The first fragment from its IP header on, for "time exceeded"; as much as an error quotes. */
  quotation: Uint8Array | null = null;
  congestionExperienced = false;
  /** Fragments overlapped: what still comes is dropped. */
  isRefused = false;

  constructor(key: string, source: string, deadline: number) {
    this.key = key;
    this.source = source;
    this.deadline = deadline;
  }

  /** Keeps nothing but the name. */
  refuse(): void {
    this.isRefused = true;
    this.fragments.length = 0;
    this.header = null;
    this.quotation = null;
  }
}

/** What became of a fragment: dropped for a reason, kept (NONE and no frame), or the last of a whole datagram. */
export interface ReassemblyResult {
  reason: DropReason;
  /** Link header and whole datagram, whose IP header says nothing of fragments. */
  frame: Uint8Array | null;
}

export class Reassembler {
  private readonly core: HostCore;
  private readonly family: 4 | 6;
  private readonly quotationBytes: number;
  /** Told of a datagram that was given up although its first fragment had come: its start, from the IP header on. */
  private readonly timedOut: (quotation: Uint8Array) => void;
  /** In the order of their deadlines. */
  private readonly datagrams = new Map<string, Datagram>();
  private readonly sources = new Map<string, { count: number; cost: number }>();
  private readonly timer: HostTimer;
  private readonly result: ReassemblyResult = { reason: DropReason.NONE, frame: null };
  private cost = 0;

  /** @param quotationBytes how much of a first fragment is kept for `timedOut` */
  constructor(core: HostCore, family: 4 | 6, quotationBytes: number, timedOut: (quotation: Uint8Array) => void) {
    this.core = core;
    this.family = family;
    this.quotationBytes = quotationBytes;
    this.timedOut = timedOut;
    this.timer = new HostTimer(core.tcp, () => this.expire());
  }

  /** Datagrams that are not whole. */
  get size(): number {
    return this.datagrams.size;
  }

  /** What they cost, bytes. */
  get bytes(): number {
    return this.cost;
  }

  /**
   * One fragment. The answer is reused by the next call. For an IPv6 fragment that cannot be right, `packet.ipv6` then holds
   * the parameter problem that its sender is to be told.
   *
   * @param ipOffset where the IP header starts in `frame`
   */
  add(frame: Uint8Array, ipOffset: number, packet: IpPacket): ReassemblyResult {
    const { result } = this;
    result.frame = null;
    result.reason = this.check(packet);
    if (result.reason !== DropReason.NONE) return result;
    const datagram = this.obtain(packet);
    if (datagram.isRefused) result.reason = DropReason.FRAGMENT_OVERLAP;
    else result.reason = this.insert(datagram, frame, ipOffset, packet);
    if (result.reason === DropReason.NONE && datagram.total === datagram.received && datagram.header !== null) {
      result.frame = build(datagram, datagram.header, this.family);
      this.remove(datagram);
    }
    return result;
  }

  /** Forgets everything. */
  clear(): void {
    this.timer.cancel();
    this.datagrams.clear();
    this.sources.clear();
    this.cost = 0;
  }

  /** What can be said of a fragment by itself. */
  private check(packet: IpPacket): DropReason {
    const { payloadLength } = packet;
    const wrong = this.family === 4 ? DropReason.IPV4_FRAGMENT : DropReason.IPV6_FRAGMENT;
    if (moreFragments(packet) && (payloadLength === 0 || payloadLength % 8 !== 0)) {
      // The problem is the payload length (RFC 8200 section 4.5).
      packet.ipv6.problemCode = ParameterProblemCode.ERRONEOUS_FIELD;
      packet.ipv6.problemPointer = 4;
      return wrong;
    }
    const unfragmented = this.family === 4 ? packet.ipv4.headerLength : packet.ipv6.fragmentHeader - IPV6_HEADER_LENGTH;
    if (unfragmented + offsetOf(packet) + payloadLength > MAXIMUM_DATAGRAM) {
      // The problem is the fragment offset.
      packet.ipv6.problemCode = ParameterProblemCode.ERRONEOUS_FIELD;
      packet.ipv6.problemPointer = packet.ipv6.fragmentHeader + 2;
      return wrong;
    }
    const isFirst = offsetOf(packet) === 0;
    if (this.family === 6 && isFirst && packet.protocol === IpProtocol.TCP && payloadLength < TCP_HEADER) {
      packet.ipv6.problemCode = ParameterProblemCode.INCOMPLETE_CHAIN;
      packet.ipv6.problemPointer = 0;
      return wrong;
    }
    return DropReason.NONE;
  }

  private insert(datagram: Datagram, frame: Uint8Array, ipOffset: number, packet: IpPacket): DropReason {
    const offset = offsetOf(packet);
    const end = offset + packet.payloadLength;
    const index = datagram.fragments.findIndex((fragment) => fragment.offset >= offset);
    const position = index < 0 ? datagram.fragments.length : index;
    const before = datagram.fragments[position - 1];
    const after = datagram.fragments[position];
    if (after !== undefined && after.offset === offset && after.bytes.length === packet.payloadLength) {
      return DropReason.NONE; // a repetition
    }
    const isLast = !moreFragments(packet);
    const last = datagram.fragments[datagram.fragments.length - 1];
    const contradicts =
      (before !== undefined && before.offset + before.bytes.length > offset) ||
      (after !== undefined && after.offset < end) ||
      (datagram.total >= 0 && (isLast || end > datagram.total)) ||
      (isLast && last !== undefined && last.offset + last.bytes.length > end);
    if (contradicts) return this.refuse(datagram, DropReason.FRAGMENT_OVERLAP);
    if (datagram.fragments.length >= ReassemblyLimits.FRAGMENTS_PER_DATAGRAM) {
      return this.refuse(datagram, DropReason.FRAGMENT_LIMIT);
    }
    const bytes = frame.slice(packet.payloadOffset, packet.payloadOffset + packet.payloadLength);
    datagram.fragments.splice(position, 0, { offset, bytes });
    datagram.received += bytes.length;
    this.charge(datagram, bytes.length + OVERHEAD_BYTES);
    if (isLast) datagram.total = end;
    if ((packet.trafficClass & ECN_MASK) === ECN_CE) datagram.congestionExperienced = true;
    if (offset === 0) this.keepHeader(datagram, frame, ipOffset, packet);
    return this.makeRoom(datagram);
  }

  private keepHeader(datagram: Datagram, frame: Uint8Array, ipOffset: number, packet: IpPacket): void {
    const length = this.family === 4 ? packet.ipv4.headerLength : packet.ipv6.fragmentHeader;
    datagram.header = frame.slice(0, ipOffset + length);
    datagram.ipOffset = ipOffset;
    datagram.protocol = packet.protocol;
    datagram.namedAt = packet.ipv6.fragmentHeaderNamedAt;
    const quoted = Math.min(packet.payloadOffset + packet.payloadLength, ipOffset + this.quotationBytes);
    datagram.quotation = frame.slice(ipOffset, quoted);
    this.charge(datagram, datagram.header.length + datagram.quotation.length);
  }

  /** Drops the oldest datagrams, of the same source or of all, until the limits are kept. */
  private makeRoom(newest: Datagram): DropReason {
    const source = this.sources.get(newest.source);
    while (
      source !== undefined &&
      (source.count > ReassemblyLimits.DATAGRAMS_PER_SOURCE || source.cost > ReassemblyLimits.BYTES_PER_SOURCE)
    ) {
      if (!this.dropOldest(newest.source)) break;
    }
    while (this.datagrams.size > ReassemblyLimits.DATAGRAMS || this.cost > ReassemblyLimits.BYTES) {
      if (!this.dropOldest(null)) break;
    }
    return this.datagrams.has(newest.key) ? DropReason.NONE : DropReason.FRAGMENT_LIMIT;
  }

  private dropOldest(source: string | null): boolean {
    for (const datagram of this.datagrams.values()) {
      if (source !== null && datagram.source !== source) continue;
      this.core.drops.count(DropReason.FRAGMENT_LIMIT);
      this.remove(datagram);
      return true;
    }
    return false;
  }

  private obtain(packet: IpPacket): Datagram {
    const source = `${packet.source0},${packet.source1},${packet.source2},${packet.source3}`;
    const destination = `${packet.destination0},${packet.destination1},${packet.destination2},${packet.destination3}`;
    // IPv4 tells datagrams by their protocol too (RFC 791 section 3.2); IPv6 does not (RFC 8200 section 4.5).
    const name = this.family === 4 ? `${packet.ipv4.identification},${packet.protocol}` : packet.ipv6.identification;
    const key = `${source};${destination};${name}`;
    let datagram = this.datagrams.get(key);
    if (datagram !== undefined) return datagram;
    const { IPV4_MILLISECONDS, IPV6_MILLISECONDS } = ReassemblyLimits;
    const lifetime = this.core.milliseconds(this.family === 4 ? IPV4_MILLISECONDS : IPV6_MILLISECONDS);
    datagram = new Datagram(key, source, this.core.tcp.ticks + lifetime);
    this.datagrams.set(key, datagram);
    const counted = this.sources.get(source);
    if (counted === undefined) this.sources.set(source, { count: 1, cost: datagram.cost });
    else {
      counted.count += 1;
      counted.cost += datagram.cost;
    }
    this.cost += datagram.cost;
    this.timer.armIfIdle(lifetime);
    return datagram;
  }

  private charge(datagram: Datagram, bytes: number): void {
    datagram.cost += bytes;
    this.cost += bytes;
    const source = this.sources.get(datagram.source);
    if (source !== undefined) source.cost += bytes;
  }

  private refuse(datagram: Datagram, reason: DropReason): DropReason {
    this.charge(datagram, OVERHEAD_BYTES - datagram.cost);
    datagram.refuse();
    return reason;
  }

  private remove(datagram: Datagram): void {
    if (!this.datagrams.delete(datagram.key)) return;
    this.cost -= datagram.cost;
    const source = this.sources.get(datagram.source);
    if (source === undefined) return;
    source.count -= 1;
    source.cost -= datagram.cost;
    if (source.count === 0) this.sources.delete(datagram.source);
  }

  private expire(): void {
    const { ticks } = this.core.tcp;
    for (const datagram of this.datagrams.values()) {
      if (((datagram.deadline - ticks) | 0) > 0) {
        this.timer.arm((datagram.deadline - ticks) | 0);
        return;
      }
      this.remove(datagram);
      if (datagram.isRefused) continue;
      this.core.drops.count(DropReason.FRAGMENT_TIMEOUT);
      if (datagram.quotation !== null) this.timedOut(datagram.quotation);
    }
  }
}

function moreFragments(packet: IpPacket): boolean {
  return packet.family === 4 ? packet.ipv4.moreFragments : packet.ipv6.moreFragments;
}

function offsetOf(packet: IpPacket): number {
  return packet.family === 4 ? packet.ipv4.fragmentOffset : packet.ipv6.fragmentOffset;
}

/** The whole datagram behind the link header of its first fragment. */
function build(datagram: Datagram, header: Uint8Array, family: 4 | 6): Uint8Array {
  const frame = new Uint8Array(header.length + datagram.total);
  frame.set(header);
  for (const { offset, bytes } of datagram.fragments) frame.set(bytes, header.length + offset);
  const ip = datagram.ipOffset;
  if (family === 4) {
    const headerLength = header.length - ip;
    // RFC 3168 section 5.3: congestion that one fragment has experienced, the datagram has.
    if (datagram.congestionExperienced) frame[ip + 1] |= ECN_CE;
    writeUint16(frame, ip + 2, headerLength + datagram.total);
    writeUint16(frame, ip + 6, 0);
    writeUint16(frame, ip + 10, 0);
    writeUint16(frame, ip + 10, internetChecksum(frame, ip, headerLength));
    return frame;
  }
  if (datagram.congestionExperienced) frame[ip + 1] |= ECN_CE << 4;
  writeUint16(frame, ip + 4, header.length - ip - IPV6_HEADER_LENGTH + datagram.total);
  frame[ip + datagram.namedAt] = datagram.protocol;
  return frame;
}

/** Reassembly with bounds (RFC 791, RFC 815, RFC 5722, RFC 8200 section 4.5), and what it means to connections. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostCore } from '../../src/host/core.ts';
import { NetworkInterface } from '../../src/host/network-interface.ts';
import { Reassembler, ReassemblyLimits } from '../../src/host/path/reassembly.ts';
import { HostTimer } from '../../src/host/timer.ts';
import { fragmentsOf } from '../../src/sim/mangle.ts';
import { DEFAULT_TCP_PARAMETERS, TcpContext } from '../../src/tcp/index.ts';
import {
  DropReason,
  describeFrame,
  EtherType,
  Icmpv4Type,
  Icmpv6Type,
  IPV4_HEADER_LENGTH,
  type IpAddress,
  IpPacket,
  IpProtocol,
  Ipv4Header,
  internetChecksum,
  MacAddress,
  parseIp,
  writeEthernet,
  writeIcmpv4Echo,
  writeIcmpv6Echo,
  writeIpv4,
} from '../../src/wire/index.ts';
import { ip, ipv6Frame } from './frames.ts';
import { firstDifference, pattern, randomFrom, type TestHost, World } from './world.ts';

const A = { 4: ip('10.0.0.1'), 6: ip('fd00::1') };
const B = { 4: ip('10.0.0.2'), 6: ip('fd00::2') };
const MAC = MacAddress.fromWords(0x0200, 1);

/** A reassembler on its own, with a clock. */
function bench(family: 4 | 6) {
  const tcp = new TcpContext(DEFAULT_TCP_PARAMETERS, randomFrom(1), 0);
  const core = new HostCore(
    tcp,
    new NetworkInterface({
      addresses: [{ address: B[family], prefixLength: 24 }],
      macAddress: MAC,
      mtu: 1500,
      taskOffload: false,
    }),
    () => {},
    () => {},
  );
  const timedOut: Uint8Array[] = [];
  const reassembler = new Reassembler(core, family, 68, (quotation) => timedOut.push(quotation));
  const packet = new IpPacket();
  const add = (frame: Uint8Array): { reason: DropReason; frame: Uint8Array | null } => {
    const etherType = family === 4 ? EtherType.IPV4 : EtherType.IPV6;
    expect(parseIp(frame, 14, frame.length - 14, etherType, packet)).toBe(DropReason.NONE);
    return { ...reassembler.add(frame, 14, packet) };
  };
  const run = (milliseconds: number): void => {
    tcp.advance(tcp.now + milliseconds * 1000, (entry) => {
      if (entry instanceof HostTimer) entry.expire();
    });
  };
  return { reassembler, core, add, run, timedOut, packet };
}

/** One fragment: `bytes` at `offset` of datagram `id`. */
function fragment(
  family: 4 | 6,
  id: number,
  offset: number,
  bytes: Uint8Array,
  more: boolean,
  source: IpAddress = A[family],
  protocol: number = IpProtocol.UDP,
): Uint8Array {
  if (family === 6) {
    const body = new Uint8Array(8 + bytes.length);
    body[0] = protocol;
    body[2] = offset >>> 8;
    body[3] = (offset & 0xf8) | (more ? 1 : 0);
    body.set([id >>> 24, id >>> 16, id >>> 8, id], 4);
    body.set(bytes, 8);
    return ipv6Frame({ source, destination: B[6], macDestination: MAC }, 44, body);
  }
  const frame = new Uint8Array(14 + IPV4_HEADER_LENGTH + bytes.length);
  writeEthernet(frame, 0, MAC.bytes, MAC.bytes, EtherType.IPV4, 0, 0);
  const header = new Ipv4Header();
  Object.assign(header, { source: source.word0, destination: B[4].word0, identification: id, protocol });
  Object.assign(header, { moreFragments: more, fragmentOffset: offset, dontFragment: false });
  header.totalLength = IPV4_HEADER_LENGTH + bytes.length;
  writeIpv4(header, frame, 14);
  frame.set(bytes, 14 + IPV4_HEADER_LENGTH);
  return frame;
}

/** Cuts bytes at multiples of 8. */
function cut(family: 4 | 6, id: number, bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const edges = [0, ...new Set(cuts.map((at) => at & ~7).filter((at) => at > 24 && at < bytes.length))];
  edges.sort((a, b) => a - b);
  return edges.map((from, index) => {
    const to = edges[index + 1] ?? bytes.length;
    return fragment(family, id, from, bytes.subarray(from, to), index + 1 < edges.length);
  });
}

for (const family of [4, 6] as const) {
  describe(`reassembly of IPv${family}`, () => {
    it('puts any order of any cuts together, repetitions included, and keeps nothing', () => {
      const plan = fc.record({
        length: fc.integer({ min: 64, max: 5000 }),
        cuts: fc.array(fc.integer({ min: 32, max: 5000 }), { minLength: 1, maxLength: 20 }),
        order: fc.array(fc.nat(1000), { minLength: 60, maxLength: 60 }),
        repeats: fc.array(fc.nat(20), { maxLength: 4 }),
      });
      fc.assert(
        fc.property(plan, ({ length, cuts, order, repeats }) => {
          const { add, reassembler, packet } = bench(family);
          const bytes = pattern(length);
          const parts = cut(family, 77, bytes, cuts);
          fc.pre(parts.length > 1);
          const shuffled = parts
            .map((part, index) => ({ part, key: order[index % order.length] }))
            .sort((a, b) => a.key - b.key)
            .map(({ part }) => part);
          const last = shuffled.pop() as Uint8Array;
          const early = repeats.map((index) => shuffled[index % Math.max(1, shuffled.length)]).filter(Boolean);
          for (const part of [...shuffled, ...early]) expect(add(part)).toEqual({ reason: 0, frame: null });
          const { frame } = add(last);
          expect(frame).not.toBeNull();
          const whole = frame as Uint8Array;
          const etherType = family === 4 ? EtherType.IPV4 : EtherType.IPV6;
          expect(parseIp(whole, 14, whole.length - 14, etherType, packet)).toBe(DropReason.NONE);
          expect(packet).toMatchObject({ isFragment: false, payloadLength: length, protocol: 17, hasOptions: false });
          expect(firstDifference(whole.subarray(packet.payloadOffset), bytes)).toBe(-1);
          expect(reassembler.size).toBe(0);
          expect(reassembler.bytes).toBe(0);
        }),
        { numRuns: 60 },
      );
    });

    it('drops everything of a datagram whose fragments overlap, later ones too (RFC 5722)', () => {
      const { add, reassembler } = bench(family);
      const bytes = pattern(64);
      expect(add(fragment(family, 1, 0, bytes.subarray(0, 32), true)).reason).toBe(DropReason.NONE);
      expect(add(fragment(family, 1, 24, bytes.subarray(24, 48), true)).reason).toBe(DropReason.FRAGMENT_OVERLAP);
      expect(add(fragment(family, 1, 0, bytes.subarray(0, 32), true)).reason).toBe(DropReason.FRAGMENT_OVERLAP);
      expect(add(fragment(family, 1, 32, bytes.subarray(32), false))).toEqual({
        reason: DropReason.FRAGMENT_OVERLAP,
        frame: null,
      });
      expect(reassembler.bytes).toBeLessThan(200);
      // Two ends, an end before what has come, and text behind the end contradict each other as well.
      for (const wrong of [
        [fragment(family, 2, 32, bytes.subarray(0, 32), false), fragment(family, 2, 40, bytes.subarray(0, 8), false)],
        [fragment(family, 3, 64, bytes.subarray(0, 32), true), fragment(family, 3, 32, bytes.subarray(0, 8), false)],
        [fragment(family, 4, 32, bytes.subarray(0, 32), false), fragment(family, 4, 64, bytes.subarray(0, 8), true)],
      ]) {
        expect(add(wrong[0]).reason).toBe(DropReason.NONE);
        expect(add(wrong[1]).reason).toBe(DropReason.FRAGMENT_OVERLAP);
      }
    });

    it('refuses fragments that cannot be right', () => {
      const { add, reassembler } = bench(family);
      const wrong = family === 4 ? DropReason.IPV4_FRAGMENT : DropReason.IPV6_FRAGMENT;
      expect(add(fragment(family, 1, 0, pattern(33), true)).reason).toBe(wrong);
      expect(add(fragment(family, 1, 0, pattern(0), true)).reason).toBe(wrong);
      expect(add(fragment(family, 1, 65528, pattern(32), false)).reason).toBe(wrong);
      expect(reassembler.size).toBe(0);
    });

    it('tells datagrams apart, and gives each up in time', () => {
      const { add, reassembler, run, timedOut, core } = bench(family);
      const lifetime = family === 4 ? ReassemblyLimits.IPV4_MILLISECONDS : ReassemblyLimits.IPV6_MILLISECONDS;
      add(fragment(family, 1, 0, pattern(32), true));
      run(lifetime / 2);
      add(fragment(family, 2, 32, pattern(32), true));
      expect(reassembler.size).toBe(2);
      run(lifetime / 2);
      expect(reassembler.size).toBe(1);
      expect(timedOut.length).toBe(1); // the first fragment of the other one never came
      run(lifetime / 2);
      expect(reassembler.size).toBe(0);
      expect(timedOut.length).toBe(1);
      expect(core.drops.get(DropReason.FRAGMENT_TIMEOUT)).toBe(2);
    });

    it('stays within its limits, whoever sends what', () => {
      const { add, reassembler } = bench(family);
      const source = (n: number) => (family === 4 ? ip(`10.1.${n >> 8}.${n & 255}`) : ip(`fd00::1:${n.toString(16)}`));
      for (let i = 0; i < 3000; i++) add(fragment(family, i, 0, pattern(1024), true, source(1)));
      expect(reassembler.size).toBeLessThanOrEqual(ReassemblyLimits.DATAGRAMS_PER_SOURCE);
      expect(reassembler.bytes).toBeLessThanOrEqual(ReassemblyLimits.BYTES_PER_SOURCE);
      for (let i = 0; i < 3000; i++) add(fragment(family, i, 0, pattern(1024), true, source(i)));
      expect(reassembler.size).toBeLessThanOrEqual(ReassemblyLimits.DATAGRAMS);
      for (let i = 0; i < 3000; i++) add(fragment(family, i % 200, (i >> 3) * 8, pattern(8), true, source(i & 15)));
      for (let i = 0; i < 500; i++) add(fragment(family, 9, 8000 + i * 16, pattern(8), true, source(2000)));
      for (let i = 0; i < 60; i++) add(fragment(family, 10, i * 1024, pattern(1024), true, source(2001)));
      expect(reassembler.size).toBeLessThanOrEqual(ReassemblyLimits.DATAGRAMS);
      expect(reassembler.bytes).toBeLessThanOrEqual(ReassemblyLimits.BYTES);
    });

    for (const owner of ['host', 'offloaded'] as const) {
      it(`delivers a segment that came in fragments (${owner}; NSP-03, FWD-03)`, () => {
        const world = new World({ family });
        const { client, server } = world.connect(80);
        if (owner === 'offloaded') world.move(server, 'offload');
        const copy = lostSegment(world, () => client.connection.send(pattern(1000, 5)));
        const parts = fragmentsOf(copy, 400, 99);
        expect(parts.length).toBe(2);
        expect(describeFrame(parts[1])).toContain('fragment');
        world.wire.b.onReceive(parts[1]);
        world.run(2);
        expect(server.received).toBe(0);
        world.wire.b.onReceive(parts[0]);
        world.run(3);
        expect(server.received).toBe(1000);
        expect(firstDifference(server.bytes, pattern(1000, 5))).toBe(-1);
        expect(server.connection.counters.segmentsForwarded).toBe(owner === 'offloaded' ? 1 : 0);
        expect(world.b.stack.statistics.datagramsReassembled).toBe(1);
      });
    }

    it('answers an echo larger than the link with fragments (RFC 1122 section 3.2.2.6, IPID-02)', () => {
      const world = new World({ family });
      world.connect(80);
      const back = bench(family);
      const parts: Uint8Array[] = [];
      world.wire.observer = (_time, direction, frame) => {
        if (direction === 'b-to-a') parts.push(frame.slice());
      };
      for (const part of cut(family, 77, echoRequest(family, 4000), [1480, 2960])) {
        part.set(world.b.adapter.macAddress.bytes, 0);
        part[14 + (family === 4 ? 9 : 40)] = family === 4 ? IpProtocol.ICMPV4 : IpProtocol.ICMPV6;
        if (family === 4) {
          part.fill(0, 24, 26);
          const checksum = internetChecksum(part, 14, 20);
          part[24] = checksum >>> 8;
          part[25] = checksum;
        }
        world.wire.b.onReceive(part);
      }
      world.run(3);
      expect(parts.length).toBe(3);
      const whole = parts.map((part) => back.add(part).frame).find((frame) => frame !== null);
      expect(describeFrame(whole ?? new Uint8Array(0))).toContain('echo reply, id 7, seq 9, length 4000');
      const { ipv4, ipv6 } = back.packet;
      expect(family === 4 ? ipv4.identification < 0x8000 : ipv6.identification >= 0).toBe(true);
    });

    it('says so when the rest of a datagram never comes (RFC 1122 section 3.3.2, RFC 8200 section 4.5)', () => {
      const world = new World({ family });
      const { client } = world.connect(80);
      const copy = lostSegment(world, () => client.connection.send(pattern(1000, 5)));
      const lines: string[] = [];
      world.wire.observer = (_time, direction, frame) => {
        if (direction === 'b-to-a') lines.push(describeFrame(frame));
      };
      world.wire.b.onReceive(fragmentsOf(copy, 400, 99)[0]);
      world.run(70_000);
      const errors = lines.filter((line) => line.includes('time exceeded'));
      expect(errors.length).toBe(1);
      expect(errors[0]).toContain('time exceeded code 1, about ');
      expect(errors[0]).toContain(`${world.b.address} > ${world.a.address}`);
    });
  });
}

/** An echo request from A to B. */
function echoRequest(family: 4 | 6, length: number): Uint8Array {
  const message = new Uint8Array(8 + length);
  if (family === 4) writeIcmpv4Echo(message, 0, Icmpv4Type.ECHO_REQUEST, 7, 9, pattern(length));
  else writeIcmpv6Echo(message, 0, A[6], B[6], Icmpv6Type.ECHO_REQUEST, 7, 9, pattern(length));
  return message;
}

/** The one segment that `action` makes a send, and that is lost on the way. */
function lostSegment(world: World, action: () => void): Uint8Array {
  let copy: Uint8Array | null = null;
  world.wire.observer = (_time, direction, frame) => {
    if (direction === 'a-to-b' && frame.length > 500) copy ??= frame.slice();
  };
  world.wire.aToB.configure({ loss: 1 });
  action();
  world.step();
  world.wire.aToB.configure({ loss: 0 });
  world.wire.observer = null;
  if (copy === null) throw new Error('nothing was sent');
  return copy;
}

describe('the first fragment of IPv6', () => {
  it('must hold the whole TCP header (RFC 7112)', () => {
    const { add } = bench(6);
    expect(add(fragment(6, 1, 0, pattern(16), true, A[6], IpProtocol.TCP)).reason).toBe(DropReason.IPV6_FRAGMENT);
    expect(add(fragment(6, 2, 0, pattern(24), true, A[6], IpProtocol.TCP)).reason).toBe(DropReason.NONE);
  });

  it('is answered with a parameter problem when its length is none', () => {
    const world = new World({ family: 6 });
    world.connect(80);
    const lines: string[] = [];
    world.wire.observer = (_time, direction, frame) => {
      if (direction === 'b-to-a') lines.push(describeFrame(frame));
    };
    const frame = fragment(6, 1, 0, pattern(33), true);
    frame.set((world.b as TestHost).adapter.macAddress.bytes, 0);
    world.wire.b.onReceive(frame);
    world.run(3);
    expect(lines).toEqual([expect.stringContaining('ICMP6 parameter problem code 0 at 4')]);
  });
});

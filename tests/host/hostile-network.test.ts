/** Frames from anybody, in any state of decay: a host neither throws nor grows, and its connections go on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NeighborLimits } from '../../src/host/framing/neighbor-cache.ts';
import { ReassemblyLimits } from '../../src/host/path/reassembly.ts';
import {
  ALL_NODES,
  addSums,
  finishChecksum,
  Icmpv6Type,
  IpAddress,
  IpPacket,
  IpProtocol,
  MacAddress,
  parseIp,
  readUint16,
  solicitedNode,
  sumBytes,
  writeIcmpv6Echo,
  writeIcmpv6Error,
  writeNeighborAdvertisement,
  writeNeighborSolicitation,
  writeRedirect,
  writeRouterAdvertisement,
  writeUint16,
} from '../../src/wire/index.ts';
import { BODY, icmpv6, ip, ipv6Frame, ndp } from './frames.ts';
import { firstDifference, pattern, sendAll, World } from './world.ts';

const ROUTER = ip('fe80::fe');
const MAC = MacAddress.fromWords(0x0200, 0xfe);

/** One frame of every kind that b may hear. */
function samples(world: World): Uint8Array[] {
  const own = world.b.address;
  const peer = world.a.address;
  const mac = world.b.adapter.macAddress;
  const group = solicitedNode(own);
  const toUs = { source: peer, destination: own, macDestination: mac };
  const prefixes = [
    {
      prefix: ip('2001:db8:1::'),
      prefixLength: 64,
      onLink: true,
      autonomous: true,
      validLifetime: 9,
      preferredLifetime: 9,
    },
  ];
  const quoted = ipv6Frame({ source: own, destination: peer, macDestination: mac }, 6, pattern(40)).subarray(14);
  return [
    ndp({ source: peer, destination: group }, (b, o) => writeNeighborSolicitation(b, o, peer, group, own, MAC)),
    ndp({ source: peer, destination: ALL_NODES }, (b, o) =>
      writeNeighborAdvertisement(b, o, peer, ALL_NODES, peer, 0x20, world.a.adapter.macAddress),
    ),
    ndp({ source: ROUTER, destination: ALL_NODES }, (b, o) =>
      writeRouterAdvertisement(b, o, ROUTER, ALL_NODES, { routerLifetime: 9, macAddress: MAC, mtu: 1400, prefixes }),
    ),
    ndp({ ...toUs, source: ROUTER }, (b, o) => writeRedirect(b, o, ROUTER, own, ROUTER, ip('2001:db8::9'), MAC)),
    icmpv6(toUs, (b, o) => writeIcmpv6Echo(b, o, peer, own, Icmpv6Type.ECHO_REQUEST, 1, 2, pattern(64))),
    icmpv6(toUs, (b, o) => writeIcmpv6Error(b, o, peer, own, Icmpv6Type.PACKET_TOO_BIG, 0, 1300, quoted)),
    icmpv6(toUs, (b, o) => writeIcmpv6Error(b, o, peer, own, Icmpv6Type.DESTINATION_UNREACHABLE, 0, 0, quoted)),
    ipv6Frame(toUs, 60, Uint8Array.of(6, 0, 1, 4, 0, 0, 0, 0, ...pattern(40))),
    ipv6Frame(toUs, 44, Uint8Array.of(6, 0, 0, 1, 0, 0, 0, 9, ...pattern(48))),
    ipv6Frame(toUs, 44, Uint8Array.of(58, 0, 0, 40, 0, 0, 0, 9, ...pattern(48))),
    ipv6Frame(toUs, 6, pattern(40)),
  ];
}

/** Puts the ICMPv6 checksum right where there is one, so that the frame gets further. */
function repaired(frame: Uint8Array): Uint8Array {
  const packet = new IpPacket();
  if (frame.length < BODY || parseIp(frame, 14, frame.length - 14, 0x86dd, packet) !== 0) return frame;
  const { payloadOffset, payloadLength, protocol, isFragment } = packet;
  if (protocol !== IpProtocol.ICMPV6 || isFragment || payloadLength < 4) return frame;
  writeUint16(frame, payloadOffset + 2, 0);
  const sum = addSums(
    sumBytes(frame, payloadOffset, payloadLength),
    packet.pseudoHeaderSum(IpProtocol.ICMPV6, payloadLength),
  );
  writeUint16(frame, payloadOffset + 2, finishChecksum(sum));
  expect(readUint16(frame, payloadOffset + 2)).toBeGreaterThanOrEqual(0);
  return frame;
}

describe('a hostile link', () => {
  it('sends IPv6 of every kind, damaged and repaired, and a connection goes on through it', () => {
    const mutation = fc.record({
      sample: fc.nat(10),
      changes: fc.array(fc.tuple(fc.integer({ min: 14, max: 130 }), fc.nat(255)), { maxLength: 4 }),
      length: fc.option(fc.nat(140), { freq: 8 }),
      repair: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 50, maxLength: 200 }), (mutations) => {
        const world = new World({ family: 6, b: { stack: { acceptRouterAdvertisements: true } } });
        const { client, server } = world.connect(80);
        const frames = samples(world);
        const bytes = pattern(20_000);
        sendAll(client.connection, bytes);
        for (const { sample, changes, length, repair } of mutations) {
          const original = frames[sample];
          const frame = new Uint8Array(length ?? original.length);
          frame.set(original.subarray(0, frame.length));
          for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
          world.wire.b.onReceive(repair ? repaired(frame) : frame);
        }
        world.until(() => server.received === bytes.length, 60_000);
        expect(firstDifference(server.bytes, bytes)).toBe(-1);
        world.run(5);
      }),
      { numRuns: 25 },
    );
  });

  it('floods from ever new addresses, and memory stays bounded', () => {
    const world = new World({ family: 6, b: { stack: { acceptRouterAdvertisements: true } } });
    const { client, server } = world.connect(80);
    const own = world.b.address;
    const mac = world.b.adapter.macAddress;
    const group = solicitedNode(own);
    for (let i = 0; i < 4000; i++) {
      const source = IpAddress.fromWords(6, 0xfd000000, 0, 0, 0x10000 + i);
      world.wire.b.onReceive(
        ndp({ source, destination: group }, (b, o) => writeNeighborSolicitation(b, o, source, group, own, MAC)),
      );
      world.wire.b.onReceive(ipv6Frame({ source, destination: own, macDestination: mac }, 6, pattern(40)));
      world.wire.b.onReceive(
        ipv6Frame(
          { source, destination: own, macDestination: mac },
          44,
          Uint8Array.of(6, 0, 0, 1, 0, 0, 0, i, ...pattern(48)),
        ),
      );
      if (i % 100 === 0) world.step();
    }
    world.run(10);
    const { network } = world.b.stack as unknown as {
      network: {
        neighbors: { size: number };
        input: { reassemblyIpv6: { size: number; bytes: number } };
        paths: Iterable<unknown>;
      };
    };
    expect(network.neighbors.size).toBeLessThanOrEqual(NeighborLimits.ENTRIES);
    expect(network.input.reassemblyIpv6.size).toBeLessThanOrEqual(ReassemblyLimits.DATAGRAMS);
    expect(network.input.reassemblyIpv6.bytes).toBeLessThanOrEqual(ReassemblyLimits.BYTES);
    expect([...network.paths].length).toBe(1);
    client.connection.send(pattern(500));
    world.until(() => server.received === 500);
  });
});

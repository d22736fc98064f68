import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ArpPacket,
  DROP_REASON_COUNT,
  DropReason,
  describeFrame,
  EmbeddedSegment,
  EthernetHeader,
  Icmpv4Message,
  Icmpv6EmbeddedSegment,
  Icmpv6Message,
  IpPacket,
  IpProtocol,
  Ipv4Header,
  Ipv6Header,
  internetChecksum,
  MldQuery,
  NdpMessage,
  parseArp,
  parseEmbeddedSegment,
  parseEthernet,
  parseIcmpv4,
  parseIcmpv6,
  parseIcmpv6EmbeddedSegment,
  parseIp,
  parseIpv4,
  parseIpv6,
  parseMldQuery,
  parseNdp,
  parseTcp,
  TcpHeader,
} from '../../src/wire/index.ts';
import { CAPTURED, fromHex } from './captured-frames.ts';
import { CAPTURED_IPV6 } from './captured-ipv6.ts';

const SAMPLES = Object.values(CAPTURED).map(fromHex);

/** A captured frame with a few bytes changed, cut or extended; its IPv4 checksum may be made right again to get further. */
const mutatedFrames = fc
  .record({
    sample: fc.constantFrom(...SAMPLES),
    changes: fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 6 }),
    length: fc.option(fc.nat(130)),
    repaired: fc.boolean(),
  })
  .map(({ sample, changes, length, repaired }) => {
    const frame = new Uint8Array(length ?? sample.length);
    frame.set(sample.subarray(0, frame.length));
    for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
    if (repaired && frame.length >= 34) {
      const headerLength = Math.min((frame[14] & 15) * 4, frame.length - 14);
      frame[24] = 0;
      frame[25] = 0;
      const checksum = internetChecksum(frame, 14, headerLength);
      frame[24] = checksum >>> 8;
      frame[25] = checksum & 0xff;
    }
    return frame;
  });

function expectReason(reason: number): void {
  expect(Number.isInteger(reason) && reason >= 0 && reason < DROP_REASON_COUNT).toBe(true);
}

/** What was accepted must lie inside the range that was given. */
function expectInside(offset: number, length: number, from: number, to: number): void {
  expect(offset).toBeGreaterThanOrEqual(from);
  expect(length).toBeGreaterThanOrEqual(0);
  expect(offset + length).toBeLessThanOrEqual(to);
}

/** Lets every parser at a range, whether it fits or not. */
function parseEverything(bytes: Uint8Array, offset: number, length: number): void {
  const end = Math.min(bytes.length, offset + length);
  const ethernet = new EthernetHeader();
  const link = parseEthernet(bytes, offset, length, ethernet);
  expectReason(link);
  if (link === DropReason.NONE) expectInside(ethernet.payloadOffset, ethernet.payloadLength, offset, end);
  const ip = new Ipv4Header();
  const network = parseIpv4(bytes, offset, length, ip);
  expectReason(network);
  if (network === DropReason.NONE) expectInside(ip.payloadOffset, ip.payloadLength, offset, end);
  const tcp = new TcpHeader();
  const transport = parseTcp(bytes, offset, length, tcp);
  expectReason(transport);
  if (transport === DropReason.NONE) {
    expectInside(tcp.payloadOffset, tcp.payloadLength, offset, end);
    expect(tcp.sackCount).toBeLessThanOrEqual(4);
    expect(tcp.windowScale).toBeLessThanOrEqual(14);
  }
  const icmp = new Icmpv4Message();
  const control = parseIcmpv4(bytes, offset, length, icmp);
  expectReason(control);
  if (control === DropReason.NONE) expectInside(icmp.payloadOffset, icmp.payloadLength, offset, end);
  const embedded = new EmbeddedSegment();
  const quoted = parseEmbeddedSegment(bytes, offset, length, embedded);
  expectReason(quoted);
  if (quoted === DropReason.NONE) expectInside(embedded.ip.payloadOffset, 8, offset, end);
  expectReason(parseArp(bytes, offset, length, new ArpPacket()));
  parseEverythingIpv6(bytes, offset, length, end);
}

function parseEverythingIpv6(bytes: Uint8Array, offset: number, length: number, end: number): void {
  const ip = new Ipv6Header();
  const network = parseIpv6(bytes, offset, length, ip);
  expectReason(network);
  if (network === DropReason.NONE) expectInside(ip.payloadOffset, ip.payloadLength, offset, end);
  expect(ip.problemPointer).toBeLessThanOrEqual(65575);
  const icmp = new Icmpv6Message();
  for (const pseudoHeader of [0, 0xffff]) {
    const control = parseIcmpv6(bytes, offset, length, pseudoHeader, icmp);
    expectReason(control);
    if (control === DropReason.NONE) expectInside(icmp.payloadOffset, icmp.payloadLength, offset, end);
  }
  expectReason(parseIcmpv6EmbeddedSegment(bytes, offset, length, new Icmpv6EmbeddedSegment()));
  expectReason(parseMldQuery(bytes, offset, length, new MldQuery()));
  const ndp = new NdpMessage();
  expectReason(parseNdp(bytes, offset, length, ndp));
  expect(ndp.prefixes.length).toBeLessThanOrEqual(8);
}

/** An IPv6 frame of the kernel with changed bytes, its ICMPv6 checksum made right again to get further. */
const mutatedIpv6Frames = fc
  .record({
    sample: fc.constantFrom(...Object.values(CAPTURED_IPV6).map(fromHex)),
    changes: fc.array(fc.tuple(fc.integer({ min: 14, max: 120 }), fc.nat(255)), { maxLength: 5 }),
    length: fc.option(fc.nat(130)),
  })
  .map(({ sample, changes, length }) => {
    const frame = new Uint8Array(length ?? sample.length);
    frame.set(sample.subarray(0, frame.length));
    for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
    return frame;
  });

/** Frame, packet and segment one after the other, as a stack parses them. */
function parseAsStack(frame: Uint8Array): DropReason {
  const ethernet = new EthernetHeader();
  const ip = new Ipv4Header();
  const link = parseEthernet(frame, 0, frame.length, ethernet);
  if (link !== DropReason.NONE) return link;
  const network = parseIpv4(frame, ethernet.payloadOffset, ethernet.payloadLength, ip);
  if (network !== DropReason.NONE) return network;
  parseEverything(frame, ip.payloadOffset, ip.payloadLength);
  return parseTcp(frame, ip.payloadOffset, ip.payloadLength, new TcpHeader());
}

describe('no input makes a parser throw or leave the buffer', () => {
  test('random bytes, and ranges that leave them', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: -20, max: 250 }),
        fc.integer({ min: -20, max: 300 }),
        (bytes, offset, length) => {
          parseEverything(bytes, offset, length);
          expect(describeFrame(bytes)).not.toContain('undefined');
        },
      ),
      { numRuns: 500 },
    );
  });

  test('captured frames with changed bytes', () => {
    const reached = new Set<DropReason>();
    fc.assert(
      fc.property(mutatedFrames, (frame) => {
        parseEverything(frame, 0, frame.length);
        reached.add(parseAsStack(frame));
        const text = describeFrame(frame);
        expect(text).not.toMatch(/undefined|NaN/);
      }),
      { numRuns: 2000 },
    );
    // Otherwise the mutations would be too wild to test anything but the first check.
    expect(reached.has(DropReason.NONE)).toBe(true);
    expect(reached.size).toBeGreaterThan(5);
  });

  test('captured IPv6 frames with changed bytes', () => {
    const reached = new Set<DropReason>();
    fc.assert(
      fc.property(mutatedIpv6Frames, (frame) => {
        parseEverything(frame, 0, frame.length);
        const packet = new IpPacket();
        const reason = parseIp(frame, 14, frame.length - 14, 0x86dd, packet);
        reached.add(reason);
        if (reason === DropReason.NONE && packet.protocol === IpProtocol.ICMPV6) {
          const ndp = new NdpMessage();
          reached.add(parseNdp(frame, packet.payloadOffset, packet.payloadLength, ndp));
          parseEverything(frame, packet.payloadOffset, packet.payloadLength);
        }
        expect(describeFrame(frame)).not.toMatch(/undefined|NaN/);
      }),
      { numRuns: 2000 },
    );
    for (const reason of [DropReason.NONE, DropReason.IPV6_PAYLOAD_LENGTH, DropReason.NDP_INVALID]) {
      expect(reached.has(reason), `${reason}`).toBe(true);
    }
  });

  test('random chains of extension headers', () => {
    const chain = fc.array(fc.oneof(fc.constantFrom(0, 1, 6, 43, 44, 58, 60), fc.nat(255)), {
      minLength: 8,
      maxLength: 120,
    });
    fc.assert(
      fc.property(fc.constantFrom(0, 43, 44, 60), chain, (next, bytes) => {
        const packet = new Uint8Array(40 + bytes.length);
        packet[0] = 0x60;
        packet[5] = bytes.length;
        packet[6] = next;
        packet.set(bytes, 40);
        parseEverything(packet, 0, packet.length);
      }),
      { numRuns: 2000 },
    );
  });

  test('random TCP options', () => {
    const options = fc.array(fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 10, 18, 26, 34), fc.nat(255)), {
      minLength: 40,
      maxLength: 40,
    });
    fc.assert(
      fc.property(options, fc.integer({ min: 5, max: 15 }), (bytes, words) => {
        const segment = new Uint8Array(60);
        segment.set(bytes, 20);
        segment[12] = words << 4;
        const header = new TcpHeader();
        const reason = parseTcp(segment, 0, 60, header);
        expect([DropReason.NONE, DropReason.TCP_OPTION_LENGTH]).toContain(reason);
        expect(header.payloadOffset).toBe(words * 4);
      }),
      { numRuns: 1000 },
    );
  });
});

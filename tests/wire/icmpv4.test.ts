import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DropReason,
  EmbeddedSegment,
  formatIpv4,
  Icmpv4Message,
  Icmpv4Type,
  IpProtocol,
  parseEmbeddedSegment,
  parseIcmpv4,
  UnreachableCode,
  writeIcmpv4Echo,
  writeIcmpv4Error,
} from '../../src/wire/index.ts';
import { CAPTURED, fromHex } from './captured-frames.ts';

describe('ICMPv4', () => {
  test('a captured port unreachable', () => {
    const frame = fromHex(CAPTURED.portUnreachable);
    const message = new Icmpv4Message();
    expect(parseIcmpv4(frame, 34, frame.length - 34, message)).toBe(DropReason.NONE);
    expect(message.type).toBe(Icmpv4Type.DESTINATION_UNREACHABLE);
    expect(message.code).toBe(UnreachableCode.PORT);
    expect(message.isError).toBe(true);
    expect(message.isFragmentationNeeded).toBe(false);
    expect(message.nextHopMtu).toBe(0);
    const embedded = new EmbeddedSegment();
    expect(parseEmbeddedSegment(frame, message.payloadOffset, message.payloadLength, embedded)).toBe(DropReason.NONE);
    expect(embedded.ip.protocol).toBe(IpProtocol.UDP);
    expect(formatIpv4(embedded.ip.source)).toBe('10.0.0.1');
    expect(embedded.sourcePort).toBe(0xdf4c);
    expect(embedded.destinationPort).toBe(9);
  });

  test('an echo request with its data, checksum worked out by hand', () => {
    const buffer = new Uint8Array(12);
    expect(writeIcmpv4Echo(buffer, 0, Icmpv4Type.ECHO_REQUEST, 0x1234, 7, Uint8Array.of(1, 2, 3))).toBe(11);
    // 0800 + 1234 + 0007 + 0102 + 0300 = 1e3d, complement e1c2
    expect(Array.from(buffer)).toEqual([8, 0, 0xe1, 0xc2, 0x12, 0x34, 0, 7, 1, 2, 3, 0]);
  });

  test('echo messages round trip', () => {
    const type = fc.constantFrom(Icmpv4Type.ECHO_REQUEST, Icmpv4Type.ECHO_REPLY);
    const data = fc.uint8Array({ minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(
        type,
        fc.integer({ min: 1, max: 65535 }),
        fc.nat(65535),
        data,
        (kind, identifier, sequence, bytes) => {
          const buffer = new Uint8Array(3 + 8 + bytes.length);
          const length = writeIcmpv4Echo(buffer, 3, kind, identifier, sequence, bytes);
          const message = new Icmpv4Message();
          expect(parseIcmpv4(buffer, 3, length, message)).toBe(DropReason.NONE);
          expect([message.type, message.code, message.identifier, message.sequence]).toEqual([
            kind,
            0,
            identifier,
            sequence,
          ]);
          expect(message.isError).toBe(false);
          const { payloadOffset, payloadLength } = message;
          expect(buffer.slice(payloadOffset, payloadOffset + payloadLength)).toEqual(bytes);
        },
      ),
    );
  });

  test('fragmentation needed about a TCP segment, quoted with 8 bytes of it', () => {
    const datagram = fromHex(CAPTURED.response).subarray(14, 14 + 28);
    const buffer = new Uint8Array(64);
    const length = writeIcmpv4Error(
      buffer,
      0,
      Icmpv4Type.DESTINATION_UNREACHABLE,
      UnreachableCode.FRAGMENTATION_NEEDED,
      1400,
      datagram,
    );
    expect(length).toBe(36);
    const message = new Icmpv4Message();
    expect(parseIcmpv4(buffer, 0, length, message)).toBe(DropReason.NONE);
    expect(message.isFragmentationNeeded).toBe(true);
    expect(message.nextHopMtu).toBe(1400);
    const embedded = new EmbeddedSegment();
    expect(parseEmbeddedSegment(buffer, message.payloadOffset, message.payloadLength, embedded)).toBe(DropReason.NONE);
    expect(embedded.ip.protocol).toBe(IpProtocol.TCP);
    expect(embedded.ip.totalLength).toBe(92);
    expect(embedded.sourcePort).toBe(8080);
    expect(embedded.destinationPort).toBe(0xdd04);
    expect(embedded.sequence >>> 0).toBe(0xbbaeeb24);
  });

  test('time exceeded is an error without an MTU', () => {
    const datagram = fromHex(CAPTURED.ack).subarray(14);
    const buffer = new Uint8Array(8 + datagram.length);
    const length = writeIcmpv4Error(buffer, 0, Icmpv4Type.TIME_EXCEEDED, 0, 0, datagram);
    const message = new Icmpv4Message();
    expect(parseIcmpv4(buffer, 0, length, message)).toBe(DropReason.NONE);
    expect(message.isError).toBe(true);
    expect(message.nextHopMtu).toBe(0);
  });

  test('every single flipped bit is found', () => {
    const frame = fromHex(CAPTURED.portUnreachable);
    for (let bit = 34 * 8; bit < frame.length * 8; bit += 1) {
      const damaged = frame.slice();
      damaged[bit >>> 3] ^= 1 << (bit & 7);
      expect(parseIcmpv4(damaged, 34, frame.length - 34, new Icmpv4Message())).toBe(DropReason.ICMP_CHECKSUM);
    }
  });

  test('a truncated message', () => {
    expect(parseIcmpv4(new Uint8Array(7), 0, 7, new Icmpv4Message())).toBe(DropReason.ICMP_TRUNCATED);
  });

  test.each([
    ['27 bytes', 27, {}],
    ['no IPv4', 28, { 0: 0x60 }],
    ['options that leave fewer than 8 bytes', 28, { 0: 0x46 }],
    ['a later fragment', 28, { 6: 0, 7: 1 }],
  ])('an embedded datagram with %s is refused', (_name, length, changes) => {
    const datagram = fromHex(CAPTURED.response).slice(14, 14 + 28);
    for (const [at, value] of Object.entries(changes)) datagram[Number(at)] = value;
    expect(parseEmbeddedSegment(datagram, 0, length, new EmbeddedSegment())).toBe(DropReason.ICMP_EMBEDDED);
  });
});

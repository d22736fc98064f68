import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DropReason,
  formatIpv4,
  IpProtocol,
  Ipv4Header,
  internetChecksum,
  parseIpv4,
  writeIpv4,
} from '../../src/wire/index.ts';
import { CAPTURED, fromHex, toHex } from './captured-frames.ts';

/** The IPv4 packet of a captured frame with some bytes changed and the header checksum made right again. */
function altered(hex: string, changes: Record<number, number>): Uint8Array {
  const packet = fromHex(hex.slice(28));
  for (const [at, value] of Object.entries(changes)) packet[Number(at)] = value;
  packet[10] = 0;
  packet[11] = 0;
  const checksum = internetChecksum(packet, 0, Math.min((packet[0] & 15) * 4, packet.length));
  packet[10] = checksum >>> 8;
  packet[11] = checksum & 0xff;
  return packet;
}

describe('IPv4', () => {
  test('a captured header parses and is written as it was', () => {
    const frame = fromHex(CAPTURED.syn);
    const header = new Ipv4Header();
    expect(parseIpv4(frame, 14, frame.length - 14, header)).toBe(DropReason.NONE);
    expect(formatIpv4(header.source)).toBe('10.0.0.1');
    expect(formatIpv4(header.destination)).toBe('10.0.0.2');
    expect(header.protocol).toBe(IpProtocol.TCP);
    expect(header.identification).toBe(0x2849);
    expect(header.ttl).toBe(64);
    expect(header.dontFragment).toBe(true);
    expect(header.isFragment).toBe(false);
    expect(header.hasOptions).toBe(false);
    expect(header.totalLength).toBe(60);
    expect(header.payloadOffset).toBe(34);
    expect(header.payloadLength).toBe(40);
    const written = new Uint8Array(20);
    expect(writeIpv4(header, written, 0)).toBe(20);
    expect(toHex(written)).toBe(CAPTURED.syn.slice(28, 68));
  });

  test('the traffic class of an ICMP error from the kernel', () => {
    const packet = fromHex(CAPTURED.portUnreachable.slice(28));
    const header = new Ipv4Header();
    expect(parseIpv4(packet, 0, packet.length, header)).toBe(DropReason.NONE);
    expect(header.typeOfService).toBe(0xc0);
    expect(header.dontFragment).toBe(false);
  });

  test('bytes behind the total length are padding', () => {
    const packet = new Uint8Array(80);
    packet.set(fromHex(CAPTURED.reset.slice(28)));
    const header = new Ipv4Header();
    expect(parseIpv4(packet, 0, 80, header)).toBe(DropReason.NONE);
    expect(header.payloadLength).toBe(20);
  });

  test('options are skipped', () => {
    const plain = fromHex(CAPTURED.udp.slice(28));
    const packet = new Uint8Array(plain.length + 4);
    packet.set(plain.subarray(0, 20));
    packet.set([0x94, 4, 0, 0], 20); // router alert
    packet.set(plain.subarray(20), 24);
    packet[0] = 0x46;
    packet[3] = packet.length;
    packet[10] = 0;
    packet[11] = 0;
    const checksum = internetChecksum(packet, 0, 24);
    packet[10] = checksum >>> 8;
    packet[11] = checksum & 0xff;
    const header = new Ipv4Header();
    expect(parseIpv4(packet, 0, packet.length, header)).toBe(DropReason.NONE);
    expect(header.hasOptions).toBe(true);
    expect(header.payloadOffset).toBe(24);
    expect(header.payloadLength).toBe(13);
  });

  test.each([
    ['the first fragment', 0x20, 0, true, 0],
    ['a later fragment', 0x20, 185, true, 1480],
    ['the last fragment', 0, 185, false, 1480],
  ])('%s is recognised', (_name, high, low, more, offset) => {
    const packet = altered(CAPTURED.udp, { 6: high, 7: low });
    const header = new Ipv4Header();
    expect(parseIpv4(packet, 0, packet.length, header)).toBe(DropReason.NONE);
    expect(header.isFragment).toBe(true);
    expect(header.moreFragments).toBe(more);
    expect(header.fragmentOffset).toBe(offset);
  });

  test.each([
    ['version 6', { 0: 0x65 }, DropReason.IPV4_VERSION],
    ['a header length of 16', { 0: 0x44 }, DropReason.IPV4_HEADER_LENGTH],
    ['a header longer than the packet', { 0: 0x4f }, DropReason.IPV4_TRUNCATED],
    ['a total length below the header length', { 2: 0, 3: 19 }, DropReason.IPV4_TOTAL_LENGTH],
    ['a total length beyond the frame', { 2: 0, 3: 41 }, DropReason.IPV4_TOTAL_LENGTH],
  ])('%s', (_name, changes, reason) => {
    const packet = altered(CAPTURED.reset, changes as Record<number, number>);
    expect(parseIpv4(packet, 0, packet.length, new Ipv4Header())).toBe(reason);
  });

  test('every single flipped bit of the header is found', () => {
    const original = fromHex(CAPTURED.ack.slice(28));
    for (let bit = 0; bit < 160; bit += 1) {
      const packet = original.slice();
      packet[bit >>> 3] ^= 1 << (bit & 7);
      expect(parseIpv4(packet, 0, packet.length, new Ipv4Header())).not.toBe(DropReason.NONE);
    }
  });

  test('a truncated header', () => {
    const packet = fromHex(CAPTURED.ack.slice(28));
    expect(parseIpv4(packet, 0, 19, new Ipv4Header())).toBe(DropReason.IPV4_TRUNCATED);
  });

  test('what is written is what is parsed', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const fields = fc.record({
      source: word,
      destination: word,
      typeOfService: fc.nat(255),
      identification: fc.nat(65535),
      dontFragment: fc.boolean(),
      moreFragments: fc.boolean(),
      fragmentOffset: fc.nat(8191).map((units) => units * 8),
      ttl: fc.nat(255),
      protocol: fc.nat(255),
      payloadLength: fc.nat(300),
    });
    fc.assert(
      fc.property(fields, fc.nat(9), (values, offset) => {
        const header = Object.assign(new Ipv4Header(), values, { totalLength: 20 + values.payloadLength });
        const buffer = new Uint8Array(offset + header.totalLength);
        writeIpv4(header, buffer, offset);
        const parsed = new Ipv4Header();
        expect(parseIpv4(buffer, offset, header.totalLength, parsed)).toBe(DropReason.NONE);
        expect(parsed).toEqual(Object.assign(header, { payloadOffset: offset + 20 }));
      }),
    );
  });
});

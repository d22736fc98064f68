import { describe, expect, test } from 'vitest';
import {
  buildTcpFrame,
  DropReason,
  describeFrame,
  EthernetHeader,
  FrameBuffers,
  type FrameRoute,
  IpAddress,
  IpProtocol,
  Ipv4Header,
  MacAddress,
  type PayloadSource,
  parseEthernet,
  parseIpv4,
  parseTcp,
  pseudoHeaderSumIpv4,
  routeHeaderLength,
  SLAB_BYTES,
  segmentToObject,
  TcpFlag,
  TcpHeader,
  verifyTcpChecksum,
} from '../../src/wire/index.ts';
import { CAPTURED, fromHex, toHex } from './captured-frames.ts';

const ROUTE: FrameRoute = {
  destination: (MacAddress.parse('02:00:00:00:00:0b') as MacAddress).bytes,
  source: (MacAddress.parse('02:00:00:00:00:0a') as MacAddress).bytes,
  vlanId: 0,
  userPriority: 0,
  sourceAddress: IpAddress.parse('10.0.0.1') as IpAddress,
  destinationAddress: IpAddress.parse('10.0.0.2') as IpAddress,
  ttl: 64,
  typeOfService: 0,
  flowLabel: 0,
};

function payloadOf(bytes: Uint8Array): PayloadSource {
  return {
    copyTo: (offset, length, target, targetOffset) => {
      target.set(bytes.subarray(offset, offset + length), targetOffset);
    },
  };
}

/** A header with timestamps, as most segments have. */
function dataHeader(): TcpHeader {
  const header = new TcpHeader();
  header.sourcePort = 1000;
  header.destinationPort = 2000;
  header.sequence = -5;
  header.acknowledgment = 77;
  header.flags = TcpFlag.ACK | TcpFlag.PSH;
  header.window = 500;
  header.hasTimestamp = true;
  return header;
}

describe('buildTcpFrame', () => {
  test.each(['syn', 'ack', 'request', 'fin'] as const)('%s comes out byte by byte as the kernel sent it', (name) => {
    const captured = fromHex(CAPTURED[name]);
    const header = new TcpHeader();
    parseTcp(captured, 34, captured.length - 34, header);
    const { payloadOffset, payloadLength } = header;
    const identification = (captured[18] << 8) | captured[19];
    const payload = payloadLength === 0 ? null : payloadOf(captured);
    const frame = buildTcpFrame(
      new FrameBuffers(),
      ROUTE,
      identification,
      header,
      payload,
      payloadOffset,
      payloadLength,
    );
    expect(toHex(frame)).toBe(CAPTURED[name]);
  });

  test.each([
    [0, 0, 14],
    [0, 3, 18],
    [100, 0, 18],
    [100, 6, 18],
  ])('VLAN %i with priority %i makes %i bytes of Ethernet header', (vlanId, userPriority, linkLength) => {
    const route = { ...ROUTE, vlanId, userPriority, ttl: 9, typeOfService: 0x2e };
    const payload = Uint8Array.from({ length: 1000 }, (_, index) => index);
    const frame = buildTcpFrame(new FrameBuffers(), route, 0xffff, dataHeader(), payloadOf(payload), 100, 800);
    expect(routeHeaderLength(route)).toBe(linkLength + 20);
    const ethernet = new EthernetHeader();
    expect(parseEthernet(frame, 0, frame.length, ethernet)).toBe(DropReason.NONE);
    expect(ethernet.payloadOffset).toBe(linkLength);
    expect(ethernet.vlanId).toBe(linkLength === 14 ? -1 : vlanId);
    expect(ethernet.priority).toBe(userPriority);
    const ip = new Ipv4Header();
    expect(parseIpv4(frame, ethernet.payloadOffset, ethernet.payloadLength, ip)).toBe(DropReason.NONE);
    expect([ip.ttl, ip.typeOfService, ip.identification, ip.dontFragment]).toEqual([9, 0x2e, 0xffff, true]);
    const tcp = new TcpHeader();
    expect(parseTcp(frame, ip.payloadOffset, ip.payloadLength, tcp)).toBe(DropReason.NONE);
    expect(segmentToObject(tcp)).toEqual({ ...segmentToObject(dataHeader()), length: 800 });
    expect(frame.slice(tcp.payloadOffset)).toEqual(payload.slice(100, 900));
    const pseudoHeader = pseudoHeaderSumIpv4(ip.source, ip.destination, IpProtocol.TCP, ip.payloadLength);
    expect(verifyTcpChecksum(frame, ip.payloadOffset, ip.payloadLength, pseudoHeader)).toBe(true);
  });

  test('the largest IPv4 packet, and one byte more', () => {
    const payload = new Uint8Array(65536).fill(0xff);
    const buffers = new FrameBuffers();
    const largest = 65535 - 20 - 32;
    const frame = buildTcpFrame(buffers, ROUTE, 1, dataHeader(), payloadOf(payload), 0, largest);
    expect(frame.length).toBe(14 + 65535);
    expect(describeFrame(frame)).toBe(
      `10.0.0.1.1000 > 10.0.0.2.2000: Flags [P.], seq 4294967291:65478, ack 77, win 500, options [TS val 0 ecr 0], length ${largest}`,
    );
    expect(() => buildTcpFrame(buffers, ROUTE, 1, dataHeader(), payloadOf(payload), 0, largest + 1)).toThrow(
      RangeError,
    );
  });

  test('a route of another family is an error of the caller', () => {
    const route = { ...ROUTE, sourceAddress: IpAddress.parse('::1') as IpAddress };
    expect(() => buildTcpFrame(new FrameBuffers(), route, 1, dataHeader(), null, 0, 0)).toThrow(RangeError);
  });
});

describe('FrameBuffers', () => {
  test('frames never overlap, and their IP headers are aligned', () => {
    const buffers = new FrameBuffers();
    const frames: Uint8Array[] = [];
    for (let index = 0; index < 2000; index += 1) {
      const frame = buffers.allocate(1 + ((index * 7919) % 3000));
      expect(frame.every((byte) => byte === 0)).toBe(true);
      expect((frame.byteOffset + 14) % 8).toBe(0);
      frame.fill(index % 255 || 255);
      frames.push(frame);
    }
    for (const [index, frame] of frames.entries())
      expect(frame.every((byte) => byte === (index % 255 || 255))).toBe(true);
  });

  test('frames share slabs, large ones have their own', () => {
    const buffers = new FrameBuffers();
    const first = buffers.allocate(1514);
    expect(buffers.allocate(1514).buffer).toBe(first.buffer);
    expect(first.buffer.byteLength).toBe(SLAB_BYTES);
    const large = buffers.allocate(SLAB_BYTES / 4 + 1);
    expect(large.buffer).not.toBe(first.buffer);
    expect(large.length).toBe(SLAB_BYTES / 4 + 1);
    expect((large.byteOffset + 14) % 8).toBe(0);
    const next = buffers.allocate(65_535);
    expect(next.buffer).toBe(large.buffer);
    expect(next.byteOffset).toBeGreaterThanOrEqual(large.byteOffset + large.length);
    expect(buffers.allocate(1_000_000).buffer).not.toBe(large.buffer);
    expect(buffers.allocate(60).buffer).toBe(first.buffer);
    expect(buffers.allocate(0).length).toBe(0);
  });

  test('large segments are used again when they are released, and only then', () => {
    const buffers = new FrameBuffers();
    const kept = buffers.allocateSegment(60_000);
    expect(buffers.allocateSegment(60_000).buffer).toBe(kept.buffer);
    buffers.release(kept); // it shares its slab: nothing but the wish is taken from it
    const [a, b] = [buffers.allocateSegment(60_000), buffers.allocateSegment(65_549)];
    expect(a.buffer).not.toBe(kept.buffer);
    expect(b.buffer).not.toBe(a.buffer);
    buffers.release(a);
    const again = buffers.allocateSegment(20_000);
    expect([again.buffer === a.buffer, again.length, (again.byteOffset + 14) % 8]).toEqual([true, 20_000, 0]);
    expect(buffers.allocateSegment(20_000).buffer).not.toBe(a.buffer);
    expect(buffers.allocate(60_000).every((byte) => byte === 0)).toBe(true);
  });

  test('small frames, and those that are too large, are not used again', () => {
    const buffers = new FrameBuffers();
    buffers.release(buffers.allocateSegment(60_000));
    for (const length of [1514, 70_000]) {
      const frame = buffers.allocateSegment(length);
      expect(frame.length).toBe(length);
      buffers.release(frame);
      const next = buffers.allocateSegment(length);
      expect(next.buffer === frame.buffer && next.byteOffset === frame.byteOffset).toBe(false);
    }
  });

  test('a segment is built whole in memory that was used before', () => {
    const payload = new Uint8Array(40_000).map((_, index) => index * 7);
    const fresh = buildTcpFrame(new FrameBuffers(), ROUTE, 5, dataHeader(), payloadOf(payload), 0, 40_000);
    const buffers = new FrameBuffers();
    buffers.release(buffers.allocateSegment(60_000));
    const used = buffers.allocateSegment(60_000);
    used.fill(0xff);
    buffers.release(used);
    const built = buildTcpFrame(buffers, ROUTE, 5, dataHeader(), payloadOf(payload), 0, 40_000);
    expect(built.buffer).toBe(used.buffer);
    expect(Buffer.compare(built, fresh)).toBe(0);
  });
});

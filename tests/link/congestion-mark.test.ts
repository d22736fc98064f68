import { describe, expect, test } from 'vitest';
import { markCongestion } from '../../src/link/congestion-mark.ts';
import { MemoryWire } from '../../src/link/index.ts';
import {
  buildTcpFrame,
  DropReason,
  EtherType,
  FrameBuffers,
  IpAddress,
  IpPacket,
  parseIp,
  readUint16,
  TcpFlag,
  TcpHeader,
} from '../../src/wire/index.ts';

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

function frameOf(family: 4 | 6, typeOfService: number, vlanId = 0): Uint8Array {
  const header = new TcpHeader();
  header.flags = TcpFlag.ACK;
  const route = {
    destination: new Uint8Array(6),
    source: new Uint8Array(6),
    vlanId,
    userPriority: 0,
    sourceAddress: address(family === 4 ? '10.0.0.1' : 'fd00::1'),
    destinationAddress: address(family === 4 ? '10.0.0.2' : 'fd00::2'),
    ttl: 64,
    typeOfService,
    flowLabel: 0x12345,
  };
  return buildTcpFrame(new FrameBuffers(), route, 1, header, null, 0, 0);
}

function trafficClassOf(frame: Uint8Array, ip: number): number {
  const packet = new IpPacket();
  expect(parseIp(frame, ip, frame.length - ip, readUint16(frame, ip - 2), packet)).toBe(DropReason.NONE);
  return packet.trafficClass;
}

describe.each([4, 6] as const)('IPv%i', (family) => {
  test.each([
    [0xb8, null],
    [0xb9, 0xbb],
    [0xba, 0xbb],
    [0xbb, 0xbb],
  ])('traffic class %i becomes %s (RFC 3168 section 5)', (before, after) => {
    for (const vlanId of [0, 5]) {
      const frame = frameOf(family, before, vlanId);
      const untouched = frame.slice();
      const marked = markCongestion(frame);
      expect(frame).toEqual(untouched);
      if (after === null) expect(marked).toBeNull();
      else expect(trafficClassOf(marked as Uint8Array, vlanId === 0 ? 14 : 18)).toBe(after);
    }
  });
});

test('frames without a packet, or with a part of one, are left alone', () => {
  const whole = frameOf(4, 2);
  for (let length = 0; length < 34; length++) expect(markCongestion(whole.slice(0, length))).toBeNull();
  const arp = whole.slice();
  arp[12] = EtherType.ARP >>> 8;
  arp[13] = EtherType.ARP & 0xff;
  expect(markCongestion(arp)).toBeNull();
  const longHeader = whole.slice(0, 40);
  longHeader[14] = 0x4f;
  expect(markCongestion(longHeader)).toBeNull();
});

test('a wire marks the share of packets that it was told to, and no others', () => {
  const wire = new MemoryWire({ seed: 9, both: { congestion: 0.1 } });
  const fates: string[] = [];
  const arrived: number[] = [];
  const sent = new Set<number>();
  wire.observer = (_time, _direction, frame, fate) => {
    fates.push(fate);
    sent.add(frame[15]);
  };
  wire.b.onReceive = (frame) => arrived.push(frame[15]);
  for (let i = 0; i < 2000; i++) wire.a.send(frameOf(4, i % 2 === 0 ? 0 : 2));
  wire.advance(1);
  expect(sent).toEqual(new Set([0, 2]));
  const marked = fates.filter((fate) => fate === 'marked').length;
  expect(arrived.filter((value) => value === 3)).toHaveLength(marked);
  expect(arrived.filter((value) => value === 0)).toHaveLength(1000);
  expect(wire.aToB.counters.marked).toBe(marked);
  expect(Math.abs(marked - 100)).toBeLessThan(40);
});

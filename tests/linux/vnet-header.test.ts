/** The virtio-net header, byte by byte. */
import { describe, expect, it } from 'vitest';
import { LITTLE_ENDIAN } from '../../src/linux/ffi.ts';
import { ReceiveMemory } from '../../src/linux/receive-memory.ts';
import {
  checksumIsGood,
  VNET_HEADER_LENGTH,
  writePlainHeader,
  writeSegmentedHeader,
} from '../../src/linux/vnet-header.ts';
import { buildTcpFrame, FrameBuffers, type FrameRoute, IpAddress, TcpFlag, TcpHeader } from '../../src/wire/index.ts';

const ROUTE = {
  destination: Uint8Array.of(2, 0, 0, 0, 0, 1),
  source: Uint8Array.of(2, 0, 0, 0, 0, 2),
  vlanId: 0,
  userPriority: 0,
  sourceAddress: IpAddress.fromBytes(4, Uint8Array.of(192, 0, 2, 2)),
  destinationAddress: IpAddress.fromBytes(4, Uint8Array.of(192, 0, 2, 1)),
  ttl: 64,
  typeOfService: 0,
  flowLabel: 0,
} satisfies FrameRoute & { flowLabel: number };

function frameOf(length: number, timestamps: boolean, vlanId = 0): Uint8Array {
  const header = new TcpHeader();
  header.clearOptions();
  header.flags = TcpFlag.ACK;
  header.hasTimestamp = timestamps;
  const payload = {
    copyTo: (_offset: number, count: number, target: Uint8Array, at: number) => void target.fill(9, at, at + count),
  };
  return buildTcpFrame(new FrameBuffers(), { ...ROUTE, vlanId }, 1, header, payload, 0, length, true);
}

/** flags, gso_type, hdr_len, gso_size, csum_start, csum_offset. */
function fieldsOf(frame: Uint8Array, segmentSize: number): number[] {
  const header = new Uint8Array(VNET_HEADER_LENGTH).fill(0xee);
  writeSegmentedHeader(header, frame, segmentSize);
  const view = new DataView(header.buffer);
  return [header[0], header[1], ...[2, 4, 6, 8].map((offset) => view.getUint16(offset, LITTLE_ENDIAN))];
}

describe('the virtio-net header', () => {
  it('asks for checksum and segmentation of a large segment', () => {
    expect(fieldsOf(frameOf(4000, false), 1460)).toEqual([1, 1, 54, 1460, 34, 16]);
    expect(fieldsOf(frameOf(4000, true), 1448)).toEqual([1, 1, 66, 1448, 34, 16]);
    expect(fieldsOf(frameOf(4000, true, 5), 1448)).toEqual([1, 1, 70, 1448, 38, 16]);
  });

  it('asks for the checksum alone of a segment that fits', () => {
    expect(fieldsOf(frameOf(1460, false), 1460)).toEqual([1, 0, 0, 0, 34, 16]);
    expect(fieldsOf(frameOf(1461, false), 1460)).toEqual([1, 1, 54, 1460, 34, 16]);
    expect(fieldsOf(frameOf(0, true), 1448)).toEqual([1, 0, 0, 0, 34, 16]);
  });

  it('knows TCP over IPv6', () => {
    const frame = new Uint8Array(14 + 40 + 20 + 3000);
    frame.set([0x86, 0xdd], 12);
    frame[14 + 6] = 6;
    frame[54 + 12] = 5 << 4;
    expect(fieldsOf(frame, 1440)).toEqual([1, 4, 74, 1440, 54, 16]);
  });

  it('leaves alone what is no TCP segment', () => {
    const udp = frameOf(100, false);
    udp[14 + 9] = 17;
    expect(fieldsOf(udp, 50)).toEqual([0, 0, 0, 0, 0, 0]);
    const header = new Uint8Array(VNET_HEADER_LENGTH).fill(0xee);
    writePlainHeader(header);
    expect([...header]).toEqual(new Array(VNET_HEADER_LENGTH).fill(0));
  });

  it('says whether a received checksum is good', () => {
    const header = new Uint8Array(VNET_HEADER_LENGTH);
    expect(checksumIsGood(header)).toBe(false);
    header[0] = 1;
    expect(checksumIsGood(header)).toBe(true);
    header[0] = 2;
    expect(checksumIsGood(header)).toBe(true);
  });
});

describe('the memory of received frames', () => {
  for (const offset of [0, 10]) {
    it(`is never used twice (header of ${offset} bytes)`, () => {
      const room = offset + 2000;
      const memory = new ReceiveMemory(room, offset);
      const frames: [Uint8Array, number][] = [];
      for (let i = 0; i < 2000; i++) {
        const buffer = memory.next();
        expect(memory.next()).toBe(buffer);
        expect(buffer.length).toBeGreaterThanOrEqual(room);
        const length = [60, 256, 257, 1514, 2000][i % 5];
        buffer.fill(0xff, 0, offset);
        buffer.fill(i & 0x7f, offset, offset + length);
        const frame = memory.take(length);
        expect(frame.length).toBe(length);
        // Behind a 14-byte Ethernet header everything is aligned.
        expect((frame.byteOffset + 14) % 4).toBe(0);
        frames.push([frame, i & 0x7f]);
      }
      expect(frames.filter(([frame, value]) => frame.some((byte) => byte !== value))).toEqual([]);
      // A small frame that is kept does not keep a slab.
      expect(frames[0][0].buffer.byteLength).toBeLessThan(64 * 1024);
    });
  }
});

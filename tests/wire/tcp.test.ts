import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DropReason,
  finishTcpChecksum,
  IpAddress,
  IpProtocol,
  parseTcp,
  pseudoHeaderSum,
  pseudoHeaderSumIpv4,
  segmentFromObject,
  segmentToObject,
  TcpFlag,
  TcpHeader,
  tcpHeaderLength,
  verifyTcpChecksum,
  writeTcp,
} from '../../src/wire/index.ts';
import { tcpHeaders } from './arbitraries.ts';
import { CAPTURED, fromHex, toHex } from './captured-frames.ts';

/** Where the TCP segment starts in the captured frames: no tag, no IP options. */
const TCP_OFFSET = 34;
const A = 0x0a000001;
const B = 0x0a000002;

/** A segment of the given options, 20 bytes of plain header in front. */
function segmentWith(options: string): Uint8Array {
  const bytes = fromHex(options);
  const segment = new Uint8Array(20 + bytes.length);
  segment.set(bytes, 20);
  segment[12] = (segment.length / 4) << 4;
  return segment;
}

function parseOptions(options: string): { reason: DropReason; header: TcpHeader } {
  const segment = segmentWith(options);
  const header = new TcpHeader();
  return { reason: parseTcp(segment, 0, segment.length, header), header };
}

const SEGMENTS = {
  syn: {
    sourcePort: 56580,
    destinationPort: 8080,
    sequence: 0x01cd6d41,
    acknowledgment: 0,
    flags: ['SYN'],
    window: 64240,
    urgentPointer: 0,
    maximumSegmentSize: 1460,
    windowScale: 10,
    sackPermitted: true,
    timestamp: { value: 3485355314, echo: 0 },
    length: 0,
  },
  synAck: {
    sourcePort: 8080,
    destinationPort: 56580,
    sequence: 0xbbaeeb23,
    acknowledgment: 0x01cd6d42,
    flags: ['SYN', 'ACK'],
    window: 65160,
    urgentPointer: 0,
    maximumSegmentSize: 1460,
    windowScale: 10,
    sackPermitted: true,
    timestamp: { value: 595474888, echo: 3485355314 },
    length: 0,
  },
  response: {
    sourcePort: 8080,
    destinationPort: 56580,
    sequence: 0xbbaeeb24,
    acknowledgment: 0x01cd6d54,
    flags: ['PSH', 'ACK'],
    window: 64,
    urgentPointer: 0,
    timestamp: { value: 595474888, echo: 3485355314 },
    length: 40,
  },
  reset: {
    sourcePort: 81,
    destinationPort: 55850,
    sequence: 0,
    acknowledgment: 0xb31961c3,
    flags: ['RST', 'ACK'],
    window: 0,
    urgentPointer: 0,
    length: 0,
  },
} as const;

describe('captured segments', () => {
  test.each(Object.entries(SEGMENTS))('%s parses', (name, expected) => {
    const frame = fromHex(CAPTURED[name as keyof typeof SEGMENTS]);
    const header = new TcpHeader();
    expect(parseTcp(frame, TCP_OFFSET, frame.length - TCP_OFFSET, header)).toBe(DropReason.NONE);
    expect(segmentToObject(header)).toEqual(expected);
    expect(header.payloadOffset + header.payloadLength).toBe(frame.length);
  });

  test.each(['syn', 'synAck', 'ack', 'request', 'response', 'fin', 'reset'] as const)(
    '%s: checksum right, and written again byte by byte as the kernel wrote it (MUST-2)',
    (name) => {
      const frame = fromHex(CAPTURED[name]);
      const length = frame.length - TCP_OFFSET;
      const header = new TcpHeader();
      parseTcp(frame, TCP_OFFSET, length, header);
      const pseudoHeader = pseudoHeaderSumIpv4(A, B, IpProtocol.TCP, length);
      expect(verifyTcpChecksum(frame, TCP_OFFSET, length, pseudoHeader)).toBe(true);
      const written = new Uint8Array(length);
      expect(tcpHeaderLength(header)).toBe(header.headerLength);
      const headerLength = writeTcp(header, written, 0);
      written.set(frame.subarray(header.payloadOffset), headerLength);
      finishTcpChecksum(written, 0, length, pseudoHeader);
      expect(toHex(written)).toBe(toHex(frame.subarray(TCP_OFFSET)));
    },
  );

  test('every single flipped bit breaks the checksum (MUST-3)', () => {
    const frame = fromHex(CAPTURED.request);
    const length = frame.length - TCP_OFFSET;
    const pseudoHeader = pseudoHeaderSumIpv4(A, B, IpProtocol.TCP, length);
    for (let bit = TCP_OFFSET * 8; bit < frame.length * 8; bit += 1) {
      const damaged = frame.slice();
      damaged[bit >>> 3] ^= 1 << (bit & 7);
      expect(verifyTcpChecksum(damaged, TCP_OFFSET, length, pseudoHeader)).toBe(false);
    }
  });

  test('the checksum covers the addresses', () => {
    const frame = fromHex(CAPTURED.request);
    const length = frame.length - TCP_OFFSET;
    const elsewhere = pseudoHeaderSumIpv4(A, B + 1, IpProtocol.TCP, length);
    expect(verifyTcpChecksum(frame, TCP_OFFSET, length, elsewhere)).toBe(false);
  });

  test('the checksum works with IPv6 addresses', () => {
    const from = IpAddress.parse('2001:db8::1') as IpAddress;
    const to = IpAddress.parse('2001:db8::2') as IpAddress;
    const segment = segmentWith('');
    const pseudoHeader = pseudoHeaderSum(from, to, IpProtocol.TCP, segment.length);
    finishTcpChecksum(segment, 0, segment.length, pseudoHeader);
    expect(verifyTcpChecksum(segment, 0, segment.length, pseudoHeader)).toBe(true);
  });
});

describe('options', () => {
  test('unknown options are skipped (RFC 9293 section 3.1, MUST-6)', () => {
    const { reason, header } = parseOptions('fd06887766550101020405b4');
    expect(reason).toBe(DropReason.NONE);
    expect(header.maximumSegmentSize).toBe(1460);
  });

  test.each([
    ['length 0', '02000000'],
    ['length 1', '02010000'],
    ['a length that leaves the header', '01010805'],
    ['a kind without its length', '01010102'],
    ['an unknown option that leaves the header', 'fdff0000'],
  ])('%s drops the segment (MUST-7)', (_name, options) => {
    expect(parseOptions(options).reason).toBe(DropReason.TCP_OPTION_LENGTH);
  });

  test.each([
    ['MSS of length 3', '020305010000000000000000'],
    ['window scale of length 4', '030405010000000000000000'],
    ['SACK-permitted of length 3', '040300000000000000000000'],
    ['timestamps of length 9', '080900000000000000000000'],
    ['SACK of half a block', '050600000001000000000000'],
    ['SACK of no block', '050200000000000000000000'],
  ])('%s is skipped', (_name, options) => {
    const { reason, header } = parseOptions(options);
    expect(reason).toBe(DropReason.NONE);
    const plain = new TcpHeader();
    plain.headerLength = 32;
    plain.payloadOffset = 32;
    expect(header).toEqual(plain);
  });

  test('nothing behind the end of the option list counts (MUST-4)', () => {
    const { reason, header } = parseOptions('00010101020405b4');
    expect(reason).toBe(DropReason.NONE);
    expect(header.maximumSegmentSize).toBe(0);
  });

  test.each([
    ['00', 0],
    ['07', 7],
    ['0e', 14],
    ['0f', 14],
    ['ff', 14],
  ])('a window scale of 0x%s is read as %i (RFC7323-2.3-3)', (shift, expected) => {
    expect(parseOptions(`010303${shift}`).header.windowScale).toBe(expected);
  });

  test('four SACK blocks', () => {
    const blocks = ['0000000100000002', '0000000300000004', 'fffffff000000010', '7fffffff80000000'];
    const { reason, header } = parseOptions(`01010522${blocks.join('')}`);
    expect(reason).toBe(DropReason.NONE);
    expect(header.sackCount).toBe(4);
    expect(Array.from(header.sackLeft)).toEqual([1, 3, -16, 0x7fffffff]);
    expect(Array.from(header.sackRight)).toEqual([2, 4, 16, -0x80000000]);
  });

  test('timestamps anywhere but in their usual place (MUST-64)', () => {
    const { header } = parseOptions('080a00000001ffffffff0101');
    expect([header.hasTimestamp, header.timestampValue, header.timestampEcho]).toEqual([true, 1, -1]);
  });

  test('options of the segment before do not linger', () => {
    const header = new TcpHeader();
    const first = fromHex(CAPTURED.syn);
    parseTcp(first, TCP_OFFSET, first.length - TCP_OFFSET, header);
    const second = fromHex(CAPTURED.reset);
    parseTcp(second, TCP_OFFSET, second.length - TCP_OFFSET, header);
    expect(segmentToObject(header)).toEqual(SEGMENTS.reset);
  });

  test.each([
    [
      'MSS, SACK-permitted and timestamps, window scale, as Linux sends them',
      { mss: 1, ok: 1, ts: 1, ws: 1 },
      '020405b40402080a000000010000000201030307',
    ],
    ['timestamps alone: NOP NOP', { ts: 1 }, '0101080a0000000100000002'],
    ['SACK-permitted alone: NOP NOP', { ok: 1 }, '01010402'],
    ['MSS and window scale', { mss: 1, ws: 1 }, '020405b401030307'],
    ['one SACK block behind timestamps', { ts: 1, sack: 1 }, '0101080a00000001000000020101050a0000000a00000014'],
    ['four SACK blocks without timestamps', { sack: 4 }, `01010522${'0000000a00000014'.repeat(4)}`],
    [
      'of four SACK blocks three fit beside timestamps',
      { ts: 1, sack: 4 },
      `0101080a00000001000000020101051a${'0000000a00000014'.repeat(3)}`,
    ],
    [
      'beside all options of a SYN two SACK blocks fit',
      { mss: 1, ok: 1, ts: 1, ws: 1, sack: 3 },
      '020405b40402080a000000010000000201030307010105120000000a000000140000000a00000014',
    ],
  ])('%s', (_name, has: { mss?: number; ok?: number; ts?: number; ws?: number; sack?: number }, hex) => {
    const header = new TcpHeader();
    if (has.mss) header.maximumSegmentSize = 1460;
    if (has.ok) header.sackPermitted = true;
    if (has.ws) header.windowScale = 7;
    if (has.ts) {
      header.hasTimestamp = true;
      header.timestampValue = 1;
      header.timestampEcho = 2;
    }
    header.sackCount = has.sack ?? 0;
    header.sackLeft.fill(10);
    header.sackRight.fill(20);
    const buffer = new Uint8Array(60);
    const length = writeTcp(header, buffer, 0);
    expect(toHex(buffer.subarray(20, length))).toBe(hex);
    expect(tcpHeaderLength(header)).toBe(length);
    expect(buffer[12] >>> 2).toBe(length);
  });
});

describe('the options that are written', () => {
  test.each(['linux', 'bsd'] as const)('have lengths, and zeros behind their end (%s; MUST-68, MUST-69)', (layout) => {
    for (let has = 0; has < 32; has += 1) {
      const header = new TcpHeader();
      header.optionLayout = layout;
      if (has & 1) header.maximumSegmentSize = 1460;
      if (has & 2) header.sackPermitted = true;
      if (has & 4) header.windowScale = 7;
      if (has & 8) header.hasTimestamp = true;
      if (has & 16) header.sackCount = 2;
      const buffer = new Uint8Array(60).fill(0xff);
      const end = writeTcp(header, buffer, 0);
      let at = 20;
      while (at < end && buffer[at] !== 0) {
        const length = buffer[at] === 1 ? 1 : buffer[at + 1];
        expect(length).toBeGreaterThan(0);
        at += length;
      }
      expect(at).toBeLessThanOrEqual(end);
      for (; at < end; at += 1) expect(buffer[at]).toBe(0);
    }
  });
});

describe('malformed headers', () => {
  test.each([
    ['19 bytes', 19, 0x50, DropReason.TCP_TRUNCATED],
    ['a data offset of 4 words', 20, 0x40, DropReason.TCP_DATA_OFFSET],
    ['a data offset of 0', 20, 0x00, DropReason.TCP_DATA_OFFSET],
    ['a data offset beyond the segment', 20, 0x60, DropReason.TCP_TRUNCATED],
  ])('%s', (_name, length, dataOffset, reason) => {
    const segment = new Uint8Array(20);
    segment[12] = dataOffset;
    expect(parseTcp(segment, 0, length, new TcpHeader())).toBe(reason);
  });
});

describe('round trips', () => {
  test('what is written is what is parsed', () => {
    fc.assert(
      fc.property(tcpHeaders, fc.nat(50), fc.nat(7), (header, payloadLength, offset) => {
        const buffer = new Uint8Array(offset + 60 + payloadLength).fill(0xaa);
        const length = writeTcp(header, buffer, offset);
        expect(length).toBe(tcpHeaderLength(header));
        expect(length % 4).toBe(0);
        expect(buffer[offset + length]).toBe(payloadLength === 0 && length === 60 ? undefined : 0xaa);
        const parsed = new TcpHeader();
        expect(parseTcp(buffer, offset, length + payloadLength, parsed)).toBe(DropReason.NONE);
        const expected = segmentToObject(header);
        if (expected.sack !== undefined) {
          expected.sack = expected.sack.slice(0, parsed.sackCount);
          // Blocks are left out only when the header is too full for another one.
          if (parsed.sackCount < header.sackCount) expect(60 - length).toBeLessThan(parsed.sackCount === 0 ? 12 : 8);
          if (parsed.sackCount === 0) delete expected.sack;
        }
        expect(segmentToObject(parsed)).toEqual({ ...expected, length: payloadLength });
      }),
    );
  });

  test('a header and its plain object lead to each other', () => {
    fc.assert(
      fc.property(tcpHeaders, (header) => {
        const copy = new TcpHeader();
        copy.flags = TcpFlag.URG;
        segmentFromObject(segmentToObject(header), copy);
        expect(segmentToObject(copy)).toEqual(segmentToObject(header));
      }),
    );
  });
});

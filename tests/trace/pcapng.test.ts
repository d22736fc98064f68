import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PcapngWriter, type PcapngWriterOptions } from '../../src/trace/pcapng.ts';
import { readPcapng } from '../../src/trace/pcapng-reader.ts';

/** Collects what a writer emits. */
function collector(): { sink: (bytes: Uint8Array) => void; bytes: () => Uint8Array; chunks: Uint8Array[] } {
  const chunks: Uint8Array[] = [];
  return {
    chunks,
    sink: (bytes) => chunks.push(bytes),
    bytes: () => {
      const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      return all;
    },
  };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A capture with one interface and one packet at the given time. */
function timeOf(
  timeMicroseconds: number,
  options: PcapngWriterOptions,
): { timestamp: bigint; timeMicroseconds: number } {
  const { sink, bytes } = collector();
  new PcapngWriter(sink, options).addInterface('a').record(timeMicroseconds, 'inbound', new Uint8Array(1));
  const { packets } = readPcapng(bytes());
  return packets[0];
}

describe('the writer', () => {
  test('the blocks are those of the specification, byte by byte', () => {
    const { sink, chunks } = collector();
    const writer = new PcapngWriter(sink);
    const port = writer.addInterface('eth0');
    port.record(0x1_0000_0002, 'outbound', Uint8Array.of(1, 2, 3, 4, 5), 'hi');
    expect(chunks.map(hexOf)).toEqual([
      // Section header: type, length, magic, version 1.0, unknown section length, length
      '0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000',
      // Interface: type, length, Ethernet, no snap length; if_name, if_tsresol 6, end; length
      `01000000${'28000000'}0100000000000000${'0200040065746830'}${'0900010006000000'}00000000${'28000000'}`,
      // Packet: type, length, interface, time, captured and original length, padded data; epb_flags, comment, end; length
      `06000000${'3c000000'}000000000100000002000000${'0500000005000000'}0102030405000000${'0200040002000000'}${'0100020068690000'}00000000${'3c000000'}`,
    ]);
    expect(writer.packets).toBe(1);
  });

  test('what is written is what is read', () => {
    const packet = fc.record({
      interfaceId: fc.nat(2),
      time: fc.nat(2 ** 40),
      direction: fc.constantFrom<'inbound' | 'outbound'>('inbound', 'outbound'),
      frame: fc.uint8Array({ maxLength: 70 }),
      comment: fc.option(fc.string({ unit: 'binary', maxLength: 30 })),
    });
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 20 }), (packets) => {
        const { sink, bytes } = collector();
        const writer = new PcapngWriter(sink, { application: 'test', comment: 'Ärger' });
        const ports = ['a', 'bridge-zero', ''].map((name) => writer.addInterface(name, 'what it is'));
        for (const { interfaceId, time, direction, frame, comment } of packets) {
          ports[interfaceId].record(time, direction, frame, comment);
        }
        const capture = readPcapng(bytes());
        expect(capture.error).toBeNull();
        expect(capture.interfaces).toEqual(
          ['a', 'bridge-zero', ''].map((name) => ({ name, linkType: 1, unitsPerSecond: 1e6 })),
        );
        const read = capture.packets.map((each) => ({
          interfaceId: each.interfaceId,
          time: each.timeMicroseconds,
          direction: each.direction,
          frame: each.frame.slice(),
          comment: each.comments[0] ?? null,
        }));
        expect(read).toEqual(packets);
        expect(writer.packets).toBe(packets.length);
      }),
    );
  });

  test.each([
    [0, {}, 0n],
    [1.9, {}, 1n],
    [2 ** 32 + 7, {}, 2n ** 32n + 7n],
    [5, { epochMicroseconds: 1_700_000_000_000_000 }, 1_700_000_000_000_005n],
    [1.25, { resolution: 'nanoseconds' }, 1250n],
    [2 ** 32 - 1, { resolution: 'nanoseconds' }, (2n ** 32n - 1n) * 1000n],
    [7.5, { resolution: 'nanoseconds', epochMicroseconds: 1_700_000_000_000_000 }, 1_700_000_000_000_007_500n],
  ] as [number, PcapngWriterOptions, bigint][])('time %d with %j', (time, options, timestamp) => {
    const packet = timeOf(time, options);
    expect(packet.timestamp).toBe(timestamp);
    expect(packet.timeMicroseconds).toBe(Math.floor(time) + (options.epochMicroseconds ?? 0));
  });

  test('a comment longer than an option can hold is cut', () => {
    const { sink, bytes } = collector();
    new PcapngWriter(sink).addInterface('a').record(0, 'inbound', new Uint8Array(3), 'x'.repeat(70_000));
    const { packets, error } = readPcapng(bytes());
    expect(error).toBeNull();
    expect(packets[0].comments).toEqual(['x'.repeat(65_535)]);
  });

  test('the frame is copied', () => {
    const { sink, bytes } = collector();
    const frame = Uint8Array.of(1, 2, 3);
    new PcapngWriter(sink).addInterface('a').record(0, 'inbound', frame);
    frame.fill(9);
    expect(readPcapng(bytes()).packets[0].frame).toEqual(Uint8Array.of(1, 2, 3));
  });
});

/** A section in the other byte order, with an unknown block, no options, and a packet cut to 2 of 9 bytes. */
const BIG_ENDIAN =
  '0a0d0d0a0000001c1a2b3c4d00010000ffffffffffffffff0000001c' +
  '00000bad0000000c0000000c' +
  '0000000100000014000100000000ffff00000014' +
  '00000006000000240000000000000001000000020000000200000009abcd000000000024';

describe('the reader', () => {
  test('the other byte order, unknown blocks, packets without options', () => {
    const bytes = Uint8Array.from(BIG_ENDIAN.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
    const { interfaces, packets, error } = readPcapng(bytes);
    expect(error).toBeNull();
    expect(interfaces).toEqual([{ name: '', linkType: 1, unitsPerSecond: 1e6 }]);
    expect(packets.length).toBe(1);
    expect(packets[0]).toMatchObject({ timestamp: 2n ** 32n + 2n, direction: null, originalLength: 9, comments: [] });
    expect(packets[0].frame).toEqual(Uint8Array.of(0xab, 0xcd));
  });

  test('two sections number their interfaces apart', () => {
    const { sink, bytes } = collector();
    for (const name of ['first', 'second']) {
      new PcapngWriter(sink).addInterface(name).record(0, 'inbound', new Uint8Array(0));
    }
    const { interfaces, packets } = readPcapng(bytes());
    expect(packets.map(({ interfaceId }) => interfaces[interfaceId].name)).toEqual(['first', 'second']);
  });

  test('a capture that was cut keeps its whole blocks', () => {
    const { sink, bytes, chunks } = collector();
    const port = new PcapngWriter(sink).addInterface('a');
    port.record(0, 'inbound', new Uint8Array(10));
    port.record(1, 'inbound', new Uint8Array(10));
    const whole = bytes();
    const lastBlock = whole.length - chunks[3].length;
    for (let length = lastBlock + 1; length < whole.length; length += 1) {
      const { packets, error } = readPcapng(whole.subarray(0, length));
      expect(packets.length).toBe(1);
      expect(error).toBe(`malformed block at offset ${lastBlock}`);
    }
  });

  test('no bytes make it throw', () => {
    const { sink, bytes } = collector();
    const writer = new PcapngWriter(sink, { application: 'a', comment: 'b' });
    writer.addInterface('one').record(5, 'outbound', new Uint8Array(9), 'c');
    writer.addInterface('two').record(6, 'inbound', new Uint8Array(2));
    const good = bytes();
    const change = fc.tuple(fc.nat(good.length - 1), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 4, 0x80, 0xff)));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(good.length), (changes, length) => {
        const damaged = good.slice(0, length);
        for (const [at, value] of changes) if (at < length) damaged[at] = value;
        const capture = readPcapng(damaged);
        expect(capture.packets.length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (random) => {
        expect(readPcapng(random).packets).toEqual([]);
      }),
    );
    expect(readPcapng(new Uint8Array(0))).toEqual({ interfaces: [], packets: [], error: null });
  });
});

import { describe, expect, test } from 'vitest';
import {
  CapturePort,
  CountingPort,
  type FrameRecorder,
  ImpairedPort,
  type LinkPort,
  MemoryWire,
} from '../../src/link/index.ts';
import { PcapngWriter } from '../../src/trace/pcapng.ts';
import { readPcapng } from '../../src/trace/pcapng-reader.ts';

function frameOf(value: number, length = 60): Uint8Array {
  return new Uint8Array(length).fill(value);
}

/** What arrives at a port, by its first byte. */
function listen(port: LinkPort): number[] {
  const values: number[] = [];
  port.onReceive = (frame) => values.push(frame[0]);
  return values;
}

describe('CapturePort', () => {
  test('records both directions with time and comment, and passes frames on', () => {
    const wire = new MemoryWire({ both: { delayMicroseconds: 10 }, names: ['left', 'right'] });
    const records: unknown[] = [];
    const recorder: FrameRecorder = {
      record: (time, direction, frame, comment) => records.push([time, direction, frame[0], comment]),
    };
    const port = new CapturePort(wire.a, recorder, () => wire.now);
    const atPort = listen(port);
    const atB = listen(wire.b);
    expect([port.name, port.mtu]).toEqual(['left', 1500]);
    wire.b.send(frameOf(1));
    wire.advance(10);
    port.annotate = (direction, frame) => `${direction} ${frame[0]}`;
    port.send(frameOf(2));
    wire.advance(20);
    expect(records).toEqual([
      [10, 'inbound', 1, null],
      [10, 'outbound', 2, 'outbound 2'],
    ]);
    expect(atPort).toEqual([1]);
    expect(atB).toEqual([2]);
  });

  test('an interface of a pcapng file is a recorder', () => {
    const chunks: Uint8Array[] = [];
    const writer = new PcapngWriter((bytes) => chunks.push(bytes));
    const wire = new MemoryWire();
    const port = new CapturePort(wire.a, writer.addInterface('a'), () => wire.now);
    wire.advance(77);
    port.send(frameOf(3));
    const bytes = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
    const { packets, error } = readPcapng(bytes);
    expect(error).toBeNull();
    expect(packets.map(({ timeMicroseconds, direction }) => [timeMicroseconds, direction])).toEqual([[77, 'outbound']]);
  });
});

describe('CountingPort', () => {
  test('counts frames and bytes both ways', () => {
    const wire = new MemoryWire();
    const port = new CountingPort(wire.a);
    const atPort = listen(port);
    port.send(frameOf(1, 100));
    port.send(frameOf(2, 50));
    wire.b.send(frameOf(3, 70));
    wire.advance(1);
    expect(port).toMatchObject({
      framesSent: 2,
      bytesSent: 150,
      framesReceived: 1,
      bytesReceived: 70,
      mtu: 1500,
      name: 'a',
    });
    expect(atPort).toEqual([3]);
  });
});

describe('ImpairedPort', () => {
  test('delays both directions on top of what the link does', () => {
    const wire = new MemoryWire({ both: { delayMicroseconds: 5 } });
    let now = 0;
    const port = new ImpairedPort(wire.a, {
      outgoing: { delayMicroseconds: 100 },
      incoming: { delayMicroseconds: 10 },
      now: () => now,
    });
    const atPort = listen(port);
    const atB = listen(wire.b);
    port.send(frameOf(1));
    wire.b.send(frameOf(2));
    expect(port.nextDeadline()).toBe(100);
    const times: Record<string, number> = {};
    for (; now <= 200; now += 1) {
      wire.advance(now);
      port.advance(now);
      if (atPort.length > 0) times['port'] ??= now;
      if (atB.length > 0) times['b'] ??= now;
    }
    // The frame to b leaves the port after the wire has been stepped at 100, and takes 5 more.
    expect(times).toEqual({ port: 15, b: 105 });
    expect(port.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  test('loses frames by its seed, and says so', () => {
    const wire = new MemoryWire();
    const port = new ImpairedPort(wire.a, { seed: 3, outgoing: { loss: 0.5 }, now: () => 0 });
    const atB = listen(wire.b);
    const fates: string[] = [];
    port.observer = (_time, direction, _frame, fate) => fates.push(`${direction} ${fate}`);
    for (let value = 0; value < 200; value += 1) port.send(frameOf(value));
    port.advance(1);
    wire.advance(1);
    const survivors = fates.flatMap((fate, value) => (fate === 'outgoing sent' ? [value] : []));
    expect(atB).toEqual(survivors);
    expect(port.outgoing.counters.lost).toBe(200 - survivors.length);
    expect(survivors.length).toBeGreaterThan(50);
    expect(survivors.length).toBeLessThan(150);
  });

  test('takes the MTU of the link unless it is given one', () => {
    const wire = new MemoryWire({ both: { mtu: 9000 } });
    expect(new ImpairedPort(wire.a, { now: () => 0 }).mtu).toBe(9000);
    const port = new ImpairedPort(wire.a, { outgoing: { mtu: 576 }, now: () => 0 });
    expect(port.mtu).toBe(576);
    port.send(frameOf(1, 14 + 577));
    expect(port.outgoing.counters.tooLarge).toBe(1);
    expect(port.name).toBe('a');
  });
});

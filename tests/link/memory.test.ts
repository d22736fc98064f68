import { describe, expect, test } from 'vitest';
import {
  type FrameFate,
  type LinkPort,
  MemoryWire,
  type MemoryWireOptions,
  type WireDirection,
} from '../../src/link/index.ts';

/** An untagged frame of `length` bytes with a number in its payload, three times. */
function frameOf(value: number, length = 60): Uint8Array {
  const frame = new Uint8Array(length);
  frame[12] = 8;
  for (const at of [14, 16, 18]) {
    frame[at] = value >>> 8;
    frame[at + 1] = value & 0xff;
  }
  return frame;
}

/** The number in a frame, right also when one of its bits was flipped. */
function numberOf(frame: Uint8Array): number {
  const at = (offset: number): number => (frame[offset] << 8) | frame[offset + 1];
  return (at(14) & at(16)) | (at(14) & at(18)) | (at(16) & at(18));
}

interface Arrival {
  time: number;
  value: number;
  frame: Uint8Array;
}

/** Records what arrives at a port. */
function listen(wire: MemoryWire, port: LinkPort): Arrival[] {
  const arrivals: Arrival[] = [];
  port.onReceive = (frame) => arrivals.push({ time: wire.now, value: numberOf(frame), frame });
  return arrivals;
}

/** Drives the wire from deadline to deadline until nothing is under way. */
function drain(wire: MemoryWire): void {
  for (let step = 0; step < 100_000; step += 1) {
    const deadline = wire.nextDeadline();
    if (deadline === Number.POSITIVE_INFINITY) return;
    wire.advance(deadline);
  }
  throw new Error('the wire never came to rest');
}

describe('a perfect wire', () => {
  test('delivers in order at the next advance, never during send', () => {
    const wire = new MemoryWire();
    const atA = listen(wire, wire.a);
    const atB = listen(wire, wire.b);
    for (let value = 0; value < 100; value += 1) wire.a.send(frameOf(value));
    wire.b.send(frameOf(500));
    expect(atB).toEqual([]);
    expect(wire.inFlight).toBe(101);
    expect(wire.nextDeadline()).toBe(0);
    wire.advance(0);
    expect(atB.map(({ value }) => value)).toEqual(Array.from({ length: 100 }, (_, value) => value));
    expect(atA.map(({ value }) => value)).toEqual([500]);
    expect(wire.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  test('hands over the very frame that was sent', () => {
    const wire = new MemoryWire();
    const atB = listen(wire, wire.b);
    const frame = frameOf(1);
    wire.a.send(frame);
    wire.advance(1);
    expect(atB[0].frame).toBe(frame);
  });

  test('two ports that answer each other at once do not keep one advance busy', () => {
    const wire = new MemoryWire();
    let answers = 0;
    const answer = (port: LinkPort) => (frame: Uint8Array) => {
      answers += 1;
      port.send(frame);
    };
    wire.a.onReceive = answer(wire.a);
    wire.b.onReceive = answer(wire.b);
    wire.a.send(frameOf(1));
    wire.advance(0);
    expect(answers).toBe(1);
    wire.advance(0);
    expect(answers).toBe(2);
  });

  test('a frame for a port without a user is dropped', () => {
    const wire = new MemoryWire();
    wire.a.send(frameOf(1));
    wire.advance(0);
    expect(wire.inFlight).toBe(0);
    expect(wire.aToB.counters.delivered).toBe(1);
  });

  test('names of the ports', () => {
    expect([new MemoryWire().a.name, new MemoryWire({ names: ['left', 'right'] }).b.name]).toEqual(['a', 'right']);
  });
});

describe('delay and bandwidth', () => {
  test('a delay per direction', () => {
    const wire = new MemoryWire({ both: { delayMicroseconds: 100 }, bToA: { delayMicroseconds: 30 } });
    const atA = listen(wire, wire.a);
    const atB = listen(wire, wire.b);
    wire.advance(1000);
    wire.a.send(frameOf(1));
    wire.b.send(frameOf(2));
    wire.advance(1029);
    expect(atA).toEqual([]);
    drain(wire);
    expect(atA.map(({ time }) => time)).toEqual([1030]);
    expect(atB.map(({ time }) => time)).toEqual([1100]);
  });

  test('a clock of its own makes the wire independent of when it is advanced', () => {
    let now = 0;
    const wire = new MemoryWire({ both: { delayMicroseconds: 100 }, now: () => now });
    now = 700;
    wire.a.send(frameOf(1));
    expect(wire.nextDeadline()).toBe(800);
    expect(wire.now).toBe(700);
  });

  test('one late advance delivers both directions in the order of arrival', () => {
    const wire = new MemoryWire({ aToB: { delayMicroseconds: 50 }, bToA: { delayMicroseconds: 20 } });
    const seen: string[] = [];
    wire.a.onReceive = (frame) => seen.push(`a${numberOf(frame)}`);
    wire.b.onReceive = (frame) => seen.push(`b${numberOf(frame)}`);
    wire.a.send(frameOf(1));
    wire.b.send(frameOf(2));
    wire.advance(10);
    wire.b.send(frameOf(3));
    wire.advance(45);
    wire.b.send(frameOf(4));
    wire.advance(1000);
    expect(seen).toEqual(['a2', 'a3', 'b1', 'a4']);
  });

  test('frames are put on the wire one after the other', () => {
    // 8 Mbit/s are one byte per microsecond.
    const wire = new MemoryWire({ both: { bandwidthBitsPerSecond: 8e6, delayMicroseconds: 10 } });
    const atB = listen(wire, wire.b);
    for (let value = 0; value < 3; value += 1) wire.a.send(frameOf(value, 100));
    drain(wire);
    expect(atB.map(({ time }) => time)).toEqual([110, 210, 310]);
    wire.advance(1000);
    wire.a.send(frameOf(3, 100));
    drain(wire);
    expect(atB[3].time).toBe(1110);
  });

  test('fractions of a microsecond add up', () => {
    // 10 Gbit/s: 0.8 microseconds per frame of 1000 bytes.
    const wire = new MemoryWire({ both: { bandwidthBitsPerSecond: 1e10 } });
    const atB = listen(wire, wire.b);
    for (let value = 0; value < 1000; value += 1) wire.a.send(frameOf(value, 1000));
    drain(wire);
    expect(atB.at(-1)?.time).toBe(800);
  });

  test('a full queue drops at its tail', () => {
    const wire = new MemoryWire({ both: { bandwidthBitsPerSecond: 8e6, queueBytes: 300 } });
    const atB = listen(wire, wire.b);
    for (let value = 0; value < 10; value += 1) wire.a.send(frameOf(value, 100));
    drain(wire);
    expect(atB.map(({ value }) => value)).toEqual([0, 1, 2]);
    expect(wire.aToB.counters).toMatchObject({
      sent: 10,
      sentBytes: 1000,
      delivered: 3,
      deliveredBytes: 300,
      queueFull: 7,
    });
    wire.a.send(frameOf(10, 100));
    drain(wire);
    expect(atB.at(-1)?.value).toBe(10);
  });

  test('an idle wire takes a frame larger than its queue', () => {
    const wire = new MemoryWire({ both: { bandwidthBitsPerSecond: 8e6, queueBytes: 50 } });
    wire.a.send(frameOf(1, 1000));
    expect(wire.aToB.counters.queueFull).toBe(0);
  });

  test('a shorter delay lets later frames overtake earlier ones', () => {
    const wire = new MemoryWire({ both: { delayMicroseconds: 100 } });
    const atB = listen(wire, wire.b);
    wire.a.send(frameOf(1));
    wire.aToB.configure({ delayMicroseconds: 10 });
    wire.a.send(frameOf(2));
    drain(wire);
    expect(atB.map(({ time, value }) => [time, value])).toEqual([
      [10, 2],
      [100, 1],
    ]);
  });
});

describe('the MTU', () => {
  test.each([
    ['untagged', 14, false],
    ['tagged', 18, true],
  ])('counts IP bytes alone: %s', (_name, headerLength, isTagged) => {
    const wire = new MemoryWire({ both: { mtu: 1500 } });
    const atB = listen(wire, wire.b);
    for (const length of [1500, 1501]) {
      const frame = frameOf(0, headerLength + length);
      if (isTagged) frame.set([0x81, 0], 12);
      wire.a.send(frame);
    }
    drain(wire);
    expect(atB.map(({ frame }) => frame.length)).toEqual([headerLength + 1500]);
    expect(wire.aToB.counters.tooLarge).toBe(1);
    expect(wire.a.mtu).toBe(1500);
  });
});

describe('impairments', () => {
  const COUNT = 10_000;

  /** Sends frames one microsecond apart and says what became of each. */
  function run(options: MemoryWireOptions): { fates: FrameFate[]; arrivals: Arrival[]; wire: MemoryWire } {
    const wire = new MemoryWire(options);
    const arrivals = listen(wire, wire.b);
    const fates: FrameFate[] = [];
    wire.observer = (_time, _direction, _frame, fate) => fates.push(fate);
    for (let value = 0; value < COUNT; value += 1) {
      wire.advance(value);
      wire.a.send(frameOf(value));
    }
    drain(wire);
    return { fates, arrivals, wire };
  }

  test('every frame has one fate, and its fate is what happens to it', () => {
    const both = { loss: 0.02, corrupt: 0.02, duplicate: 0.02, reorder: 0.02, delayMicroseconds: 50 };
    const { fates, arrivals, wire } = run({ seed: 42, both });
    expect(fates.length).toBe(COUNT);
    const arrivalsOf = fates.map((): Arrival[] => []);
    for (const arrival of arrivals) arrivalsOf[arrival.value].push(arrival);
    /** Delay beyond that of the wire, and number of flipped bits, of each copy that arrived. */
    const expected: Partial<Record<FrameFate, [number, number][]>> = {
      sent: [[0, 0]],
      lost: [],
      corrupted: [[0, 1]],
      duplicated: [
        [0, 0],
        [0, 0],
      ],
      reordered: [[1000, 0]],
    };
    for (const [value, fate] of fates.entries()) {
      const copies = arrivalsOf[value].map(({ time, frame }) => [
        time - value - 50,
        differingBits(frame, frameOf(value)),
      ]);
      expect(copies).toEqual(expected[fate]);
    }
    const twice = arrivalsOf[fates.indexOf('duplicated')];
    expect(twice[0].frame.buffer).not.toBe(twice[1].frame.buffer);
    const { counters } = wire.aToB;
    expect(counters.delivered).toBe(COUNT - counters.lost + counters.duplicated);
    const counted = (fate: FrameFate): number => fates.filter((each) => each === fate).length;
    expect(counters.lost).toBe(counted('lost'));
    expect(counters.reordered).toBe(counted('reordered'));
    expect(counters.duplicated).toBe(counted('duplicated'));
    expect(counters.corrupted).toBe(counted('corrupted'));
    // Two per cent of 10,000; the standard deviation is 14.
    for (const fate of ['lost', 'corrupted', 'duplicated', 'reordered'] as const) {
      expect(Math.abs(counted(fate) - 200)).toBeLessThan(100);
    }
  });

  test('others overtake a reordered frame', () => {
    const { arrivals } = run({ seed: 5, both: { reorder: 0.01, reorderDelayMicroseconds: 20 } });
    const values = arrivals.map(({ value }) => value);
    expect([...values].sort((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, value) => value));
    expect(values.filter((value, index) => index > 0 && value < values[index - 1]).length).toBeGreaterThan(50);
  });

  test('the same seed gives the same events, another seed others', () => {
    const both = { loss: 0.1, corrupt: 0.1, duplicate: 0.1, reorder: 0.1 };
    const first = run({ seed: 7, both });
    const again = run({ seed: 7, both });
    const other = run({ seed: 8, both });
    expect(again.fates).toEqual(first.fates);
    expect(again.arrivals).toEqual(first.arrivals);
    expect(other.fates).not.toEqual(first.fates);
  });

  test('traffic one way does not change the fate of the other', () => {
    const both = { loss: 0.1 };
    const { fates } = run({ seed: 7, both });
    const wire = new MemoryWire({ seed: 7, both });
    const disturbed: FrameFate[] = [];
    wire.observer = (_time, direction, _frame, fate) => {
      if (direction === 'a-to-b') disturbed.push(fate);
    };
    for (let value = 0; value < COUNT; value += 1) {
      wire.b.send(frameOf(1));
      wire.a.send(frameOf(value));
    }
    expect(disturbed).toEqual(fates);
  });

  test('a cut wire loses everything until it is mended', () => {
    const wire = new MemoryWire();
    const atB = listen(wire, wire.b);
    wire.aToB.configure({ loss: 1 });
    wire.a.send(frameOf(1));
    wire.aToB.configure({ loss: 0 });
    wire.a.send(frameOf(2));
    drain(wire);
    expect(atB.map(({ value }) => value)).toEqual([2]);
  });

  test('the observer sees the time, the direction and the frame as it was sent', () => {
    const wire = new MemoryWire({ both: { corrupt: 1, mtu: 100 } });
    const seen: [number, WireDirection, number, FrameFate][] = [];
    wire.observer = (time, direction, frame, fate) => seen.push([time, direction, numberOf(frame), fate]);
    wire.advance(5);
    wire.a.send(frameOf(1));
    wire.b.send(frameOf(2, 200));
    wire.observer = null;
    wire.a.send(frameOf(3));
    expect(seen).toEqual([
      [5, 'a-to-b', 1, 'corrupted'],
      [5, 'b-to-a', 2, 'too-large'],
    ]);
  });

  test('an empty frame passes every impairment', () => {
    const wire = new MemoryWire({ both: { corrupt: 1 } });
    wire.a.send(new Uint8Array(0));
    drain(wire);
    expect(wire.aToB.counters.delivered).toBe(1);
  });
});

describe('settings that make no sense', () => {
  test.each([
    ['loss', 1.5],
    ['loss', -0.1],
    ['reorder', Number.NaN],
    ['delayMicroseconds', -1],
    ['mtu', -1],
  ])('%s %d', (name, value) => {
    expect(() => new MemoryWire({ both: { [name]: value } })).toThrow(new RegExp(`^${name} is `));
  });

  test('a refused change changes nothing', () => {
    const wire = new MemoryWire();
    expect(() => wire.aToB.configure({ delayMicroseconds: 5, loss: 2 })).toThrow(RangeError);
    expect(wire.aToB.settings.delayMicroseconds).toBe(0);
  });
});

function differingBits(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  for (let index = 0; index < a.length; index += 1) {
    for (let rest = a[index] ^ b[index]; rest !== 0; rest &= rest - 1) count += 1;
  }
  return count;
}

describe('reordering by extent (RFC 4737 section 4.2)', () => {
  /** Frames of the given numbers, sent one a microsecond, the first of them reordered; answers the order of arrival. */
  function arrivals(count: number, extent: number): number[] {
    const wire = new MemoryWire({ seed: 3, both: { reorderExtent: extent, reorderDelayMicroseconds: 500 } });
    const order: number[] = [];
    wire.b.onReceive = (frame) => order.push(frame[14]);
    for (let i = 0; i < count; i++) {
      wire.advance(i);
      wire.aToB.configure({ reorder: i === 0 ? 1 : 0 });
      const frame = new Uint8Array(60);
      frame[14] = i;
      wire.a.send(frame);
    }
    wire.advance(400);
    wire.advance(1_000);
    return order;
  }

  test('lets exactly that many frames pass', () => {
    expect(arrivals(5, 2)).toEqual([1, 2, 0, 3, 4]);
    expect(arrivals(5, 1)).toEqual([1, 0, 2, 3, 4]);
  });

  test('delivers the frame in the end when too few follow', () => {
    expect(arrivals(2, 2)).toEqual([1, 0]);
    expect(arrivals(1, 2)).toEqual([0]);
  });
});

/** Targets for whole machines: a host stack with its adapter, and an adapter with a connection that was handed to it. */
import { InputReader } from '../engine/input-reader.ts';
import { readRecords, writeRecords } from '../engine/records.ts';
import type { FuzzSubject, FuzzTarget } from '../engine/target.ts';
import { IPV4_FRAMES, IPV6_FRAMES, Repair, repair, words } from './frames.ts';
import { HostUnderTest } from './network.ts';

/** Operations in the four highest bits; a frame's lowest two say what is repaired, the third that its checksum is good. */
const Operation = { SEGMENT: 0, FRAME: 3, TIME: 6, CALL: 7, OPEN: 8, COUNT: 9 } as const;

class Machine implements FuzzSubject {
  private readonly host: HostUnderTest;

  constructor(family: 4 | 6, isOffloaded: boolean) {
    this.host = new HostUnderTest(family);
    this.host.open();
    if (isOffloaded) this.host.offload();
  }

  feed(input: Uint8Array): void {
    for (const { operation, bytes } of readRecords(input)) {
      this.apply(operation, bytes);
      this.host.checkBounds();
    }
  }

  finish(): void {
    this.host.close();
  }

  private apply(operation: number, bytes: Uint8Array): void {
    const kind = (operation >>> 4) % Operation.COUNT;
    const reader = new InputReader(bytes);
    if (kind < Operation.FRAME) this.host.segment(reader);
    else if (kind < Operation.TIME) this.host.arrives(repair(bytes.slice(), operation & 3), (operation & 4) !== 0);
    else if (kind === Operation.TIME) this.host.elapse(reader.u16() >>> reader.below(8));
    else if (kind === Operation.CALL) this.host.call(reader);
    else this.host.open();
  }
}

/** The first byte of an input says which family. */
class EitherFamily implements FuzzSubject {
  private readonly machines = new Map<number, Machine>();
  private readonly isOffloaded: boolean;

  constructor(isOffloaded: boolean) {
    this.isOffloaded = isOffloaded;
  }

  feed(input: Uint8Array): void {
    const family = (input[0] ?? 0) & 1 ? 6 : 4;
    let machine = this.machines.get(family);
    if (machine === undefined) {
      machine = new Machine(family, this.isOffloaded);
      this.machines.set(family, machine);
    }
    machine.feed(input);
  }

  finish(): void {
    for (const machine of this.machines.values()) machine.finish();
  }
}

function record(kind: number, low: number, bytes: Iterable<number>) {
  return { operation: (kind << 4) | low, bytes: Uint8Array.from(bytes) };
}

/** To the host, whoever it was for. */
function toHost(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy.set([2, 0, 0, 0, 0, 11, 2, 0, 0, 0, 0, 10]);
  return copy;
}

function seeds(): Uint8Array[] {
  const frames = [...IPV4_FRAMES, ...IPV6_FRAMES];
  const text = record(Operation.SEGMENT, 0, [0, 4, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]);
  const fin = record(Operation.SEGMENT, 0, [32, 12, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0]);
  const call = (...bytes: number[]) => record(Operation.CALL, 0, bytes);
  const time = record(Operation.TIME, 0, [4, 0, 0]);
  return [
    ...frames.map((frame) => writeRecords([record(Operation.FRAME, Repair.CHECKSUMS, frame)])),
    ...frames.map((frame) => writeRecords([record(Operation.FRAME, Repair.CHECKSUMS, toHost(frame))])),
    writeRecords([text, time, call(1, 1, 0), call(0, 20, 0), time, fin, call(2), time]),
    writeRecords([call(4), time, text, call(0, 20, 0), call(5), time, text, fin]),
    writeRecords([call(0, 78, 0), call(4), time, text, record(Operation.OPEN, 0, []), call(7), time, call(3)]),
  ];
}

const dictionary = words(
  '0a000001',
  '0a000002',
  '1f90',
  '0800',
  '86dd',
  '0806',
  '45000028',
  '60000000',
  '3a',
  '06',
  '2c',
  '86',
  '87',
  '88',
  '89',
  '020405b4',
  '0402',
  '080a',
);

export const host: FuzzTarget = {
  name: 'host',
  covers: 'a host stack with its adapter: frames of all kinds, segments of its connections, calls, moves, time',
  shape: 'records',
  maximumLength: 6_000,
  dictionary,
  seeds,
  start: () => new EitherFamily(false),
};

export const nic: FuzzTarget = {
  name: 'nic',
  covers: 'an offload target with an offloaded connection: the same, but the connection begins in the target',
  shape: 'records',
  maximumLength: 6_000,
  dictionary,
  seeds,
  start: () => new EitherFamily(true),
};

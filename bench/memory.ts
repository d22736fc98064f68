/** What an idle connection occupies, and whether so many are held. */
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Connection } from '../src/host/index.ts';
import { BATCH, closeAll, flood, Lab, move } from './lab.ts';

export interface Memory {
  readonly what:
    | 'owned by the host'
    | 'owned by the host, after a byte each way'
    | 'offloaded'
    | 'offloaded, after a byte each way';
  /** Heap and array buffers, per end of a connection; of an offloaded one, those of host and target together. */
  readonly bytesPerEnd: number;
}

export interface Held {
  readonly connections: number;
  readonly memory: readonly Memory[];
  /** Ends that carried a byte each way after they had been idle, and then ended in good order. */
  readonly endsClosed: number;
  readonly seconds: number;
}

/** The garbage collector, whether or not Node was started with `--expose-gc`. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/** Heap and buffers in use, after everything that can go is gone. */
async function inUse(): Promise<number> {
  const gc = collector();
  for (let i = 0; i < 3; i++) {
    gc();
    await setTimeout(10);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/**
 * Shows every part of the engine a fraction, an instant and a loss. From then on fields that may hold such are larger in
 * all objects of their class, as they are in a process that has worked for a while.
 */
export function wearIn(milliseconds: number): void {
  const lab = new Lab(1500, 0.01);
  const [near, far] = lab.open();
  flood(near, far);
  flood(far, near);
  lab.during(milliseconds);
  move(lab, near, 'down');
  lab.during(milliseconds);
}

/** Opens so many connections, looks at their memory, then has each carry a byte both ways, offloads, and closes all. */
export async function measureHeld(connections: number): Promise<Held> {
  wearIn(250);
  const begun = performance.now();
  const lab = new Lab(1500);
  // What the first connection of a stack brings with it is no matter of each.
  const [first] = lab.open();
  move(lab, first, 'down');
  const empty = await inUse();
  const [near, far] = lab.openMany(connections);
  const opened = await inUse();
  exchange(lab, near, far);
  const used = await inUse();
  lab.offloadMany(far);
  const offloaded = await inUse();
  exchange(lab, near, far);
  const usedThere = await inUse();
  const ends = near.length + far.length;
  const atHost = (used - empty) / ends;
  const memory: Memory[] = [
    { what: 'owned by the host', bytesPerEnd: (opened - empty) / ends },
    { what: 'owned by the host, after a byte each way', bytesPerEnd: atHost },
    { what: 'offloaded', bytesPerEnd: atHost + (offloaded - used) / far.length },
    { what: 'offloaded, after a byte each way', bytesPerEnd: atHost + (usedThere - used) / far.length },
  ];
  const endsClosed = closeAll(lab, near, far);
  return { connections, memory, endsClosed, seconds: (performance.now() - begun) / 1_000 };
}

const BYTE = Uint8Array.of(1);

/** Every connection carries a byte both ways, some at a time: none waits so long that it is sent again. */
export function exchange(lab: Lab, near: readonly Connection[], far: readonly Connection[]): void {
  let arrived = 0;
  const handlers = {
    readable: (connection: Connection) => {
      for (let bytes = connection.read(); bytes !== null; bytes = connection.read()) arrived += bytes.length;
    },
  };
  for (let first = 0; first < near.length; first += BATCH) {
    const ends = [...near.slice(first, first + BATCH), ...far.slice(first, first + BATCH)];
    arrived = 0;
    for (const connection of ends) {
      connection.handlers = handlers;
      connection.send(BYTE);
    }
    lab.until(() => arrived === ends.length);
  }
  // Delayed acknowledgments too.
  lab.skip(1);
}

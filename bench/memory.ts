/** What an idle connection occupies. Needs `node --expose-gc`. */
import { setTimeout } from 'node:timers/promises';
import { Lab } from './lab.ts';

export interface Memory {
  readonly what: string;
  readonly connections: number;
  /** Heap and array buffers, per end of a connection. */
  readonly bytesPerEnd: number;
}

/** Heap and buffers in use, after everything that can go is gone. */
async function inUse(): Promise<number> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run node with --expose-gc');
  for (let i = 0; i < 3; i++) {
    gc();
    await setTimeout(10);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

export async function measureMemory(connections: number): Promise<Memory[]> {
  const lab = new Lab(1500);
  // What the first connection of a stack brings with it is no matter of each.
  lab.open();
  lab.settle();
  const empty = await inUse();
  const [near, far] = lab.openMany(connections);
  const open = await inUse();
  let pending = far.length;
  for (const connection of far) connection.offload(() => pending--);
  lab.until(() => pending === 0);
  lab.settle();
  const offloaded = await inUse();
  const perEnd = (open - empty) / (near.length + far.length);
  return [
    { what: 'established, owned by the host', connections, bytesPerEnd: perEnd },
    {
      what: 'established, offloaded (host and target)',
      connections,
      bytesPerEnd: perEnd + (offloaded - open) / far.length,
    },
  ];
}

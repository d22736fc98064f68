/** What is measured, in the order of measuring, and how people read it. */
import { measureConnections } from './connections.ts';
import { measureEngine } from './engine.ts';
import { measureKernelConnections } from './kernel-connections.ts';
import { measureKernelThroughput } from './kernel-throughput.ts';
import { measureHeld } from './memory.ts';
import { measureMoves } from './moves.ts';
import { whyNot, withNamespace } from './namespace.ts';
import { measureThroughput } from './throughput.ts';

/** A line for people: what, and how much. */
export type Row = readonly [string, string];

/** A part of the benchmark that can be chosen by its name. */
export interface Section {
  readonly name: string;
  readonly description: string;
  /** @param milliseconds for each of its measurements */
  measure(milliseconds: number): Promise<Measured>;
}

/** Plain data for machines, and the same for people. */
export interface Measured {
  readonly data: unknown;
  readonly rows: readonly Row[];
}

/** Connections held at a time. */
const IDLE_CONNECTIONS = [10_000, 100_000];

/** Longest time of one measurement between us and the kernel: more connections than ports would be opened. */
const LONGEST_OPENING_MILLISECONDS = 4_000;

function section<T>(
  name: string,
  description: string,
  measure: (milliseconds: number) => Promise<T[]>,
  row: (result: T) => Row | readonly Row[],
): Section {
  return {
    name,
    description,
    async measure(milliseconds) {
      const data = await measure(milliseconds);
      const rows = data.flatMap((result): readonly Row[] => {
        const one = row(result);
        return isRow(one) ? [one] : one;
      });
      return { data, rows };
    },
  };
}

function isRow(value: Row | readonly Row[]): value is Row {
  return typeof value[0] === 'string';
}

/** A section that needs another network namespace; says why when there cannot be one. */
function kernelSection<T>(
  name: string,
  description: string,
  measure: (namespace: string, milliseconds: number) => Promise<T[]>,
  row: (result: T) => Row,
): Section {
  const inNamespace = section(name, description, (time) => withNamespace((space) => measure(space, time)), row);
  return {
    ...inNamespace,
    async measure(milliseconds) {
      const reason = whyNot();
      if (reason === null) return await inNamespace.measure(milliseconds);
      return { data: { notMeasured: reason }, rows: [[description, `not measured: ${reason}`]] };
    },
  };
}

const whole = (value: number): string => Math.round(value).toLocaleString('en');
const two = (value: number): string => value.toFixed(2);

export const SECTIONS: readonly Section[] = [
  section(
    'engine',
    'two control blocks that exchange header objects',
    async (time) => [1500, 65_535].map((mtu) => measureEngine(mtu, time)),
    (e) => [
      `bare engine, MTU ${e.mtu}`,
      `${whole(e.segmentsPerSecond)} segments/s, ${whole(e.megabitsPerSecond)} Mbit/s`,
    ],
  ),
  section(
    'throughput',
    'two hosts on a wire in memory',
    async (time) =>
      [1500, 65_535].flatMap((mtu) =>
        (['host', 'offloaded'] as const).map((owner) => measureThroughput(mtu, owner, time)),
      ),
    (t) => [
      `host to host, MTU ${t.mtu}, ${t.owner === 'host' ? 'owned by the hosts' : 'offloaded at both ends'}`,
      `${whole(t.megabitsPerSecond)} Mbit/s, ${whole(t.framesPerSecond)} frames/s, ` +
        `${two(t.cpuSecondsPerGigabyte)} CPU s/GB (both ends)`,
    ],
  ),
  section(
    'moves',
    'a connection that is offloaded and taken back',
    async (time) => (['idle', 'bytes in flight'] as const).map((traffic) => measureMoves(traffic, time)),
    (m) => [
      `moves, ${m.traffic}`,
      `${whole(m.perSecond)}/s (down ${whole(m.microsecondsDown)} µs, up ${whole(m.microsecondsUp)} µs)`,
    ],
  ),
  section(
    'connections',
    'connections opened and closed on a wire in memory',
    async (time) => [measureConnections(time)],
    (c) => [
      'opened and closed, host to host',
      `${whole(c.perSecond)}/s, ${whole(c.cpuMicrosecondsEach)} µs of CPU each (both ends)`,
    ],
  ),
  kernelSection('kernel', 'bytes to and from the kernel, beside node:net', measureKernelThroughput, (k) => [
    `${k.link}, ${k.direction}`,
    `${whole(k.megabitsPerSecond)} Mbit/s, ${two(k.ofNodeNet)} of node:net, ` +
      `${two(k.cpuSecondsPerGigabyte)} CPU s/GB (peer ${two(k.peerCpuSecondsPerGigabyte)})`,
  ]),
  kernelSection(
    'kernel-connections',
    'connections with the kernel opened and closed, beside node:net',
    (namespace, time) => measureKernelConnections(namespace, Math.min(time, LONGEST_OPENING_MILLISECONDS)),
    (k) => [
      `${k.link}, opened by ${k.opener === 'us' ? 'us' : 'the peer'} and closed`,
      `${whole(k.perSecond)}/s, ${two(k.ofNodeNet)} of node:net, ${whole(k.cpuMicrosecondsEach)} µs of CPU each`,
    ],
  ),
  section(
    'memory',
    'idle connections held: what each end occupies',
    async () => {
      const results = [];
      for (const count of IDLE_CONNECTIONS) results.push(await measureHeld(count));
      return results;
    },
    (held) => [
      ...held.memory.map(
        (m): Row => [
          `memory per end, ${m.what}`,
          `${whole(m.bytesPerEnd)} bytes (${whole(held.connections)} connections)`,
        ],
      ),
      [
        'held, used again, and closed in good order',
        `${whole(held.endsClosed)} of ${whole(2 * held.connections)} ends (${held.seconds.toFixed(1)} s)`,
      ],
    ],
  ),
];

/** `npm run bench [-- --json] [-- --seconds N]`: how fast it is here, and how much memory it takes. */
import { cpus } from 'node:os';
import { Command } from 'commander';
import { measureEngine } from './engine.ts';
import { measureKernel } from './kernel.ts';
import { measureHeld } from './memory.ts';
import { measureMoves } from './moves.ts';
import { measureThroughput } from './throughput.ts';

const IDLE_CONNECTIONS = 10_000;

const options = new Command('bench')
  .description('Measures throughput, moves and memory on this machine. Nothing else should run meanwhile.')
  .option('--json', 'print one JSON object')
  .option('--seconds <n>', 'how long each measurement runs', Number, 2)
  .parse()
  .opts<{ json?: boolean; seconds: number }>();

const milliseconds = Math.max(0.01, options.seconds || 2) * 1_000;
const results = {
  node: process.version,
  cpu: cpus()[0]?.model ?? 'unknown',
  engine: [1500, 65_535].map((mtu) => measureEngine(mtu, milliseconds)),
  throughput: [1500, 65_535].flatMap((mtu) =>
    (['host', 'offloaded'] as const).map((owner) => measureThroughput(mtu, owner, milliseconds)),
  ),
  moves: (['idle', 'bytes in flight'] as const).map((traffic) => measureMoves(traffic, milliseconds)),
  kernel: await measureKernel(milliseconds),
  held: [await measureHeld(IDLE_CONNECTIONS)],
};

const whole = (value: number): string => Math.round(value).toLocaleString('en');

function table(): string {
  const rows = [
    ...results.engine.map((e): [string, string] => [
      `bare engine, MTU ${e.mtu}`,
      `${whole(e.segmentsPerSecond)} segments/s, ${whole(e.megabitsPerSecond)} Mbit/s`,
    ]),
    ...results.throughput.map((t): [string, string] => [
      `host to host, MTU ${t.mtu}, ${t.owner === 'host' ? 'owned by the hosts' : 'offloaded at both ends'}`,
      `${whole(t.megabitsPerSecond)} Mbit/s, ${whole(t.framesPerSecond)} frames/s`,
    ]),
    ...results.moves.map((m): [string, string] => [
      `moves, ${m.traffic}`,
      `${whole(m.perSecond)}/s (down ${whole(m.microsecondsDown)} µs, up ${whole(m.microsecondsUp)} µs)`,
    ]),
    ...(typeof results.kernel === 'string'
      ? [['against the kernel', `not measured: ${results.kernel}`] as [string, string]]
      : results.kernel.map((k): [string, string] => [
          `${k.link}, ${k.direction}`,
          `${whole(k.megabitsPerSecond)} Mbit/s, ${k.ofNodeNet.toFixed(2)} of node:net, ` +
            `${k.cpuSecondsPerGigabyte.toFixed(2)} CPU seconds per GB`,
        ])),
    ...results.held.flatMap((held) =>
      held.memory.map((m): [string, string] => [
        `memory per end, ${m.what}`,
        `${whole(m.bytesPerEnd)} bytes (${whole(m.connections)} connections)`,
      ]),
    ),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    `Node ${results.node}, ${results.cpu}; both ends in one thread`,
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
  ].join('\n');
}

console.log(options.json ? JSON.stringify(results, null, 2) : table());

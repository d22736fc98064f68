/** `npm run bench [-- --help]`: how fast it is here, and how much memory it takes. */
import { cpus, loadavg } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Row, SECTIONS, type Section } from './sections.ts';

const MOST_SECONDS = 60;

const options = new Command('bench')
  .description('Measures throughput, moves, connections and memory on this machine. Nothing else should run meanwhile.')
  .option('--json', 'print one JSON object')
  .option('--seconds <n>', 'how long each measurement runs', seconds, 2)
  .addOption(
    new Option('--only <names>', 'measure only these sections, separated by commas')
      .argParser(chosen)
      .default(SECTIONS, 'all'),
  )
  .addHelpText(
    'after',
    ['', 'Sections:', ...SECTIONS.map(({ name, description }) => `  ${name.padEnd(20)}${description}`)].join('\n'),
  )
  .parse()
  .opts<{ json?: boolean; seconds: number; only: readonly Section[] }>();

function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= MOST_SECONDS) return value;
  throw new InvalidArgumentError(`It must be a number above 0 and up to ${MOST_SECONDS}.`);
}

function chosen(text: string): readonly Section[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !SECTIONS.some((section) => section.name === name));
  if (unknown === undefined) return SECTIONS.filter(({ name }) => names.includes(name));
  const known = SECTIONS.map(({ name }) => name).join(', ');
  throw new InvalidArgumentError(`There is no section ${unknown}; choose from ${known}.`);
}

const machine = {
  node: process.version,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  /** Of the last minute, before anything was measured: well below 1 when nothing else runs. */
  load: loadavg()[0],
};
const data: Record<string, unknown> = { ...machine };
const rows: Row[] = [];
for (const section of options.only) {
  const measured = await section.measure(options.seconds * 1_000);
  data[section.name] = measured.data;
  rows.push(...measured.rows);
}

function table(): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const { node, cpu, cores, load } = machine;
  return [
    `Node ${node}, ${cores} × ${cpu}, load ${load.toFixed(2)} before`,
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
  ].join('\n');
}

console.log(options.json ? JSON.stringify(data, null, 2) : table());

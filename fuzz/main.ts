/** `npm run fuzz`: looks for inputs that make something throw, hang or grow. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { readCorpus } from './engine/corpus.ts';
import { execute, type FuzzTarget } from './engine/target.ts';
import type { TargetReport } from './messages.ts';
import { runTarget } from './supervisor.ts';
import { targets } from './targets/index.ts';

interface Options {
  readonly minutes: number;
  readonly seed?: number;
  readonly json?: boolean;
  readonly list?: boolean;
  readonly record?: boolean;
  readonly input?: string;
}

const here = dirname(fileURLToPath(import.meta.url));
/** Set by the script that compiles and instruments. */
const root = process.env['CHIMNEY_ROOT'] ?? dirname(here);
const places = Number(process.env['CHIMNEY_FUZZ_PLACES'] ?? 0);

function parseMinutes(text: string): number {
  const minutes = Number(text);
  if (!(minutes > 0 && minutes <= 10_000)) throw new InvalidArgumentError('Use a number of minutes above 0.');
  return minutes;
}

function parseSeed(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Use a whole number.');
  return Number(text);
}

function chosen(names: readonly string[]): FuzzTarget[] {
  const unknown = names.filter((name) => !targets.some((target) => target.name === name));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`There is no target ${unknown.join(', ')}: see npm run fuzz -- --list.`);
  }
  return targets.filter(({ name }) => names.length === 0 || names.includes(name));
}

/** Runs one input, as a debugger likes it. */
function replay(target: FuzzTarget, file: string): void {
  execute(target, new Uint8Array(readFileSync(file)));
  console.log(`${target.name} takes ${file}`);
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

function summary(report: TargetReport): string {
  const { target, executions, seconds, reached, places: all, corpusAfter, findings } = report;
  const { heapBefore, heapAfter, feeds, feedHeapBefore, feedHeapAfter } = report;
  return [
    `${target}: ${executions} executions in ${seconds} s, ${reached} of ${all} places reached, ${corpusAfter} inputs`,
    `  heap ${mebibytes(heapBefore)} → ${mebibytes(heapAfter)} MiB; one subject, ${feeds} inputs: ${mebibytes(feedHeapBefore)} → ${mebibytes(feedHeapAfter)} MiB`,
    ...findings.map(({ kind, message, file }) => `  ${kind}: ${message}\n    ${file ?? ''}`),
  ].join('\n');
}

async function fuzz(names: readonly string[], options: Options): Promise<void> {
  if (options.list) {
    for (const { name, covers } of targets) console.log(`${name.padEnd(14)}${covers}`);
    return;
  }
  const wanted = chosen(names);
  if (options.input !== undefined) {
    for (const target of wanted) replay(target, options.input);
    return;
  }
  const reports: TargetReport[] = [];
  const seed = options.seed ?? Date.now();
  for (const { name, covers } of wanted) {
    const corpus = join(root, 'fuzz', 'corpus', name);
    if (!options.json) console.log(`${name}: ${readCorpus(corpus).length} recorded inputs, seed ${seed}`);
    const report = await runTarget({
      target: name,
      covers,
      milliseconds: options.minutes * 60_000,
      seed,
      places,
      corpus,
      findings: join(root, 'fuzz', 'findings', name),
      record: options.record ?? false,
      worker: pathToFileURL(join(here, `worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`)),
      onProgress(executions, reached, inputs) {
        if (process.stdout.isTTY && !options.json)
          process.stdout.write(`\r${executions} executions, ${reached} places, ${inputs} inputs `);
      },
    });
    if (process.stdout.isTTY && !options.json) process.stdout.write('\r\x1b[K');
    reports.push(report);
    if (!options.json) console.log(summary(report));
  }
  if (options.json) console.log(JSON.stringify({ seed, minutes: options.minutes, targets: reports }, null, 2));
  if (reports.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
}

await new Command('fuzz')
  .description('Look for inputs that make what takes bytes from others throw, hang or grow.')
  .argument('[target...]', 'which targets; all when none is named')
  .option('--minutes <number>', 'how long for each target', parseMinutes, 10)
  .option('--seed <number>', 'what all random choices depend on', parseSeed)
  .option('--record', 'bring the recorded corpus up to date with what was found')
  .option('--input <file>', 'run this input alone')
  .option('--list', 'list the targets')
  .option('--json', 'print one JSON object')
  .action(fuzz)
  .parseAsync();

/** `chimney packetdrill`: runs packetdrill scripts against the host stack on a virtual clock. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  type PersonalityName,
  personalities,
  runScript,
  type ScriptOption,
  type ScriptProblem,
} from '../packetdrill/index.ts';
import { CommandFailure, describeSystemError, UsageError } from './errors.ts';

interface PacketdrillOptions {
  readonly personality: PersonalityName;
  readonly json?: boolean;
  readonly define: readonly string[];
  readonly moveAtEveryEvent?: boolean;
}

interface FileResult {
  readonly file: string;
  readonly ok: boolean;
  readonly events: number;
  readonly replays: number;
  readonly problems: readonly (ScriptProblem & { readonly movedBefore?: number })[];
  readonly printed: readonly string[];
}

/** Adds the command to the program. */
export function addPacketdrillCommand(program: Command): void {
  program
    .command('packetdrill')
    .description('Run packetdrill scripts against the host stack, on a virtual clock.')
    .argument('<file...>', 'scripts')
    .addOption(
      new Option('--personality <name>', 'the stack that the scripts were written for')
        .choices(Object.keys(personalities))
        .default('default'),
    )
    .option('--define <name=value>', 'put a value in place of a name in the scripts', collect, [])
    .option(
      '--move-at-every-event',
      'run again once per event, with all connections offloaded and taken back before it',
    )
    .option('--json', 'print one JSON object instead of text')
    .addHelpText('after', '\nOptions of scripts can be given too, over their own: --tolerance_usecs=10000')
    .allowUnknownOption()
    .action((words: string[], options: PacketdrillOptions) => packetdrill(words, options));
}

function collect(value: string, list: readonly string[]): string[] {
  return [...list, value];
}

function packetdrill(words: readonly string[], options: PacketdrillOptions): void {
  const files = words.filter((word) => !word.startsWith('--'));
  if (files.length === 0) throw new UsageError('there is no script: name one or more files.');
  const scriptOptions = words.filter((word) => word.startsWith('--')).map(scriptOption);
  checkOptions(scriptOptions);
  const results = files.map((file) => runFile(file, options, scriptOptions));
  if (options.json) console.log(JSON.stringify({ personality: options.personality, files: results }, null, 2));
  else report(results);
  const failed = results.filter((result) => !result.ok);
  if (failed.length === 0) return;
  const summary = `${failed.length} of ${results.length} scripts failed.`;
  if (failed.every(({ problems }) => problems.every((problem) => problem.kind === 'syntax'))) {
    throw new UsageError(summary);
  }
  throw new CommandFailure(summary);
}

/** `--tolerance_usecs=10000` as a script would write it. */
function scriptOption(word: string): ScriptOption {
  const [name, ...value] = word.slice(2).split('=');
  return { line: 0, name, value: value.length === 0 ? null : value.join('=') };
}

/** What is wrong with an option is wrong with the command, whatever the files say. */
function checkOptions(options: readonly ScriptOption[]): void {
  const { problem } = runScript('0 `true`', { options });
  if (problem !== null) throw new UsageError(`${problem.message}.`);
}

function runFile(file: string, options: PacketdrillOptions, scriptOptions: readonly ScriptOption[]): FileResult {
  const definitions = new Map(options.define.map((text) => pair(text, '--define')));
  const { personality, moveAtEveryEvent } = options;
  const result = runScript(read(file), { personality, definitions, options: scriptOptions, moveAtEveryEvent });
  const problems = [...(result.problem === null ? [] : [result.problem]), ...result.replayProblems];
  const { events, replays, printed } = result;
  return { file, ok: problems.length === 0, events, replays, problems, printed };
}

function pair(text: string, option: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals <= 0) throw new UsageError(`${option} ${text}: give a name and a value, as NAME=VALUE.`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(describeSystemError(error, file));
  }
}

function report(results: readonly FileResult[]): void {
  for (const { file, ok, problems, printed, replays } of results) {
    for (const line of printed) console.log(line);
    if (ok) console.log(`${file}: passed${replays > 0 ? `, and ${replays} times with moves` : ''}`);
    for (const problem of problems) {
      const where = problem.line > 0 ? `${file}:${problem.line}` : file;
      const moved =
        problem.movedBefore === undefined ? '' : ` (connections were moved before line ${problem.movedBefore})`;
      console.error(`${where}: ${problem.message}${moved}`);
    }
  }
}

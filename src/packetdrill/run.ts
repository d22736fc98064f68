/** One script from its text to its result. */
import { ScriptFailure, ScriptSyntaxError } from './errors.ts';
import { formatPacket, formatSeconds } from './notation.ts';
import { parseScript } from './parser.ts';
import type { PersonalityName } from './personality.ts';
import { Runner } from './runner.ts';
import type { Script, ScriptOption } from './script.ts';
import type { SentSegment } from './sent.ts';
import { applyOption, checkSettings, defaultSettings, type Settings } from './settings.ts';

export interface RunOptions {
  readonly personality?: PersonalityName;
  /** Options as on a command line, over those of the script; line 0. */
  readonly options?: readonly ScriptOption[];
  /** Text put in place of names in the script. */
  readonly definitions?: ReadonlyMap<string, string>;
  /** Whether what leaves before the last event and is not expected fails the script; by default as the personality has it. */
  readonly failsOnUnexpected?: boolean;
  /** Also run the script once per event with all connections moved right before it. */
  readonly moveAtEveryEvent?: boolean;
}

/** What was wrong. `syntax`: with the script itself. Line 0: with an option that was given for the run. */
export interface ScriptProblem {
  readonly kind: 'syntax' | 'failure';
  readonly line: number;
  readonly message: string;
}

/** A problem of a replay, and before which event the connections were moved. */
export interface ReplayProblem extends ScriptProblem {
  /** Line of that event. */
  readonly movedBefore: number;
}

export interface ScriptResult {
  readonly problem: ScriptProblem | null;
  readonly events: number;
  /** What code in the script printed. */
  readonly printed: readonly string[];
  /** Replays with moves. */
  readonly replays: number;
  readonly replayProblems: readonly ReplayProblem[];
}

/** Runs a script. Never throws for what a script says or a stack does. */
export function runScript(text: string, options: RunOptions = {}): ScriptResult {
  let script: Script;
  try {
    script = parseScript(text, options.definitions);
  } catch (error) {
    return { problem: problemOf(error), events: 0, printed: [], replays: 0, replayProblems: [] };
  }
  const events = script.events.length;
  const first = runOnce(script, options, undefined);
  const result = { problem: first.problem, events, printed: first.runner?.printed ?? [] };
  if (first.problem !== null || first.runner === null || options.moveAtEveryEvent !== true) {
    return { ...result, replays: 0, replayProblems: [] };
  }
  const replayProblems: ReplayProblem[] = [];
  for (let index = 0; index < events; index++) {
    const problem = replay(script, options, index, first.runner.transcript);
    if (problem !== null) replayProblems.push({ ...problem, movedBefore: script.events[index].line });
  }
  return { ...result, replays: events, replayProblems };
}

function runOnce(
  script: Script,
  options: RunOptions,
  moveBefore: number | undefined,
): { readonly problem: ScriptProblem | null; readonly runner: Runner | null } {
  let runner: Runner | null = null;
  try {
    const { failsOnUnexpected } = options;
    runner = new Runner(script, settingsFor(script, options), {
      ...(moveBefore === undefined ? {} : { moveBefore }),
      ...(failsOnUnexpected === undefined ? {} : { failsOnUnexpected }),
    });
    runner.run();
    return { problem: null, runner };
  } catch (error) {
    return { problem: problemOf(error), runner };
  }
}

function settingsFor(script: Script, options: RunOptions): Settings {
  const settings = defaultSettings(options.personality ?? 'default');
  for (const option of script.options) applyOption(settings, option);
  for (const option of options.options ?? []) applyOption(settings, option);
  checkSettings(settings, script.options.at(-1)?.line ?? 0);
  return settings;
}

function replay(
  script: Script,
  options: RunOptions,
  index: number,
  transcript: readonly SentSegment[],
): ScriptProblem | null {
  const { problem, runner } = runOnce(script, options, index);
  if (problem !== null) return problem;
  if (runner === null || runner.movedAcks) return null;
  const line = script.events[index].line;
  const before = transcript.map(describe);
  const after = runner.transcript.map(describe);
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    if (before[i] === after[i]) continue;
    const message = `without the move the peer sees ${before[i] ?? 'nothing more'}, with it ${after[i] ?? 'nothing more'}`;
    return { kind: 'failure', line, message };
  }
  return null;
}

/** Everything of a segment that the peer can see but the IP identification. */
function describe(segment: SentSegment): string {
  const packet = formatPacket({
    kind: 'tcp',
    flags: segment.flags,
    ace: null,
    accurateEcn: segment.accurateEcn,
    ports: null,
    numbering: 'relative',
    sequence: segment.sequence,
    length: segment.length,
    acknowledgment: segment.acknowledgment,
    window: segment.window,
    urgentPointer: segment.urgentPointer,
    options: segment.options,
    ip: { ecn: null, typeOfService: segment.typeOfService, timeToLive: segment.timeToLive, flowLabel: null },
  });
  return `${packet} at ${formatSeconds(segment.at)}`;
}

function problemOf(error: unknown): ScriptProblem {
  if (error instanceof ScriptSyntaxError) return { kind: 'syntax', line: error.line, message: error.message };
  if (error instanceof ScriptFailure) return { kind: 'failure', line: error.line, message: error.message };
  throw error;
}

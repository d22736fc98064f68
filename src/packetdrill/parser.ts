/** The grammar of scripts: options, commands, timed events. */
import { ScriptSyntaxError } from './errors.ts';
import { parseExpression, parseResult } from './parse-expression.ts';
import { parsePacket } from './parse-packet.ts';
import { Scanner } from './scanner.ts';
import type { Action, EventTime, Script, ScriptEvent, ScriptOption } from './script.ts';

const OPTION = /--[A-Za-z][A-Za-z0-9_]*/y;
const OPTION_VALUE = /[A-Za-z0-9_]+=(?:"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)|"[^"]*"|[^\s"]+/y;
const TIME = /[+*\d.]/y;
const ERROR_NAME = /E[A-Z0-9]+\b/y;

/** Most characters that definitions may make of a script. */
const MOST_CHARACTERS = 4_000_000;

/**
 * Parses the text of a script. `definitions` are put in place of their names, over those of its own options.
 *
 * @throws ScriptSyntaxError
 */
export function parseScript(text: string, definitions: ReadonlyMap<string, string> = new Map()): Script {
  const scanner = new Scanner(text);
  const written = parseOptions(scanner);
  const defined = new Map([...definitionsOf(written), ...definitions]);
  const options = written.map((option) => ({
    ...option,
    value: option.value === null || isDefinition(option) ? option.value : substitute(option.value, defined),
  }));
  scanner.replaceRest((rest) => substitute(rest, defined));
  const setup = parseCommands(scanner);
  const events: ScriptEvent[] = [];
  while (!scanner.atEnd && scanner.looksLike(TIME)) events.push(parseEvent(scanner));
  const cleanup = parseCommands(scanner);
  if (!scanner.atEnd) scanner.fail('expected the time of an event');
  if (events.length === 0) throw new ScriptSyntaxError(scanner.line, 'the script has no events');
  return { options, setup, events, cleanup };
}

function parseOptions(scanner: Scanner): ScriptOption[] {
  const options: ScriptOption[] = [];
  for (;;) {
    const { line } = scanner;
    const name = scanner.take(OPTION);
    if (name === null) return options;
    const value = scanner.accept('=') ? (scanner.take(OPTION_VALUE) ?? '') : null;
    options.push({ line, name: name.slice(2), value: value === null ? null : value.replace(/^"(.*)"$/, '$1') });
  }
}

function isDefinition({ name }: ScriptOption): boolean {
  return name === 'define' || name === 'D';
}

/** `--define=NAME=value`; the value may be quoted, and then its quotes are part of it. */
function definitionsOf(options: readonly ScriptOption[]): Map<string, string> {
  const definitions = new Map<string, string>();
  for (const option of options) {
    if (!isDefinition(option)) continue;
    const [, name, value] = /^([A-Za-z0-9_]+)=([\s\S]*)$/.exec(option.value ?? '') ?? [];
    if (name === undefined) throw new ScriptSyntaxError(option.line, `--define=${option.value ?? ''}: give NAME=value`);
    definitions.set(name, value);
  }
  return definitions;
}

function substitute(text: string, definitions: ReadonlyMap<string, string>): string {
  let result = text;
  for (const [name, value] of definitions) {
    const pattern = new RegExp(`(?<![A-Za-z0-9_])${name.replace(/[.*+?^$|(){}[\]\\]/g, '\\$&')}(?![A-Za-z0-9_])`, 'g');
    result = result.replace(pattern, () => value);
    if (result.length > MOST_CHARACTERS) throw new ScriptSyntaxError(0, `the definition of ${name} is too long`);
  }
  return result;
}

function parseCommands(scanner: Scanner): { line: number; text: string }[] {
  const commands: { line: number; text: string }[] = [];
  for (;;) {
    const { line } = scanner;
    if (!scanner.accept('`')) return commands;
    commands.push({ line, text: scanner.until('`', 'a command') });
  }
}

function parseEvent(scanner: Scanner): ScriptEvent {
  const { line } = scanner;
  const time = parseTime(scanner);
  return { line, time, action: parseAction(scanner) };
}

function parseTime(scanner: Scanner): EventTime {
  if (scanner.accept('*')) return { kind: 'any', isRange: false, start: 0, end: 0 };
  const kind = scanner.accept('+') ? 'relative' : 'absolute';
  const start = scanner.seconds() ?? scanner.fail('expected a time in seconds');
  if (!scanner.accept('~')) return { kind, isRange: false, start, end: start };
  scanner.accept('+');
  const end = scanner.seconds() ?? scanner.fail('expected the end of the range of times');
  if (end < start) scanner.fail('a range of times ends before it begins; next');
  return { kind, isRange: true, start, end };
}

function parseAction(scanner: Scanner): Action {
  if (scanner.accept('<')) return { kind: 'packet', direction: 'in', packet: parsePacket(scanner) };
  if (scanner.accept('>')) return { kind: 'packet', direction: 'out', packet: parsePacket(scanner) };
  if (scanner.accept('`')) return { kind: 'command', text: scanner.until('`', 'a command') };
  if (scanner.accept('%{')) return { kind: 'code', text: scanner.until('}%', 'code') };
  return parseCall(scanner);
}

function parseCall(scanner: Scanner): Action {
  let blocksUntil: number | null = null;
  if (scanner.accept('...')) {
    scanner.accept('+');
    blocksUntil = scanner.seconds() ?? scanner.fail('expected the time at which the call returns');
  }
  const name = scanner.name('a packet, a system call, a command or code');
  scanner.expect('(');
  const args = [];
  if (!scanner.accept(')')) {
    do args.push(parseExpression(scanner));
    while (scanner.accept(','));
    scanner.expect(')');
  }
  scanner.expect('=');
  const result = scanner.accept('?') ? ({ kind: 'any' } as const) : parseResult(scanner);
  const error = scanner.take(ERROR_NAME);
  if (scanner.sees('(')) skipNote(scanner);
  return { kind: 'call', name, arguments: args, result, error, blocksUntil };
}

/** The words of strerror after an error's name. */
function skipNote(scanner: Scanner): void {
  scanner.expect('(');
  scanner.until(')', 'a note');
}

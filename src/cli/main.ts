#!/usr/bin/env node
/** The command line. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addDemoCommand } from './demo.ts';
import { CommandFailure, describeSystemError, ExitCode, Interruption, UsageError } from './errors.ts';
import { addNetcatCommands } from './netcat.ts';
import { addPacketdrillCommand } from './packetdrill.ts';
import { addServeCommand } from './serve.ts';

function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('chimney')
    .description('TCP connection offload: live connections move between a host stack and an offload target.')
    .version(version)
    .addHelpText('after', '\nExit codes: 0 done, 1 it failed, 2 wrong usage.');
  addDemoCommand(program);
  addServeCommand(program);
  addPacketdrillCommand(program);
  addNetcatCommands(program);
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .showHelpAfterError(`(${commandPath(command)} --help shows what can be given)`)
      .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'chimney: ')) });
  }
  return program;
}

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}

/** Runs the command line and answers the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(argv);
    return ExitCode.OK;
  } catch (error) {
    // Commander has printed its sentence already; help and version are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
    if (error instanceof UsageError || error instanceof CommandFailure || error instanceof Interruption) {
      console.error(`chimney: ${error.message}`);
      return error.exitCode;
    }
    console.error('chimney: an internal error, please report it:');
    console.error(error);
    return ExitCode.FAILURE;
  }
}

// Whoever reads our output may stop reading: `chimney demo --json | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  console.error(`chimney: ${describeSystemError(error, 'the output')}`);
  process.exit(ExitCode.FAILURE);
});

process.exitCode = await main(process.argv);

/** The command line as a child process, as `npm test` has built it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The built command line. */
export const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[]): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes) => {
    stdout += bytes;
  });
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  // `close` comes when nobody holds the pipes any more: nothing is left running.
  const outcome = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }));
  return { child, outcome };
}

/** Runs `chimney ARGS` to its end. */
export function chimney(...args: string[]): Promise<Outcome> {
  return start(args).outcome;
}

/** A `chimney serve` that is ready. */
export interface Serving {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** Sends the signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Outcome>;
}

/** Starts `chimney serve` on a free port. @throws Error when it ends before it is ready */
export async function serve(directory: string, ...args: string[]): Promise<Serving> {
  const { child, outcome } = start(['serve', directory, '--gateway', '127.0.0.1:0', ...args]);
  const ready = new Promise<string>((resolve) => {
    let text = '';
    child.stdout?.on('data', (bytes) => {
      text += bytes;
      const match = /^listening (http:\/\/\S+)$/m.exec(text);
      if (match !== null) resolve(match[1]);
    });
  });
  const url = await Promise.race([
    ready,
    outcome.then(({ stderr }) => {
      throw new Error(`chimney serve ended early: ${stderr}`);
    }),
  ]);
  return {
    url,
    port: Number(new URL(url).port),
    end(signal = 'SIGINT') {
      child.kill(signal);
      return outcome;
    },
  };
}

/** How a command ends when something is wrong. */

/** Exit codes: 1 for a failure, 2 for wrong usage. */
export const ExitCode = { OK: 0, FAILURE: 1, USAGE: 2 } as const;

/** The user asked for something that cannot be: one sentence that says what, which value, and what to do. */
export class UsageError extends Error {
  readonly exitCode = ExitCode.USAGE;
}

/** The command was right and failed all the same. */
export class CommandFailure extends Error {
  readonly exitCode = ExitCode.FAILURE;
}

/** The user ended the command with a signal; the exit code says so as shells do. */
export class Interruption extends Error {
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`ended by ${signal}.`);
    this.exitCode = 128 + (signal === 'SIGINT' ? 2 : 15);
  }
}

/** The sentence for an error that a system call gave, with what it concerned. */
export function describeSystemError(error: unknown, concerning: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return `${concerning} does not exist: check the path.`;
    case 'EACCES':
      return `${concerning} may not be used by this user (EACCES): check its permissions, or choose another.`;
    case 'EISDIR':
      return `${concerning} is a directory: name a file.`;
    case 'ENOTDIR':
      return `${concerning} is not a directory: name a directory.`;
    case 'EADDRINUSE':
      return `${concerning} is already in use: choose another port, or 0 for a free one.`;
    case 'EADDRNOTAVAIL':
      return `${concerning} is not an address of this machine: use 127.0.0.1.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${concerning} cannot be resolved (${code}): use an address such as 127.0.0.1.`;
    case 'ENOSPC':
      return `there is no space left for ${concerning} (ENOSPC): free some, or choose another place.`;
    default:
      return `${concerning}: ${message}`;
  }
}

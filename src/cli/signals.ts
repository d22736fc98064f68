/** Ctrl-C and its relatives. */

/** Resolves with the first SIGINT or SIGTERM; a second one ends the process at once, as it would without us. */
export function interrupted(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
  });
}

/** A progress bar that shows who owns the connection. */
import { SingleBar } from 'cli-progress';

export interface Progress {
  update(bytes: number, owner: string, moves: number): void;
  stop(): void;
}

const FORMAT = '  {bar} {percentage}% | owner: {owner} | moves: {moves} | {mib} MiB';

/** Shows progress on standard error when that is a terminal, otherwise nothing. */
export function createProgress(total: number): Progress {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} };
  const bar = new SingleBar({
    format: FORMAT,
    stream: process.stderr,
    hideCursor: true,
    barsize: 30,
    fps: 10,
    gracefulExit: false,
  });
  const payload = (bytes: number, owner: string, moves: number) => ({
    owner: owner.padEnd(10),
    moves,
    mib: (bytes / 1024 ** 2).toFixed(1),
  });
  bar.start(total, 0, payload(0, 'host', 0));
  return {
    update: (bytes, owner, moves) => bar.update(bytes, payload(bytes, owner, moves)),
    stop: () => bar.stop(),
  };
}

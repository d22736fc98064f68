/** Keeps connections moving at random, to show (and to test) that nobody notices. */
import type { Socket } from '../net/index.ts';

/** Pause between two moves of a connection, milliseconds. */
const LONGEST_PAUSE = 20;

/** Counts over all connections. */
export interface ChurnCounts {
  down: number;
  up: number;
  refused: number;
}

/** Moves `socket` down and up at random until it is closed. */
export function churn(socket: Socket, counts: ChurnCounts): void {
  let timer: NodeJS.Timeout | null = null;
  const move = async (): Promise<void> => {
    const down = socket.owner === 'host';
    const result = await (down ? socket.offload() : socket.upload());
    if (!result.ok) counts.refused++;
    else if (down) counts.down++;
    else counts.up++;
    schedule();
  };
  const schedule = (): void => {
    if (socket.destroyed) return;
    timer = setTimeout(() => void move(), Math.random() * LONGEST_PAUSE);
  };
  socket.once('close', () => {
    if (timer !== null) clearTimeout(timer);
  });
  void move();
}

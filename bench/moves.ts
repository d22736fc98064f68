/** How often in a second a connection goes down to the target and comes back. */
import type { Connection } from '../src/host/index.ts';
import { clock, flood, Lab, move } from './lab.ts';

export interface Moves {
  readonly traffic: 'idle' | 'bytes in flight';
  /** Single moves, down and up together. */
  readonly perSecond: number;
  readonly microsecondsDown: number;
  readonly microsecondsUp: number;
}

export function measureMoves(traffic: Moves['traffic'], milliseconds: number): Moves {
  const lab = new Lab(1500);
  const [near, far] = lab.open();
  if (traffic !== 'idle') flood(near, far);
  cycle(lab, near, milliseconds / 4);
  const { cycles, down, up } = cycle(lab, near, milliseconds);
  return {
    traffic,
    perSecond: (2 * cycles * 1e6) / (down + up),
    microsecondsDown: down / cycles,
    microsecondsUp: up / cycles,
  };
}

/** Moves down and up for so long; times in microseconds, summed up. */
function cycle(lab: Lab, connection: Connection, milliseconds: number): { cycles: number; down: number; up: number } {
  let down = 0;
  let up = 0;
  let cycles = 0;
  while (down + up < milliseconds * 1_000) {
    const begun = clock();
    move(lab, connection, 'down');
    const below = clock();
    move(lab, connection, 'up');
    down += below - begun;
    up += clock() - below;
    cycles++;
  }
  return { cycles, down, up };
}

/** Connections opened and closed between two hosts on a perfect wire, both ends in the same process and thread. */
import { BATCH, clock, closeAll, Lab } from './lab.ts';

export interface Connections {
  /** Opened, and closed from both sides in good order. */
  readonly perSecond: number;
  /** For both ends together. */
  readonly cpuMicrosecondsEach: number;
}

/** Longest time-wait that the measurement lets pass at once, seconds. */
const TIME_WAIT_SECONDS = 61;
/** Connections in TIME-WAIT at which their time is let pass: ports are not to run out. */
const MOST_WAITING = 100_000;

export function measureConnections(milliseconds: number): Connections {
  const lab = new Lab(1500);
  cycle(lab, milliseconds / 4);
  const cpu = process.cpuUsage();
  const { count, microseconds } = cycle(lab, milliseconds);
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (count * 1e6) / microseconds, cpuMicrosecondsEach: (user + system) / count };
}

/** Opens and closes for so long. */
function cycle(lab: Lab, milliseconds: number): { count: number; microseconds: number } {
  let count = 0;
  let waiting = 0;
  const begun = clock();
  while (clock() - begun < milliseconds * 1_000) {
    const [near, far] = lab.openMany(BATCH / 5);
    const ended = closeAll(lab, near, far);
    if (ended < near.length + far.length) throw new Error('a connection did not end in good order');
    count += near.length;
    waiting += near.length;
    if (waiting < MOST_WAITING) continue;
    lab.skip(TIME_WAIT_SECONDS);
    waiting = 0;
  }
  return { count, microseconds: clock() - begun };
}

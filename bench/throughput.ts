/** Bytes from one host to the other over a perfect wire, both ends in the same process and thread. */
import { flood, Lab, move } from './lab.ts';

export interface Throughput {
  readonly mtu: number;
  /** Who runs both ends. */
  readonly owner: 'host' | 'offloaded';
  readonly megabitsPerSecond: number;
  readonly framesPerSecond: number;
}

export function measureThroughput(mtu: number, owner: Throughput['owner'], milliseconds: number): Throughput {
  const lab = new Lab(mtu);
  const [near, far] = lab.open();
  if (owner === 'offloaded') {
    move(lab, near, 'down');
    move(lab, far, 'down');
  }
  const count = flood(near, far);
  lab.during(milliseconds / 4);
  const { received } = count;
  const frames = lab.wire.aToB.counters.sent + lab.wire.bToA.counters.sent;
  const microseconds = lab.during(milliseconds);
  return {
    mtu,
    owner,
    megabitsPerSecond: ((count.received - received) * 8) / microseconds,
    framesPerSecond: ((lab.wire.aToB.counters.sent + lab.wire.bToA.counters.sent - frames) * 1e6) / microseconds,
  };
}

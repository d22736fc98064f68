/** Bytes from one host to the other over a perfect wire, both ends in the same process and thread. */
import { flood, Lab, move } from './lab.ts';

export interface Throughput {
  readonly mtu: number;
  /** Who runs both ends. */
  readonly owner: 'host' | 'offloaded';
  readonly megabitsPerSecond: number;
  readonly framesPerSecond: number;
  /** Of both ends together. */
  readonly cpuSecondsPerGigabyte: number;
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
  const cpu = process.cpuUsage();
  const microseconds = lab.during(milliseconds);
  const { user, system } = process.cpuUsage(cpu);
  return {
    mtu,
    owner,
    megabitsPerSecond: ((count.received - received) * 8) / microseconds,
    framesPerSecond: ((lab.wire.aToB.counters.sent + lab.wire.bToA.counters.sent - frames) * 1e6) / microseconds,
    cpuSecondsPerGigabyte: ((user + system) * 1e3) / (count.received - received),
  };
}

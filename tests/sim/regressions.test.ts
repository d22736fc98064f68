import { describe, expect, it } from 'vitest';
import { runSimulation, type Scenario } from '../../src/sim/index.ts';

/** Readers that often rest for long. */
function slowReaders(scenario: Scenario): Scenario {
  const slow = { pauseChance: 0.2, longestPause: 1_500_000 };
  const connections = scenario.connections.map((plan) => ({
    ...plan,
    parties: { a: { ...plan.parties.a, ...slow }, b: { ...plan.parties.b, ...slow } },
  }));
  return { ...scenario, connections };
}

/** Changes on both machines. */
function withMachines(scenario: Scenario, changes: Partial<Scenario['machines']['a']>): Scenario {
  const { a, b } = scenario.machines;
  return { ...scenario, machines: { a: { ...a, ...changes }, b: { ...b, ...changes } } };
}

const faulty = (scenario: Scenario) => withMachines(slowReaders(scenario), { hardwareFaultInterval: 150_000 });
const broken = (scenario: Scenario) => withMachines(scenario, { hardwareFaultInterval: 20_000 });
const eager = (scenario: Scenario) =>
  withMachines(slowReaders(scenario), { offloadPolicy: 'always', moveInterval: 300_000 });

/** Each of these failed once. What they found is fixed; without the fix they fail again. */
const REGRESSIONS: readonly {
  readonly seed: number;
  readonly adjust?: (scenario: Scenario) => Scenario;
  readonly what: string;
}[] = [
  { seed: 2, what: 'a split of the sends that handed back less than what was sent (TERM-20)' },
  { seed: 249, what: 'the end of the stream told before data that the target still held (EVT-01)' },
  { seed: 2580, what: 'bytes from behind a gap given to an application that had aborted' },
  { seed: 1489, what: 'lists of a state that was lost not returned (TERM-24)' },
  { seed: 3902, what: 'two ends that answered each other for ever (RFC 5961 section 7)' },
  { seed: 5560, what: 'a path MTU that shrank while an offload was being refused' },
  {
    seed: 15,
    adjust: broken,
    what: 'a neighbor whose terminate failed twice, left in the target (spec/decisions.md 9)',
  },
  { seed: 22, adjust: broken, what: 'a connection whose terminate failed twice, with two owners' },
  { seed: 62, adjust: faulty, what: 'the end of the stream told after the connection was lost' },
  { seed: 69, adjust: faulty, what: 'the same, with other timing' },
  { seed: 852, adjust: eager, what: 'a good end in LAST-ACK told without the end of the stream before it' },
  { seed: 881, adjust: eager, what: 'the same, with other timing' },
];

describe('seeds that failed once', () => {
  for (const { seed, adjust, what } of REGRESSIONS) {
    it(`${seed}: ${what}`, () => {
      expect(runSimulation(seed, adjust === undefined ? {} : { adjust }).seed).toBe(seed);
    });
  }
});

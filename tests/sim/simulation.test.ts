import { describe, expect, it } from 'vitest';
import { runSimulation, type Scenario, SimulationFailure } from '../../src/sim/index.ts';

describe('a simulation', () => {
  it('is the same again with the same seed', () => {
    for (const seed of [3, 77, 4242]) {
      const first = runSimulation(seed);
      expect(runSimulation(seed)).toEqual(first);
      expect(runSimulation(seed + 1).traceHash).not.toBe(first.traceHash);
    }
  });

  it('reports a hang with seed and trace', () => {
    const hang = () => runSimulation(11, { stepLimit: 200 });
    expect(hang).toThrow(SimulationFailure);
    expect(hang).toThrow(/^seed 11: .*not all applications are done after too many steps/);
  });

  it('notices a peer that does not send what it should', () => {
    // Both ends draw the bytes of the stream from the plan; a plan that changes under way is a wrong byte.
    const adjust = (scenario: Scenario): Scenario => {
      const connections = scenario.connections.map((plan) => {
        let reads = 0;
        return Object.defineProperty({ ...plan }, 'patternKey', { get: () => plan.patternKey + reads++ });
      });
      return { ...scenario, connections };
    };
    expect(() => runSimulation(11, { adjust })).toThrow(/the byte at \d+ is wrong/);
  });
});

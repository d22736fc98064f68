/** Whole networks on a virtual clock, from one seed, with faults and invariants. */

export type { SimulationReport } from './report.ts';
export { drawScenario, type Scenario } from './scenario.ts';
export { runSimulation, type SimulationOptions } from './simulation.ts';
export { SimulationFailure } from './violation.ts';

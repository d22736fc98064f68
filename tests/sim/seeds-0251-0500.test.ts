import { simulateSeeds } from './suite.ts';

simulateSeeds(251, 500);

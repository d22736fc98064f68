import { simulateSeeds } from './suite.ts';

simulateSeeds(1, 250);

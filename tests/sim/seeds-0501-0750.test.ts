import { simulateSeeds } from './suite.ts';

simulateSeeds(501, 750);

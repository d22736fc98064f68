import { simulateSeeds } from './suite.ts';

simulateSeeds(751, 1000);

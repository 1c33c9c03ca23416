import { numberedOnceSuite } from './numbered-once-suite.ts';

numberedOnceSuite({ language: 'go', tools: ['go'] });

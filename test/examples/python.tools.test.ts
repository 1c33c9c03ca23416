import { numberedOnceSuite } from './numbered-once-suite.ts';

numberedOnceSuite({ language: 'python', tools: ['python3'] });

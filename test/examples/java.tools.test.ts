import { numberedOnceSuite } from './numbered-once-suite.ts';

numberedOnceSuite({ language: 'java', tools: ['java', 'mvn'] });

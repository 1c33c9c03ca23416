import { numberedOnceSuite } from './numbered-once-suite.ts';

numberedOnceSuite({ language: 'php', tools: ['php', 'composer'] });

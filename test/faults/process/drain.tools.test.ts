import { SQLITE } from '../../support/engines/sqlite-engine.ts';
import { drainSuite } from './drain-suite.ts';

drainSuite(SQLITE);

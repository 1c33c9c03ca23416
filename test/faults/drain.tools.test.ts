import { SQLITE } from '../support/sqlite-engine.ts';
import { drainSuite } from './drain-suite.ts';

drainSuite(SQLITE);

import { POSTGRES } from '../support/postgres-engine.ts';
import { drainSuite } from './drain-suite.ts';

drainSuite(POSTGRES);

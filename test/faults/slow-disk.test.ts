import { POSTGRES } from '../support/postgres-engine.ts';
import { slowDiskSuite } from './slow-disk-suite.ts';

slowDiskSuite(POSTGRES);

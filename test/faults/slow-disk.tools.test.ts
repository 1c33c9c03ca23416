import { SQLITE } from '../support/sqlite-engine.ts';
import { slowDiskSuite } from './slow-disk-suite.ts';

slowDiskSuite(SQLITE);

import { SQLITE } from '../../support/engines/sqlite-engine.ts';
import { slowDiskSuite } from './slow-disk-suite.ts';

slowDiskSuite(SQLITE);

import { SQLITE } from '../support/engines/sqlite-engine.ts';
import { killedAfterCommitSuite } from './killed-after-commit-suite.ts';

killedAfterCommitSuite(SQLITE);

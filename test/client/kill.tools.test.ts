import { SQLITE } from '../support/sqlite-engine.ts';
import { killedAfterCommitSuite } from './killed-after-commit-suite.ts';

killedAfterCommitSuite(SQLITE);

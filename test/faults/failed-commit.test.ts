import { POSTGRES } from '../support/postgres-engine.ts';
import { failedCommitSuite } from './failed-commit-suite.ts';

failedCommitSuite(POSTGRES);

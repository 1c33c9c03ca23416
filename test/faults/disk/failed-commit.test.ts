import { DYNAMODB } from '../../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import { failedCommitSuite } from './failed-commit-suite.ts';

failedCommitSuite(POSTGRES);
failedCommitSuite(DYNAMODB);

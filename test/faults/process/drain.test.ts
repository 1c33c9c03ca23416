import { DYNAMODB } from '../../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import { drainSuite } from './drain-suite.ts';

drainSuite(POSTGRES);
drainSuite(DYNAMODB);

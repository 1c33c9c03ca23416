import { DYNAMODB } from '../../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import { slowDiskSuite } from './slow-disk-suite.ts';

slowDiskSuite(POSTGRES);
slowDiskSuite(DYNAMODB);

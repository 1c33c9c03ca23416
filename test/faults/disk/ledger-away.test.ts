import { DYNAMODB } from '../../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import { ledgerAwaySuite } from './ledger-away-suite.ts';

ledgerAwaySuite(POSTGRES);
ledgerAwaySuite(DYNAMODB);

import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { testLedger } from '../../support/dynamodb/test-ledger.ts';
import { engineSuite } from '../../support/engines/engine-suite.ts';

engineSuite('DynamoDB', (autoCreateStores) => testLedger(newTableUrl, autoCreateStores));

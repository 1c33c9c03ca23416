import { POSTGRES } from '../support/postgres-engine.ts';
import { ledgerAwaySuite } from './ledger-away-suite.ts';

ledgerAwaySuite(POSTGRES);

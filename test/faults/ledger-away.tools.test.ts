import { SQLITE } from '../support/sqlite-engine.ts';
import { ledgerAwaySuite } from './ledger-away-suite.ts';

ledgerAwaySuite(SQLITE);

import { MESSAGE_FAULTS } from '../network/network.ts';
import type { WriteFault } from '../engine/simulated-ledger.ts';

const WRITE_FAULTS: readonly WriteFault[] = [
  'not persisted',
  'persisted after all',
  'never answers',
  'ledger full',
  'full after all',
  'cannot reopen',
];

/** Every fault that a run has to inject. */
export const EXPECTED_FAULTS: readonly string[] = [
  ...MESSAGE_FAULTS,
  ...WRITE_FAULTS.flatMap((fault) => [`batch: ${fault}`, `store: ${fault}`]),
  'slow write',
  'connection refused',
  'connection reset',
  'clock jumps ahead',
  'clock jumps back',
  'UNIMPLEMENTED batch',
  'drain',
  'drain cut short',
  'kill: at a time',
  'kill: at an answer',
  'kill: at an await',
  'kill: write begun',
  'kill: written',
  'kill: answer on its way',
  'watch ended',
];

/** Every branch that a run has to reach. */
export const EXPECTED_BRANCHES: readonly string[] = [
  'a batch of one',
  'a batch',
  'a full batch',
  'a copy joined its original',
  'a copy joined a batch under way',
  'answered with new numbers',
  'answered with a replay',
  ...['COUNT_INVALID', 'STORE_ID_INVALID', 'QUEUE_FULL', 'DRAINING', 'REQUEST_ID_MISMATCH'].map(
    (reason) => `refused at once: ${reason}`,
  ),
  ...['CANCELLED', 'QUEUE_FULL', 'DRAINING', 'LEDGER_DAMAGED'].map(
    (reason) => `refused before its batch was formed: ${reason}`,
  ),
  ...['OUTCOME_UNKNOWN', 'LEDGER_FULL', 'REQUEST_ID_MISMATCH', 'STORE_NOT_FOUND'].map(
    (reason) => `refused after its batch was formed: ${reason}`,
  ),
  'caller: new numbers',
  'caller: a replay',
  ...['CANCELLED', 'DEADLINE_EXCEEDED', 'UNAVAILABLE', 'QUEUE_FULL', 'LEDGER_FULL', 'LEDGER_DAMAGED'].flatMap(
    (reason) => [`caller: refused ${reason}`, `caller: unknown ${reason}`],
  ),
  'caller: refused REQUEST_ID_MISMATCH',
  'caller: unknown REQUEST_ID_MISMATCH',
  'caller: unknown OUTCOME_UNKNOWN',
  'caller: unknown DRAINING',
  'caller: unknown INTERNAL',
  'caller: unknown UNKNOWN',
  'caller: refused STORE_NOT_FOUND',
  'a slow call was reported',
  'a watch was interrupted',
  'a watcher saw new rows',
  'a store was created',
  'a store was updated',
  'create store: refused',
  'create store: unknown',
  'update store: refused',
  'update store: unknown',
  'a lookup found its row',
  'a lookup ended with LEDGER_REOPENING',
];

/**
 * Faults and branches that come up in less than one of ten seeds. Of 1,500 seeds, 1 % had the first of them; so 1,000
 * seeds without it, or 100 without one that is not listed, are as unlikely as 1 in 20,000.
 */
export const RARE: readonly string[] = [
  'store: cannot reopen',
  'store: never answers',
  'a lookup ended with LEDGER_REOPENING',
  'store: full after all',
  'store: ledger full',
  'store: persisted after all',
  'caller: unknown INTERNAL',
  'store: not persisted',
  'update store: unknown',
  'answer cut short',
  'answers swapped',
  'caller: unknown UNKNOWN',
  'a store was created',
  'caller: unknown LEDGER_DAMAGED',
];

import { COMMON } from '../table/fates.ts';

const KINDS = ['log put', 'index write', 'raise', 'read', 'admin'] as const;
const POINTS = ['sent', 'done', 'answered'] as const;

/** Every fault that a long run has to inject. */
export const EXPECTED_FAULTS: readonly string[] = [
  ...KINDS.flatMap((kind) => COMMON.map((fault) => `${kind}: ${fault}`)),
  'log put: taken, without the item',
  'index write: partly done',
  'read: partly done',
  ...(['log put', 'index write', 'raise'] as const).flatMap((kind) => POINTS.map((point) => `kill: ${kind} ${point}`)),
  'kill',
  'stop',
  'clock jumps ahead',
  'clock jumps back',
  'denied',
  'throttled',
  'writes throttled',
  'table gone',
  'older copy',
];

/** Every branch that a long run has to reach. */
export const EXPECTED_BRANCHES: readonly string[] = [
  'a call: new numbers',
  'a call: a replay',
  'a call: unknown its server died',
  ...['OUTCOME_UNKNOWN'].map((reason) => `a call: unknown ${reason}`),
  ...['CANCELLED', 'DRAINING', 'LEDGER_DAMAGED', 'REQUEST_ID_MISMATCH', 'STORE_NOT_FOUND'].map(
    (reason) => `a call: refused ${reason}`,
  ),
  ...['answered', 'STORE_EXISTS', 'OUTCOME_UNKNOWN', 'killed'].map((end) => `create store: ${end}`),
  ...['answered', 'STORE_NOT_FOUND', 'FIRST_NUMBER_FIXED', 'OUTCOME_UNKNOWN', 'killed'].map(
    (end) => `update store: ${end}`,
  ),
  ...['get store', 'look up', 'list allocations', 'list stores', 'end', 'verify'].flatMap((read) =>
    ['answered', 'LEDGER_REOPENING', 'killed'].map((end) => `${read}: ${end}`),
  ),
  'opened',
  'a server could not start',
  'a server drained',
  'a server did not drain in time',
  'a server left others room',
  'the ledger could not be opened yet',
  'the log was given up',
  'a log was opened again while it was read',
  'an older copy was refused',
  'a table that is gone was waited for',
  'a race was lost',
  'a reader saw the own batch first',
  'nobody knows whether a put was done',
  'a put was given up with its log',
  'a batch was cut',
  'the tail was full',
  'another server raised the mark',
  'the items of another server were taken over',
  'the items of an entry could not be written',
  'a store was forgotten',
  'a watcher saw new rows',
  'a watch went on elsewhere',
];

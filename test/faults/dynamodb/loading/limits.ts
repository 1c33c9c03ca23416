import type { SourceChange } from '../../seeded/loading/planted-bug.ts';

const ENGINE = 'src/engines/dynamodb/';

function limit(file: string, name: string, from: string, to: string): SourceChange {
  return { file: `${ENGINE}${file}`, from: `const ${name} = ${from};`, to: `const ${name} = ${to};` };
}

/** Limits of the engine that a run of some hundred orders would not come to: they are smaller here. */
export const SMALL_LIMITS: readonly SourceChange[] = [
  limit('log/numbering.ts', 'MAX_ENTRY_BYTES', '300_000', '1_900'),
  limit('index/indexer.ts', 'MAX_TAIL', '64', '10'),
  limit('log/ledger-view.ts', 'MAX_STORES', '200_000', '3'),
  limit('log/entry-cache.ts', 'MAX_ENTRIES', '32', '4'),
  limit('index/positions.ts', 'RUNS_PER_READ', '100', '4'),
  limit('table/keys.ts', 'ORDER_IDS', '1_000_000n', '300n'),
  limit('table/table.ts', 'KEYS_PER_READ', '100', '20'),
  limit('table/table.ts', 'ITEMS_PER_WRITE', '25', '9'),
  // More races.
  limit('log/turn-taking.ts', 'MIN_PAUSE_MS', '10', '1'),
  // Looking every 50 ms would be most of what a run does.
  limit('dynamodb-ledger.ts', 'LOOK_MS', '50', '250'),
];

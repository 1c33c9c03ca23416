import type { PlantedBug, SourceChange } from '../../seeded/loading/planted-bug.ts';

const ENGINE = 'src/engines/dynamodb/';

function change(file: string, from: string, to: string): SourceChange {
  return { file: `${ENGINE}${file}`, from, to };
}

function bug(name: string, seed: number, shows: RegExp, ...changes: SourceChange[]): PlantedBug {
  return { name, seed, shows, changes };
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  bug(
    "an answer before the log's put",
    13,
    /before it was in the log|the log does not have it/,
    change(
      'log/open-log.ts',
      'const winner = await this.#settle(entry);',
      'const winner = entry; void this.#settle(entry).catch(() => {});',
    ),
  ),
  bug(
    'a position that was taken is taken for the own one',
    2,
    /P4|has no row/,
    change(
      'log/open-log.ts',
      'if (answer.found) return toEntry(answer.found, entry.position);',
      'if (answer.found) return entry;',
    ),
  ),
  bug(
    'the own batch is taken for a foreign one',
    10,
    /nobody was told that .* is new/,
    change('log/open-log.ts', 'const isWon = winner.batchId === entry.batchId;', 'const isWon = winner === entry;'),
  ),
  bug(
    'no look-up in the tail',
    1,
    /P5/,
    change('log/numbering.ts', 'batch.known.get(i) ?? view.allocation(request)', 'batch.known.get(i)'),
  ),
  bug(
    'keys are not checked again after a lost race',
    1,
    /P5/,
    change(
      'log/numbering.ts',
      'batch.known.get(i) ?? view.allocation(request)',
      'batch.known.get(i) ?? (((batch.requests as { first?: number }).first ??= view.head.position) < view.head.position ? undefined : view.allocation(request))',
    ),
  ),
  bug(
    'the tail is not kept while the index is looked at',
    9,
    /P5|P4|not at/,
    change('log/ledger-view.ts', 'this.#pins.set(pin, Math.min(this.#indexedTo, this.#head.position));', ''),
  ),
  bug(
    'indexed_to is raised over a gap',
    11,
    /P5|index/,
    change(
      'index/indexer.ts',
      'while (this.#isComplete(position + 1)) position++;',
      "for (const [at, { state }] of this.#pending) if (state === 'written' && at > position) position = at;",
    ),
  ),
  bug(
    'keys that were not processed are absent',
    96,
    /P5|P4|was there before/,
    change('table/table.ts', 'return left === undefined || left.length === 0;', 'return true;'),
  ),
  bug(
    'items that were not processed are written',
    5,
    /P5|index/,
    change('table/table.ts', '      return left.length === 0;', '      return true;'),
  ),
  bug(
    'a settings change beside the log',
    1,
    /P4: update store/,
    change(
      'dynamodb-ledger.ts',
      'return { answer: written, change, restsOnHead: false };',
      'return { answer: written, change: store ? undefined : change, restsOnHead: false };',
    ),
  ),
  bug(
    'items are read without consistency',
    5,
    /P\d|was there before|was passed before|neither then nor before/,
    change('table/table.ts', 'Keys: left, ConsistentRead: true', 'Keys: left, ConsistentRead: false'),
  ),
  bug(
    'stores are read without consistency',
    1,
    /P\d|not at|neither then nor before|which is there/,
    change(
      'table/table.ts',
      '        ConsistentRead: true,\n        ScanIndexForward',
      '        ConsistentRead: false,\n        ScanIndexForward',
    ),
  ),
  bug(
    'a put beyond a table that was restored',
    33,
    /P4|has no row/,
    change('log/head-proof.ts', 'if (now - this.#at <= PROOF_MS) return;', 'if (now >= 0) return;'),
  ),
  bug(
    'the index before the log',
    1,
    /P4|P5|has no row|found another row/,
    change(
      'log/open-log.ts',
      'const winner = await this.#settle(entry);',
      'this.#indexer.add(entry, true);\n      const winner = await this.#settle(entry);',
    ),
  ),
  bug(
    'a list begins behind the tail',
    141,
    /a watcher saw|a list of allocations/,
    change('index/positions.ts', 'return Math.min(found, known);', 'return found;'),
    change('log/entry-cache.ts', 'view.tail.find(isThere) ?? ', ''),
  ),
  bug(
    'a forgotten store is looked up behind the tail',
    1,
    /P2/,
    change(
      'log/ledger-view.ts',
      'return this.#stores.get(storeId) ?? this.#storeInTail(storeId);',
      'return this.#stores.get(storeId);',
    ),
  ),
  bug(
    'the keys of changes end in zeros',
    18,
    /verify: the index of order_numbers lacks/,
    change('table/keys.ts', ".replace(/\\.?0+$/, '');", ';'),
  ),
  bug(
    'a look at the table waits for ever',
    19,
    /have no answer in time|is not stopped/,
    change('table/table-admin.ts', 'this.#send = oneAttempt(client, name);', 'this.#send = client.send.bind(client);'),
  ),
  bug(
    'an older copy is listed',
    413,
    /a list of allocations|look-up/,
    change('log/log.ts', 'this.#after((log) => log.prove())', 'this.#after(async () => {})'),
  ),
  bug(
    'a verification does not know new stores',
    562,
    /a verification beside live servers/,
    change('verify/verify-source.ts', '[...new Set([...listed, ...created])]', '[...listed]'),
  ),
];

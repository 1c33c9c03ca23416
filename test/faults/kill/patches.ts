import type { Patch } from '../../support/patched-modules.ts';

// What the negative controls run: copies of the source, each without a protection. Answers before the commit on SQLite
// are in server/broken-sqlite.ts.

/** Answers before the commit: one transaction for 32 writes, whose COMMIT comes after the answers to all but the last. */
export const EARLY_ON_POSTGRES: readonly Patch[] = [
  {
    file: 'src/engines/postgres/connection/session.ts',
    find: 'const { rows } = await this.#client.query<Row>(query);',
    replace: `const nth = (this.writes = (this.writes ?? 0) + 1);
      if (nth % 32 === 1) await this.#client.query('BEGIN');
      const { rows } = await this.#client.query<Row>(query);
      if (nth % 32 === 0) await this.#client.query('COMMIT');`,
  },
];

/** The same: a batch would be put into the log long after its answer, and what is derived from it after that. */
export const EARLY_ON_DYNAMODB: readonly Patch[] = [
  {
    file: 'src/engines/dynamodb/log/open-log.ts',
    find: 'const winner = await this.#settle(entry);',
    replace: `globalThis.latePut = (globalThis.latePut ?? Promise.resolve()).then(() => delay(60_000)).then(() => this.#settle(entry));
      const winner = entry;`,
  },
  {
    file: 'src/engines/dynamodb/index/indexer.ts',
    find: "pending.state = 'being written';",
    replace: "pending.state = 'being written';\n    await globalThis.latePut;",
  },
];

/** A backup is not renamed once it is whole: it is there from its first page on. */
export const BACKUP_IN_PLACE: readonly Patch[] = [
  {
    file: 'src/engines/sqlite/operator/backup.ts',
    find: "const temporary = `${to}.tmp-${randomBytes(4).toString('hex')}`;",
    replace: 'const temporary = to;',
  },
];

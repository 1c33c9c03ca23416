import { existsSync } from 'node:fs';
import type { Capabilities, EngineName } from './capabilities.ts';
import { CAPABILITIES } from './capabilities.ts';
import type { DynamodbUrl } from './dynamodb/connection/dynamodb-url.ts';
import { isDynamodbUrl, parseDynamodbUrl } from './dynamodb/connection/dynamodb-url.ts';
import type { PostgresUrl } from './postgres/connection/postgres-url.ts';
import { isPostgresUrl, parsePostgresUrl } from './postgres/connection/postgres-url.ts';
import { hasControlCharacter, settingText } from '../core/text/plain-text.ts';

const FILE = 'Use the path of an SQLite file';
const PATH = `${FILE}, such as data/orders.db`;
const URLS = 'postgres://user@host:5432/database, or dynamodb://TABLE?region=eu-central-1';
/** What takes the place of backup, restore and declare-loss where an engine does not have them. */
const OWN_TOOLS: Readonly<Record<EngineName, string>> = {
  sqlite: 'use order-numbers backup and order-numbers restore for the file of an SQLite ledger',
  postgres: 'PostgreSQL has tools of its own, such as pg_basebackup',
  dynamodb:
    'stop servers, run aws dynamodb restore-table-to-point-in-time, verify and serve the new table; it repeats later numbers: ' +
    'docs/dynamodb.md',
};

/**
 * What no path looks like, and why. Taken as a path, each would create a new ledger that numbers from 1 again, perhaps
 * with a password in its name.
 */
const NO_PATHS: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/^$/, 'it is empty'],
  [/^\s/, 'it begins with white space'],
  [/^["'`“”„‘’«]/, 'it begins with a quote, which a shell removes and an env file keeps'],
  [/^~/, '~ is not expanded here, so write the full path'],
  [/^:/, 'it begins with a colon'],
  [/^-/, 'it looks like a flag, so a value is missing'],
  [/^\$[\w(]|\$\{|\{\{|^%\w+%/, 'it contains a variable that was not expanded'],
  [/^[^/]*=/, 'it looks like an assignment'],
  [/^[a-z][a-z0-9+.-]+:|^(postgres(ql)?|pg)\/\//i, 'it looks like the URL of something else'],
];

/** The engine that keeps the ledger at this place, which {@link parseLedger} has accepted. */
export function engineOf(ledger: string): EngineName {
  if (isPostgresUrl(ledger)) return 'postgres';
  return isDynamodbUrl(ledger) ? 'dynamodb' : 'sqlite';
}

/** What operators can do with the ledger at this place. */
export function capabilitiesOf(ledger: string): Capabilities {
  return CAPABILITIES[engineOf(ledger)];
}

/** The same place for messages: without secrets. */
export function ledgerName(ledger: string): string {
  switch (engineOf(ledger)) {
    case 'postgres':
      return parsePostgresUrl(ledger).name;
    case 'dynamodb':
      return parseDynamodbUrl(ledger).name;
    case 'sqlite':
      return ledger;
  }
}

/** The path of an SQLite file or the URL of a database or table. Throws an Error that says what a good value is. */
export function parseLedger(text: string): string {
  const engine = engineOf(text);
  if (engine === 'sqlite') return checkedPath(text, `${PATH}, or ${URLS}`);
  const url = settingText(text);
  if (engine === 'postgres') parsePostgresUrl(url);
  else parseDynamodbUrl(url);
  return url;
}

/** For what works on SQLite's files only. */
export function parseLedgerPath(text: string): string {
  const engine = engineOf(text);
  if (CAPABILITIES[engine].backup) return checkedPath(text, PATH);
  throw new Error(`${FILE}: ${OWN_TOOLS[engine]}.`);
}

/** For what creates a ledger with counters of another shop. */
export function parseImportTarget(text: string): string {
  switch (engineOf(text)) {
    case 'sqlite':
      return checkedPath(text, `${PATH}, or dynamodb://TABLE?region=eu-central-1`);
    case 'postgres':
      throw new Error(`${PATH}, and move that to PostgreSQL afterwards, with order-numbers migrate.`);
    case 'dynamodb':
      return parseLedger(text);
  }
}

/** For a ledger that was put back to an earlier time by the tools of its engine. */
export function parseRestoredLedger(text: string): PostgresUrl {
  const engine = engineOf(text);
  // What is no URL at all may be meant as one.
  if (engine === 'sqlite' || CAPABILITIES[engine].declareLoss) return parseLedgerUrl(text);
  throw new Error(`Use postgres://user@host:5432/database: ${OWN_TOOLS[engine]}.`);
}

/** For what works on PostgreSQL's databases only. */
export function parseLedgerUrl(text: string): PostgresUrl {
  return parsePostgresUrl(settingText(text));
}

/** For what works on DynamoDB's tables only. */
export function parseLedgerTable(text: string): DynamodbUrl & { readonly url: string } {
  const url = settingText(text);
  return { ...parseDynamodbUrl(url), url };
}

export function parseLedgerRead(text: string): string {
  const url = settingText(text);
  if (url !== 'off') parsePostgresUrl(url);
  return url;
}

/** Without trailing white space: SQLite drops it from the name of a file, but the lock and the mark would keep it. */
function checkedPath(text: string, remedy: string): string {
  const path = text.trimEnd();
  if (hasControlCharacter(path.trimStart())) throw new Error(`${remedy}: it contains a control character.`);
  if (/\/\.{0,2}$/.test(path)) throw new Error(`${remedy}: it ends like a folder, so the file name is missing.`);
  if (path.startsWith('./')) return path;
  const found = NO_PATHS.find(([pattern]) => pattern.test(path));
  if (found === undefined || (path !== '' && existsSync(path))) return path;
  throw new Error(`${remedy}: ${found[1]}; a leading ./ always makes it a path.`);
}

/** A UUID in lower case, as every ledger_id is. */
const LEDGER_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id of a ledger, or none. Throws an Error that says what a good value is. */
export function parseLedgerId(text: string): string {
  if (text === 'none' || LEDGER_ID.test(text)) return text;
  throw new Error('Use a ledger_id, such as 0b0e3f9a-6c1d-4f0e-9a51-6a3f5c1f7d22, or none.');
}

import { INT64_MAX } from '../../core/allocation.ts';
import { isJsonObject, parseJson } from '../../core/text/json-text.ts';
import { exactNumber, printable } from '../../core/text/plain-text.ts';
import type { Verb } from './principal.ts';
import { VERBS } from './principal.ts';
import { withoutTokens } from './token-text.ts';

/** The version of the file's format. */
const VERSION = 1;
/** A value that a message shows is cut to this many characters. */
const MAX_SHOWN = 64;

const FILE_FIELDS = ['version', 'tokens'];
const ENTRY_FIELDS = ['name', 'sha256', 'san', 'stores', 'verbs', 'expires', 'revoked'];
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const SAN = /^(URI:[\x21-\x7e]{1,2048}|DNS:[A-Za-z0-9*._-]{1,253})$/;
const DAY = /^\d{4}-\d\d-\d\d$/;
/** Each string of a JSON document, with the colon after it if it is the name of a field, and each bracket. */
const MARKS = /("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** What a token or a client certificate may do. Exactly one of `sha256` and `san` is present. */
export interface TokenEntry {
  /** 1 to 64 characters of A-Z, a-z, 0-9, period, underscore and hyphen; unique in its file. */
  readonly name: string;
  /** The hash of the token, in lower-case hex. */
  readonly sha256?: string;
  /** A name in the certificate: URI:… or DNS:…, the latter in lower case. */
  readonly san?: string;
  readonly stores: ReadonlySet<bigint> | 'all';
  readonly verbs: ReadonlySet<Verb>;
  /** The last day on which it works, as YYYY-MM-DD, in UTC. */
  readonly expires?: string;
  /** When it was revoked, in ISO 8601. */
  readonly revoked?: string;
}

export type TokenState = 'active' | 'expired' | 'revoked';

/** `endMs` is the result of {@link endOf}, which a caller on a hot path keeps. */
export function stateOf(entry: TokenEntry, nowMs: number, endMs = endOf(entry)): TokenState {
  if (entry.revoked !== undefined) return 'revoked';
  return nowMs >= endMs ? 'expired' : 'active';
}

/** When an entry expires, in milliseconds since 1970; Infinity if it never does. */
export function endOf({ expires }: TokenEntry): number {
  return expires === undefined ? Infinity : endOfDay(expires);
}

/** The entries of a token file, in its order. Throws an Error that names the entry and what is wrong with it. */
export function parseTokenFile(text: string): TokenEntry[] {
  if (text.trim() === '') throw new Error('it is empty');
  const file = parsed(text);
  if (!isJsonObject(file)) throw new Error('it is not a JSON object');
  // Before the fields, which may differ in another version.
  if (file['version'] !== VERSION) {
    throw new Error(`its version is ${shown(file['version'])}, but this release knows only version ${VERSION}`);
  }
  requireKnown(file, FILE_FIELDS, 'it');
  requireFieldsOnce(text);
  const { tokens } = file;
  if (!Array.isArray(tokens)) throw new Error('its field tokens is not an array');
  const entries = tokens.map(parseEntry);
  requireUnique(entries);
  return entries;
}

/** The text of a token file, which {@link parseTokenFile} reads. */
export function formatTokenFile(entries: readonly TokenEntry[]): string {
  const tokens = entries.map(({ stores, verbs, ...entry }) => {
    const { name, sha256, san, expires, revoked } = entry;
    return { name, sha256, san, stores: storeNames(stores), verbs: [...verbs], expires, revoked };
  });
  return `${JSON.stringify({ version: VERSION, tokens }, null, 2)}\n`;
}

/** As the file and --json have them. */
export function storeNames(stores: TokenEntry['stores']): 'all' | string[] {
  return stores === 'all' ? stores : Array.from(stores, String);
}

/** A certificate's name in the form that is compared: host names are case-insensitive. */
export function comparedSan(san: string): string {
  return san.startsWith('DNS:') ? `DNS:${san.slice(4).toLowerCase()}` : san;
}

/** Each check throws an Error whose message says what a good value is. */
export function parseName(text: unknown): string {
  return matching(text, NAME, '1 to 64 characters of A-Z, a-z, 0-9, ".", "_" and "-"');
}

export function parseSan(text: unknown): string {
  return comparedSan(matching(text, SAN, 'URI:… or DNS:…, a name in the certificate'));
}

/** A day of the calendar. */
export function parseDay(text: unknown): string {
  const what = 'a day as YYYY-MM-DD';
  const day = matching(text, DAY, what);
  const time = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(time.getTime()) || !time.toISOString().startsWith(day)) throw new Error(wrong(text, what));
  return day;
}

export function parseStore(text: unknown): bigint {
  const id = typeof text === 'string' ? exactNumber(text, 1n, INT64_MAX) : undefined;
  if (id === undefined) throw new Error(wrong(text, 'a store id, "1" to "9223372036854775807"'));
  return id;
}

export function parseVerb(text: unknown): Verb {
  const verb = VERBS.find((known) => known === text);
  if (verb === undefined) throw new Error(wrong(text, `one of the verbs ${VERBS.join(', ')}`));
  return verb;
}

/** When a day is over, in milliseconds since 1970. */
export function endOfDay(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) + 24 * 60 * 60 * 1000;
}

function parseEntry(value: unknown, index: number): TokenEntry {
  const name: unknown = isJsonObject(value) ? value['name'] : undefined;
  const place = `tokens[${index}]${name === undefined ? '' : ` (${shown(name)})`}`;
  if (!isJsonObject(value)) throw new Error(`${place} is not an object`);
  requireKnown(value, ENTRY_FIELDS, place);
  const field = <Value>(key: string, parse: (field: unknown) => Value): Value => {
    if (value[key] === undefined) throw new Error(`${place} has no field ${key}`);
    try {
      return parse(value[key]);
    } catch (error) {
      throw new Error(`${place}: ${key}: ${(error as Error).message}`, { cause: error });
    }
  };
  if ((value['sha256'] === undefined) === (value['san'] === undefined)) {
    throw new Error(`${place} needs either sha256 or san`);
  }
  return {
    name: field('name', parseName),
    ...(value['sha256'] !== undefined && { sha256: field('sha256', parseHash) }),
    ...(value['san'] !== undefined && { san: field('san', parseSan) }),
    stores: field('stores', (stores) => (stores === 'all' ? stores : setOf(stores, parseStore, 'or "all"'))),
    verbs: field('verbs', (verbs) => setOf(verbs, parseVerb, '')),
    ...(value['expires'] !== undefined && { expires: field('expires', parseDay) }),
    ...(value['revoked'] !== undefined && { revoked: field('revoked', parseTime) }),
  };
}

/** The value is not shown: it may be a token. */
function parseHash(value: unknown): string {
  if (typeof value === 'string' && SHA256.test(value)) return value;
  throw new Error('it is not a SHA-256 in lower-case hex');
}

function parseTime(value: unknown): string {
  const what = 'a time such as 2027-06-30T12:00:00Z';
  const time = matching(value, TIME, what);
  if (Number.isNaN(Date.parse(time))) throw new Error(wrong(value, what));
  return time;
}

function setOf<Value>(value: unknown, parse: (item: unknown) => Value, others: string): ReadonlySet<Value> {
  if (!Array.isArray(value) || value.length === 0) {
    throw new Error(wrong(value, `an array with at least one item ${others}`.trimEnd()));
  }
  return new Set(value.map(parse));
}

/** Revoked entries keep their names, because the ledger may have recorded them as callers. */
function requireUnique(entries: readonly TokenEntry[]): void {
  const seen = new Map<string, string>();
  const require = (field: string, value: string, place: string) => {
    const other = seen.get(`${field} ${value}`);
    if (other !== undefined) throw new Error(`${place} has the same ${field} as ${other}`);
    seen.set(`${field} ${value}`, place);
  };
  for (const [index, { name, sha256, san, revoked }] of entries.entries()) {
    const place = `tokens[${index}] (${shown(name)})`;
    require('name', name, place);
    if (sha256 !== undefined) require('sha256', sha256, place);
    if (san !== undefined && revoked === undefined) require('san', san, place);
  }
}

/** Throws without the text that the parser's own message quotes, which may contain a secret. */
function parsed(text: string): unknown {
  try {
    return parseJson(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const position = /\(line \d+ column \d+\)/.exec((error as Error).message)?.[0] ?? '';
    throw new Error(`it is not JSON ${position}`.trimEnd(), { cause: error });
  }
}

/**
 * Refuses a file in which an object has two fields of the same name: JSON.parse takes the last one, but a person who reads
 * the file may take the first. `text` is JSON.
 */
function requireFieldsOnce(text: string): void {
  /** The fields so far of each object that is open; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let entry = -1;
  for (const [mark, name, colon] of text.matchAll(MARKS)) {
    if (mark === '{' || mark === '[') {
      // The file is an object, and its entries are in an array.
      if (mark === '{' && open.length === 2) entry++;
      open.push(mark === '{' ? new Set() : undefined);
    } else if (mark === '}' || mark === ']') open.pop();
    else if (name !== undefined && colon !== undefined) {
      const field = JSON.parse(name) as string;
      if (open.at(-1)!.has(field))
        throw new Error(`${placeAt(open.length, entry)} has the field ${shown(field)} twice`);
      open.at(-1)!.add(field);
    }
  }
}

function placeAt(depth: number, entry: number): string {
  return depth === 1 ? 'it' : `tokens[${entry}]`;
}

function requireKnown(record: object, known: readonly string[], place: string): void {
  const unknown = Object.keys(record).find((field) => !known.includes(field));
  if (unknown === undefined) return;
  throw new Error(`${place} has the field ${shown(unknown)}, which this release does not know`);
}

function matching(value: unknown, pattern: RegExp, what: string): string {
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw new Error(wrong(value, what));
}

function wrong(value: unknown, what: string): string {
  return `${shown(value)} is not ${what}`;
}

/** One line, without any token that is in the wrong place. */
function shown(value: unknown): string {
  const text = printable(withoutTokens(JSON.stringify(value) ?? 'missing'));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

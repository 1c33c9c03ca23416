import { createHash } from 'node:crypto';
import { INT64_MAX } from '../allocation.ts';
import { OrderError } from '../errors.ts';

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;
/** Of a token: version, the list's hash, end and position. */
const TOKEN_BYTES = 1 + 8 + 8 + 8;
const TOKEN_VERSION = 1;
const HASH_AT = 1;
const END_AT = 9;
const AFTER_AT = 17;

/** What one page of a list shows: what comes after one id, up to the end that the first page saw. */
export interface PageRange {
  readonly after: bigint;
  readonly end: bigint;
}

/** Which list a token belongs to: the method, its filter, and the ledger's id. */
export type ListName = readonly [method: string, filter: string, ledgerId: string];

/** 0 means 100. Throws PAGE_SIZE_INVALID outside 0 to 1000. */
export function pageSize(asked: number): number {
  if (asked >= 0 && asked <= MAX_PAGE_SIZE) return asked || DEFAULT_PAGE_SIZE;
  throw new OrderError('PAGE_SIZE_INVALID', `page_size ${asked} is not valid: it must be 0 to ${MAX_PAGE_SIZE}`, {
    fields: { page_size: String(asked) },
  });
}

/** A token for the page that comes next. Good as long as the ledger, on every server of it. */
export function toPageToken(list: ListName, { after, end }: PageRange): string {
  const token = Buffer.alloc(TOKEN_BYTES);
  token.writeUInt8(TOKEN_VERSION);
  token.writeBigInt64BE(end, END_AT);
  token.writeBigInt64BE(after, AFTER_AT);
  hashOf(list, token).copy(token, HASH_AT);
  return token.toString('base64url');
}

/** Throws PAGE_TOKEN_INVALID unless the token was made for this very list. */
export function fromPageToken(list: ListName, text: string): PageRange {
  const token = Buffer.from(text, 'base64url');
  if (token.length === TOKEN_BYTES && token.toString('base64url') === text && token.readUInt8() === TOKEN_VERSION) {
    const page = { end: token.readBigInt64BE(END_AT), after: token.readBigInt64BE(AFTER_AT) };
    const isOurs = hashOf(list, token).equals(token.subarray(HASH_AT, END_AT));
    if (isOurs && page.after >= 0n && page.end <= INT64_MAX) return page;
  }
  throw new OrderError(
    'PAGE_TOKEN_INVALID',
    'page_token is not valid: use next_page_token of a page of the same list, with the same filter, or none',
    { fields: { page_token: text } },
  );
}

/** Of the list and of what the token says, so that neither can be changed by mistake. */
function hashOf(list: ListName, token: Buffer): Buffer {
  const said = token.subarray(END_AT).toString('hex');
  return createHash('sha256')
    .update(JSON.stringify([...list, said]))
    .digest()
    .subarray(0, END_AT - HASH_AT);
}

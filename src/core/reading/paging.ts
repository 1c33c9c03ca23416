import { createHash } from 'node:crypto';
import { INT64_MAX } from '../allocation.ts';
import { OrderError } from '../errors.ts';

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;
/** A token has its version, the list's hash, end and position. */
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

/** A list that is shown page by page. */
export interface PagedList<Item> {
  readonly name: ListName;
  /** Everything, as the first page finds it. */
  readonly whole: PageRange;
  /** Items on a page. */
  readonly limit: number;
  /** The first items of the range, in the order of the list, as many as a page has. */
  read(range: PageRange): Promise<readonly Item[]>;
  /** What is left of a range when `item` was the last one read. */
  restOf(range: PageRange, item: Item): PageRange;
}

/** Reads the page that a token stands for; '' stands for the first one, and for no further one. */
export async function readPage<Item>(
  list: PagedList<Item>,
  token: string,
): Promise<{ readonly items: readonly Item[]; readonly nextPageToken: string }> {
  const range = token === '' ? list.whole : fromPageToken(list.name, token);
  const items = await list.read(range);
  const last = items.at(-1);
  if (last === undefined || items.length < list.limit) return { items, nextPageToken: '' };
  const rest = list.restOf(range, last);
  return { items, nextPageToken: rest.after < rest.end ? toPageToken(list.name, rest) : '' };
}

/** 0 means 100. Throws PAGE_SIZE_INVALID outside 0 to 1000. */
export function pageSize(asked: number): number {
  if (asked >= 0 && asked <= MAX_PAGE_SIZE) return asked || DEFAULT_PAGE_SIZE;
  throw new OrderError('PAGE_SIZE_INVALID', `page_size ${asked} is not valid: it must be 0 to ${MAX_PAGE_SIZE}`, {
    fields: { page_size: String(asked) },
  });
}

/** A token for the next page. Valid as long as the ledger exists, on every server of it. */
function toPageToken(list: ListName, { after, end }: PageRange): string {
  const token = Buffer.alloc(TOKEN_BYTES);
  token.writeUInt8(TOKEN_VERSION);
  token.writeBigInt64BE(end, END_AT);
  token.writeBigInt64BE(after, AFTER_AT);
  hashOf(list, token).copy(token, HASH_AT);
  return token.toString('base64url');
}

/** Throws PAGE_TOKEN_INVALID unless the token was created for this very list. */
function fromPageToken(list: ListName, text: string): PageRange {
  const token = Buffer.from(text, 'base64url');
  if (token.length === TOKEN_BYTES && token.toString('base64url') === text && token.readUInt8() === TOKEN_VERSION) {
    const page = { end: token.readBigInt64BE(END_AT), after: token.readBigInt64BE(AFTER_AT) };
    const isOurs = hashOf(list, token).equals(token.subarray(HASH_AT, END_AT));
    if (isOurs && page.after >= 0n && page.end <= INT64_MAX) return page;
  }
  throw new OrderError(
    'PAGE_TOKEN_INVALID',
    'page_token is not valid; use the next_page_token of a page of the same list with the same filter, or none',
    { fields: { page_token: text } },
  );
}

/** A hash of the list and of the token's content, so that neither can be changed by mistake. */
function hashOf(list: ListName, token: Buffer): Buffer {
  const said = token.subarray(END_AT).toString('hex');
  return createHash('sha256')
    .update(JSON.stringify([...list, said]))
    .digest()
    .subarray(0, END_AT - HASH_AT);
}

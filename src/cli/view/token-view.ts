import type { TokenEntry } from '../../server/security/token-file.ts';
import { stateOf, storeNames } from '../../server/security/token-file.ts';

/** The most stores of one entry that a table shows. */
const MAX_STORES = 8;

export const TOKEN_TITLES = ['NAME', 'STATE', 'EXPIRES', 'VERBS', 'STORES', 'CERTIFICATE'];

/** One line of a table with {@link TOKEN_TITLES}. */
export function tokenRow(entry: TokenEntry): string[] {
  const { name, san = '', stores, verbs, expires = 'never' } = entry;
  return [name, stateOf(entry, Date.now()), expires, [...verbs].join(','), shownStores(stores), san];
}

export const TOKEN_FIELDS = ['name', 'san', 'stores', 'verbs', 'expires', 'revoked', 'state'] as const;

/** For programs: every field, and no hash. */
export function tokenJson(entry: TokenEntry) {
  const { name, san = null, stores, verbs, expires = null, revoked = null } = entry;
  return {
    name,
    san,
    stores: storeNames(stores),
    verbs: [...verbs],
    expires,
    revoked,
    state: stateOf(entry, Date.now()),
  };
}

/** What it may do, as the end of a sentence. */
export function describeRights({ san, stores, verbs, expires }: TokenEntry): string {
  const where = stores === 'all' ? 'all stores' : `store${stores.size === 1 ? '' : 's'} ${shownStores(stores)}`;
  const until = expires === undefined ? '' : ` until the end of ${expires} (UTC)`;
  const who = san === undefined ? '' : `, with a client certificate for ${san}`;
  return `may ${[...verbs].join(', ')} in ${where}${until}${who}`;
}

function shownStores(stores: TokenEntry['stores']): string {
  if (stores === 'all') return stores;
  const shown = [...stores].slice(0, MAX_STORES).join(',');
  return stores.size > MAX_STORES ? `${shown} and ${stores.size - MAX_STORES} more` : shown;
}

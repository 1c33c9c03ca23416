import { messageOf } from '../../core/errors.ts';
import { entriesIn, readTokenFile } from '../../server/security/read-token-file.ts';
import type { TokenEntry, TokenState } from '../../server/security/token-file.ts';
import { stateOf } from '../../server/security/token-file.ts';
import type { ServeSettings } from '../../server/settings.ts';
import type { Finding } from './findings.ts';

/** The most names that one sentence lists. */
const MAX_NAMES = 10;
const DAY_MS = 24 * 60 * 60 * 1000;
/** An entry that ends within this many days is named. */
const SOON_DAYS = 14;

/** What is in the token file, and whether a server would accept it. Only reads. */
export async function checkTokens({ tokens: path }: Pick<ServeSettings, 'tokens'>): Promise<Finding[]> {
  if (path === 'off') return [];
  const flag = '--tokens';
  try {
    const file = await readTokenFile(path);
    const entries = entriesIn(file, path);
    const warnings = [...(file.warning === undefined ? [] : [file.warning]), ...warningsOf(entries)];
    return [
      { kind: 'ok', flag, text: describe(path, entries) },
      ...warnings.map((text): Finding => ({ kind: 'warning', flag, text })),
    ];
  } catch (error) {
    return [{ kind: 'problem', flag, text: messageOf(error) }];
  }
}

function describe(path: string, entries: readonly TokenEntry[]): string {
  const states: readonly TokenState[] = ['active', 'expired', 'revoked'];
  const counts = states.map((state) => `${inState(entries, state).length} ${state}`);
  return `${path} has ${counts.join(', ')}`;
}

function warningsOf(entries: readonly TokenEntry[]): string[] {
  const active = inState(entries, 'active');
  const expired = inState(entries, 'expired');
  const later = Date.now() + SOON_DAYS * DAY_MS;
  const soon = active.filter((entry) => stateOf(entry, later) === 'expired');
  return [
    ...(active.length > 0
      ? []
      : ['no entry is active, so every call would be refused: run order-numbers token create']),
    ...(expired.length > 0 ? [`expired: ${namesOf(expired)}; replace those that are still needed`] : []),
    ...(soon.length > 0 ? [`expiring within ${SOON_DAYS} days: ${namesOf(soon)}; replace them before then`] : []),
  ];
}

function inState(entries: readonly TokenEntry[], state: TokenState): TokenEntry[] {
  const now = Date.now();
  return entries.filter((entry) => stateOf(entry, now) === state);
}

function namesOf(entries: readonly TokenEntry[]): string {
  const names = entries.slice(0, MAX_NAMES).map(({ name, expires }) => `${name} (${expires})`);
  const more = entries.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

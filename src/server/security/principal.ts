import { checkStoreId } from '../../core/allocation.ts';
import { storeForbidden, storeMissing } from '../../core/refusals.ts';
import type { ClientCertificate } from './client-certificate.ts';

/** The rights that a principal can have; docs/security.md says which method needs which. */
export const VERBS = ['allocate', 'read', 'manage', 'verify', 'metrics'] as const;

export type Verb = (typeof VERBS)[number];

/** The remedy for a call for all stores. */
const NAME_A_STORE = 'name one of them in store_id (--store)';

/** The authenticated caller of a call. */
export interface Principal {
  /** Recorded as the caller of each allocation: 1 to 64 printable ASCII characters, or empty on an open server. */
  readonly name: string;
  readonly verbs: ReadonlySet<Verb>;
  readonly stores: ReadonlySet<bigint> | 'all';
  /** Aborts when the credentials expire or are revoked, with the refusal as its reason; absent if they never are. */
  readonly ended?: AbortSignal;
}

/** The credentials of a call. */
export interface Credentials {
  /** The header `authorization`, as it was sent. */
  readonly authorization: string | undefined;
  /** The client certificate of its connection. Throws TOKEN_INVALID if it has expired. */
  certificate(): ClientCertificate | undefined;
}

/** Finds the principal of a call. Throws an OrderError, TOKEN_INVALID, for credentials that are missing or invalid. */
export interface Authenticator {
  authenticate(credentials: Credentials): Principal;
}

/** The verbs of a caller that may do everything. */
export const EVERY_VERB: ReadonlySet<Verb> = new Set(VERBS);

const ANYONE: Principal = { name: '', verbs: EVERY_VERB, stores: 'all' };

/** An open server: everyone may do everything. */
export const OPEN: Authenticator = { authenticate: () => ANYONE };

/**
 * Throws STORE_FORBIDDEN if the principal has no access to the store, whether or not it exists; undefined means every
 * store. An invalid store_id is STORE_ID_INVALID, whoever sends it. `remedy` says how to name a store instead.
 */
export function requireStore({ name, stores }: Principal, storeId: bigint | undefined, remedy = NAME_A_STORE): void {
  if (stores === 'all') return;
  if (storeId === undefined) throw storeMissing(name, stores, remedy);
  if (stores.has(storeId)) return;
  checkStoreId(storeId);
  throw storeForbidden(name, storeId);
}

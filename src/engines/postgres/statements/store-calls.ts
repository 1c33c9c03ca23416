import type { OrderError } from '../../../core/errors.ts';
import type { Store, StoreChanges, StoreSettings } from '../../../core/store.ts';
import { firstNumberFixed, storeExists, storeNotFound } from '../../../core/refusals.ts';
import type { LedgerPoint } from '../ledger-position.ts';
import type { StoreRow } from './rows.ts';
import { toStores } from './rows.ts';
import { MAKE_DURABLE } from '../connection/server-state.ts';
import type { Session } from '../connection/session.ts';

/** A store as it is now, or why it was not written; confirmed either way. */
export interface WrittenStore extends LedgerPoint {
  readonly store: Store | OrderError;
}

interface PointRow {
  readonly backend: number;
  readonly ledger_end: bigint;
  readonly ledger_version: bigint;
}

export async function createStore(session: Session, settings: StoreSettings): Promise<WrittenStore> {
  const { storeId, firstNumber, prefix, suffix, minDigits } = settings;
  const [row] = await session.write<StoreRow & PointRow>({
    text: `${MAKE_DURABLE} SELECT * FROM durable, order_numbers.create_store($1, $2, $3, $4, $5, $6)`,
    values: [storeId, firstNumber, prefix, suffix, minDigits, session.ledgerId],
  });
  const [store] = toStores(row ? [row] : []);
  return { store: store ?? storeExists(storeId), ...pointOf(row, session) };
}

export async function changeStore(session: Session, storeId: bigint, changes: StoreChanges): Promise<WrittenStore> {
  const { firstNumber = null, prefix = null, suffix = null, minDigits = null } = changes;
  const [row] = await session.write<StoreRow & PointRow & { readonly outcome: string }>({
    text: `${MAKE_DURABLE} SELECT * FROM durable, order_numbers.change_store($1, $2, $3, $4, $5, $6)`,
    values: [storeId, firstNumber, prefix, suffix, minDigits, session.ledgerId],
  });
  const [store] = toStores(row ? [row] : []);
  if (!store) return { store: storeNotFound(storeId), ...pointOf(row, session) };
  return { store: row?.outcome === 'changed' ? store : firstNumberFixed(storeId), ...pointOf(row, session) };
}

function pointOf(row: PointRow | undefined, session: Session): LedgerPoint {
  if (!row) throw new Error('the server returned nothing for a write of a store');
  session.ranOn(row.backend);
  return { lastOrderId: row.ledger_end, version: row.ledger_version, timeline: session.timeline };
}

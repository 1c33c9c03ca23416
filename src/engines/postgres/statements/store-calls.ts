import type { OrderError } from '../../../core/errors.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../../core/store.ts';
import { firstNumberFixed, storeExists, storeNotFound } from '../../../core/refusals.ts';
import type { LedgerPoint } from '../ledger-position.ts';
import type { StoreRow } from './rows.ts';
import { toStores } from './rows.ts';
import { MAKE_DURABLE } from '../connection/server-state.ts';
import type { Session } from '../connection/session.ts';

/** What was written of a store, or why it was not; confirmed either way. */
export interface WrittenStore<Written> extends LedgerPoint {
  readonly written: Written | OrderError;
}

/** What a changed store was before; all null if there is none. */
interface OldRow {
  readonly old_first_number: bigint;
  readonly old_last_number: bigint;
  readonly old_prefix: string;
  readonly old_suffix: string;
  readonly old_min_digits: number;
}

interface PointRow {
  readonly backend: number;
  readonly ledger_end: bigint;
  readonly ledger_version: bigint;
}

export async function createStore(session: Session, settings: StoreSettings): Promise<WrittenStore<Store>> {
  const { storeId, firstNumber, prefix, suffix, minDigits } = settings;
  const [row] = await session.write<StoreRow & PointRow>({
    text: `${MAKE_DURABLE} SELECT * FROM durable, order_numbers.create_store($1, $2, $3, $4, $5, $6)`,
    values: [storeId, firstNumber, prefix, suffix, minDigits, session.ledgerId],
  });
  const [store] = toStores(row ? [row] : []);
  return { written: store ?? storeExists(storeId), ...pointOf(row, session) };
}

export async function changeStore(
  session: Session,
  storeId: bigint,
  changes: StoreChanges,
): Promise<WrittenStore<ChangedStore>> {
  const { firstNumber = null, prefix = null, suffix = null, minDigits = null } = changes;
  const [row] = await session.write<StoreRow & OldRow & PointRow & { readonly outcome: string }>({
    text: `${MAKE_DURABLE} SELECT * FROM durable, order_numbers.update_store($1, $2, $3, $4, $5, $6)`,
    values: [storeId, firstNumber, prefix, suffix, minDigits, session.ledgerId],
  });
  const point = pointOf(row, session);
  const [after] = toStores(row ? [row] : []);
  if (!row || !after) return { written: storeNotFound(storeId), ...point };
  if (row.outcome !== 'changed') return { written: firstNumberFixed(storeId), ...point };
  const before: Store = {
    ...after,
    firstNumber: row.old_first_number,
    lastNumber: row.old_last_number,
    prefix: row.old_prefix,
    suffix: row.old_suffix,
    minDigits: row.old_min_digits,
  };
  return { written: { before, after }, ...point };
}

function pointOf(row: PointRow | undefined, session: Session): LedgerPoint {
  if (!row) throw new Error('the server returned nothing for a write of a store');
  session.ranOn(row.backend);
  return { lastOrderId: row.ledger_end, version: row.ledger_version, timeline: session.timeline };
}

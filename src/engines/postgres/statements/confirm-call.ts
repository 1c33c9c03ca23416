import { within } from '../connection/failures.ts';
import { MAKE_DURABLE } from '../connection/server-state.ts';
import type { Session } from '../connection/session.ts';
import type { LedgerPoint } from '../ledger-position.ts';

/** How long a server may take to confirm that it can write, its standby included, before others are tried. */
const CONFIRM_MS = 3000;

interface ConfirmRow {
  readonly backend: number;
  readonly ledger_id: string;
  readonly last_order_id: bigint;
  readonly version: bigint;
  readonly timeline: number;
}

/** The ledger of a server, and its end. */
export interface ConfirmedLedger extends LedgerPoint {
  readonly ledgerId: string;
}

/** The small write: its answer confirms everything that was committed before it. */
export async function confirm(session: Session): Promise<ConfirmedLedger> {
  const [row] = await session.write<ConfirmRow>({
    text: `${MAKE_DURABLE} SELECT * FROM durable, order_numbers.confirm($1)`,
    values: [session.ledgerId],
  });
  if (!row) throw new Error('confirm() returned nothing');
  session.ranOn(row.backend);
  return { ledgerId: row.ledger_id, lastOrderId: row.last_order_id, version: row.version, timeline: row.timeline };
}

/** The first write of a session, which shows that its server can confirm at all. */
export function confirmInTime(session: Session): Promise<ConfirmedLedger> {
  return within(CONFIRM_MS, confirm(session), notConfirmed(session));
}

function notConfirmed({ server, state: { standbyNames } }: Session): string {
  const late = `${server} did not confirm a write within ${CONFIRM_MS} ms`;
  if (standbyNames === '') return late;
  return `${late}; check in pg_stat_replication whether a standby of synchronous_standby_names (${standbyNames}) is streaming`;
}

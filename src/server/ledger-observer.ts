import { messageOf } from '../core/errors.ts';
import type { ClosedReason, LedgerState } from '../core/ledger-state.ts';
import type { LedgerObserver } from '../core/observers.ts';
import type { Logger } from './log/log.ts';
import type { Metrics } from './metrics/metrics.ts';

/** The receivers of a ledger's events. */
export interface LedgerNews {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly state: LedgerState;
  /** Called after each change of the state. */
  onChange(): void;
  onLost(): void;
}

/** Passes the events of a ledger on: to the log, to the metrics, and to the state that callers are told. */
export function ledgerObserver({ logger, metrics, state, onChange, onLost }: LedgerNews): LedgerObserver {
  const close = (reason: ClosedReason, why: string) => {
    state.closed(reason, why);
    onChange();
  };
  return {
    opened({ where, ledgerId, lastOrderId, isNew, bytes }) {
      state.opened();
      onChange();
      const line = { ledger: where, ledger_id: ledgerId, last_order_id: String(lastOrderId), bytes };
      if (isNew) logger.warn(line, `created a new ledger, ${where}: it numbers from order_id 1`);
      else logger.info(line, 'the ledger is open');
    },
    waiting(why, reason) {
      close(reason, why);
      logger.error(why);
    },
    failed(error) {
      const why = messageOf(error.cause);
      close('an operator has to act', why);
      logger.fatal(why);
    },
    lost(why) {
      close('an operator has to act', why);
      logger.fatal(why);
      onLost();
    },
    warning: (message) => logger.warn(message),
    transaction: (ms, syncMs) => metrics.transaction(ms, syncMs),
  };
}

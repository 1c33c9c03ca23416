import { reasonOf } from '../table/failures.ts';
import type { LedgerView, Pin } from './ledger-view.ts';
import type { LogChange } from './log-entry.ts';

/** What a write comes to as of the head of the log. */
export interface Formed<Answer> {
  readonly answer: Answer;
  /** Undefined if there is nothing to write. */
  readonly change: LogChange | undefined;
  /** Whether the answer is only good if nothing follows the head. */
  readonly restsOnHead: boolean;
}

/** A write of the log. */
export interface Write<Answer> {
  /** Looks up what `form` needs, under a pin. */
  prepare(view: LedgerView, pin: Pin): Promise<void>;
  /** Called again after every lost race. Changes nothing. */
  form(view: LedgerView): Formed<Answer>;
  /** Whether no caller waits for the answer any more, so that nothing has to be formed again. */
  isAbandoned(): boolean;
}

/** A write that no caller waits for any more; nothing of it is in the log. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned';
}

/** Nothing of the write is in the log, and a retry may succeed. */
export class NotPut extends Error {
  override readonly name = 'NotPut';

  constructor(cause: unknown) {
    super(reasonOf(cause), { cause });
  }
}

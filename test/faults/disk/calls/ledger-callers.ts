import { setTimeout as delay } from 'node:timers/promises';
import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { Allocator } from '../../../../src/core/allocator.ts';
import { BatchCall } from '../../../../src/core/calls/batch-call.ts';
import type { Answer } from '../../../../src/core/calls/batch-call.ts';
import { OrderError } from '../../../../src/core/errors.ts';
import type { Ledger } from '../../../../src/core/ledger.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { openLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import { BatchTransaction } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import { REASONS } from '../../../../src/core/reasons.ts';
import type { History } from '../../history/history.ts';

const RETRY_MS = 3;
/** Kinds of refusals after which the outcome is open; see docs/protocol.md. */
const OPEN_KINDS = new Set<string>(['unavailable', 'cancelled']);

/** Callers in the process of a ledger, exactly once: they retry with the same request_id until they have a pair. */
export class LedgerCallers {
  readonly #history: History;
  /** Whether the ledger says that it is open. */
  readonly #isOpen: () => boolean;
  readonly #problem: (sentence: string) => void;
  #allocator: Allocator | undefined;
  readonly #requests: AllocationRequest[][] = [];
  #keys = 0;

  constructor(history: History, isOpen: () => boolean, problem: (sentence: string) => void) {
    this.#history = history;
    this.#isOpen = isOpen;
    this.#problem = problem;
  }

  get hasAsked(): boolean {
    return this.#keys > 0;
  }

  /** Requests go to this ledger from now on. */
  callOn(ledger: Ledger): void {
    const options = { maxBatch: 100, maxQueue: 1000, maxQueueShare: 1, requireRequestId: true };
    this.#allocator = new Allocator({ ledger, ...options });
  }

  /** Asks for a number in each of these stores, in one call; of store 9 for a run. Returns whether it has them all. */
  async ask(stores: readonly number[], isOverdue: (sinceMs: number) => boolean): Promise<boolean> {
    const requests = stores.map((store) => ({
      storeId: BigInt(store),
      requestId: `r${this.#keys++}`,
      count: store === 9 ? 3 : 1,
      caller: '',
    }));
    this.#requests.push(requests);
    return this.#askUntilAnswered(requests, isOverdue);
  }

  /** Asks for everything again. */
  async askAgain(isOverdue: (sinceMs: number) => boolean): Promise<boolean> {
    return this.#askUntilAnswered(this.#requests.flat(), isOverdue);
  }

  /** Opens the ledger at this path as a start does, in this thread, and asks for everything again. */
  askStopped(path: string): void {
    const opened = openLedger(locateLedger(path));
    if (!opened) throw new Error(`${path} is busy`);
    const { db, mark } = opened;
    const requests = this.#requests.flat();
    const calls = requests.map((request) => this.#history.begin('caller after the restart', request));
    const { outcomes } = new BatchTransaction(db, true).commit(requests);
    for (const [i, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string') this.#problem(`a retry after the restart: ${outcome}`);
      else this.#history.answered(calls[i]!, outcome.allocation, outcome.replayed);
    }
    mark.close();
    db.close();
  }

  async #askUntilAnswered(requests: readonly AllocationRequest[], isOverdue: (sinceMs: number) => boolean) {
    const sinceMs = performance.now();
    for (let open = requests; ;) {
      const answers = await this.#call(open, () => isOverdue(sinceMs));
      open = open.filter((_, i) => answers[i] instanceof OrderError);
      if (open.length === 0) return true;
      if (isOverdue(sinceMs)) return false;
      await delay(RETRY_MS);
    }
  }

  async #call(requests: readonly AllocationRequest[], isOverdue: () => boolean): Promise<readonly Answer[]> {
    const signal = {
      get aborted() {
        return isOverdue();
      },
    };
    const call = new BatchCall(requests, signal, 'caller');
    const calls = requests.map((request) => this.#history.begin('caller', request));
    call.allocate(this.#allocator!, () => {});
    const answers = await call.answers;
    const endMs = performance.now();
    for (const [i, answer] of answers.entries()) {
      const { [i]: asked } = calls;
      if (!(answer instanceof OrderError)) {
        if (!this.#isOpen()) this.#problem('a number was given before the ledger was opened again');
        this.#history.answered(asked!, answer.allocation, answer.replayed, endMs);
        continue;
      }
      asked!.endMs = endMs;
      // As the statuses of the wire say it: RESOURCE_EXHAUSTED is definite, UNAVAILABLE is not.
      const { kind } = REASONS[answer.reason];
      if (!OPEN_KINDS.has(kind))
        asked!.refusal = `${kind === 'overload' ? 'RESOURCE_EXHAUSTED' : kind} (${answer.reason})`;
    }
    return answers;
  }
}

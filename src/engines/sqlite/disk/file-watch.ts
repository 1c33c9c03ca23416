import type { ThreadFailure } from '../threads/thread.ts';
import { isLoss } from './failures.ts';

/** Between two checks whether the files are still at their names; each commit checks, too. */
const CHECK_MS = 1000;

/** Checks the files of an open ledger every second, so that their loss is noticed without a commit. */
export class FileWatch {
  readonly #timer: NodeJS.Timeout;
  #isChecking = false;

  /** `check` rejects if they have changed; `onLoss` is then called. */
  constructor(check: () => Promise<unknown>, onLoss: (loss: ThreadFailure) => void) {
    this.#timer = setInterval(() => void this.#check(check, onLoss), CHECK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #check(check: () => Promise<unknown>, onLoss: (loss: ThreadFailure) => void): Promise<void> {
    // A disk that takes longer than a second needs no queue of checks.
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      await check();
    } catch (error) {
      // Any other failure is for the next commit to meet.
      if (isLoss(error)) onLoss(error);
    } finally {
      this.#isChecking = false;
    }
  }
}

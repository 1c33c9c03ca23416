import { isLoss } from './failures.ts';
import type { ThreadFailure } from '../threads/thread.ts';

/** Between two looks whether the files are still at their names; each commit looks, too. */
const LOOK_MS = 1000;

/** Looks at the files of an open ledger every second, so that it is noticed without a commit that they are gone. */
export class FileWatch {
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;

  /** `look` rejects if they have changed, and `onLoss` hears of it. */
  constructor(look: () => Promise<unknown>, onLoss: (loss: ThreadFailure) => void) {
    this.#timer = setInterval(() => void this.#look(look, onLoss), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(look: () => Promise<unknown>, onLoss: (loss: ThreadFailure) => void): Promise<void> {
    // A disk that takes longer than a second needs no queue of looks.
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await look();
    } catch (error) {
      // What else fails is a matter for the next commit.
      if (isLoss(error)) onLoss(error);
    } finally {
      this.#isLooking = false;
    }
  }
}

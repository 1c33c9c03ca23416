import { messageOf } from '../../../core/errors.ts';
import type { LedgerObserver } from '../../../core/observers.ts';
import type { CheckpointerMethods } from './checkpointer.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { Thread, threadModule } from './thread.ts';
import type { WriterMethods } from './writer.ts';

/** After this many commits the checkpointer checks whether the WAL has grown long. */
const COMMITS_BETWEEN_CHECKS = 16;
/** Passes of one checkpoint, at most: a long read, or a disk slower than the commits, may keep it from finishing. */
const MAX_PASSES = 5;

/** Runs the checkpoints of an open ledger beside its commits. */
export class Checkpoints {
  readonly #writer: Thread<WriterMethods>;
  readonly #checkpointer: Thread<CheckpointerMethods>;
  readonly #observer: LedgerObserver;
  #commitsSinceCheck = 0;
  #running: Promise<void> | undefined;

  constructor(files: LedgerFiles, writer: Thread<WriterMethods>, observer: LedgerObserver) {
    this.#writer = writer;
    this.#checkpointer = new Thread(threadModule('checkpointer'), files);
    this.#observer = observer;
  }

  /** Call this after each commit. */
  committed(): void {
    if (++this.#commitsSinceCheck >= COMMITS_BETWEEN_CHECKS) this.#running ??= this.#run();
  }

  /** Closes the file when the checkpoint under way has ended. */
  async close(): Promise<void> {
    await this.#running;
    if (this.#checkpointer.isRunning) await this.#checkpointer.call('close', undefined);
  }

  async terminate(): Promise<void> {
    await this.#checkpointer.terminate();
  }

  /**
   * If the WAL is long, the checkpointer moves most of it while commits go on. Its passes get shorter, since less is
   * committed during each. Then the writer moves the rest, so that the next commit restarts the WAL. A failed pass
   * loses nothing, because the WAL still has everything.
   */
  async #run(): Promise<void> {
    this.#commitsSinceCheck = 0;
    try {
      if (!(await this.#checkpointer.call('isWalLong', undefined))) return;
      for (let pass = 0; pass < MAX_PASSES; pass++) {
        await this.#writer.call('beginPass', undefined);
        if (await this.#checkpointer.call('pass', undefined)) break;
      }
      await this.#writer.call('finishCheckpoint', undefined);
    } catch (error) {
      this.#observer.warning(`a checkpoint failed and will be retried: ${messageOf(error)}`);
    } finally {
      this.#running = undefined;
    }
  }
}

import { messageOf } from '../../../core/errors.ts';
import type { LedgerObserver } from '../../../core/observers.ts';
import type { CheckpointerMethods } from './checkpointer.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { Thread, threadModule } from './thread.ts';
import type { WriterMethods } from './writer.ts';

/** Commits after which the checkpointer looks whether the WAL has grown long. */
const COMMITS_BETWEEN_LOOKS = 16;
/** Somebody's long reading, or a disk slower than the commits, ends the passes of one checkpoint. */
const MAX_PASSES = 5;

/** The checkpoints of an open ledger, beside its commits. */
export class Checkpoints {
  readonly #writer: Thread<WriterMethods>;
  readonly #checkpointer: Thread<CheckpointerMethods>;
  readonly #observer: LedgerObserver;
  #commitsSinceLook = 0;
  #running: Promise<void> | undefined;

  constructor(files: LedgerFiles, writer: Thread<WriterMethods>, observer: LedgerObserver) {
    this.#writer = writer;
    this.#checkpointer = new Thread(threadModule('checkpointer'), files);
    this.#observer = observer;
  }

  /** To be called after each commit. */
  committed(): void {
    if (++this.#commitsSinceLook >= COMMITS_BETWEEN_LOOKS) this.#running ??= this.#run();
  }

  /** Lets the file go, when the checkpoint under way has ended. */
  async close(): Promise<void> {
    await this.#running;
    if (this.#checkpointer.isRunning) await this.#checkpointer.call('close', undefined);
  }

  async terminate(): Promise<void> {
    await this.#checkpointer.terminate();
  }

  /**
   * Where the WAL is long, the checkpointer moves the bulk while commits go on, in passes that get shorter, because less
   * is committed meanwhile; then the writer moves the rest, so that the next commit starts the WAL anew. A failed pass
   * loses nothing: the WAL still has it all.
   */
  async #run(): Promise<void> {
    this.#commitsSinceLook = 0;
    try {
      if (!(await this.#checkpointer.call('isWalLong', undefined))) return;
      for (let pass = 0; pass < MAX_PASSES; pass++) {
        await this.#writer.call('beginPass', undefined);
        if (await this.#checkpointer.call('pass', undefined)) break;
      }
      await this.#writer.call('finishCheckpoint', undefined);
    } catch (error) {
      this.#observer.warning(`a checkpoint failed and will be tried again: ${messageOf(error)}`);
    } finally {
      this.#running = undefined;
    }
  }
}

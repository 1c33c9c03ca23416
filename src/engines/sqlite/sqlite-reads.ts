import type { Allocation } from '../../core/allocation.ts';
import type { AllocationKey, AllocationRange, LedgerEnd, LedgerReads, StoreRange } from '../../core/ledger.ts';
import { ledgerOutOfReach, ledgerReopening, ledgerUnreadable } from '../../core/refusals.ts';
import type { Store } from '../../core/store.ts';
import type { VerifyEvent } from '../../core/verify/events.ts';
import type { LedgerFiles } from './file/ledger-files.ts';
import type { ReaderMethods } from './threads/reader.ts';
import { Thread, ThreadFailure, threadModule } from './threads/thread.ts';
import type { VerifierMethods, VerifierOptions } from './threads/verifier.ts';
import { eventsOf } from './threads/verifier-events.ts';

/** The reader starts this long after the server is up, unless it is needed before, so as to delay no first call. */
const WARM_UP_MS = 1000;

/** Reads the ledger in one SQLite file, on threads of their own. */
export class SqliteReads implements LedgerReads {
  readonly #files: LedgerFiles;
  readonly #reader: Thread<ReaderMethods>;
  readonly #verifiers = new Set<Thread<VerifierMethods>>();
  #isOpen = false;

  constructor(files: LedgerFiles) {
    this.#files = files;
    this.#reader = new Thread(threadModule('reader'), files);
  }

  /** The ledger is open. The reader starts soon afterwards, because later descriptors or memory may be short. */
  allow(): void {
    this.#isOpen = true;
    setTimeout(() => {
      // If it fails, the next read tries again.
      if (this.#isOpen) this.#reader.call('end', undefined).catch(() => {});
    }, WARM_UP_MS).unref();
  }

  /** The content of the ledger is unknown until it was reopened. */
  refuse(): void {
    this.#isOpen = false;
  }

  getStore(storeId: bigint): Promise<Store | undefined> {
    return this.#read('getStore', storeId);
  }

  listStores(range: StoreRange): Promise<readonly Store[]> {
    return this.#read('listStores', range);
  }

  getAllocation(key: AllocationKey): Promise<Allocation | undefined> {
    return this.#read('getAllocation', key);
  }

  listAllocations(range: AllocationRange): Promise<readonly Allocation[]> {
    return this.#read('listAllocations', range);
  }

  end(): Promise<LedgerEnd> {
    return this.#read('end', undefined);
  }

  async *verify(storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
    if (!this.#isOpen) throw ledgerReopening();
    const options: VerifierOptions = { database: this.#files.database, storeId };
    const verifier = new Thread<VerifierMethods>(threadModule('verifier'), options);
    this.#verifiers.add(verifier);
    try {
      yield* eventsOf(verifier);
    } catch (error) {
      throw this.#isOpen ? toReadError(error) : ledgerReopening();
    } finally {
      this.#verifiers.delete(verifier);
    }
  }

  /** Closes the file, which the next read opens again, and ends verifications. */
  async close(): Promise<void> {
    this.refuse();
    await Promise.all([...this.#verifiers].map((verifier) => verifier.terminate()));
    if (this.#reader.isRunning) await this.#reader.call('close', undefined);
  }

  async terminate(): Promise<void> {
    await this.#reader.terminate();
  }

  async #read<Name extends Exclude<keyof ReaderMethods, 'close'>>(
    name: Name,
    argument: Parameters<ReaderMethods[Name]>[0],
  ): Promise<ReturnType<ReaderMethods[Name]>> {
    if (!this.#isOpen) throw ledgerReopening();
    try {
      return await this.#reader.call(name, argument);
    } catch (error) {
      throw toReadError(error);
    }
  }
}

/**
 * Explains a failed read: damage is for the ledger's operator to repair, resources that the system lacks may come back,
 * and anything else is a fault of this program.
 */
function toReadError(error: unknown): unknown {
  if (!(error instanceof ThreadFailure)) return error;
  if (/^SQLITE_(CORRUPT|NOTADB|IOERR)/.test(error.code)) return ledgerUnreadable(error);
  return /^(SQLITE_(CANTOPEN|NOMEM)|THREAD_DIED|E[MN]FILE|ENOMEM)/.test(error.code) ? ledgerOutOfReach(error) : error;
}

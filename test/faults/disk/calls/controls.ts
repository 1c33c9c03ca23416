import type { Patch } from '../../../support/patched-modules.ts';
import type { CallFault, FaultyCall } from './fault-slots.ts';

/** A program without a protection, and faults that it must not survive. */
export interface Control {
  readonly patches: readonly Patch[];
  readonly faults: readonly CallFault[];
  /** What the checks say of a life with one of these faults, for at least one fault of each call. */
  readonly says: RegExp;
}

const BATCHES = 'src/engines/sqlite/statements/batch-transaction.ts';
const LEDGER = 'src/engines/sqlite/sqlite-ledger.ts';
const WRITER = 'src/engines/sqlite/threads/writer.ts';

/** The first call of each kind that is surely behind the start, and in what commits and checkpoints do. */
const BEHIND_START: Readonly<Record<'write' | 'fsync', number>> = { write: 80, fsync: 22 };

function inCommits(call: 'write' | 'fsync', times: number): CallFault[] {
  return Array.from({ length: 3 }, (_, i) => ({ call, error: 'EIO', nth: BEHIND_START[call] + i, times }));
}

function lasting(call: FaultyCall, nth: number): CallFault {
  return { call, error: 'EIO', nth, times: -1 };
}

/** Each is a copy of the source with a patch, in a process of its own. */
export const CONTROLS: Readonly<Record<string, Control>> = {
  'a failed commit counts as done': {
    patches: [
      {
        file: BATCHES,
        find: '      commit.run();\n',
        replace: '      try { commit.run(); } catch { if (this.#db.inTransaction) rollback.run(); }\n',
      },
    ],
    faults: [...inCommits('fsync', 1), ...inCommits('write', 1)],
    says: /was answered .* (lost|not there|missing|belongs)|lost|two requests|twice/,
  },
  'numbering goes on after a failed commit': {
    patches: [
      { file: LEDGER, find: 'this.#opened = this.#watched(this.#open(false));', replace: '' },
      { file: WRITER, find: 'this.#failure = { error: failure };\n      this.#wasFull', replace: 'this.#wasFull' },
    ],
    faults: [...inCommits('fsync', 1), ...inCommits('write', 1)],
    says: /^a number was given before the ledger was opened again$/,
  },
  'an opening that fails is not tried again': {
    patches: [{ file: LEDGER, find: 'if (atStart || isFinal(error)) throw', replace: 'if (error) throw' }],
    // The commit fails, and what opens the ledger after it.
    faults: [...inCommits('fsync', 3), ...inCommits('write', 12)],
    says: /^it does not go on by itself/,
  },
  'nothing is said of a disk that fails': {
    patches: [
      {
        file: LEDGER,
        find: 'this.#observer.waiting(`commit failed (${messageOf(failure)}); reopening the ledger`,',
        replace: 'this.#observer.waiting(``,',
      },
      { file: LEDGER, find: '`the ledger cannot be opened yet: ${why}`', replace: '``' },
      {
        file: LEDGER,
        find: 'const failure = ledgerUnusable(error);',
        replace: "const failure = ledgerUnusable(new Error(''));",
      },
    ],
    faults: [lasting('write', 80), lasting('fsync', 22), lasting('open', 8), lasting('truncate', 3)],
    says: /^calls failed, and it did not say why$/,
  },
};

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Patch } from '../../../support/patched-modules.ts';
import { patchedBy } from '../../../support/patched-modules.ts';
import type { Counts } from '../../frame/tally.ts';
import type { CallCounts, CallError, CallFault, FaultyCall } from './fault-slots.ts';
import { CALLS, compileCallFaults } from './fault-slots.ts';

/** What one life of a ledger was like. */
export interface Life {
  readonly fault: CallFault | undefined;
  /** How many of its calls failed. */
  readonly hits: number;
  /** Calls of each kind until it stopped for the first time. */
  readonly calls: CallCounts;
  readonly counts: Counts;
  readonly problems: readonly string[];
  /** What an operator was told, if there are problems. */
  readonly said: readonly string[];
}

/** The errors of each call, each of which comes once and for ever. */
const ERRORS: Readonly<Record<FaultyCall, readonly CallError[]>> = {
  write: ['EIO', 'ENOSPC', 'EROFS', 'short', 'short, then ENOSPC'],
  fsync: ['EIO', 'ENOSPC'],
  open: ['EIO', 'ENOSPC', 'EMFILE'],
  truncate: ['EIO', 'ENOSPC'],
};

/** A checkpoint after a few commits instead of thousands, and short pauses: so a life is short, and has everything. */
const SHORT_LIFE: readonly Patch[] = (
  [
    ['sqlite-ledger.ts', 'OPEN_RETRY_MS = 200', 'OPEN_RETRY_MS = 10'],
    ['sqlite-ledger.ts', 'FULL_RETRY_MS = 1000', 'FULL_RETRY_MS = 20'],
    ['threads/checkpointer.ts', 'LONG_WAL_FRAMES = 8000', 'LONG_WAL_FRAMES = 20'],
    ['threads/checkpointer.ts', 'SHORT_WAL_FRAMES = 1000', 'SHORT_WAL_FRAMES = 8'],
    ['threads/checkpoints.ts', 'COMMITS_BETWEEN_CHECKS = 16', 'COMMITS_BETWEEN_CHECKS = 2'],
  ] as const
).map(([file, find, replace]) => ({ file: `src/engines/sqlite/${file}`, find, replace }));

/** Every fault at every call: `counts` are those of a life without faults. */
export function everyFault(counts: CallCounts): CallFault[] {
  return CALLS.flatMap((call) =>
    Array.from({ length: counts[call] }, (_, i) => i + 1).flatMap((nth) =>
      ERRORS[call].flatMap((error) => [1, -1].map((times) => ({ call, error, nth, times: timesOf(error, times) }))),
    ),
  );
}

/** A write that is short and the next one that fails are one fault. */
function timesOf(error: CallError, times: number): number {
  return error === 'short, then ENOSPC' && times === 1 ? 2 : times;
}

/** In a record: `write EIO, once`. */
export function nameOf({ call, error, times }: CallFault): string {
  return `${call}: ${error}, ${times === -1 ? 'for ever' : 'once'}`;
}

/**
 * Faults that were found once, in every run: a server gave up that only had to wait for room, and a part of a mark was
 * taken for the whole.
 */
export const FOUND: readonly CallFault[] = [
  ...[138, 140, 142, 144, 146, 148].map((nth) => ({ call: 'write', error: 'ENOSPC', nth, times: -1 }) as const),
  ...[143, 144, 145, 146, 147].map((nth) => ({ call: 'write', error: 'short, then ENOSPC', nth, times: 2 }) as const),
];

export interface Lives {
  readonly folder: string;
  /** Undefined is a life without a fault. */
  readonly faults: readonly (CallFault | undefined)[];
  /** Changes of the source, beside those that make lives short. */
  readonly patches?: readonly Patch[];
  /** Lives at the same time. */
  readonly atOnce: number;
}

/** Lives of ledgers with these faults, in a process of their own. Needs gcc. */
export async function* livesOf({ folder, faults, patches = [], atOnce }: Lives): AsyncGenerator<Life> {
  mkdirSync(folder, { recursive: true });
  const env = compileCallFaults(join(folder, 'call-faults.so'), join(folder, 'call-faults'));
  const program = new URL('every-call-program.ts', import.meta.url).pathname;
  const args = [program, folder, JSON.stringify(faults.map((fault) => fault ?? null)), String(atOnce)];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...patchedBy([...SHORT_LIFE, ...patches]), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const ended = once(child, 'close');
  try {
    for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as Life;
    const [code, signal] = await ended;
    if (code !== 0) throw new Error(`the lives ended with ${code ?? signal}: ${stderr}`);
  } finally {
    child.kill('SIGKILL');
  }
}

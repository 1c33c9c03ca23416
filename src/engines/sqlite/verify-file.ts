import { existsSync } from 'node:fs';
import type { VerifyEvent } from '../../verification.ts';
import { LedgerRefused } from './refused.ts';
import { Thread, threadModule } from './thread.ts';
import type { VerifierMethods, VerifierOptions } from './verifier.ts';

/** Everything that a verifying thread finds; ends the thread with the iteration. */
export async function* eventsOf(verifier: Thread<VerifierMethods>): AsyncGenerator<VerifyEvent> {
  try {
    for (;;) {
      const events = await verifier.call('next', undefined);
      if (events.length === 0) return;
      yield* events;
    }
  } finally {
    await verifier.terminate();
  }
}

/**
 * Verifies the ledger in the SQLite file at `path`, or one store of it, whether a server runs on it or not.
 * See Ledger.verify. Throws LedgerRefused where there is no such file.
 */
export function verifyLedgerFile(path: string, storeId: bigint | undefined): AsyncIterable<VerifyEvent> {
  if (!existsSync(path)) throw new LedgerRefused(`${path} is not there: name the file of a ledger`);
  return eventsOf(
    new Thread<VerifierMethods>(threadModule('verifier'), { database: path, storeId } satisfies VerifierOptions),
  );
}

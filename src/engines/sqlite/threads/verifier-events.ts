import type { VerifyEvent } from '../../../core/verify/events.ts';
import type { Thread } from './thread.ts';
import type { VerifierMethods } from './verifier.ts';

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

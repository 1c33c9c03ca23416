import type { VerifyLedgerRequest } from '../../wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../../wire/gen/orders/v1/orders.ts';
import type { Connection } from '../connection/connection.ts';
import { failureFrom } from '../failure.ts';
import { fromVerifyStep } from '../messages.ts';
import { cancelled, gaveUp, withDiagnosis } from '../retry.ts';
import { READ } from '../policy.ts';
import { stoppedBy } from '../stop.ts';
import type { VerifyStep } from './verify-step.ts';

/** One verification, step by step, up to its verdict. It ends when the call has, which keeps the next one out until then. */
export async function* verification(
  connection: Connection,
  scope: VerifyLedgerRequest,
  connectMs: number,
  signal: AbortSignal | undefined,
  returned: AbortSignal,
): AsyncGenerator<VerifyStep, void> {
  const signals = [connection.closed, returned, ...(signal ? [signal] : [])];
  let failure = failureFrom(new Error('the verification ended without a verdict'));
  let isDecided = false;
  try {
    for await (const response of connection.stream(service.verifyLedger, scope, signals, connectMs)) {
      const step = fromVerifyStep(response);
      if (!step) continue;
      isDecided ||= step.kind === 'verdict';
      yield step;
    }
  } catch (error) {
    failure = failureFrom(error);
  }
  if (isDecided) return;
  if (stoppedBy(signals)) throw cancelled(READ, signals, false);
  throw gaveUp(READ, await withDiagnosis(failure, connection), 1, false);
}

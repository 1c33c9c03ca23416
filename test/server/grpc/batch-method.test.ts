import { status } from '@grpc/grpc-js';
import { expect, it, vi } from 'vitest';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { GuardedFixture } from './guarded-fixture.ts';

it('P7: a batch whose answer cannot be made asks its caller to retry only if all of its requests have keys', async () => {
  const { address, callers, ledger } = await GuardedFixture.open();
  callers.add('shop');
  const client = new GrpcClient(address, 'shop');
  const commit = ledger.commit.bind(ledger);
  vi.spyOn(ledger, 'commit').mockImplementation(async (batch) => {
    const outcomes = await commit(batch);
    for (const outcome of outcomes)
      if ('allocation' in outcome) Object.assign(outcome.allocation, { createTimeMs: NaN });
    return outcomes;
  });
  for (const [keys, retryDelayMs] of [
    [['cart-1', ''], undefined],
    [['cart-1', 'cart-2'], expect.any(Number)],
  ] as const) {
    const error = await failureOf(client.batch(...keys.map((requestId) => ({ requestId }))));
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(errorDetails(error)).toMatchObject({ reason: 'OUTCOME_UNKNOWN', retryDelayMs });
  }
});

import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { assertDense } from '../support/density.ts';
import { FsyncShim } from '../support/fsync-shim.ts';
import { connect } from '../support/orders-client.ts';
import { requireTools } from '../support/required-tool.ts';
import { ServerProcess, testFolder } from '../support/server-process.ts';

/** A disk's fsync has no limit, so this is only to tell an event loop that waits for it from one that does not. */
const FAST_MS = 500;

it('P10: while an fsync hangs, health checks and new connections are answered at once', async (test) => {
  requireTools(test, 'gcc');
  const ledger = join(testFolder(), 'orders.db');
  const shim = new FsyncShim();
  const address = await new ServerProcess(ledger, { env: shim.env }).serving();
  const client = connect(address);
  onTestFinished(() => client.close());
  await client.allocateOrder({ storeId: 1n, requestId: 'before' });

  shim.arm('fsync-hangs');
  let isPending = true;
  const hanging = client.allocateOrder({ storeId: 1n, requestId: 'hanging' }).finally(() => (isPending = false));
  await shim.hit('fsync-hangs');
  // One more waits behind it, in the queue.
  const queued = client.allocateOrder({ storeId: 1n, requestId: 'queued' });

  for (let i = 0; i < 5; i++) {
    expect(await took(() => client.checkHealth())).toBeLessThan(FAST_MS);
    const another = connect(address);
    onTestFinished(() => another.close());
    expect(await took(() => another.checkHealth())).toBeLessThan(FAST_MS);
  }
  expect(isPending).toBe(true);
  expect(shim.hits('fsync-hangs')).toBe(1);

  shim.disarm();
  expect((await hanging).allocation).toMatchObject({ orderId: 2n });
  expect((await queued).allocation).toMatchObject({ orderId: 3n });
  expect(assertDense(ledger)).toHaveLength(3);
});

async function took(call: () => Promise<string>): Promise<number> {
  const started = performance.now();
  expect(await call()).toBe('SERVING');
  return performance.now() - started;
}

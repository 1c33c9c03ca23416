import { memoryUsage } from 'node:process';
import { createClient } from '../../src/client/index.ts';

/**
 * Runs in a process of its own: lists a whole ledger, watches it from 0 to its end, and verifies it. Prints what each
 * saw and how long it took, and how much memory this process used.
 */
const [address = ''] = process.argv.slice(2);
const client = createClient({ address, timeoutMs: 600_000 });

/** Counts allocations, and checks that they arrive in order without a gap or a duplicate. */
class Count {
  allocations = 0;
  #next = 1n;

  add(orderId: bigint, count: number): void {
    if (orderId !== this.#next) throw new Error(`order_id ${orderId} came instead of ${this.#next}`);
    this.#next = orderId + BigInt(count);
    this.allocations++;
  }

  get end(): bigint {
    return this.#next - 1n;
  }
}

async function timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; ms: number }> {
  const started = performance.now();
  const result = await work();
  return { result, ms: performance.now() - started };
}

const listed = await timed(async () => {
  const count = new Count();
  for await (const { orderId, count: numbers } of client.listAllocations({ pageSize: 1000 }))
    count.add(orderId, numbers);
  return count;
});
const watched = await timed(async () => {
  const count = new Count();
  const stop = new AbortController();
  for await (const { allocations, cursor } of client.watchAllocations({ afterOrderId: 0n }, { signal: stop.signal })) {
    for (const { orderId, count: numbers } of allocations) count.add(orderId, numbers);
    if (cursor >= listed.result.end) stop.abort();
  }
  return count;
});
const verified = await timed(async () => {
  for await (const step of client.verifyLedger()) if (step.kind === 'verdict') return step;
  throw new Error('the verification ended without a verdict');
});
client.close();
if (!verified.result.ok) throw new Error('the verification of the ledger failed');
console.log(
  JSON.stringify({
    listed: { allocations: listed.result.allocations, ms: listed.ms },
    watched: { allocations: watched.result.allocations, ms: watched.ms },
    verified: { allocations: Number(verified.result.rows), ms: verified.ms },
    peakBytes: process.resourceUsage().maxRSS * 1024,
    nowBytes: memoryUsage.rss(),
  }),
);

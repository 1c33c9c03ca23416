import { createClient } from '../../src/client/index.ts';

/**
 * Runs in a process of its own: one watcher per store, from now on, until SIGTERM. Then prints how many allocations
 * they saw, and how long after their create_time these arrived, maximum and mean, in milliseconds.
 */
const [address = '', stores = '50'] = process.argv.slice(2);
const client = createClient({ address });
const stop = new AbortController();
let ready = 0;
let seen = 0;
let latestMs = 0;
let sumMs = 0;

async function follow(storeId: number): Promise<void> {
  let isFirst = true;
  for await (const { allocations } of client.watchAllocations({ storeId }, { signal: stop.signal })) {
    if (isFirst && ++ready === Number(stores)) console.log('ready');
    isFirst = false;
    for (const { createTime } of allocations) {
      const lateMs = Date.now() - createTime.getTime();
      latestMs = Math.max(latestMs, lateMs);
      sumMs += lateMs;
      seen++;
    }
  }
}

const watchers = Array.from({ length: Number(stores) }, (_, i) => follow(i + 1));
process.once('SIGTERM', () => stop.abort());
await Promise.all(watchers);
client.close();
console.log(JSON.stringify({ seen, latestMs, meanMs: seen > 0 ? sumMs / seen : 0 }));

import { randomInt, randomUUID } from 'node:crypto';
import { STORES } from '../ours/client-peers.ts';
import type { LoadResult } from '../peer.ts';
import { OrderFile } from '../peers/sqlite/order-file.ts';
import type { FileAnswer, FileQuestion } from '../peers/sqlite/sqlite-peer.ts';
import { answerQuestions } from '../processes/program.ts';
import { quantile } from '../statistics.ts';

// Numbers orders in a file, inside this process: `node bench/programs/sqlite-per-order.ts <file>`.

const [path = ''] = process.argv.slice(2);
const file = new OrderFile(path);

answerQuestions(async ({ order, load }: FileQuestion): Promise<FileAnswer> => {
  if (order) return { pair: file.number(order) };
  return load === undefined ? {} : { loaded: runLoad(load) };
});

function runLoad(orders: number): LoadResult {
  const times = new Float64Array(orders);
  const before = process.cpuUsage();
  const began = performance.now();
  let last = began;
  for (let i = 0; i < orders; i++) {
    file.number({ storeId: randomInt(1, STORES + 1), requestId: randomUUID() });
    const now = performance.now();
    times[i] = now - last;
    last = now;
  }
  const { user, system } = process.cpuUsage(before);
  times.sort();
  return {
    answered: orders,
    perSecond: (orders / (last - began)) * 1000,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    serverMicros: (user + system) / orders,
  };
}

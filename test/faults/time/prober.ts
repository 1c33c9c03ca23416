import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import {
  HealthCheckResponse_ServingStatus as Status,
  HealthClient,
} from '../../../src/wire/gen/grpc/health/v1/health.ts';
import { OrderNumberServiceClient } from '../../../src/wire/gen/orders/v1/orders.ts';
import type { Check, Question } from './probes.ts';

// A program that does nothing but ask a server, so that no test keeps it from seeing an answer: see Probes.

const DEADLINE_MS = 50_000;
/** Between two rounds of questions: so a long fault is asked about from its beginning to its end. */
const PAUSE_MS = 5;
const NS_PER_MS = 1e6;
/** In /proc/stat: where the stolen time is, and its unit. */
const STOLEN = 8;
const MS_PER_TICK = 10;

const [address = '', server = ''] = process.argv.slice(2);
const orders = new OrderNumberServiceClient(address, credentials.createInsecure());
const health = new HealthClient(address, credentials.createInsecure(), { channelOverride: orders.getChannel() });

const ASK: Readonly<Record<Question, () => Promise<string>>> = {
  health: () =>
    new Promise((resolve) => {
      health.check({ service: '' }, { deadline: Date.now() + DEADLINE_MS } as never, (error, answer) =>
        resolve(error ? error.message : answer.status === Status.SERVING ? 'SERVING' : 'NOT_SERVING'),
      );
    }),
  'a read': () =>
    new Promise((resolve) => {
      const request = { key: { $case: 'orderId', value: 1n } } as const;
      orders.getAllocation(request, { deadline: Date.now() + DEADLINE_MS } as never, (error) =>
        resolve(error ? error.message : 'found'),
      );
    }),
};

/**
 * Milliseconds that this process and threads of the server were ready to run, and had no processor, each by its name; and
 * that the host of a virtual machine gave its processors to others. One thread alone answers for the health.
 */
function waits(what: Question): ReadonlyMap<string, number> {
  const threads = what === 'health' || process.platform !== 'linux' ? [server] : readdirSync(`/proc/${server}/task`);
  const tasks = ['/proc/self', ...threads.map((thread) => `/proc/${server}/task/${thread}`)];
  const waited = tasks.map((task) => [task, fieldOf(`${task}/schedstat`, 1) / NS_PER_MS] as const);
  return new Map([...waited, ['the host', fieldOf('/proc/stat', STOLEN) * MS_PER_TICK]]);
}

/** A number of the first line of a file; 0 without the file: a thread has just ended, or the system does not count waits. */
function fieldOf(path: string, place: number): number {
  try {
    return Number(readFileSync(path, 'latin1').split('\n', 1)[0]!.split(/\s+/)[place]);
  } catch {
    return 0;
  }
}

async function check(what: Question): Promise<Check> {
  // From before the first look at the waits to after the second, so that no wait counts that is not in it.
  const start = performance.now();
  const before = waits(what);
  const answer = await ASK[what]();
  const after = waits(what);
  const ms = performance.now() - start;
  let waitedMs = 0;
  for (const [name, waited] of after) waitedMs += Math.max(0, waited - (before.get(name) ?? waited));
  return { what, answer, ms, waitedMs };
}

interface Task {
  readonly questions: readonly Question[];
  readonly times: number;
}

process.on('message', async ({ questions, times }: Task) => {
  const checks: Check[] = [];
  for (let i = 0; i < times; i++) {
    for (const what of questions) checks.push(await check(what));
    await delay(PAUSE_MS);
  }
  process.send!(checks);
});
